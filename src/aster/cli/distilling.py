"""`aster distill`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption

if TYPE_CHECKING:
    from aster.handle import Campaign
    from aster.problems.problem import Problem


def distill(
    campaign: CampaignArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write the ideas here, instead of beside those of the problem."),
    ] = None,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
) -> None:
    """Turn what a campaign confirmed into ideas for the next one.

    Each candidate with a confirmed claim becomes a Markdown file with its diff, its tuned constants as knobs, and the
    gain that was measured, with its interval.
    """
    from aster.app import load_campaign
    from aster.cli.find import find_campaign
    from aster.cli.words import clean, shown_path
    from aster.distilling import distill, write_pages

    loaded = load_campaign(find_campaign(campaign, campaigns))
    distilled = distill(loaded)
    problem = _home(loaded) if out is None else None
    folder = out.expanduser() if out is not None else problem.folder / "ideas" if problem and problem.folder else Path()
    paths = write_pages(distilled, folder, problem) if distilled.pages else []
    for path, page in zip(paths, distilled.pages, strict=True):
        needs = f", on top of {', '.join(page.requires)}" if page.requires else ""
        typer.echo(f"{shown_path(path)}: gains {page.effect.gain:+.4g}{needs}")
    for candidate, why in distilled.left_out.items():
        typer.echo(f"Left out, because it makes no idea: {candidate}: {clean(why, 400)}")


def _home(campaign: Campaign) -> Problem:
    """Return the problem that the campaign came from, as it is now.

    Raises:
        UserError: it is built in, or not there any more.
    """
    from aster.applying import home_of
    from aster.domain.events import CampaignOpened
    from aster.errors import UserError
    from aster.problems.problem import load_problem

    with closing(campaign.open_store()) as store:
        [first] = store.read(limit=1)
    assert isinstance(first.event, CampaignOpened)  # a ledger is opened with it
    if not first.event.origin:
        raise UserError(
            f"The campaign does not know a folder of yours ({campaign.board.setup.problem} is built in), so say where "
            "the ideas are to be written: --out DIR."
        )
    return load_problem(home_of(campaign, first.event))
