"""Draw the README's figure from a campaign: docs/figures/circle-packing.png and .svg.

    python docs/figures/make.py                            # runs the demo campaign first (some minutes)
    python docs/figures/make.py --campaign campaigns/ID    # draws one that has been run

The figure is the one of the campaign's report. Nothing in it is typed in by hand.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import aster
from aster.app import load_campaign
from aster.report.canvas import png, svg
from aster.report.figures import progress
from aster.report.progress import progress_view

FOLDER = Path(__file__).resolve().parent
NAME = "circle-packing"


def draw(campaign: aster.Campaign, folder: Path = FOLDER, name: str = NAME) -> list[Path]:
    """Write the campaign's progress figure into `folder` and return the files."""
    figure = progress(progress_view(campaign.board))
    written = []
    for ending, data in (("svg", svg(figure)), ("png", png(figure))):
        path = folder / f"{name}.{ending}"
        path.write_bytes(data)
        written.append(path)
    return written


def main() -> None:
    """Draw the campaign that was asked for, or the demo's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaign", type=Path, help="the folder of a campaign; without it the demo runs")
    parser.add_argument("--experiments", type=int, default=60, help="the demo's budget")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write the figure")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if asked.campaign is not None:
            campaign = load_campaign(asked.campaign)
        else:
            budget = aster.Budget(experiments=asked.experiments)
            campaign = aster.research(NAME, budget, slots=2, seed=1, campaigns=scratch)
        for path in draw(campaign, asked.out):
            print(path)


if __name__ == "__main__":
    main()
