"""Prepare the data: find or download text, learn its encoding, pack it into rows, write them to disk.

    aster prepare nanochat                        # download ClimbMix: 16 shards and the one for validation
    aster prepare nanochat --data FOLDER          # your own parquet files (column `text`) or text files
    aster prepare nanochat --data FOLDER --seconds 60

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


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What is asked for; paths as seen from where the user was."""
    parser = argparse.ArgumentParser(prog="prepare.py", description="Prepare text as packed rows of tokens.")
    parser.add_argument("--data", type=_path, help="folder of parquet (column `text`) or text files; else: download")
    parser.add_argument("--val", type=_path, help="the file to validate on (default: val.*, or the last one)")
    parser.add_argument("--out", type=_path, help="where the rows go; Aster finds them in the default alone")
    parser.add_argument("--tokenizer", type=_path, help="an encoding that exists, instead of learning one")
    parser.add_argument("--shards", type=int, default=16, help="shards to download, besides that for validation")
    parser.add_argument("--hub", default=None, help="another address to download the shards from")
    parser.add_argument("--at-once", type=int, default=4, help="downloads at once")
    parser.add_argument("--seconds", type=float, default=CONDITIONS["seconds"], help="budget of a run")
    parser.add_argument("--tokens", type=int, default=0, help="training tokens that a run may see (default: all)")
    parser.add_argument("--vocab", type=int, default=CONDITIONS["vocab"], help="tokens of the encoding")
    parser.add_argument("--length", type=int, default=CONDITIONS["length"], help="tokens of a sequence")
    parser.add_argument("--val-rows", type=int, default=CONDITIONS["val_rows"], help="sequences to validate on")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(given)
    if not 300 <= options.vocab <= 32768 or options.length < 8 or options.seconds <= 0 or options.val_rows < 8:
        parser.error("--vocab is from 300 to 32768, --length and --val-rows at least 8, --seconds above 0")
    return options


def _path(text: str) -> Path:
    return Path(os.environ.get("ASTER_CALLED_FROM", "."), os.path.expanduser(text)).resolve()  # noqa: PTH111


def prepare(options: argparse.Namespace) -> None:
    """Do all of it.

    Raises:
        Trouble: something that the user can mend.
    """
    from preparing import encoding
    from preparing.files import replace
    from preparing.texts import find

    out = options.out or Path(CONDITIONS["home"]).expanduser()
    tokens = out / "tokens"
    tokens.mkdir(parents=True, exist_ok=True)
    (tokens / "meta.json").unlink(missing_ok=True)  # until all is there again, nothing is
    began = time.monotonic()
    found = find(options.data, options.val) if options.data else download(options, out)
    print(f"Training: {', '.join(path.name for path in found.train)}. Validation: {found.val.name}.", flush=True)

    tokenizer = tokens / "tokenizer.json"
    kept = learnt(options, found.train, tokenizer)
    replace(tokenizer, json.dumps(kept).encode())
    sizes = encoding.token_bytes(kept)
    if len(sizes) > 32768:
        raise_trouble(f"The tokenizer has {len(sizes)} tokens; rows hold at most 32,768 different ones.")
    save(tokens / "token_bytes.npy", sizes)
    encoded = time.monotonic()
    parts = write_all(options, found, tokens, out / "sealed" / "sealed.npy")
    meta = describe(options, parts, len(sizes), str(options.data or options.hub or "ClimbMix"), encoding.digest(kept))
    replace(tokens / "meta.json", json.dumps(meta, indent=1).encode())
    say(meta, out, encoded - began, time.monotonic() - encoded)


def download(options: argparse.Namespace, out: Path) -> Any:
    """Bring the shards, and return them as files to learn from and to validate on."""
    from preparing.climbmix import HUB, shards
    from preparing.download import Hub, bring
    from preparing.texts import Found

    folder = out / "text"
    folder.mkdir(parents=True, exist_ok=True)
    names = shards(options.shards)
    bring(Hub(options.hub or HUB, folder), names, options.at_once)
    return Found([folder / name for name in names[:-1]], folder / names[-1])


def learnt(options: argparse.Namespace, files: list[Path], place: Path) -> dict[str, Any]:
    """The encoding: the one given, the one that was learnt from the same files before, or a new one."""
    from preparing import encoding
    from preparing.files import replace, sha256_of

    if options.tokenizer:
        return encoding.read(options.tokenizer)
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        source = {"vocab": options.vocab, "files": list(pool.map(sha256_of, files))}
    note = place.with_name("tokenizer_source.json")
    if note.is_file() and place.is_file() and json.loads(note.read_text()) == source:
        return encoding.read(place)
    note.unlink(missing_ok=True)
    began = time.monotonic()
    print(f"Learning {options.vocab:,} tokens ...", flush=True)
    made = encoding.learn(files, options.vocab)
    print(f"... took {time.monotonic() - began:.1f} s.", flush=True)
    replace(place, json.dumps(made).encode())
    replace(note, json.dumps(source).encode())
    return made


def write_all(options: argparse.Namespace, found: Any, tokens: Path, sealed: Path) -> list[dict[str, Any]]:
    """Write the rows of all files, side by side; return what is to say of each, that for validation last."""
    from preparing.bars import bar
    from preparing.writing import Job, write

    threads = max(1, options.workers // (len(found.train) + 1))
    common = (tokens / "tokenizer.json", options.length, threads)
    jobs = [Job(path, tokens / f"train_{index:05d}.npy", *common) for index, path in enumerate(found.train)]
    jobs.append(Job(found.val, tokens / "val.npy", *common, sealed, options.val_rows))
    wanted = {job.target.name for job in jobs}
    for path in tokens.glob("train_*.npy"):
        if path.name not in wanted:
            path.unlink()
    sealed.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(min(options.workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        parts = []
        with bar("Encoding and packing", len(jobs)) as advance:
            for part in pool.map(write, jobs):
                parts.append(part)
                advance(1)
        return parts


def describe(
    options: argparse.Namespace, parts: list[dict[str, Any]], vocab: int, source: str, tokenizer: str
) -> dict[str, Any]:
    """What meta.json holds."""
    train, val = parts[:-1], parts[-1]
    rows = sum(sum(part["rows"].values()) for part in train)
    if not rows or val["rows"]["val.npy"] < 1 or val["rows"]["sealed.npy"] < 1:
        raise_trouble(
            f"There is too little text: {rows} rows of {options.length} tokens to learn from, "
            f"{val['rows']['val.npy']} to validate on and {val['rows']['sealed.npy']} to seal. Give more, or a smaller "
            "--length."
        )
    limit = min(rows, options.tokens // options.length) if options.tokens else 0
    if options.tokens and not limit:
        raise_trouble(f"--tokens {options.tokens} is not one row of {options.length}.")
    return {
        "conditions": {
            "vocab_size": vocab,
            "length": options.length,
            "seconds": options.seconds,
            "train_rows": limit,
        },
        "source": source,
        "tokenizer": tokenizer,
        "train": {"rows": rows, "tokens": rows * options.length, "bytes": sum(part["bytes"] for part in train)},
        "val": {"rows": val["rows"]["val.npy"], "tokens": val["rows"]["val.npy"] * options.length},
        "sealed": {"rows": val["rows"]["sealed.npy"], "tokens": val["rows"]["sealed.npy"] * options.length},
        "cropped": sum(part["cropped"] for part in parts),
        "files": [{name: part[name] for name in ("source", "documents", "tokens", "sha256")} for part in parts],
        "parts": [part["new"] for part in parts],
    }


def say(meta: dict[str, Any], out: Path, learning: float, writing: float) -> None:
    """Tell what was written."""
    fresh = sum(meta["parts"])
    print(
        f"{out}: {meta['train']['rows']:,} rows of {meta['conditions']['length']:,} tokens to learn from "
        f"({meta['train']['tokens'] / 1e6:.1f} M tokens), {meta['val']['rows']:,} to validate on "
        f"({meta['val']['tokens'] / 1e6:.2f} M), {meta['sealed']['rows']:,} sealed; a run has "
        f"{meta['conditions']['seconds']:g} s. {fresh} of {len(meta['parts'])} parts were written, the others kept: "
        f"{learning:.1f} s up to the encoding, {writing:.1f} s for the rows."
    )


def save(path: Path, array: Any) -> None:
    """Write an array whole or not at all."""
    import io

    import numpy as np
    from preparing.files import replace

    buffer = io.BytesIO()
    np.save(buffer, array)
    replace(path, buffer.getvalue())


def raise_trouble(text: str) -> None:
    """Raise what the user can mend."""
    from preparing.texts import Trouble

    raise Trouble(text)


def main(given: list[str] | None = None) -> int:
    """Prepare; 2 where the user can mend something."""
    options = arguments(given)
    learner = () if options.tokenizer else ("rustbpe",)
    missing = [name for name in ("numpy", "pyarrow", "tiktoken", *learner) if not _is_installed(name)]
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
