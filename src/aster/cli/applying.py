"""`aster apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption

if TYPE_CHECKING:
    from aster.applying import Application
    from aster.handle import Campaign

MOST_DRIFTED = 5


def apply(
    campaign: CampaignArgument,
    candidate: Annotated[
        str | None, typer.Argument(metavar="[CANDIDATE]", help="A candidate's id or its beginning; else the champion.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder laid out like the problem's; else the one the campaign came from."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Where both sides changed the same lines take the candidate's; keep FILE.orig."),
    ] = False,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="Allow a candidate that no confirmed claim is about.")
    ] = False,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
) -> None:
    """Put the champion's change on your own files.

    What you changed since the campaign began is merged with it. On a conflict nothing is written. In a git checkout
    the change is left uncommitted.
    """
    from aster.app import load_campaign
    from aster.applying import forced, write_application
    from aster.cli.find import find_campaign
    from aster.errors import UserError

    loaded = load_campaign(find_campaign(campaign, campaigns))
    plan = _plan(loaded, candidate, to, unconfirmed)
    taken = [change.path for change in plan.conflicts]
    if taken and not force:
        raise UserError(
            f"You and the candidate changed the same lines of {', '.join(taken)} in {plan.folder}, so nothing was "
            "written. Merge by hand from best.patch in the campaign's folder, or take the candidate's version of "
            "these files with --force, which keeps yours in FILE.orig."
        )
    if taken:
        plan = forced(plan)
    if not dry_run:
        write_application(plan, keep=taken)
    _say(loaded, plan, dry_run)


def _plan(campaign: Campaign, candidate: str | None, to: Path | None, unconfirmed: bool) -> Application:
    from contextlib import closing

    from aster.applying import choose_candidate, home_of, plan_application
    from aster.domain.events import CampaignOpened

    chosen = choose_candidate(campaign.board, candidate, unconfirmed)
    with closing(campaign.open_store()) as store:
        [first] = store.read(limit=1)
        assert isinstance(first.event, CampaignOpened)  # a ledger is opened with it
        folder = to.expanduser() if to is not None else home_of(campaign, first.event)
        return plan_application(campaign, store, chosen, folder)


def _say(campaign: Campaign, plan: Application, dry_run: bool) -> None:
    from aster.cli.words import clean, name_of, shown_path

    name = name_of(campaign.board, plan.candidate)
    if not plan.changes:
        typer.echo(f"{shown_path(plan.folder)} has all of {name} already.")
    else:
        verb = "would change" if dry_run else "changed"
        typer.echo(f"{name} {verb} {len(plan.changes)} of the files in {shown_path(plan.folder)}:")
    for change in plan.changes:
        typer.echo(f"  {change.verb:<8} {clean(change.path)}")
    if plan.drifted:
        some = ", ".join(clean(path) for path in plan.drifted[:MOST_DRIFTED])
        more = f" and {len(plan.drifted) - MOST_DRIFTED} more" if len(plan.drifted) > MOST_DRIFTED else ""
        typer.echo(f"Note: measured with the campaign's copy of the problem, which is another in: {some}{more}.")
