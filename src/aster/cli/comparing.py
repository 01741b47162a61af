"""`aster compare`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignsOption, JsonOption

if TYPE_CHECKING:
    from aster.board import Board
    from aster.comparing.compare import Comparison
    from aster.comparing.sides import Side


class GoalName(StrEnum):
    """Which way is better; the same words as `domain.records.Goal`."""

    minimize = "minimize"
    maximize = "maximize"


SIDE = "A file or folder of results, or a candidate: its id, baseline, champion or best."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same, to be held against it.")],
    time_to_target: Annotated[
        bool, typer.Option("--time-to-target", help="Compare times, and test both mean losses against --target.")
    ] = False,
    target: Annotated[
        float | None, typer.Option(metavar="X", help="The most a mean loss may be [the campaign's].")
    ] = None,
    p: Annotated[
        float | None,
        typer.Option("--p", metavar="P", help="The p-value that shows a mean loss must be below it [0.01]."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to compare [val_loss; the objective].")
    ] = None,
    goal: Annotated[GoalName | None, typer.Option(help="Which way it is better.", show_default=False)] = None,
    time: Annotated[str | None, typer.Option(metavar="NAME", help="The time [training_seconds, seconds, ...].")] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="The loss [val_loss, ...].")] = None,
    pair: Annotated[
        bool | None,
        typer.Option("--paired/--unpaired", help="Whether runs belong together, in order [by pair, round or seed]."),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(metavar="ID", help="The campaign of two candidates [the last].")
    ] = None,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
    as_json: JsonOption = False,
) -> None:
    """Compare two candidates, or the runs in two files.

    A difference of means, or with --time-to-target a ratio of times, with its interval and what so many runs can tell.
    """
    from aster.comparing.compare import compare_metric, compare_times

    _check(
        time_to_target,
        {"--target": target, "--p": p, "--time": time, "--loss": loss},
        {"--metric": metric, "--goal": goal},
    )
    board, sides = _sides(a, b, campaign, campaigns)
    if time_to_target:
        target, p, loss = _bound(board, target, p, loss)
        found = compare_times(*sides, target, p, time=time or _timed(board), loss=loss, pair=pair)
    else:
        aim = goal.value if goal is not None else None
        if board is not None and metric in (None, board.setup.objective.metric):
            metric, aim = board.setup.objective.metric, aim or board.setup.objective.goal
        found = compare_metric(*sides, metric, aim, pair)
    _tell(found, as_json)


def _tell(found: Comparison, as_json: bool) -> None:
    import msgspec

    from aster.comparing.text import lines_of

    for line in [msgspec.json.encode(found).decode()] if as_json else lines_of(found):
        typer.echo(line)


def _check(time_to_target: bool, timed: dict[str, object], plain: dict[str, object]) -> None:
    """Refuse options that would have no effect: some go with --time-to-target, some without it."""
    from aster.errors import UserError

    given = [name for name, value in timed.items() if value is not None]
    if given and not time_to_target:
        raise UserError(f"{given[0]} goes with --time-to-target; add it, or leave {given[0]} out.")
    other = [name for name, value in plain.items() if value is not None]
    if other and time_to_target:
        raise UserError(
            f"--time-to-target compares times, so {other[0]} says nothing; name the time with --time and the loss with "
            "--loss."
        )


def _sides(a: str, b: str, campaign: str | None, campaigns: Path) -> tuple[Board | None, tuple[Side, Side]]:
    """Return what is to be compared, and for candidates their campaign."""
    from aster.comparing.files import is_file, side_of
    from aster.errors import UserError

    if is_file(a) and is_file(b):
        if campaign is not None:
            raise UserError(f"{a} and {b} are files, so --campaign says nothing; leave it out.")
        return None, (side_of(a), side_of(b))
    if is_file(a) or is_file(b):
        missing = b if is_file(a) else a
        raise UserError(f"There is no file {missing}. Give two files or folders of results, or two candidates.")
    return _candidates(a, b, campaign or "last", campaigns)


def _candidates(a: str, b: str, campaign: str, campaigns: Path) -> tuple[Board, tuple[Side, Side]]:
    from aster.app import load_campaign
    from aster.cli.find import find_campaign
    from aster.comparing.candidates import sides_of

    board = load_campaign(find_campaign(campaign, campaigns)).board
    return board, sides_of(board, a, b)


def _bound(
    board: Board | None, target: float | None, p: float | None, loss: str | None
) -> tuple[float, float, str | None]:
    """Return target, p and the loss's name: what was asked for, else the campaign's constraint on a mean."""
    import math

    from aster.errors import UserError

    bounds = board.setup.constraints if board is not None else ()
    known = next((c for c in bounds if c.p is not None and c.max is not None and loss in (None, c.metric)), None)
    if target is None and known is None:
        raise UserError("--time-to-target needs the target, such as --target 3.28: the most that a mean loss may be.")
    target = target if target is not None else known.max if known is not None else None
    p = p if p is not None else (known.p if known is not None else None) or 0.01
    assert target is not None
    if not math.isfinite(target):
        raise UserError(f"--target must be a number, not {target}.")
    if not 0 < p < 0.5:
        raise UserError(f"--p must be above 0 and below 0.5, not {p:g}.")
    return target, p, loss or (known.metric if known is not None else None)


def _timed(board: Board | None) -> str | None:
    """Return the campaign's objective if it is a time, by its name."""
    from aster.comparing.compare import TIMES

    name = board.setup.objective.metric if board is not None else None
    return name if name in TIMES or (name is not None and name.endswith(("_s", "_seconds"))) else None
