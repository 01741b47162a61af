"""`aster show`: a campaign on one screen, or one side of it in full."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption, JsonOption

if TYPE_CHECKING:
    from aster.board import Board
    from aster.handle import Campaign
    from aster.report.claims import ClaimView


ON_ONE_SCREEN = 6
"""Directions and findings in the overview, the latest."""


def show(
    campaign: CampaignArgument,
    which: Annotated[
        str | None,
        typer.Argument(metavar="[K]", help="With --claim: its number or id; else the champion's, or the latest."),
    ] = None,
    claim: Annotated[
        bool, typer.Option("--claim", help="The claim, its verdict, and every attempt that its numbers trace to.")
    ] = False,
    directions: Annotated[bool, typer.Option("--directions", help="All directions with their yield.")] = False,
    findings: Annotated[bool, typer.Option("--findings", help="Everything that was learnt, oldest first.")] = False,
    experiments: Annotated[bool, typer.Option("--experiments", help="All experiments, oldest first.")] = False,
    agents: Annotated[
        bool, typer.Option("--agents", help="Agents: their directions, spend, models, notes and vetoes.")
    ] = False,
    agent: Annotated[
        str | None,
        typer.Option(metavar="A", help="What an agent was sent, what it said, and what that cost; A begins its id."),
    ] = None,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
    as_json: JsonOption = False,
) -> None:
    """Show how a campaign stands, or one side of it in full.

    It may be running meanwhile.
    """
    from aster.app import load_campaign
    from aster.cli.find import find_campaign
    from aster.errors import UserError

    if which is not None and not claim:
        command = shlex.join(["aster", "show", campaign, "--claim", which])
        raise UserError(f"What is {which!r}? To see one claim: {command}")
    loaded = load_campaign(find_campaign(campaign, campaigns))
    if agent is not None:
        from aster.cli.agent import print_agent

        print_agent(loaded, agent, as_json)
        return
    chosen = choose_claim(loaded.board, which) if claim else None
    if as_json:
        _print_json(loaded, chosen, directions, findings, experiments, agents)
        return
    if chosen is not None:
        _print_claim(loaded, chosen)
    if directions:
        _print_directions(loaded)
    if findings:
        _print_findings(loaded)
    if experiments:
        _print_experiments(loaded)
    if agents:
        _print_agents(loaded)
    if not (claim or directions or findings or experiments or agents):
        _print_overview(loaded)


def choose_claim(board: Board, which: str | None) -> ClaimView:
    """Return a claim by number or id; without either the champion's, or else the latest.

    Raises:
        UserError: there is no such claim.
    """
    from aster.errors import UserError
    from aster.report.claims import champion_claim, claim_views

    views = claim_views(board)
    if not views:
        raise UserError("This campaign has made no claim yet, so no number of it is more than a measurement.")
    if which is None:
        return champion_claim(board) or views[-1]
    for view in views:
        if which in (view.id, str(view.number)):
            return view
    known = ", ".join(f"{view.number} ({view.id})" for view in views)
    raise UserError(f"This campaign has no claim {which!r}. Its claims are: {known}.")


def _print_overview(campaign: Campaign) -> None:
    from aster.cli.ending import closing
    from aster.cli.listing import state_of
    from aster.cli.words import clean, console
    from aster.report.wording import ceiling_texts

    board, out = campaign.board, console()
    ceilings = ceiling_texts(board.setup.limits)
    out.print(clean(board.setup.title), style="bold")
    state = state_of(campaign.folder, board)
    out.print(f"{campaign.id}: {state}; budget {', '.join(ceilings)}; {board.setup.mode}, seed {board.setup.seed}")
    out.print(f"{_tally(board)}\n")
    for line in closing(campaign):
        out.print(line, soft_wrap=True)
    _print_agents(campaign, at_a_glance=True)
    if board.directions:
        out.print()
        _print_directions(campaign, latest=ON_ONE_SCREEN)
    if board.findings:
        out.print("\nLatest findings", style="bold")
        _print_findings(campaign, latest=ON_ONE_SCREEN)


def _print_agents(campaign: Campaign, at_a_glance: bool = False) -> None:
    from aster.cli.agents import print_agents, print_glance
    from aster.report.agents import agents_view

    view = agents_view(campaign.board)
    if view is None:
        if not at_a_glance:
            typer.echo("This campaign has no language model, so it has no agents.")
    elif at_a_glance:
        typer.echo()
        print_glance(view)
    else:
        print_agents(view)


def _tally(board: Board) -> str:
    counts = [f"{n} {kind.replace('_', ' ')}" for kind, n in board.tally.items()]
    waiting = [f"{len(board.waiting)} waiting"] if board.waiting else []
    return ", ".join([*counts, f"{len(board.running)} running", *waiting])


def _print_claim(campaign: Campaign, claim: ClaimView) -> None:
    from rich.table import Table

    from aster.cli.words import console, level_text, number, places
    from aster.report.claims import trace
    from aster.report.wording import duration

    board, decimals, out = campaign.board, places(campaign.board), console()
    record = board.claims[claim.id]
    for line in _claim_lines(board, claim):
        out.print(line, soft_wrap=True)
    out.print(f"\nIts attempts ({board.setup.objective.shown}; interval at {level_text(claim.alpha)}):")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("side", "attempt (experiment.number)", "seed", "status", "value", "time"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("seed", "value", "time") else "left")
    for row in trace(board, record.record.id):
        value = "" if row.value is None else number(row.value, decimals)
        attempt = row.attempt or f"{row.experiment} (none ended)"
        source = f"{row.role}, scoring {row.artifact}" if row.artifact else row.role
        table.add_row(source, attempt, str(row.seed), row.status, value, duration(row.seconds))
    out.print(table)


def _claim_lines(board: Board, claim: ClaimView) -> Iterable[str]:
    from statistics import fmean

    from aster.cli.words import claim_text, number, places, signed, verdict_text

    state, decimals = board.claims[claim.id], places(board)
    said = claim_text(board, state.record)
    yield said[0].upper() + said[1:] + "."
    if state.decided is None:
        yield f"Under test: {claim.ended} of {2 * claim.planned} experiments have ended."
    else:
        verdict = verdict_text(state.record, state.decided, decimals)
        yield verdict[0].upper() + verdict[1:] + "."
    if claim.exact:
        yield "Design: exact metric; both artifacts are scored again, and must give what they gave."
    else:
        how = "paired seed by seed (Student's t)" if claim.paired else "unpaired (Welch's t)"
        real = "seen" if claim.expected is None else "expected, the one seen less what luck is likely to have added"
        power = f", power {claim.power:.0%} for the gain {real}" if claim.power is not None else ""
        yield f"Design: {claim.planned} pairs on fresh seeds, fixed before any ran{power}; {how}."
        yield f"One-sided alpha {claim.alpha:.4f}, for the campaign's claim {claim.number}."
        for each in board.setup.constraints:
            if each.p is not None:
                runs = f"the mean {each.metric} of the claimed candidate's runs"
                yield f"It must show too that {runs} is {each.wanted} (one-sided t test, p < {each.p:g})."
        yield f"The search saw a gain of {signed(claim.seen, decimals)}; noise sd {number(claim.sd, decimals)}."
    if claim.pairs:
        new, old = (fmean(values) for values in zip(*((p.new, p.old) for p in claim.pairs), strict=True))
        yield f"Mean {number(new, decimals)} against {number(old, decimals)} over {len(claim.pairs)} complete pairs."


def _print_directions(campaign: Campaign, latest: int | None = None) -> None:
    from rich.table import Table

    from aster.cli.words import clean, console
    from aster.report.summary import summarize
    from aster.report.wording import duration

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("direction", "experiments", "helped", "best gain", "time", "state"):
        table.add_column(name, justify="left" if name in ("direction", "state") else "right")
    rows = summarize(campaign.board).directions
    hidden = max(0, len(rows) - latest) if latest is not None else 0
    for row in rows[hidden:]:
        helped = f"{row.successes}/{row.findings}"
        best = "" if row.best is None else f"{row.best:.4g}"
        state = "open" if row.retired is None else clean(row.retired, 60)
        if latest is not None:
            state = state.partition(":")[0]
        table.add_row(clean(row.surface, 40), str(row.experiments), helped, best, duration(row.seconds), state)
    console().print(table)
    if hidden:
        typer.echo(f"and {hidden} before them (--directions)")


def _print_findings(campaign: Campaign, latest: int | None = None) -> None:
    from aster.cli.words import clean

    findings = campaign.board.findings
    for finding in findings[-latest:] if latest else findings:
        typer.echo(f"{'*' if finding.success else '-'} {clean(finding.text)}")


def _print_experiments(campaign: Campaign) -> None:
    """One line an experiment, not a table: there may be a hundred thousand."""
    from aster.cli.words import name_of, number, places
    from aster.report.claims import status_of

    board, decimals = campaign.board, places(campaign.board)
    for name, state in board.experiments.items():
        metrics = state.reported
        value = number(metrics[board.setup.objective.metric], decimals) if metrics is not None else ""
        record = state.record
        what = name_of(board, record.candidate)
        typer.echo(f"{name}  {record.purpose:<9}  {status_of(state):<13}  {value:>12}  {record.seed:>10}  {what}")


def _print_json(
    campaign: Campaign, claim: ClaimView | None, directions: bool, findings: bool, experiments: bool, agents: bool
) -> None:
    import msgspec

    from aster.cli.ending import summary_line
    from aster.cli.listing import state_of
    from aster.report.agents import agents_view
    from aster.report.claims import trace
    from aster.report.summary import summarize

    board = campaign.board
    record: dict[str, Any] = {"state": state_of(Path(campaign.folder), board), "ended": board.ended}
    record |= summary_line(campaign)
    if claim is not None:
        record["claim"] = {**msgspec.to_builtins(claim), "attempts": trace(board, claim.id)}
    if directions:
        record["directions"] = summarize(board).directions
    if agents:
        record["agents"] = agents_view(board)
    if findings:
        record["findings"] = board.findings
    if experiments:
        record["all_experiments"] = [
            {"experiment": state.record, "outcome": state.outcome} for state in board.experiments.values()
        ]
    typer.echo(msgspec.json.encode(record).decode())
