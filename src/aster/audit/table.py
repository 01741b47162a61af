"""A results file as rows of text, however it was written: tabs or commas, quotes, BOM, CRLF, with or without names."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from aster.errors import UserError
from aster.report.wording import clean

MOST_BYTES = 64 << 20

AUTORESEARCH = ("commit", "val_bpb", "memory_gb", "status", "description")
"""The columns that autoresearch's program.md asks for."""


class Row(Struct, frozen=True):
    """One line: its number in the file, and its cells."""

    line: int
    cells: tuple[str, ...]

    def cell(self, column: int | None) -> str:
        """Return a cell's text, "" where the line is too short or there is no such column."""
        return self.cells[column] if column is not None and column < len(self.cells) else ""


class Table(Struct, frozen=True):
    """The names of the columns and all rows below them that are not blank."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, wanted: str) -> int | None:
        """Return the index of a column by its name, whatever its case, or by its number from 1 on; None: no such."""
        lowered = [name.lower() for name in self.names]
        if wanted.strip().lower() in lowered:
            return lowered.index(wanted.strip().lower())
        if wanted.isdecimal() and 1 <= int(wanted) <= len(self.names):
            return int(wanted) - 1
        return None

    def first(self, *wanted: str) -> int | None:
        """Return the first of these columns that there is."""
        return next((found for name in wanted if (found := self.column(name)) is not None), None)


def read_table(path: Path) -> Table:
    """Read a file of results.

    Raises:
        UserError: it cannot be read, is empty, or is no table.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has more than {MOST_BYTES >> 20} MiB: that is not a file of results.")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    return parse_table(decoded(data), str(path))


def decoded(data: bytes) -> str:
    """Return text from UTF-8 or UTF-16 with a BOM, from UTF-8, or else from Latin-1, which takes any bytes."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse_table(text: str, where: str) -> Table:
    """Return the table that a text holds.

    Raises:
        UserError: there is no row in it. `where` names the file there.
    """
    rows = _rows(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))
    if not rows:
        raise UserError(f"{where} holds no rows. An audit reads a table with a line for each experiment.")
    names, rows = _named(rows)
    if not rows:
        raise UserError(f"{where} holds names of columns ({shown(names)}) and no experiments below them.")
    if len(names) == 1:
        raise UserError(f"{where} is not a table: its first line has no tab, comma or semicolon.")
    return Table(names, tuple(Row(row.line, _fitted(row.cells, len(names))) for row in rows))


def shown(names: Sequence[str]) -> str:
    """Return names of columns for a message."""
    return ", ".join(clean(name, 40) or "(blank)" for name in names[:20]) + (", ..." if len(names) > 20 else "")


def _rows(text: str) -> list[Row]:
    """Return the lines that are not blank. Tabs are never quoted: descriptions hold stray quotes."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if "\t" in first:
        cells = [(at, line.split("\t")) for at, line in enumerate(lines, 1)]
    else:
        comma = max(",;|", key=first.count)
        reader = csv.reader(lines, delimiter=comma, skipinitialspace=True, strict=True)
        try:
            cells = [(reader.line_num, row) for row in reader]
        except csv.Error:  # a quote that nobody closed would swallow the rows below it
            cells = [(at, line.split(comma)) for at, line in enumerate(lines, 1)]
    stripped = [(at, tuple(cell.strip() for cell in row)) for at, row in cells]
    return [Row(at, row) for at, row in stripped if any(row)]


def _named(rows: list[Row]) -> tuple[tuple[str, ...], list[Row]]:
    """Return the names and the rows below. Without names: autoresearch's if it looks so, else "1", "2", ..."""
    first = rows[0].cells
    if not any(number_in(cell) is not None for cell in first):
        return first, [row for row in rows[1:] if row.cells != first]  # files that were glued together repeat it
    if len(first) >= len(AUTORESEARCH) and number_in(first[1]) is not None and first[3].lower() in KEPT | THROWN:
        return AUTORESEARCH, rows
    return tuple(str(number) for number in range(1, len(first) + 1)), rows


def _fitted(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Return the cells with what is beyond the last column joined to it: a tab or comma inside a description."""
    return cells if len(cells) <= width else (*cells[: width - 1], " ".join(filter(None, cells[width - 1 :])))


KEPT = frozenset(
    {"keep", "kept", "best", "baseline", "accept", "accepted", "adopt", "adopted", "advance", "improved", "merged"}
)
THROWN = frozenset({"discard", "discarded", "revert", "reverted", "reject", "rejected", "crash", "fail", "failed"})


def number_in(cell: str) -> float | None:
    """Return the finite number that a cell holds, such as "0.99", "1e-3", "1,234.5" or "97.5%" (as 97.5), or None."""
    text = cell.strip().rstrip("%").replace("_", "x").replace("\N{MINUS SIGN}", "-")
    try:
        value = float(text.replace(",", "") if "." in text.rpartition(",")[2] else text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None
