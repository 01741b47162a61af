"""What campaigns on the built-in problems reach, over campaign seeds, in a given wall time or number of experiments.

    python benchmarks/packs.py circle-packing --wall 10m [--slots 2] [--seeds 0 1 2]
    python benchmarks/packs.py erdos-overlap --experiments 60
    python benchmarks/packs.py function-speed --experiments 40

Prints a row per campaign as it ends: the best value that the search saw, the champion's, the baseline's, experiments
and wall seconds. The limits stand in each problem's references.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time

import aster


def best_seen(campaign: aster.Campaign) -> float | None:
    """Return the best value among all measured experiments."""
    objective = campaign.board.setup.objective
    measured = [x.metrics[objective.metric] for x in campaign.board.experiments.values() if x.metrics is not None]
    return (max if objective.goal == "maximize" else min)(measured, default=None)


def shown(value: float | None) -> str:
    """Return a value for the table."""
    return "none" if value is None else f"{value:.10g}"


def main() -> None:
    """Run the campaigns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem")
    parser.add_argument("--experiments", type=int)
    parser.add_argument("--wall")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    budget = aster.Budget(experiments=args.experiments, wall=args.wall)
    print(f"{args.problem}: {args.wall or args.experiments}, {args.slots} slots, Python {platform.python_version()}")
    print("| seed | best seen | champion | baseline | experiments | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            campaign = aster.research(args.problem, budget, slots=args.slots, seed=seed, campaigns=folder)
            cells = [shown(v) for v in (best_seen(campaign), campaign.champion_value, campaign.baseline)]
            cells += [str(len(campaign.board.experiments)), f"{time.monotonic() - began:.0f}"]
            print(f"| {seed} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
