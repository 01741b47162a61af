"""`aster run`, `aster resume`, `aster stop` and `aster steer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from aster.cli.options import (
    DEFAULT_CAMPAIGNS,
    AgentsOption,
    BaseUrlOption,
    CampaignArgument,
    CampaignsOption,
    DirectionsOption,
    DryRunOption,
    ExperimentsOption,
    GpuHoursOption,
    JsonOption,
    ModelOption,
    ModeOption,
    OneShotOption,
    PriceOption,
    ProblemArgument,
    RequireSandboxOption,
    ResearcherOption,
    SandboxName,
    SandboxOption,
    SeedOption,
    SlotsOption,
    TokensOption,
    UsdOption,
    WallOption,
)

if TYPE_CHECKING:
    from aster.campaign.budget import Budget
    from aster.domain.records import Mode
    from aster.domain.research import ModelChoice

LEFT = 130
"""Exit code of a campaign that was left by two interrupts."""


def run(
    problem: ProblemArgument,
    wall: WallOption = None,
    experiments: ExperimentsOption = None,
    usd: UsdOption = None,
    tokens: TokensOption = None,
    gpu_hours: GpuHoursOption = None,
    model: ModelOption = None,
    base_url: BaseUrlOption = "",
    price: PriceOption = None,
    agents: AgentsOption = None,
    one_shot: OneShotOption = False,
    directions: DirectionsOption = None,
    researcher: ResearcherOption = None,
    slots: SlotsOption = None,
    seed: SeedOption = 0,
    mode: ModeOption = None,
    sandbox: SandboxOption = SandboxName.auto,
    require_sandbox: RequireSandboxOption = False,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a new campaign on a problem, under a budget.

    The budget is --wall, --experiments or both, and --usd or --tokens for language models. Ctrl-C ends the campaign
    cleanly, a second one leaves it at once; either way `aster resume` goes on.
    """
    from aster.campaign.budget import Budget
    from aster.choosing import chosen_models

    asked = Asked(
        budget=Budget(wall=wall, experiments=experiments, usd=usd, tokens=tokens, gpu_hours=gpu_hours),
        researcher=researcher,
        slots=slots,
        seed=seed,
        mode=None if mode is None else mode.value,
        campaigns=campaigns,
        models=chosen_models(model or [], base_url, price or []),
        agents=agents,
        one_shot=one_shot,
        directions=_read_directions(directions),
    )
    _begin(problem, asked, dry_run, sandbox, require_sandbox, as_json)


class Asked(TypedDict):
    """What a campaign is asked to be, as `create` and `rehearse` take it."""

    budget: Budget
    researcher: str | None
    slots: int | None
    seed: int
    mode: Mode | None
    campaigns: Path
    models: tuple[ModelChoice, ...]
    agents: int | None
    one_shot: bool
    directions: str


def _begin(
    problem: str, asked: Asked, dry_run: bool, sandbox: SandboxName, require_sandbox: bool, as_json: bool
) -> None:
    from aster.app import check_sandbox, create
    from aster.cli.preparing import tell
    from aster.hiring import check_models
    from aster.problems.problem import load_problem

    found = load_problem(problem)
    if dry_run:
        from aster.cli.plan import show_plan
        from aster.rehearsal import rehearse

        show_plan(rehearse(found, **asked), as_json)
        return
    check_sandbox(found, sandbox.value, require_sandbox, tell)
    check_models(asked["models"])
    _carry_out(create(found, **asked, tell=tell), sandbox, require_sandbox, as_json)


def _read_directions(file: Path | None) -> str:
    """Return what the planner is to be told, from a file; "" without one."""
    from aster.errors import UserError

    if file is None:
        return ""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"{file} cannot be read: {why}. --directions takes a text file for the planner.") from error
    if not text.strip():
        raise UserError(f"{file} is empty: write where the planner is to look, or leave --directions out.")
    return text


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


def steer(
    campaign: CampaignArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help='What the planner is told: "look at the optimizer".')],
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
) -> None:
    """Tell a campaign's planner where to look.

    It weighs this when it plans next, at once if it is idle. What was begun is not thrown away.
    """
    from aster.app import steer as tell_planner
    from aster.cli.find import command_for, find_campaign

    folder = find_campaign(campaign, campaigns)
    if tell_planner(folder, text):
        typer.echo(f"The planner of {folder.name} will weigh it; `{command_for('show', folder)} --agents` tells.")
    else:
        typer.echo(f"{folder.name} is not running; its planner is told when `{command_for('resume', folder)}` goes on.")


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
