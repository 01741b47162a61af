"""What is called a gain where there is none: Aster's claims and "keep if better", simulated and real.

    python benchmarks/pure_noise.py [--campaigns 1000] [--real 20] [--experiments 100] [--workers 2]

No candidate differs from the baseline; what an experiment measures is noise alone. Simulated campaigns use the real
decisions. The real ones go through `aster run`, on a problem that this script writes: an evaluator that returns noise,
the plain sandbox, two slots. "Keep if better" keeps whatever scores above the best so far, one run each, as greedy
loops do. Writes benchmarks/results/pure_noise.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from msgspec import Struct  # noqa: E402 - the threads first
from msgspec.structs import replace  # noqa: E402 - the threads first

from aster.testing.field import field_setup, search_field  # noqa: E402 - the threads first

try:
    from benchmarks.machine import RESULTS, provenance, share_interval
except ModuleNotFoundError:  # run as a script
    from machine import RESULTS, provenance, share_interval  # type: ignore[import-not-found,no-redef]

SD = 1.0
ASTER = [sys.executable, "-c", "from aster.cli.main import main; main()"]


class Seen(Struct, frozen=True):
    """One campaign: gains called real, what they add up to in sd, and claims made."""

    gains: int
    gain: float
    claims: int


def simulated(seed: int, experiments: int, search_seeds: int = 1, paired: bool = True) -> Seen:
    """Run one simulated campaign in which nothing is better."""
    setup = field_setup(experiments, seed, search_seeds=search_seeds, racing=search_seeds > 1)
    board = search_field(replace(setup, paired=paired), lambda _: 0.0, experiments)
    won = [c.decided for c in board.claims.values() if c.decided is not None and c.decided.verdict == "confirmed"]
    return Seen(len(won), sum(each.gain or 0.0 for each in won), len(board.claims))


def greedy(seed: int, experiments: int) -> Seen:
    """Keep whatever scores above the best so far: the baseline first, then one run a candidate."""
    rng = random.Random(f"greedy {seed}")
    first = best = rng.gauss(0.0, SD)
    kept = 0
    for _ in range(experiments - 1):
        value = rng.gauss(0.0, SD)
        if value > best:
            best, kept = value, kept + 1
    return Seen(kept, best - first, 0)


# --- real campaigns --------------------------------------------------------------------------------------------

FILES = {
    "README.md": "Nothing helps here: the score is noise.\n",
    "problem.toml": """\
[problem]
name = "noise"
title = "Noise and nothing else"
[solution]
root = "solution"
editable = ["**/*.py"]
[[stage]]
name = "solve"
command = ["python", "-S", "-E", "solution/solve.py", "{outputs}/x.json", "{seed}"]
timeout = "60s"
[[stage]]
name = "score"
command = ["python", "-S", "-E", "evaluate.py", "{outputs}/x.json"]
trusted = true
timeout = "60s"
[[metric]]
name = "loss"
goal = "minimize"
resolution = 1e-9
""",
    "solution/solve.py": """\
import sys
from a import A
from b import B
open(sys.argv[1], "w").write(f'["{A} {B} {sys.argv[2]}"]')
""",
    # Noise that the code and the seed fix, so that a campaign can be repeated, and that nothing makes smaller.
    "evaluate.py": """\
import json, os, random, sys
told, = json.load(open(sys.argv[1]))
noise = random.Random(told).gauss(0.0, 1.0)
open(os.environ["ASTER_SCORE"], "w").write(json.dumps({"loss": 10.0 + noise}))
""",
    "solution/a.py": "A = 0\n",
    "solution/b.py": "B = 0\n",
}
IDEA = """\
+++
name = "more-{name}"
surface = "{name}"
title = "More of {upper}"
[[knob]]
name = "solution/{name}.py::{upper}"
values = [{values}]
+++
{upper} may be too small.

```diff
--- a/solution/{name}.py
+++ b/solution/{name}.py
@@ -1 +1 @@
-{upper} = 0
+{upper} = 1
```
"""


def write_problem(folder: Path) -> Path:
    """Write the problem whose score is noise, with two ideas of twenty values each, and return its folder."""
    values = ", ".join(map(str, range(1, 21)))
    ideas = {f"ideas/more-{n}.md": IDEA.format(name=n, upper=n.upper(), values=values) for n in "ab"}
    for name, text in (FILES | ideas).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def real(seed: int, experiments: int) -> tuple[bool, int, float]:
    """Run one campaign through `aster run`; return (whether a claim was confirmed, experiments, wall seconds)."""
    with tempfile.TemporaryDirectory() as name:
        problem = write_problem(Path(name) / "noise")
        options = ["--experiments", str(experiments), "--seed", str(seed), "--slots", "2", "--sandbox", "plain"]
        command = [*ASTER, "run", str(problem), *options, "--campaigns", str(Path(name) / "campaigns"), "--json"]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"aster run ended with {done.returncode}: {done.stderr[-500:]}")
        summary = json.loads(done.stdout.splitlines()[-1])
        return summary["champion"] is not None, summary["experiments"], time.monotonic() - began


# --- the table -------------------------------------------------------------------------------------------------

HEADER = (
    "| what decides | campaigns | with a false gain | 95% interval | false gains a campaign | their sum, sd | claims |"
)


def row(name: str, seen: Sequence[Seen]) -> str:
    """Return a row of the table."""
    hits = sum(s.gains > 0 for s in seen)
    low, high = share_interval(hits, len(seen))
    return (
        f"| {name} | {len(seen):,} | {hits / len(seen):.1%} | {low:.1%} to {high:.1%} | "
        f"{statistics.fmean(s.gains for s in seen):.3f} | {statistics.fmean(s.gain for s in seen):.3f} | "
        f"{statistics.fmean(s.claims for s in seen):.1f} |"
    )


def main() -> None:
    """Run all, print the table, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--real", type=int, default=20)
    parser.add_argument("--experiments", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    ways = {
        "Aster, one search seed": partial(simulated, experiments=args.experiments),
        "Aster, racing to 4 seeds": partial(simulated, experiments=args.experiments, search_seeds=4),
        "Aster, one search seed, unpaired": partial(simulated, experiments=args.experiments, paired=False),
        "keep if better": partial(greedy, experiments=args.experiments),
    }
    rows = [HEADER, f"|{'---|' * 7}"]
    with get_context("spawn").Pool(args.workers) as pool:
        for name, way in ways.items():
            rows.append(row(name, pool.map(way, range(args.campaigns), chunksize=10)))
            print(rows[-1], flush=True)
    runs = [real(seed, args.experiments) for seed in range(args.real)]
    hits, spent, seconds = (sum(each) for each in zip(*runs, strict=True)) if runs else (0, 0, 0.0)
    told = (
        f"{hits} of {len(runs)} real campaigns confirmed a claim; {spent:,} experiments in {seconds:.0f} s, "
        f"{1000 * seconds / max(1, spent):.0f} ms each with starting and reporting."
    )
    print(told)
    RESULTS.mkdir(exist_ok=True)
    page = PAGE.format(provenance=provenance(), experiments=args.experiments, table="\n".join(rows), told=told)
    (RESULTS / "pure_noise.md").write_text(page)


PAGE = """# Pure noise: what is called a gain where there is none

{provenance}

## Simulated

{experiments} experiments a campaign, baselines and confirmations included; no candidate differs from the baseline, and
every measurement is its value with normal noise of sd 1. A false gain is a confirmed claim, or something kept. Their
sum is what a campaign believes to have gained, on average over campaigns, in sd of one measurement; "claims" is how
many a campaign made. Aster allows 5% of campaigns a confirmed claim, and the interval is an exact binomial one.

{table}

## Real

Through `aster run`, on a problem whose evaluator returns noise (`benchmarks/pure_noise.py` writes it), plain sandbox,
two slots, {experiments} experiments a campaign, campaign seeds from 0:

{told}
"""


if __name__ == "__main__":
    main()
