"""How good a packing short campaigns confirm, over campaign seeds, beside the published marks.

    python benchmarks/circle_packing.py [--experiments 60] [--slots 2] [--seeds 0 1 2 3 4 5]

Prints a row per campaign as it ends: the best sum of radii seen after 20 and 40 outcomes, the champion's, the wall
seconds. The limit is the best known packing, 2.6359830849 (Packomania); AlphaEvolve printed 2.635.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time

import aster


def best_after(campaign: aster.Campaign, outcomes: int) -> float:
    """Return the best sum of radii among the first measured `outcomes` that decisions saw."""
    seen = [campaign.board.experiments[x].metrics for x in campaign.board.seen[:outcomes]]
    return max(metrics["sum_of_radii"] for metrics in seen if metrics is not None)


def main() -> None:
    """Run the campaigns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=60)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4, 5])
    args = parser.parse_args()
    print(f"{args.experiments} experiments, {args.slots} slots, Python {platform.python_version()}")
    print("| seed | after 20 | after 40 | champion | seconds |")
    print("|---|---|---|---|---|", flush=True)
    reached = []
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            budget = aster.Budget(experiments=args.experiments)
            campaign = aster.research("circle-packing", budget, slots=args.slots, seed=seed, campaigns=folder)
            seconds = time.monotonic() - began
            value = campaign.champion_value
            marks = [f"{best_after(campaign, n):.6f}" for n in (20, 40)]
            print(f"| {seed} | {marks[0]} | {marks[1]} | {value:.10f} | {seconds:.0f} |", flush=True)
            reached.append(value or 0.0)
    print(f"champion at least 2.630: {sum(v >= 2.630 for v in reached)} of {len(reached)}; ", end="")
    print(f"at least 2.6358: {sum(v >= 2.6358 for v in reached)} of {len(reached)}")


if __name__ == "__main__":
    main()
