"""Trains variants of the speedrun's solution in turns, without a sandbox, and appends a row for each run.

    python packs/speedrun/prepare.py --out DIR ...
    python benchmarks/speedrun.py --data DIR --steps 120 --seeds 1,2,3 --apply none smear smear+backout@CAP=23.0

A variant is `none` (the baseline), ideas joined by `+`, or a folder with a solution; each may be followed by settings
of constants. `--all WIDTH=512@DEPTH=6` sets constants of all. The first variant is what the others are compared with.
Each seed is a round over all of them, every second one backwards, so that what changes on the machine meets them alike;
what is compared is compared within rounds. `--world-size N` takes N GPUs (or processes of a CPU).

`step_ms` is all of the time from GO until the state is there by the number of steps: the sharper measure where losses
are equal step by step, which `apart` shows (the largest difference to the first variant's logged losses of that seed).
`--target` is the loss whose first time is `reached`, by the mean of three logged training losses; where validation
tokens are scored, the table has the chance of such a mean validation loss if the true one were above the target. What
`stop-when-good` saw of the tokens that it keeps aside is in `aside`, by steps.
`--table` prints tables of the rows of --out and runs nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACK = ROOT / "packs" / "speedrun"
SCORED_TOKENS = 65_536
"""Validation tokens that go through the model at once."""
LATE = 3
"""Logged losses that are averaged before they are held against the target."""
MOST_POINTS = 400
"""Points of a trace that a row keeps."""


# --- numbers ---


def t_probability(t: float, df: int) -> float:
    """Return the chance that Student's t is below `t`: Simpson's rule over cos(x)^(df - 1), for t = sqrt(df) tan(x)."""
    count, end = 400, math.atan(abs(t) / math.sqrt(df))
    heights = [math.cos(end * i / count) ** (df - 1) for i in range(count + 1)]
    area = (heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])) * end / count / 3
    density = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    return 0.5 + math.copysign(density * area, t)


def t_quantile(probability: float, df: int) -> float:
    """Return the t below which a share of Student's distribution lies; a share from one half up."""
    low, high = 0.0, 1e3
    while high - low > 1e-6 * (1 + low):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, df) < probability else (low, middle)
    return low


def ratio(pairs: Sequence[tuple[float, float]]) -> tuple[float, float | None]:
    """Return the geometric mean of one over other, and the half-width of its interval of 95% in logarithms."""
    logs = [math.log(one / other) for one, other in pairs]
    if len(logs) < 2:
        return math.exp(statistics.fmean(logs)), None
    half = t_quantile(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(statistics.fmean(logs)), half


def least_effect(sd: float, pairs: int) -> float:
    """Return the true difference that so many pairs find 4 times in 5, at 5%, two-sided, for this sd of differences."""
    return (t_quantile(0.975, pairs - 1) + t_quantile(0.8, pairs - 1)) * sd / math.sqrt(pairs)


def chance_above(losses: Sequence[float], target: float) -> float | None:
    """Return the p-value of a mean at most the target, one-sided; None for fewer than two runs."""
    if len(losses) < 2:
        return None
    sd = statistics.stdev(losses)
    if sd == 0:
        return 0.0 if statistics.fmean(losses) < target else 1.0
    return t_probability((statistics.fmean(losses) - target) / sd * math.sqrt(len(losses)), len(losses) - 1)


# --- one run, each rank in a process of its own ---


class Here:
    """The source of a rank: the shards themselves."""

    def __init__(self, corpus: Any, ranks: int) -> None:
        self.corpus, self.ranks = corpus, ranks

    def go(self) -> tuple[int, Iterator[Any]]:
        """See `harness.Source`."""
        if self.ranks > 1:
            import torch

            torch.distributed.barrier()
        return self.corpus.train_tokens, self.corpus.blocks()


def run_rank(task: dict[str, Any], rank: int) -> dict[str, Any]:
    """Train as one rank; returns the measured part of a row, of rank 0."""
    sys.path[:0] = [str(Path(task["tree"]) / "solution"), task["pack"]]
    import torch
    import train  # type: ignore[import-not-found]
    from harness import Run  # type: ignore[import-not-found]
    from harness.ranks import join  # type: ignore[import-not-found]
    from referee.tokens import Corpus  # type: ignore[import-not-found]

    ranks = task["world_size"]
    join(rank, ranks, task["meeting"])
    corpus = Corpus(task["data"])
    found = corpus.conditions

    class Watched(Run):  # type: ignore[misc]
        """Knows when GO was."""

        def go(self) -> Any:
            stream = super().go()
            self.graphs, self.went = graphs(), time.perf_counter()
            return stream

    said = {"vocab_size": found.vocab_size, "bos": found.bos, "length": found.length, "batch": found.batch}
    said |= {"target": task["target"] or found.target, "seed": task["seed"]}
    device = "cpu" if task["device"] == "cpu" else None
    run = Watched(Here(corpus, ranks), rank=rank, world_size=ranks, device=device, **said)
    began = time.perf_counter()
    state = train.train(run)
    if run.device != "cpu":
        torch.cuda.synchronize()
    took = time.perf_counter() - run.went
    if rank:
        return {}
    late = {"compiled_on_the_clock": graphs() - run.graphs}
    row = {**speed(torch, run, took, run.went - began), **late, **reached(run.points, said["target"])}
    row["parameters"] = sum(tensor.numel() for tensor in state.values())
    if kept := [[int(point["step"]), round(point["aside"], 6)] for point in run.points if "aside" in point]:
        row["aside"] = kept
    rows = min(task["val_tokens"] // found.length, len(corpus.val)) if task["val_tokens"] else 0
    if rows:
        row |= validated(torch, train, state, corpus, rows, run.device)
    return row


def graphs() -> int:
    """Return how many graphs torch.compile has made in this process."""
    found = sys.modules.get("torch._dynamo.utils")
    return int(found.counters["stats"]["unique_graphs"]) if found else 0


def speed(torch: Any, run: Any, took: float, warmed: float) -> dict[str, Any]:
    """Return what the clock says."""
    steps = int(max(point.get("step", 0) for point in run.points))
    row = {
        "device": torch.cuda.get_device_name() if run.device != "cpu" else "cpu",
        "torch": torch.__version__,
        "steps": steps,
        "train_seconds": round(took, 4),
        "step_ms": round(1000 * took / steps, 4),
        "tokens": run.tokens_taken,
        "warm_up_seconds": round(warmed, 1),
        "trace": trace(run.points),
    }
    if run.device != "cpu":
        row["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    return row


def trace(points: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Return steps, seconds and losses, at most MOST_POINTS of them, the last among them."""
    kept = [point for point in points if math.isfinite(point.get("loss", math.nan))]
    every = max(1, -(-len(kept) // MOST_POINTS))
    return [[int(p["step"]), round(p["seconds"], 3), round(p["loss"], 6)] for p in kept[::-1][::every][::-1]]


def reached(points: Sequence[Mapping[str, float]], target: float) -> dict[str, Any]:
    """Return when the mean of the last LATE training losses was first at most the target, if it was."""
    known = [point for point in points if "loss" in point]
    for at in range(LATE, len(known) + 1):
        if statistics.fmean(point["loss"] for point in known[at - LATE : at]) <= target:
            return {"reached": round(known[at - 1]["seconds"], 3), "target": target}
    return {"target": target}


def validated(torch: Any, train: Any, state: dict[str, Any], corpus: Any, rows: int, device: str) -> dict[str, Any]:
    """Return the loss over the first `rows` rows of validation, as the referee computes it."""
    from referee.head import Head  # type: ignore[import-not-found]

    began = time.perf_counter()
    torch.backends.cuda.matmul.allow_tf32 = True
    hidden = train.load({name: tensor.to(device) for name, tensor in state.items()}, device)
    cap = tuple(state["head.cap"].tolist()) if "head.cap" in state else ()
    head = Head(state["head.weight"].float().to(device), cap)
    total, count = 0.0, 0
    at_once = max(1, SCORED_TOKENS // corpus.conditions.length)
    with torch.inference_mode():
        for at in range(0, rows, at_once):
            block = torch.from_numpy(corpus.val[at : min(rows, at + at_once)].astype("int64")).to(device)
            states = hidden(block[:, :-1].contiguous()).flatten(0, 1).bfloat16()
            losses = head.losses(states, block[:, 1:].flatten())
            total, count = total + float(losses.double().sum()), count + len(losses)
    return {
        "val_loss": round(total / count, 6),
        "val_tokens": count,
        "score_seconds": round(time.perf_counter() - began, 1),
    }


def child(task_file: Path, rank: int) -> int:
    """Be a rank of the run of a task file; rank 0 puts the row beside it. An exception is a row too."""
    task = json.loads(task_file.read_text())
    try:
        row = run_rank(task, rank)
    except Exception as error:  # noqa: BLE001 - whatever a variant does wrong is its row, and the table goes on
        traceback.print_exc()
        row = {"error": f"{type(error).__name__}: {error}"[:500]}
    if rank == 0 or "error" in row:
        task_file.with_suffix(f".{rank}.row").write_text(json.dumps(row))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # without waiting for ranks that an error has left behind


# --- all runs ---


def start_one(task: dict[str, Any], folder: Path, limit: float) -> dict[str, Any]:
    """Do one run in fresh processes, with their output in a log file; returns its row."""
    file = folder / "task.json"
    for old in folder.glob("task.*.row"):
        old.unlink()
    with tempfile.TemporaryDirectory() as meeting:
        file.write_text(json.dumps({**task, "meeting": f"{meeting}/meeting"}))
        kept = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
        env = {"PYTORCH_ALLOC_CONF": "expandable_segments:True", **os.environ}
        env |= {name: str(folder.parent / place) for name, place in kept.items()}
        command = [sys.executable, __file__, "--task", str(file), "--rank"]
        with (folder / f"seed-{task['seed']}.log").open("w") as log:
            ranks = [
                subprocess.Popen([*command, str(rank)], env=env, stdout=log, stderr=log)
                for rank in range(task["world_size"])
            ]
            done = wait(ranks, folder, limit)
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("task.*.row"))]
    wrong = next((row for row in rows if "error" in row), None)
    row: dict[str, Any] = wrong or (rows[0] if rows else {"error": done})
    return row


def wait(ranks: Sequence[subprocess.Popen[bytes]], folder: Path, limit: float) -> str:
    """Wait until all ranks are done, one failed or the time is over; none is left running. Says what was amiss."""
    end = time.monotonic() + limit
    try:
        while any(rank.poll() is None for rank in ranks):
            failed = [path for path in folder.glob("task.*.row") if path.stat().st_size and "error" in path.read_text()]
            if failed:
                return "a rank failed"
            if time.monotonic() > end:
                return f"not done after {limit:.0f} s"
            time.sleep(0.05)
        return f"the processes ended with {[rank.returncode for rank in ranks]}"
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def campaign(asked: argparse.Namespace) -> None:
    """Do all runs, round by round, until they are done or the time is over."""
    from nanochat import conditions, library, write_tree  # type: ignore[import-not-found]

    began, longest = time.monotonic(), 0.0
    work, pack = asked.work.resolve(), asked.pack.resolve()
    ideas, trees = library(pack), {}
    common = [f"STEPS={asked.steps}"] if asked.steps else []
    common += [each for each in asked.all.split("@") if each]
    for number, variant in enumerate(dict.fromkeys(asked.apply)):
        trees[variant] = work / f"variant-{number}"
        write_tree(made(variant, common, pack, ideas), trees[variant])
    for place, seed in enumerate(int(seed) for seed in asked.seeds.split(",")):
        for variant in list(trees)[:: -1 if place % 2 else 1]:
            used = time.monotonic() - began
            if asked.until and used + longest > asked.until:
                print(f"{used:.0f} s used: {variant}, seed {seed}, and what follows are not started", flush=True)
                return
            task = {"tree": str(trees[variant]), "pack": str(pack), "data": str(asked.data.resolve()), "seed": seed}
            task |= {"device": asked.device, "world_size": asked.world_size, "target": asked.target}
            measured = start_one({**task, "val_tokens": asked.val_tokens}, trees[variant], asked.limit)
            longest = max(longest, time.monotonic() - began - used)
            row = {"variant": variant, "seed": seed, "world_size": asked.world_size, "all": "@".join(common)}
            append(asked.out, {**row, **conditions(asked.data), **measured})
            if "error" in measured:
                print((trees[variant] / f"seed-{seed}.log").read_text()[-asked.trace :], flush=True)


def made(variant: str, common: Sequence[str], pack: Path, ideas: Any) -> dict[str, bytes]:
    """Return the files of a variant; what is set for all gives way to its own settings.

    Raises:
        SystemExit: there is no such idea or constant, or ideas that do not merge.
    """
    from nanochat import tree_of

    what, *own = variant.split("@")
    named = {setting.partition("=")[0] for setting in own}
    settings = [*(each for each in common if each.partition("=")[0] not in named), *own]
    try:
        files: dict[str, bytes] = tree_of("@".join([what, *settings]), pack, ideas)
    except (ValueError, KeyError) as error:
        raise SystemExit(f"{variant}: {error}") from error
    return files


def append(out: Path, row: dict[str, Any]) -> None:
    """Add a row to the file, and say it."""
    from nanochat import strict

    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as file:
        file.write(json.dumps(strict(row), allow_nan=False) + "\n")
    names = ("variant", "seed", "steps", "step_ms", "train_seconds", "val_loss", "reached", "warm_up_seconds", "error")
    print(", ".join(f"{name} {row[name]}" for name in names if name in row), flush=True)


# --- tables ---

ALIKE = ("device", "torch", "world_size", "data", "all")
"""What rows of one table have in common."""


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table for each set of rows that compare, and what failed."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if "error" not in row:
            groups.setdefault(", ".join(f"{name} {row.get(name)}" for name in ALIKE), []).append(row)
    parts = [f"{title}\n\n{table(group)}" for title, group in groups.items()]
    told = [f"{row['variant']}, seed {row['seed']}: {what}" for row in rows if (what := amiss(row))]
    return "\n\n".join([*parts, *told])


def amiss(row: Mapping[str, Any]) -> str:
    """Return why a run failed, or why its time is too long."""
    late = row.get("compiled_on_the_clock", 0)
    return str(row.get("error", "")) or (f"{late} graphs were compiled while the clock ran" if late else "")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return variants against the first as Markdown, and what so many runs can tell."""
    runs: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        runs.setdefault(str(row["variant"]), {})[int(row["seed"])] = row
    first = next(iter(runs.values()))
    heads = ("variant", "runs", "steps", "step ms", "ratio of step time", "seconds", "ratio of time", "val loss")
    heads += ("change", "p above target", "reached s", "apart")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for variant, of in runs.items():
        lines.append("| " + " | ".join([variant, *cells(of, first)]) + " |")
    told = [effect for variant, of in list(runs.items())[1:] if (effect := effects(variant, of, first))]
    return "\n".join([*lines, "", *told]) if told else "\n".join(lines)


def cells(of: Mapping[int, Mapping[str, Any]], first: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return a variant's cells."""
    same = of is first
    losses = [row["val_loss"] for row in of.values() if "val_loss" in row]
    targets = {row["target"] for row in of.values() if "target" in row}
    chance = chance_above(losses, min(targets)) if targets else None
    times = [row["reached"] for row in of.values() if "reached" in row]
    differences = paired(of, first, "val_loss")
    change = statistics.fmean(one - other for one, other in differences) if differences and not same else None
    parts = [apart(row, first[seed]) for seed, row in of.items() if seed in first and not same]
    gap = [each for each in parts if each is not None]
    return [
        str(len(of)),
        "/".join(str(steps) for steps in sorted({row["steps"] for row in of.values()})),
        f"{statistics.fmean(row['step_ms'] for row in of.values()):.3f}",
        "" if same else interval(paired(of, first, "step_ms")),
        f"{statistics.fmean(row['train_seconds'] for row in of.values()):.2f}",
        "" if same else interval(paired(of, first, "train_seconds")),
        f"{statistics.fmean(losses):.4f}" if losses else "",
        f"{change:+.4f}" if change is not None else "",
        "" if chance is None else f"{chance:.4f}" if chance >= 0.0001 else "< 0.0001",
        f"{statistics.fmean(times):.2f} ({len(times)})" if times else "",
        f"{max(gap):.4f}" if gap else "",
    ]


def paired(
    of: Mapping[int, Mapping[str, Any]], first: Mapping[int, Mapping[str, Any]], name: str
) -> list[tuple[float, float]]:
    """Return a number of both variants for each seed that both have."""
    both = [(of[seed], first[seed]) for seed in of if seed in first]
    return [(one[name], other[name]) for one, other in both if name in one and name in other]


def interval(pairs: Sequence[tuple[float, float]]) -> str:
    """Return a ratio with its interval of 95%."""
    if not pairs:
        return ""
    mean, half = ratio(pairs)
    if half is None:
        return f"{mean:.4f}"
    return f"{mean:.4f} [{mean * math.exp(-half):.4f}, {mean * math.exp(half):.4f}]"


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """Return the largest difference of two traces' losses at the same steps."""
    theirs = {step: loss for step, _, loss in other.get("trace", [])}
    found = [abs(loss - theirs[step]) for step, _, loss in one.get("trace", []) if step in theirs]
    return max(found) if found else None


def effects(variant: str, of: Mapping[int, Mapping[str, Any]], first: Mapping[int, Mapping[str, Any]]) -> str:
    """Return the least true effects that rounds of this noise can tell, for several numbers of rounds."""
    parts = []
    for name, unit in (("step_ms", "% of step time"), ("val_loss", " of val loss")):
        pairs = paired(of, first, name)
        if len(pairs) < 2:
            continue
        of_time = name == "step_ms"
        sd = statistics.stdev(100 * math.log(one / other) if of_time else one - other for one, other in pairs)
        counts = sorted({len(pairs), 5, 10, 20})
        said = ", ".join(f"{least_effect(sd, count):.{2 if of_time else 4}f} ({count})" for count in counts)
        parts.append(f"{said}{unit}")
    return f"{variant}: least effect that rounds can tell: {'; '.join(parts)}." if parts else ""


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def main(words: list[str]) -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="what prepare.py wrote")
    parser.add_argument("--steps", type=int, default=0, help="of the optimizer (default: the solution's)")
    parser.add_argument("--apply", nargs="+", default=["none"], help="variants; the first is compared with")
    parser.add_argument("--all", default="", help="constants of all variants, NAME=VALUE with @ between")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--world-size", type=int, default=1, choices=(1, 2, 4, 8))
    parser.add_argument("--target", type=float, default=0.0, help="loss to reach (default: that of the data)")
    parser.add_argument("--val-tokens", type=int, default=10_485_760, help="0 measures speed alone")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "speedrun.jsonl")
    parser.add_argument("--until", type=float, default=0, help="start no run that would end after so many seconds")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that one run may take in all")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "speedrun-work")
    parser.add_argument("--pack", type=Path, default=PACK)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--trace", type=int, default=1500, help="characters shown of the log of a run that failed")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "src")]
    if asked.task:
        return child(asked.task, asked.rank)
    if not asked.table:
        if asked.data is None:
            parser.error("--data DIR is needed")
        campaign(asked)
    print(tables(read_rows(asked.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
