"""How far `aster audit` can be believed: audits of simulated keep-if-better runs whose true values are known.

    python benchmarks/audit.py [--runs 100] [--changes 30 100] [--repeats 0 5] [--markdown FILE]

A row for each world (see aster.testing.greedy), number of changes, and knowledge of the noise: its sd, or so many
repeats of the baseline. "Coverage" is how often the 95% interval holds the truth: of the best version's value, and of
its gain over the baseline. "Bias" is the mean error of the best version's value, in sds of the noise, as it was
measured and after shrinkage; positive flatters. Then the kept steps a run, how many of them truly gained nothing, how
many the audit expects to, and how many it calls likely real or likely noise, with the share of those that are.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from random import Random
from statistics import fmean, stdev

from aster.evidence.audit import Noise, Verdict, audit
from aster.testing.greedy import WORLDS, Effect, greedy_run

SD = 0.01
HEAD = (
    "| world | changes | noise | coverage: value | gain | bias raw | honest | kept | truly none | expected "
    "| likely real: a run | truly | likely noise: a run | truly |\n" + "|---" * 14 + "|"
)


def row(name: str, effect: Effect, changes: int, repeats: int, runs: int) -> str:
    """Return the table's row for one world."""
    value_in, gain_in, raw, honest, kept, none, expected = ([] for _ in range(7))
    called: dict[Verdict, list[bool]] = {"likely real": [], "likely noise": []}
    for seed in range(runs):
        rng = Random(f"{name} {changes} {repeats} {seed}")
        run = greedy_run(rng, changes, effect, SD)
        found = audit(run.tried, "minimize", noise(rng, repeats), factors=())
        best = found.steps[-1] if found.steps else None
        level = best.honest if best is not None else found.baseline_honest
        rounding = SD / 12  # half a cell of the lattice
        value_in.append(level.low - rounding <= run.truth[-1] <= level.high + rounding)
        gain = run.truth[0] - run.truth[-1]
        gain_in.append(found.honest_gain.low - rounding <= gain <= found.honest_gain.high + rounding)
        raw.append((run.truth[-1] - (best.value if best is not None else found.baseline)) / SD)
        honest.append((run.truth[-1] - level.mean) / SD)
        truly = [new >= old for old, new in zip(run.truth, run.truth[1:], strict=False)]
        kept.append(len(truly))
        none.append(sum(truly))
        expected.append(found.expected_false)
        for step, nothing in zip(found.steps, truly, strict=True):
            if step.verdict in called:
                called[step.verdict].append(nothing == (step.verdict == "likely noise"))
    known = f"{repeats} repeats" if repeats else "sd known"
    cells = [name, changes, known, f"{fmean(value_in):.2f}", f"{fmean(gain_in):.2f}", f"{fmean(raw):+.2f}"]
    cells += [f"{fmean(honest):+.2f}", f"{fmean(kept):.1f}", f"{fmean(none):.1f}"]
    cells += [f"{fmean(expected):.1f}"]
    for right in called.values():
        cells += [f"{len(right) / runs:.1f}", f"{fmean(right):.0%}" if right else ""]
    return "| " + " | ".join(map(str, cells)) + " |"


def noise(rng: Random, repeats: int) -> Noise:
    """Return what an audit is told of the noise."""
    if not repeats:
        return Noise(SD, "stated")
    return Noise(stdev(rng.gauss(1.0, SD) for _ in range(repeats)), "repeats", repeats - 1)


def main() -> None:
    """Run the audits and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--changes", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--repeats", type=int, nargs="+", default=[0, 5])
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args()
    lines = [HEAD]
    print(HEAD, flush=True)
    for repeats in asked.repeats:
        for changes in asked.changes:
            for name, effect in WORLDS.items():
                lines.append(row(name, effect, changes, repeats, asked.runs))
                print(lines[-1], flush=True)
    if asked.markdown:
        command = (
            f"python benchmarks/audit.py --runs {asked.runs} --changes {' '.join(map(str, asked.changes))} "
            f"--repeats {' '.join(map(str, asked.repeats))}"
        )
        about = " ".join(__doc__.partition("A row for")[2].split())
        words = f"{asked.runs} runs a row, Python {platform.python_version()}. A row for {about}"
        title = "# How far `aster audit` can be believed: simulated keep-if-better runs"
        asked.markdown.write_text(f"{title}\n\n    {command}\n\n{words}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
