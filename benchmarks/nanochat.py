"""Trains variants of the NanoChat solution without a sandbox, one process a run, and appends a row for each run.

    python packs/nanochat/prepare.py --data DIR ...
    python benchmarks/nanochat.py --data DIR --seconds 60 --seeds 42,43 --ideas none,smaller-batch --out rows.jsonl

A variant is `none` (the baseline), ideas joined by `+`, or a folder with a solution; each may be followed by settings
of constants: `none@FULL_ATTENTION=cudnn`, `smaller-batch+smear@MATRIX_LR=0.03@EMBED_LR=0.4`. Seeds go round over all
variants, so that what changes on the machine meets them alike. Compiled code is kept in --work: the second seed of a
variant starts faster. While one run is scored the next one warms up; nothing runs beside training (nanochat_turns.py).
A run that fails is a row with its error, and the next one goes on. `--val-tokens 0` measures speed alone. `--table`
prints the table of a file of rows and runs nothing; `--charts DIR` draws it, too.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import math
import os
import platform
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACK = ROOT / "packs" / "nanochat"
PEAK_FLOPS = {"H100": 989.5e12, "H200": 989.5e12, "B200": 2250e12}
"""Dense bfloat16, without sparsity."""
SCORED_ROWS = 32
"""Rows that are scored at once: their logits take 2 GB."""


# --- variants ---


class Editable:
    """The paths that ideas may change."""

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and path.startswith("solution/") and not path.startswith("solution/harness/")


def library(pack: Path) -> Any:
    """Return the pack's ideas."""
    from aster.proposers.ideas import load_ideas

    ideas = {f"ideas/{path.name}": path.read_text() for path in sorted((pack / "ideas").glob("*.md"))}
    return load_ideas(ideas, files_of(pack / "solution"), Editable())


def files_of(folder: Path) -> dict[str, bytes]:
    """Return a solution's files by their paths from the problem folder."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {f"solution/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def tree_of(variant: str, pack: Path, ideas: Any) -> dict[str, bytes]:
    """Return the files of a variant.

    Raises:
        ValueError: ideas or a folder that there are not, ideas that do not merge, or a setting of no constant.
    """
    from aster.domain.records import Change
    from aster.proposers.compose import Conflict, compose
    from aster.proposers.knobs import set_knobs

    what, *settings = variant.split("@")
    if "/" in what:
        own = files_of(Path(what))
        if not own:
            raise ValueError(f"the folder {what} holds no files")
        files = {**files_of(pack / "solution"), **own}
    else:
        names = [] if what == "none" else what.split("+")
        if unknown := [name for name in names if name not in ideas]:
            raise ValueError(f"there is no idea {', '.join(unknown)}; there are {', '.join(ideas)}")
        made = compose(ideas, [Change(name, {}) for name in sorted(ideas.closure(names))])
        if isinstance(made, Conflict):
            raise ValueError(made.reason)
        files = dict(made.files)
    for name, text in (setting.split("=", 1) for setting in settings):
        path, _, constant = name.rpartition("::")
        path = path or "solution/train.py"
        files[path] = set_knobs(files[path].decode(), {constant: literal(text)}).encode()
    return files


def literal(text: str) -> Any:
    """Return a setting's value; a bare word is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def write_tree(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# --- one run, in a process of its own ---


def run_one(task: dict[str, Any], told: Any) -> dict[str, Any]:
    """Train and score a solution, when it is `told` to; returns the measured part of a row."""
    sys.path[:0] = [str(Path(task["tree"]) / "solution"), task["pack"]]
    import torch
    import train  # type: ignore[import-not-found]
    from harness import Ahead, Run  # type: ignore[import-not-found]
    from referee.tokens import Corpus  # type: ignore[import-not-found]

    if task["device"] == "cuda":
        import torch._inductor.compile_fx  # here, since it takes seconds, and those of warming up are waited for

    class Watched(Run):  # type: ignore[misc]
        """Waits for its turn, and keeps its stream and when what began."""

        def go(self) -> Any:
            self.warm = time.perf_counter()
            told.wait_for("go")
            self.stream = super().go()
            self.went = time.perf_counter()
            return self.stream

    corpus = Corpus(task["data"])
    length, vocab_size = corpus.conditions.length, corpus.conditions.vocab_size
    rows, blocks = corpus.blocks(task["seed"])
    options = {"vocab_size": vocab_size, "length": length, "seed": task["seed"], "seconds": task["seconds"]}
    told.say("imported")
    told.wait_for("ready")
    began = time.perf_counter()
    run = Watched(Ahead(rows, blocks), device=task["device"], **options)
    state = train.train(run)
    if run.device == "cuda":
        torch.cuda.synchronize()
    took = time.perf_counter() - run.went
    tokens = (run.stream.total - run.stream.rows_left) * length
    row = {
        "warm_up_seconds": round(run.warm - began, 2),
        "train_seconds": round(took, 3),
        "tokens": tokens,
        "steps": int(run.points[-1].get("step", 0)),
        "tokens_per_second": round(tokens / took),
        "epochs": round(tokens / length / rows, 4),
        "parameters": sum(t.numel() for t in state.values()),
        **machine(torch, run.device),
        **use(torch, run, tokens / took),
        "curve": curve(run.points),
    }
    gc.collect()
    if run.device == "cuda":
        torch.cuda.empty_cache()  # the next one warms up from here on, and needs the room
        print(f"{torch.cuda.memory_reserved() / 2**30:.1f} GiB are held while it is scored", flush=True)
    told.say("trained")
    scored = min(task["val_tokens"] // length, len(corpus.val))
    if scored:
        row.update(score(torch, train, {k: t.cpu() for k, t in state.items()}, corpus, scored, run.device))
    return row


def curve(points: Sequence[dict[str, float]]) -> list[list[float]]:
    """Return seconds and losses; what is no finite number, such as the loss before the first step, is left out."""
    kept = [point for point in points if math.isfinite(point.get("loss", math.nan))]
    return [[round(point["seconds"], 2), round(point["loss"], 4)] for point in thin(kept)]


def thin(points: Sequence[dict[str, float]], most: int = 60) -> list[dict[str, float]]:
    """Return at most about `most` of the points, the last among them."""
    every = max(1, len(points) // most)
    return list(points[::-1][::every][::-1])


def machine(torch: Any, device: str) -> dict[str, Any]:
    """Return what the run stands on."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "cpu"
    return {"device": name, "torch": torch.__version__, "python": platform.python_version()}


def use(torch: Any, run: Any, rate: float) -> dict[str, Any]:
    """Return the share of the device's peak, by the operations that the solution says it does, and its memory."""
    if run.device != "cuda":
        return {}
    name = torch.cuda.get_device_name()
    peak = next((flops for part, flops in PEAK_FLOPS.items() if part in name), None)
    said = next((p["flops_per_token"] for p in run.points if "flops_per_token" in p), None)
    mfu = {"mfu": round(rate * said / peak, 4)} if peak and said else {}
    return {**mfu, "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1)}


def score(torch: Any, train: Any, state: dict[str, Any], corpus: Any, rows: int, device: str) -> dict[str, Any]:
    """Return the bits per byte of a sealed state over the first `rows` rows of validation."""
    from referee.bpb import Sums, nll_of  # type: ignore[import-not-found]

    began = time.perf_counter()
    logits = train.load(state, device)
    sizes = torch.from_numpy(corpus.token_bytes).to(device)
    sums = Sums()
    for at in range(0, rows, SCORED_ROWS):
        block = torch.from_numpy(corpus.val[at : min(rows, at + SCORED_ROWS)].astype("int64")).to(device)
        targets = block[:, 1:].contiguous()
        sums.add(nll_of(logits(block[:, :-1].contiguous()), targets), targets, sizes)
    took = time.perf_counter() - began
    return {"bpb": round(sums.bits_per_byte, 6), "val_tokens": sums.tokens, "score_seconds": round(took, 1)}


def child(task_file: Path) -> int:
    """Do the run of a task file and put the row beside it; an exception is a row too."""
    from nanochat_turns import Told  # type: ignore[import-not-found]

    told = Told()
    try:
        row = run_one(json.loads(task_file.read_text()), told)
    except Exception as error:  # noqa: BLE001 - whatever a variant does wrong is its row, and the table goes on
        traceback.print_exc()
        row = {"error": f"{type(error).__name__}: {error}"[:500]}
    task_file.with_suffix(".row").write_text(json.dumps(row))
    return 0


# --- all runs ---


def trees_of(asked: argparse.Namespace) -> dict[str, Path]:
    """Write the files of all variants.

    Raises:
        ValueError: there is no data, or there cannot be some of the variants; which and why.
    """
    if asked.data is None:
        raise ValueError("--data DIR is needed")
    if conditions(asked.data)["data"] == "none":
        raise ValueError(f"--data {asked.data}: nothing was prepared there; packs/nanochat/prepare.py does it")
    pack = asked.pack.resolve()
    ideas, trees, wrong = library(pack), {}, []
    for variant in asked.ideas.split(","):
        try:
            files = tree_of(variant, pack, ideas)
        except (ValueError, KeyError) as error:
            wrong.append(f"{variant}: {type(error).__name__}: {error}")
            continue
        trees[variant] = asked.work.resolve() / f"variant-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"
        write_tree(files, trees[variant])
    if wrong:
        raise ValueError(f"--ideas: there cannot be all of these variants: {'; '.join(wrong)}")
    return trees


def planned(asked: argparse.Namespace, trees: Mapping[str, Path]) -> list[Any]:
    """Return all runs, seed by seed, or those alone that have no row yet."""
    from nanochat_table import read_rows  # type: ignore[import-not-found]
    from nanochat_turns import Planned

    common = {"pack": str(asked.pack.resolve()), "data": str(asked.data.resolve()), "device": asked.device}
    common |= {"seconds": asked.seconds, "val_tokens": asked.val_tokens}
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    now = asked.seconds, conditions(asked.data)["data"]
    kept = [row for row in read_rows(asked.out) if asked.missing and "bpb" in row]
    there = {(row["variant"], row["seed"], row["seconds"], row["data"]) for row in kept}
    pairs = [(seed, *tree) for seed in seeds for tree in trees.items() if (tree[0], seed, *now) not in there]
    return [Planned(name, {**common, "variant": name, "tree": str(at), "seed": seed}, at) for seed, name, at in pairs]


def campaign(asked: argparse.Namespace, trees: Mapping[str, Path]) -> None:
    """Do all runs of the variants until they are done or the time is over."""
    from nanochat_turns import Planned, Turn, in_turn

    began = time.monotonic()
    took: dict[str, float] = {}
    runs, work = planned(asked, trees), asked.work.resolve()
    caches = {"TORCHINDUCTOR_CACHE_DIR": str(work / "inductor"), "TRITON_CACHE_DIR": str(work / "triton")}
    env = {"PYTORCH_ALLOC_CONF": os.environ.get("PYTORCH_ALLOC_CONF", "expandable_segments:True"), **caches}

    def start(run: Planned) -> Turn:
        return Turn(run, [sys.executable, __file__, "--task"], env)

    def left_for(run: Planned) -> float:
        used = time.monotonic() - began
        if not asked.until or used + took.get(run.variant, max(took.values(), default=asked.seconds)) <= asked.until:
            return float(asked.until - used if asked.until else asked.limit)
        print(
            f"{used:.0f} s used: {run.variant}, seed {run.task['seed']}, and what follows are not started", flush=True
        )
        return 0

    for turn, measured in in_turn(runs, start, asked.limit, left_for) if runs else ():
        said = {"variant": turn.planned.variant, "seed": turn.planned.task["seed"], "seconds": asked.seconds}
        row = {**said, **conditions(asked.data), **measured}
        took[turn.planned.variant] = row["wall_seconds"] + row.get("score_seconds", 0)
        append(asked.out, row)
        if "error" in row:
            print(turn.log.read_text()[-asked.trace :], flush=True)


def append(out: Path, row: dict[str, Any]) -> None:
    """Add a row to the file, and say it."""
    with out.open("a") as file:
        file.write(json.dumps(strict(row), allow_nan=False) + "\n")
    print(line(row), flush=True)


def strict(value: Any) -> Any:
    """Return a row without numbers that JSON does not know: they become null, points of a curve with them go."""
    if isinstance(value, dict):
        return {name: strict(each) for name, each in value.items()}
    if isinstance(value, list):
        points = [strict(each) for each in value]
        return [point for point in points if not (isinstance(point, list) and None in point)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def conditions(data: Path) -> dict[str, Any]:
    """Return what tells the data of a row: the first digits of the hash of its description."""
    found = sorted(data.rglob("meta.json"))
    return {"data": hashlib.sha256(found[0].read_bytes()).hexdigest()[:12] if found else "none"}


COLUMNS = ("variant", "seed", "bpb", "tokens", "steps", "tokens_per_second", "mfu", "peak_gib", "warm_up_seconds")


def line(row: Mapping[str, Any]) -> str:
    """Return a row as one line."""
    said = [f"{name} {row[name]}" for name in COLUMNS if name in row]
    return ", ".join([*said, row["error"]] if "error" in row else said)


def main(words: list[str]) -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="what prepare.py wrote")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", default="42")
    parser.add_argument("--ideas", default="none", help="variants, with commas between")
    parser.add_argument("--out", type=Path, default=Path("rows.jsonl"))
    parser.add_argument("--missing", action="store_true", help="leave out what --out has a row of, with this data")
    parser.add_argument("--val-tokens", type=int, default=4_194_304)
    parser.add_argument("--until", type=float, default=0, help="start no run that would end after so many seconds")
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take in all")
    parser.add_argument("--work", type=Path, default=Path("/tmp/nanochat-work"))
    parser.add_argument("--pack", type=Path, default=PACK)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--trace", type=int, default=1500, help="characters shown of the log of a run that failed")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--charts", type=Path, help="draw the rows of --out into this folder, and run nothing")
    parser.add_argument("--names", type=Path, help="JSON: letters, and the variants that they stand for in tables")
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.task:
        return child(asked.task)
    from nanochat_table import read_names, read_rows, tell

    runs = not asked.table and not asked.charts
    try:
        names = read_names(asked.names)
        read_rows(asked.out)  # what cannot be read is told before anything runs
        trees = trees_of(asked) if runs else {}
    except ValueError as error:
        parser.error(f"nothing was run: {error}" if runs else str(error))
    if runs:
        campaign(asked, trees)
    elif not asked.out.is_file():
        parser.error(f"--out {asked.out} is no file of rows: a run of variants writes one")
    try:
        tell(asked.out, names, asked.charts)
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
