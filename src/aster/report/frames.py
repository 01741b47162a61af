"""Tables in the memory of other libraries: Arrow and pandas, which an installation may lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from aster._version import VERSION
from aster.errors import UserError
from aster.report.tables import Column, Row, Table

if TYPE_CHECKING:
    import pandas
    import pyarrow

CHUNK = 5_000
"""Rows that are held at once, and that make a row group of a Parquet file."""


def to_arrow(table: Table) -> pyarrow.Table:
    """Return the table as Arrow.

    Text is string, times are timestamps in microseconds UTC, "json" columns hold JSON text. The schema's metadata has
    the campaign, the version of Aster and each column's unit.

    Raises:
        UserError: pyarrow is not installed.
    """
    pa = load_arrow()
    return pa.Table.from_batches(record_batches(table), schema=schema_of(table))


def to_pandas(table: Table) -> pandas.DataFrame:
    """Return the table as a data frame, with the types that pandas makes of `to_arrow`.

    Raises:
        UserError: pandas or pyarrow is not installed.
    """
    try:
        import pandas  # noqa: F401 - pyarrow needs it, and says so less plainly
    except ImportError as error:
        raise _missing("pandas") from error
    frame: pandas.DataFrame = to_arrow(table).to_pandas()
    return frame


def load_arrow() -> Any:
    """Return pyarrow.

    Raises:
        UserError: it is not installed; says how to.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise _missing("pyarrow") from error
    return pyarrow


def _missing(library: str) -> UserError:
    return UserError(
        f"This needs {library}, which is not installed: pip install 'aster-research[tables]'. Without it, "
        "tables can be exported as csv, tsv and jsonl."
    )


def schema_of(table: Table) -> pyarrow.Schema:
    """Return the table's schema; a column's unit is in its field's metadata, and all units in the schema's."""
    pa = load_arrow()
    kinds = _types(pa)
    fields = [pa.field(c.name, kinds[c.kind], metadata={"unit": c.unit} if c.unit else None) for c in table.columns]
    units = {column.name: column.unit for column in table.columns if column.unit}
    about = {f"aster.{name}": text for name, text in table.about.items()}
    return pa.schema(
        fields, metadata={**about, "aster.version": VERSION, "aster.units": msgspec.json.encode(units).decode()}
    )


def record_batches(table: Table) -> Iterator[pyarrow.RecordBatch]:
    """Yield the table's rows in batches of at most CHUNK."""
    pa, schema, rows = load_arrow(), schema_of(table), table.rows()
    while chunk := list(islice(rows, CHUNK)):
        yield pa.record_batch([_column(pa, c, chunk, at) for at, c in enumerate(table.columns)], schema=schema)


def _column(pa: Any, column: Column, rows: Sequence[Row], at: int) -> Any:
    values = [row[at] for row in rows]
    if column.kind == "json":
        values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    elif column.kind == "text":
        values = [value if value is None else encodable(value) for value in values]
    return pa.array(values, type=_types(pa)[column.kind])


def _types(pa: Any) -> dict[str, Any]:
    return {
        "text": pa.string(), "json": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip


def encodable(text: str) -> str:
    """Return the text with "?" for lone surrogates, which no file of UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()
