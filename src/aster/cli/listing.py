"""`aster campaigns`, `aster problems` and `aster report`: lists, and writing the report again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption

if TYPE_CHECKING:
    from aster.board import Board

ROOM_FOR_PROBLEM = 110
"""Columns from which on the problem has a column of its own; an id begins with the problem's name anyway."""


def campaigns(campaigns: CampaignsOption = DEFAULT_CAMPAIGNS) -> None:
    """List the campaigns in a folder, youngest first."""
    from rich.table import Table

    from aster.app import opened_at
    from aster.cli.find import campaign_folders
    from aster.cli.words import console
    from aster.errors import AsterError

    folders = campaign_folders(campaigns)
    if not folders:
        typer.echo(f"There are no campaigns in {campaigns}. Start one: aster run PROBLEM --experiments 60")
        return
    out = console()
    wide = out.width >= ROOM_FOR_PROBLEM
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True, overflow="fold")
    for name in ["problem"] if wide else []:
        table.add_column(name)
    for name in ("state", "exp.", "baseline -> champion", "verdict", "age"):
        table.add_column(name, justify="right" if name == "exp." else "left")
    rows: list[tuple[float, list[str]]] = []
    for folder in folders:
        try:
            rows.append((opened_at(folder), _row(folder, wide)))
        except AsterError:  # one broken campaign must not hide the others
            rows.append((0.0, [folder.name, *([""] if wide else []), "unreadable", "", "", "", ""]))
    for _, row in sorted(rows, key=lambda pair: pair[0], reverse=True):
        table.add_row(*row)
    out.print(table)


def _row(folder: Path, wide: bool) -> list[str]:
    from time import time

    from aster.app import load_campaign, opened_at
    from aster.cli.words import clean, number, places
    from aster.report.wording import duration

    campaign = load_campaign(folder)
    board, decimals = campaign.board, places(campaign.board)
    values = [campaign.baseline, campaign.champion_value]
    shown = ["-" if value is None else number(value, decimals) for value in values]
    age = duration(max(0.0, time() - opened_at(folder)))
    problem = [clean(board.setup.problem, 30)] if wide else []
    return [
        folder.name,
        *problem,
        state_of(folder, board),
        str(board.spend.experiments),
        " -> ".join(shown),
        _verdict(board),
        age,
    ]


def state_of(folder: Path, board: Board) -> str:
    """Return running, ended or interrupted: cut off or left, to be resumed."""
    from aster.app import is_running

    if is_running(folder):
        return "running"
    return "interrupted" if board.ended is None else "ended"


def _verdict(board: Board) -> str:
    if board.champion is not None:
        return "confirmed"
    last = next(reversed(board.claims.values()), None)
    if last is None:
        return "no claim"
    return last.decided.verdict if last.decided else "testing"


def report(campaign: CampaignArgument, campaigns: CampaignsOption = DEFAULT_CAMPAIGNS) -> None:
    """Write a campaign's report again from its ledger.

    Prints the paths written. The campaign may be running meanwhile.
    """
    from aster.app import load_campaign
    from aster.cli.find import find_campaign
    from aster.cli.words import shown_path

    for path in load_campaign(find_campaign(campaign, campaigns)).write_report():
        typer.echo(shown_path(path))


def problems() -> None:
    """List the built-in problems."""
    from aster.cli.words import clean
    from aster.errors import ProblemError
    from aster.problems.problem import builtin_packs, load_problem

    names = builtin_packs()
    for name in names:
        try:
            title = load_problem(name).spec.problem.title
        except ProblemError as error:
            title = f"broken: {error}"
        typer.echo(f"{name:<{max(map(len, names))}}  {clean(title)}")
    if not names:
        typer.echo("This installation holds no built-in problems.")
