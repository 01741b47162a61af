"""Tables as files: Parquet, CSV, TSV and JSON lines, written row by row.

Text in CSV and TSV is made safe for spreadsheets and line readers: control characters become blanks, so that a row is
a line, and a text that begins with "=", "+", "-" or "@" gets an apostrophe before it, so that no program takes what a
candidate wrote for a formula. Parquet and JSON lines hold the text as it is.
"""

from __future__ import annotations

import csv
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, get_args

import msgspec

from aster.errors import StoreError, UserError
from aster.report.frames import encodable, load_arrow, record_batches, schema_of
from aster.report.tables import Column, Kind, Table

FORMULA = ("=", "+", "-", "@")


def write_text(table: Table, form: str, out: TextIO) -> None:
    """Write the table to an open stream.

    Args:
        form: "csv", "tsv" or "jsonl". CSV and TSV have a header, and quotes where a field needs them; an empty field
            is None.

    Raises:
        UserError: the form is no text.
        OSError: the stream cannot be written.
    """
    if form not in _WRITERS:
        raise UserError(f"A {form} file is no text; to print a table choose one of: {', '.join(_WRITERS)}.")
    _WRITERS[form](table, out)


def write_file(table: Table, form: str, path: Path, force: bool = False) -> None:
    """Write the table into a file, which appears when it is whole.

    Args:
        form: one of FORMS.
        force: replace a file that is there.

    Raises:
        UserError: the file is there, the form is not known, or pyarrow is needed and missing.
        StoreError: the file cannot be written.
    """
    if form not in FORMS:
        raise UserError(f"There is no format {form!r}; choose one of: {', '.join(FORMS)}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file, or export everything into it with --what all.")
    if path.exists() and not force:
        raise UserError(f"{path} exists. Choose another name with --out, or overwrite it with --force.")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is not a folder: make it first, or name another place with --out.")
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        if form == "parquet":
            _write_parquet(table, draft)
        else:
            with draft.open("w", encoding="utf-8", newline="") as out:
                write_text(table, form, out)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _write_parquet(table: Table, path: Path) -> None:
    load_arrow()
    from pyarrow import parquet

    with parquet.ParquetWriter(path, schema_of(table), compression="zstd") as writer:
        for batch in record_batches(table):
            writer.write_batch(batch)


def _write_csv(table: Table, out: TextIO) -> None:
    _write_rows(table, csv.writer(out, lineterminator="\n"))


def _write_tsv(table: Table, out: TextIO) -> None:
    _write_rows(table, csv.writer(out, delimiter="\t", lineterminator="\n"))


def _write_rows(table: Table, writer: Any) -> None:
    writer.writerow([_safe(column.name) for column in table.columns])
    fields = [_FIELDS[column.kind] for column in table.columns]
    for row in table.rows():
        writer.writerow(["" if value is None else field(value) for field, value in zip(fields, row, strict=True)])


def _write_lines(table: Table, out: TextIO) -> None:
    for row in table.rows():
        line = {c.name: _plain(c, value) for c, value in zip(table.columns, row, strict=True)}
        out.write(msgspec.json.encode(line).decode() + "\n")


def _plain(column: Column, value: Any) -> Any:
    if value is None or column.kind not in ("text", "time"):
        return value
    return encodable(value) if column.kind == "text" else _iso(value)


def _safe(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in encodable(text))
    return "'" + line if line.lstrip().startswith(FORMULA) else line


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


_FIELDS: dict[Kind, Callable[[Any], str]] = {
    "text": _safe,
    "int": str,
    "float": repr,
    "bool": lambda value: "true" if value else "false",
    "time": _iso,
    "json": lambda value: msgspec.json.encode(value).decode(),
}
assert set(_FIELDS) == set(get_args(Kind))
_WRITERS: dict[str, Callable[[Table, TextIO], None]] = {"csv": _write_csv, "tsv": _write_tsv, "jsonl": _write_lines}
FORMS = ("parquet", *_WRITERS)


def form_of(path: Path | None) -> str:
    """Return the form that a file's name asks for; "csv" where it says nothing."""
    asked = path.suffix.lstrip(".").lower() if path is not None else ""
    return {"pq": "parquet", "ndjson": "jsonl"}.get(asked, asked if asked in FORMS else "csv")


def export_all(tables: Iterable[Table], form: str, folder: Path, force: bool = False) -> list[Path]:
    """Write each table into a file of its name in `folder`, made if it is missing; returns the files.

    Raises:
        UserError, StoreError: as `write_file`. No file is written if one of them is there already.
    """
    paths = {folder / f"{table.name}.{form}": table for table in tables}
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise UserError(f"{', '.join(there)} exist. Choose another folder with --out, or overwrite with --force.")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, and --what all needs a folder: name another with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}.") from error
    for path, table in paths.items():
        write_file(table, form, path, force)
    return list(paths)
