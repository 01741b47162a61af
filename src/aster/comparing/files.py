"""Runs from files: JSON lines, CSV and TSV, or what training scripts printed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from aster.audit.table import MOST_BYTES, decoded, number_in, parse_table
from aster.comparing.sides import PAIR_COLUMNS, Run, Side
from aster.errors import UserError

PRINTED = ("", ".txt", ".log", ".out")
TABLES = (".csv", ".tsv")
LINES = (".jsonl", ".ndjson", ".json")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PRINTED = re.compile(rf"([A-Za-z][\w./-]{{0,63}})\s*[:=]\s*({_NUMBER})(ms|s)?(?![\w.])")
_CONTEST = re.compile(rf"step:(\d+)/(\d+) val_loss:({_NUMBER}) train_time:({_NUMBER})ms")
"""The line of modded-nanogpt; a run's last has both steps equal."""


def side_of(where: str) -> Side:
    """Return the runs of a file, of all files in a folder, or of those that a pattern such as "a-*.txt" names.

    Raises:
        UserError: there is no such file, it cannot be read, or no run is in it.
    """
    runs = tuple(run for path in _files(where) for run in _runs(path))
    if not runs:
        raise UserError(
            f"{where} holds no runs. `aster compare` reads JSON lines, CSV or TSV with a row for each run, or the "
            "output of a run that prints its numbers as `name: value`."
        )
    return Side(where, runs)


def is_file(where: str) -> bool:
    """Whether there is a file, a folder or anything that fits a pattern."""
    return Path(where).exists() or bool(_fitting(where))


def _files(where: str) -> list[Path]:
    path = Path(where)
    if path.is_dir():
        known = (*PRINTED, *TABLES, *LINES)
        found = (each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        return sorted(each for each in found if each.suffix.lower() in known)
    return [path] if path.exists() else _fitting(where)


def _fitting(where: str) -> list[Path]:
    if not any(mark in where for mark in "*?["):
        return []
    path = Path(where)
    base = Path(path.anchor) if path.is_absolute() else Path()
    try:
        return sorted(each for each in base.glob(str(path.relative_to(base))) if each.is_file())
    except ValueError:  # no pattern that pathlib knows
        return []


def _runs(path: Path) -> list[Run]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has more than {MOST_BYTES >> 20} MiB: that is not a file of results.")
        text = decoded(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    if not text.strip():
        return []
    if path.suffix.lower() in LINES:
        return list(_from_json(text, path))
    if path.suffix.lower() in TABLES:
        return list(_from_table(text, path))
    if text.lstrip().startswith("{"):
        return list(_from_json(text, path))
    printed = _from_output(text)
    if not printed and any(mark in text.strip().partition("\n")[0] for mark in "\t,;"):
        return list(_from_table(text, path))
    return printed


def _from_json(text: str, path: Path) -> Iterator[Run]:
    for row in _objects(text, path):
        values = {name: number for name, each in row.items() if (number := _finite(each)) is not None}
        yield Run(values, {name: str(row[name]) for name in PAIR_COLUMNS if row.get(name) is not None})


def _objects(text: str, path: Path) -> Iterator[dict[str, object]]:
    """Yield the objects of JSON lines, or of one array."""
    try:
        if text.lstrip().startswith("["):
            rows = list(enumerate(json.loads(text), 1))
        else:
            rows = [(at, json.loads(line)) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON lines, with an object for each run: {error}.") from None
    for at, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{path}: row {at} is no JSON object with the numbers of a run.")
        yield row


def _finite(value: object) -> float | None:
    """Return a JSON number, or None for what is none, such as true or NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond any float
        return None


def _from_table(text: str, path: Path) -> Iterator[Run]:
    table = parse_table(text, str(path))
    lowered = {name.lower(): at for at, name in enumerate(table.names)}
    for row in table.rows:
        cells = {name: number_in(row.cell(at)) for at, name in enumerate(table.names)}
        keys = {name: row.cell(lowered[name]) for name in PAIR_COLUMNS if name in lowered and row.cell(lowered[name])}
        yield Run({name: number for name, number in cells.items() if number is not None}, keys)


def _from_output(text: str) -> list[Run]:
    """Return the runs whose output a text is: a run for each last step of modded-nanogpt, else one run.

    Of one run the last value of each name counts; "ms" after it makes it seconds.
    """
    ended = [found for found in _CONTEST.finditer(text) if found[1] == found[2]]
    if ended:
        return [
            Run({"training_seconds": float(found[4]) / 1000.0, "val_loss": float(found[3]), "steps": float(found[1])})
            for found in ended
        ]
    values: dict[str, float] = {}
    keys: dict[str, str] = {}
    for name, number, unit in _PRINTED.findall(text):
        value = float(number)
        if math.isfinite(value):
            values[name] = value / 1000.0 if unit == "ms" else value
        if name in PAIR_COLUMNS:
            keys[name] = number
    return [Run(values, keys)] if values else []
