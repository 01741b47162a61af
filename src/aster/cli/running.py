"""`aster run`, `aster resume` and `aster stop`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import (
    DEFAULT_CAMPAIGNS,
    CampaignArgument,
    CampaignsOption,
    JsonOption,
    ModeName,
    ProblemArgument,
    RequireSandboxOption,
    SandboxName,
    SandboxOption,
)

if TYPE_CHECKING:
    from aster.domain.records import Mode

LEFT = 130
"""Exit code of a campaign that was left by two interrupts."""


def run(
    problem: ProblemArgument,
    wall: Annotated[
        str | None, typer.Option(metavar="TIME", help='Ceiling of active wall time, such as "2h", "90m" or "45s".')
    ] = None,
    experiments: Annotated[
        int | None, typer.Option(metavar="N", help="Ceiling of experiments, baselines and confirmations included.")
    ] = None,
    researcher: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who writes the candidates: `ideas`, `tuner` or `ideas+tuner`; by default ideas if there are any.",
        ),
    ] = None,
    slots: Annotated[
        int | None, typer.Option(metavar="N", help="Experiments side by side; by default as many as fit this machine.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed and slots make the same ordered campaign.")] = 0,
    mode: Annotated[
        ModeName | None,
        typer.Option(help="`ordered` repeats exactly; `arrival` never waits. By default ordered without --wall."),
    ] = None,
    sandbox: SandboxOption = SandboxName.auto,
    require_sandbox: RequireSandboxOption = False,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, its cost and what it could tell; run and write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a new campaign on a problem, under a budget.

    The budget is --wall, --experiments or both. Ctrl-C ends the campaign cleanly, a second one leaves it at once;
    either way `aster resume` goes on.
    """
    from aster.app import check_sandbox, create
    from aster.campaign.budget import Budget
    from aster.cli.preparing import tell
    from aster.problems.problem import load_problem

    found = load_problem(problem)
    chosen: Mode | None = None if mode is None else mode.value
    budget = Budget(wall=wall, experiments=experiments)
    if dry_run:
        from aster.cli.plan import show_plan
        from aster.rehearsal import rehearse

        plan = rehearse(found, budget, researcher=researcher, slots=slots, seed=seed, mode=chosen, campaigns=campaigns)
        show_plan(plan, as_json)
        return
    check_sandbox(found, sandbox.value, require_sandbox, tell)
    folder = create(
        found, budget, researcher=researcher, slots=slots, seed=seed, mode=chosen, campaigns=campaigns, tell=tell
    )
    _carry_out(folder, sandbox, require_sandbox, as_json)


def resume(
    campaign: CampaignArgument,
    sandbox: SandboxOption = SandboxName.auto,
    require_sandbox: RequireSandboxOption = False,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
    as_json: JsonOption = False,
) -> None:
    """Go on with a campaign that was stopped, left or cut off."""
    from aster.cli.find import find_campaign

    _carry_out(find_campaign(campaign, campaigns), sandbox, require_sandbox, as_json)


def stop(
    campaign: CampaignArgument,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "asked to stop",
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
) -> None:
    """Ask a running campaign to end cleanly.

    It plans nothing more and waits for what is running.
    """
    from aster.app import request_stop
    from aster.cli.find import command_for, find_campaign

    folder = find_campaign(campaign, campaigns)
    if request_stop(folder, reason):
        typer.echo(f"Asked {folder.name} to end; it waits for what is running. `{command_for('show', folder)}` tells.")
    else:
        typer.echo(f"{folder.name} is not running, so there is nothing to stop.")


def _carry_out(folder: Path, sandbox: SandboxName, require_sandbox: bool, as_json: bool) -> None:
    """Run the campaign in `folder` with a view of it, say how it went, and exit with its code."""
    from aster import app
    from aster.cli.find import command_for
    from aster.cli.signals import Interrupts, say
    from aster.cli.views import choose_view
    from aster.errors import BaselineError, StaleTerm, SystemTrouble
    from aster.ledger.protocol import BlobMissing, LedgerDamaged

    resume = command_for("resume", folder)
    interrupts = Interrupts(resume)
    try:
        with interrupts, choose_view(as_json) as view:
            try:
                done = app.run(
                    folder,
                    observers=[interrupts.note, view.note],
                    interrupted=interrupts.told,
                    sandbox=sandbox.value,
                    require_sandbox=require_sandbox,
                    tell=say,
                )
            except BaselineError:
                view.finish(app.load_campaign(folder))
                raise
            view.finish(done)
    except SystemTrouble as error:
        if not isinstance(error, LedgerDamaged | BlobMissing | StaleTerm):
            error.add_note(f"What was recorded is safe; once this is mended, `{resume}` goes on.")
        raise
    except KeyboardInterrupt:  # before the campaign began, while the report was drawn, or for the third time
        say(f"Left. What was recorded is safe; `{resume}` goes on.")
        raise typer.Exit(LEFT) from None
    if done.board.ended is None:
        raise typer.Exit(LEFT)
