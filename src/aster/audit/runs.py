"""Which columns of a results file mean what, and its rows as what was tried."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from aster.audit.table import KEPT, Row, Table, number_in, shown
from aster.domain.records import Goal
from aster.errors import UserError
from aster.evidence.audit import Tried
from aster.report.wording import clean, count

CRASHED = re.compile(r"crash|fail|error|oom|time[d -]*out|invalid|abort|killed|blocked", re.IGNORECASE)
MISSING = re.compile(r"|-+|–|—|n/?a|none|null|[-+]?nan|[-+]?inf(inity)?|\?+", re.IGNORECASE)

REPEATS = re.compile(
    r"\b(re-?runs?|re-?measure\w*|replicat\w+|repeats?|repeated|(same|identical|unchanged) (code|config)"
    r"|noise (floor|check|test)|seed *[=:]? *\d+|(another|different|new|other) seed)\b",
    re.IGNORECASE,
)
"""Words by which people mark a measurement of code that did not change."""

LABELS = ("description", "change", "hypothesis", "title", "message", "experiment", "name", "notes", "note")
COMMITS = ("commit", "sha", "hash", "commit_hash")


class Wanted(Struct, frozen=True):
    """What the user said of the columns; "" and () where nothing was said."""

    column: str = ""
    goal: Goal | Literal[""] = ""
    kept_column: str = ""
    kept_values: tuple[str, ...] = ()
    crash_values: tuple[float, ...] = ()


class Run(Struct, frozen=True):
    """A run as it was read.

    Args:
        metric: the name of its column.
        goal: which way is better.
        tried: every experiment, in the file's order; none is marked as a repeat yet.
        marked: the indices in `tried` of those that the file itself marks as repeats of the version before.
        rule: in words, what was taken as kept.
        notes: what was odd, a sentence each.
    """

    metric: str
    goal: Goal
    tried: tuple[Tried, ...]
    marked: tuple[int, ...]
    rule: str
    notes: tuple[str, ...]


def read_run(table: Table, wanted: Wanted, where: str) -> Run:
    """Return the run that a table holds.

    Raises:
        UserError: a column is missing, or nothing was measured or kept; says which columns and words there are.
    """
    value, goal = _value_column(table, wanted, where)
    kept = _kept_column(table, wanted, where)
    rows, notes = _distinct(table.rows)
    rows, more = _readable(rows, value, kept)
    values = [_value(row, value, kept, wanted) for row in rows]
    values = _without_zeros(values, [_is_kept(row, kept, wanted) for row in rows])
    if not any(each is not None for each in values):
        raise UserError(
            f"{where}: column {table.names[value]!r} holds no number. The columns are {shown(table.names)}."
        )
    rule, flags = _flags(rows, values, kept, goal, wanted, table, where)
    label = table.first(*LABELS)
    tried = tuple(
        Tried(row.line, each, flag, clean(row.cell(label), 200))
        for row, each, flag in zip(rows, values, flags, strict=True)
    )
    marked = tuple(_marked(tried, [row.cell(table.first(*COMMITS)) for row in rows]))
    return Run(table.names[value], goal, tried, marked, rule, (*notes, *more, *_odd_steps(tried, goal)))


def _value_column(table: Table, wanted: Wanted, where: str) -> tuple[int, Goal]:
    name = wanted.column or "val_bpb"
    column = table.column(name)
    if column is None:
        numeric = [n for at, n in enumerate(table.names) if any(number_in(r.cell(at)) is not None for r in table.rows)]
        said = f"there is no column {name!r}" if wanted.column else "there is no column val_bpb, so say which to audit"
        raise UserError(
            f"{where}: {said}: --column NAME --goal minimize|maximize. Columns with numbers: {shown(numeric)}."
        )
    if wanted.goal:
        return column, wanted.goal
    if table.names[column].lower() != "val_bpb":
        raise UserError(
            f"{where}: say which way {table.names[column]!r} is better: --goal minimize or --goal maximize."
        )
    return column, "minimize"


def _kept_column(table: Table, wanted: Wanted, where: str) -> int | None:
    if not wanted.kept_column:
        return table.column("status")
    column = table.column(wanted.kept_column)
    if column is None:
        raise UserError(f"{where}: there is no column {wanted.kept_column!r}. The columns are {shown(table.names)}.")
    return column


def _distinct(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Return the rows without exact copies of earlier ones, which are no new measurements."""
    seen: dict[tuple[str, ...], int] = {}
    copies = [row.line for row in rows if seen.setdefault(row.cells, row.line) != row.line]
    notes = [f"{count(len(copies), 'line')} left out as exact copies of earlier ones ({_lines(copies)})."]
    return [row for row in rows if seen[row.cells] == row.line], notes if copies else []


def _readable(rows: Sequence[Row], value: int, kept: int | None) -> tuple[list[Row], list[str]]:
    """Return the rows that are experiments, and what to say of the others."""
    good = [row for row in rows if _is_experiment(row, value, kept)]
    bad = [row.line for row in rows if not _is_experiment(row, value, kept)]
    return good, [f"{count(len(bad), 'line')} left out, not rows of this table ({_lines(bad)})."] if bad else []


def _is_experiment(row: Row, value: int, kept: int | None) -> bool:
    cell = row.cell(value)
    if number_in(cell) is not None or CRASHED.search(cell) or CRASHED.search(row.cell(kept)):
        return True
    return len(row.cells) > value and MISSING.fullmatch(cell) is not None


def _value(row: Row, value: int, kept: int | None, wanted: Wanted) -> float | None:
    found = number_in(row.cell(value))
    crashed = found in wanted.crash_values or (CRASHED.match(row.cell(kept)) and not _is_kept(row, kept, wanted))
    return None if crashed else found


def _without_zeros(values: list[float | None], kept: list[bool]) -> list[float | None]:
    """Return the values without the zeros that stand for crashes: not kept, and all others lie on one side of zero."""
    others = [each for each in values if each]
    if not others or min(others) < 0 < max(others) or any(v == 0 and k for v, k in zip(values, kept, strict=True)):
        return values
    return [each or None for each in values]


def _is_kept(row: Row, kept: int | None, wanted: Wanted) -> bool:
    if kept is None:
        return False
    words = {word.strip().lower() for word in wanted.kept_values} or KEPT
    return row.cell(kept).lower() in words


def _flags(
    rows: Sequence[Row], values: Sequence[float | None], kept: int | None, goal: Goal, wanted: Wanted, table: Table,
    where: str,
) -> tuple[str, list[bool]]:  # fmt: skip
    """Return (the rule in words, whether each row was kept)."""
    if kept is None:
        return "no column says what was kept: what measured better than all before counts as kept", _records(
            values, goal
        )
    flags = [_is_kept(row, kept, wanted) and each is not None for row, each in zip(rows, values, strict=True)]
    words = Counter(clean(row.cell(kept).lower(), 20) or "(blank)" for row in rows)
    yes = Counter(clean(row.cell(kept).lower(), 20) for row in rows if _is_kept(row, kept, wanted))
    if not yes:
        said = ", ".join(f"{word} ({n})" for word, n in words.most_common(12))
        raise UserError(
            f"{where}: no word in column {table.names[kept]!r} says that something was kept; it holds {said}. "
            "Say which does: --kept-value WORD."
        )
    parts = [", ".join(f"{word} ({n})" for word, n in each.most_common(8)) for each in (yes, words - yes)]
    return f"kept: {parts[0]}" + (f"; not kept: {parts[1]}" if parts[1] else ""), flags


def _records(values: Sequence[float | None], goal: Goal) -> list[bool]:
    sign = 1.0 if goal == "maximize" else -1.0
    best = float("-inf")
    flags = []
    for each in values:
        flags.append(each is not None and sign * each > best)
        best = max(best, sign * each) if each is not None else best
    return flags


def _marked(tried: Sequence[Tried], commits: Sequence[str]) -> Iterator[int]:
    """Yield which rows seem to measure the version before them again."""
    commit: str | None = None
    for at, (each, mine) in enumerate(zip(tried, commits, strict=True)):
        if each.value is None:
            continue
        if commit is not None and ((mine and mine == commit) or REPEATS.search(each.label)):
            yield at
        elif commit is None or each.kept:
            commit = mine


def _odd_steps(tried: Sequence[Tried], goal: Goal) -> Iterator[str]:
    """Yield a note where a kept row measured far worse than the version before: was it measured in the same way?"""
    kept = [each for each in tried if each.value is not None and each.kept]
    values = [each.value if goal == "maximize" else -each.value for each in kept if each.value is not None]
    moves = sorted(abs(b - a) for a, b in pairwise(values))
    for at in range(1, len(values)):
        loss = values[at - 1] - values[at]
        if loss > 0 and ("baseline" in kept[at].label.lower() or loss > 5 * moves[len(moves) // 2] > 0):
            yield (
                f"Line {kept[at].line} was kept although it is worse by {loss:.4g}. If another protocol or machine "
                "begins there, cut the file there and audit the parts apart."
            )


def _lines(numbers: Sequence[int]) -> str:
    some = ", ".join(map(str, numbers[:6])) + (", ..." if len(numbers) > 6 else "")
    return ("line " if len(numbers) == 1 else "lines ") + some
