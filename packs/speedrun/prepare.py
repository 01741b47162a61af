"""Prepare the data: shards of tokens, downloaded, taken from a folder, or made of any text, and the run's conditions.

    aster prepare speedrun                            # the contest's: 9 shards of FineWeb, and that of validation
    aster prepare speedrun --data FOLDER              # shards in the same format that are there already
    aster prepare speedrun --from FOLDER --target 4   # made of your own parquet (column `text`) or text files
    aster prepare speedrun --world-size 1 --copy DIR  # a copy of the problem, for one GPU

By hand it is `python prepare.py ...`. It can be interrupted and run again: what is done is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONDITIONS = json.loads((HERE / "conditions.json").read_text())
GPT2_BOS = 50256


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What is asked for; paths as seen from where the user was."""
    parser = argparse.ArgumentParser(prog="prepare.py", description="Prepare shards of tokens.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", type=_path, help="folder of shards (*_train_*.bin, *_val_*.bin); else: download")
    where.add_argument("--from", dest="texts", type=_path, help="folder of parquet (column `text`) or text files")
    parser.add_argument("--val", type=_path, help="with --from: the file to validate on (default: val.*, or the last)")
    parser.add_argument("--tokenizer", type=_path, help="with --from: an encoding that exists, instead of learning one")
    parser.add_argument("--out", type=_path, help="where shards go; Aster finds them in the default, and in copies")
    parser.add_argument("--copy", type=_path, help="make a copy of the problem there, for these conditions and data")
    parser.add_argument("--cpu", action="store_true", help="with --copy: it asks for no GPU")
    parser.add_argument("--shards", type=int, default=9, help="shards to download, besides that for validation")
    parser.add_argument("--hub", default=None, help="another address to download the shards from")
    parser.add_argument("--at-once", type=int, default=4, help="downloads at once")
    parser.add_argument("--target", type=float, default=CONDITIONS["target"], help="validation loss to reach")
    parser.add_argument("--world-size", type=int, default=CONDITIONS["world_size"], choices=(1, 2, 4, 8), help="ranks")
    parser.add_argument("--batch", type=int, default=CONDITIONS["batch"], help="tokens of a step, as proposed")
    parser.add_argument("--seconds", type=float, default=CONDITIONS["seconds"], help="the most that a run may take")
    parser.add_argument("--val-tokens", type=int, default=CONDITIONS["val_tokens"], help="tokens to validate on")
    parser.add_argument("--length", type=int, default=CONDITIONS["length"], help="tokens of a row of validation")
    parser.add_argument("--vocab", type=int, default=CONDITIONS["vocab"], help="tokens of the encoding")
    parser.add_argument("--bos", type=int, help=f"with --data: the token that begins documents (default: {GPT2_BOS})")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(given)
    if not 300 <= options.vocab <= 65536 or options.length < 16 or options.val_tokens < 16 * options.length:
        parser.error("--vocab is from 300 to 65536, --length at least 16, --val-tokens at least 16 times --length")
    if options.val_tokens % options.length or options.batch < 1 or options.batch % 8:
        parser.error("--val-tokens must divide by --length, and --batch by 8, the most ranks")
    if min(options.target, options.seconds, options.shards, options.workers, options.at_once) <= 0:
        parser.error("--target, --seconds, --shards, --workers and --at-once are above 0")
    if options.cpu and not options.copy:
        parser.error("--cpu goes with --copy: the problem itself asks for GPUs")
    if options.copy and not options.out:
        options.out = options.copy.with_name(f"{options.copy.name}-data")
    return options


def _path(text: str) -> Path:
    return Path(os.environ.get("ASTER_CALLED_FROM", "."), os.path.expanduser(text)).resolve()  # noqa: PTH111


def prepare(options: argparse.Namespace) -> None:
    """Do all of it.

    Raises:
        Trouble: something that the user can mend.
    """
    from preparing import copying, shards
    from preparing.files import replace

    if options.copy:
        copying.check(options.copy)
    out = options.out or Path(CONDITIONS["home"]).expanduser()
    tokens = out / "tokens"
    tokens.mkdir(parents=True, exist_ok=True)
    (tokens / "meta.json").unlink(missing_ok=True)  # until all is there again, nothing is
    began = time.monotonic()
    vocab, bos = options.vocab, GPT2_BOS if options.bos is None else options.bos
    if options.texts:
        found, vocab, bos = made(options, out)
    else:
        found = shards.find(options.data) if options.data else download(options, out)
    looked = examined(options, found, vocab, bos)
    for path in tokens.glob("*.bin"):
        if path.name not in {each["name"] for each in looked}:
            path.unlink()
    for path in (*found.train, found.val):
        shards.place(path, tokens)
    meta = describe(options, looked, vocab, bos)
    replace(tokens / "meta.json", json.dumps(meta, indent=1).encode())
    say(meta, tokens, time.monotonic() - began)
    if options.copy:
        copying.copy(HERE, options.copy, tokens, meta["conditions"], not options.cpu)
        print(f"{options.copy}: a copy of the problem for this. `aster run {options.copy}` runs it.")


def download(options: argparse.Namespace, out: Path) -> Any:
    """Bring the contest's shards."""
    from preparing.download import Hub, bring
    from preparing.shards import HUB, Shards, names

    folder = out / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = names(options.shards)
    bring(Hub(options.hub or HUB, folder), wanted, options.at_once)
    return Shards([folder / name for name in wanted[:-1]], folder / wanted[-1])


def made(options: argparse.Namespace, out: Path) -> tuple[Any, int, int]:
    """Make shards of text; return them, the size of the vocabulary, and the token that begins a document."""
    from preparing import encoding
    from preparing.bars import bar
    from preparing.files import replace
    from preparing.making import Job, begins, make
    from preparing.shards import Shards
    from preparing.texts import find

    found, folder = find(options.texts, options.val), out / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Training: {', '.join(path.name for path in found.train)}. Validation: {found.val.name}.", flush=True)
    tokenizer = folder / "tokenizer.json"
    kept = learnt(options, found.train, tokenizer)
    replace(tokenizer, json.dumps(kept).encode())
    vocab = len(encoding.token_bytes(kept))
    if vocab > 65536 or not kept["special"]:
        raise_trouble(f"The tokenizer has {vocab} tokens; shards hold at most 65,536, one of them special.")
    threads = max(1, options.workers // (len(found.train) + 1))
    names = [*(f"text_train_{index:06d}.bin" for index in range(1, len(found.train) + 1)), "text_val_000000.bin"]
    jobs = [
        Job(path, folder / name, tokenizer, threads)
        for path, name in zip((*found.train, found.val), names, strict=True)
    ]
    with ProcessPoolExecutor(min(options.workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        with bar("Encoding", len(jobs)) as advance:
            fresh = 0
            for new in pool.map(make, jobs):
                fresh += new
                advance(1)
    print(f"{fresh} of {len(jobs)} shards were written, the others kept.")
    return Shards([job.target for job in jobs[:-1]], jobs[-1].target), vocab, begins(kept)


def learnt(options: argparse.Namespace, files: list[Path], place: Path) -> dict[str, Any]:
    """The encoding: the one given, the one that was learnt from the same files before, or a new one."""
    from preparing import encoding
    from preparing.files import replace, sha256_of

    if options.tokenizer:
        return encoding.read(options.tokenizer)
    source = {"vocab": options.vocab, "files": [sha256_of(path) for path in files]}
    note = place.with_name("tokenizer_source.json")
    if note.is_file() and place.is_file() and json.loads(note.read_text()) == source:
        return encoding.read(place)
    note.unlink(missing_ok=True)
    began = time.monotonic()
    print(f"Learning {options.vocab:,} tokens ...", flush=True)
    new = encoding.learn(files, options.vocab)
    print(f"... took {time.monotonic() - began:.1f} s.", flush=True)
    replace(place, json.dumps(new).encode())
    replace(note, json.dumps(source).encode())
    return new


def examined(options: argparse.Namespace, found: Any, vocab: int, bos: int) -> list[dict[str, Any]]:
    """Look through all shards, side by side; return what is to say of each, that for validation last."""
    from preparing.bars import bar
    from preparing.shards import Look, examine

    looks = [Look(path, vocab, None) for path in (*found.train, found.val)]
    looks[0], looks[-1] = looks[0]._replace(bos=bos), looks[-1]._replace(bos=bos)  # documents may go over shards' ends
    with ProcessPoolExecutor(min(options.workers, len(looks)), mp_context=get_context("spawn")) as pool:
        with bar("Looking through shards", len(looks)) as advance:
            parts = []
            for part in pool.map(examine, looks):
                parts.append(part)
                advance(1)
            return parts


def describe(options: argparse.Namespace, looked: list[dict[str, Any]], vocab: int, bos: int) -> dict[str, Any]:
    """What meta.json holds."""
    train, val = looked[:-1], looked[-1]
    most = (val["tokens"] - 1) // options.length * options.length
    if most < options.val_tokens:
        raise_trouble(
            f"{val['name']} holds {val['tokens']:,} tokens, fewer than the {options.val_tokens:,} to validate on: give "
            + (
                f"--val-tokens {most}, or more text."
                if most >= 16 * options.length
                else "more text, or a smaller --length."
            )
        )
    names = ("length", "val_tokens", "target", "batch", "world_size", "seconds")
    return {
        "conditions": {"vocab_size": vocab, "bos": bos, **{name: getattr(options, name) for name in names}},
        "source": str(options.data or options.texts or options.hub or "kjj0/fineweb10B-gpt2"),
        "train": [each["name"] for each in train],
        "val": val["name"],
        "train_tokens": sum(each["tokens"] for each in train),
        "shards": looked,
    }


def say(meta: dict[str, Any], tokens: Path, took: float) -> None:
    """Tell what is there."""
    conditions = meta["conditions"]
    print(
        f"{tokens}: {meta['train_tokens'] / 1e6:,.1f} M tokens of {conditions['vocab_size']:,} different ones to learn "
        f"from, {conditions['val_tokens']:,} to validate on, target {conditions['target']:g}, "
        f"{conditions['world_size']} ranks, {conditions['batch']:,} tokens a step proposed; {took:.1f} s."
    )


def raise_trouble(text: str) -> None:
    """Raise what the user can mend."""
    from preparing.texts import Trouble

    raise Trouble(text)


def main(given: list[str] | None = None) -> int:
    """Prepare; 2 where the user can mend something."""
    options = arguments(given)
    wanted = ("pyarrow", "tiktoken", *(() if options.tokenizer else ("rustbpe",))) if options.texts else ()
    missing = [name for name in ("numpy", *wanted) if not _is_installed(name)]
    if missing:
        print(f"Error: this needs {', '.join(missing)}: `pip install {' '.join(missing)}`.", file=sys.stderr)
        return 2
    if not _is_installed("torch"):
        print("Note: runs will need PyTorch, which this Python has not: `pip install torch`.", file=sys.stderr)
    from preparing.texts import Trouble

    try:
        prepare(options)
    except Trouble as trouble:
        print(f"Error: {trouble}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Error: {error}. Make room, or give --out another folder, and run this again.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted: what is done is kept, and the next run goes on from there.", file=sys.stderr)
        return 130
    return 0


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


if __name__ == "__main__":
    sys.exit(main())
