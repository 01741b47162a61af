"""`aster campaigns`, `aster problems` and `aster report`: lists, and writing the report again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption

if TYPE_CHECKING:
    from aster.board import Board
    from aster.overview import Overview

ROOM_FOR_PROBLEM = 110
"""Columns from which on the problem has a column of its own; an id begins with the problem's name anyway."""


def campaigns(campaigns: CampaignsOption = DEFAULT_CAMPAIGNS) -> None:
    """List the campaigns in a folder, youngest first."""
    from rich.table import Table

    from aster.app import overview
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
            glance = overview(folder)
            rows.append((glance.opened, _row(folder, glance, wide)))
        except AsterError:  # one broken campaign must not hide the others
            rows.append((0.0, [folder.name, *([""] if wide else []), "unreadable", "", "", "", ""]))
    for _, row in sorted(rows, key=lambda pair: pair[0], reverse=True):
        table.add_row(*row)
    out.print(table)


def _row(folder: Path, glance: Overview, wide: bool) -> list[str]:
    from time import time

    from aster.cli.words import clean, number
    from aster.report.wording import duration, places_for

    decimals = 6 if glance.baseline is None else places_for(glance.baseline, glance.sd)
    shown = ["-" if value is None else number(value, decimals) for value in (glance.baseline, glance.champion)]
    return [
        folder.name,
        *([clean(glance.problem, 30)] if wide else []),
        _state(folder, glance.ended),
        str(glance.experiments),
        " -> ".join(shown),
        glance.verdict,
        duration(max(0.0, time() - glance.opened)),
    ]


def state_of(folder: Path, board: Board) -> str:
    """Return running, ended or interrupted: cut off or left, to be resumed."""
    return _state(folder, board.ended is not None)


def _state(folder: Path, ended: bool) -> str:
    from aster.app import is_running

    if is_running(folder):
        return "running"
    return "ended" if ended else "interrupted"


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
