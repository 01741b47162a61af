from __future__ import annotations

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.report.boards import noisy_story

from aster._version import VERSION
from aster.errors import StoreError, UserError
from aster.report.export import FORMS, export_all, form_of, write_file, write_text
from aster.report.tables import TABLES, Column, Table, table_of

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-2+3",
    "@SUM(A1)",
    " \t=1",
    "a\tb\nc\r\nd",
    'say "hi", twice',
    "\u202eevil",
    "\ud800",
]


def hostile() -> Table:
    columns = (Column("label", "text"), Column("gain", "float", "s"), Column("at", "time"), Column("ok", "bool"))
    moment = datetime(2026, 1, 2, 3, 4, 5, 600_000, UTC)
    rows = [(text, -0.1, moment, True) for text in HOSTILE] + [(None, None, None, None)]
    return Table("experiments", columns, len(rows), lambda: iter(rows), {"campaign": "k"})


def text_of(table: Table, form: str) -> str:
    out = io.StringIO(newline="")
    write_text(table, form, out)
    return out.getvalue()


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_what_candidates_write_is_neither_a_formula_nor_a_row(form: str, delimiter: str) -> None:
    text = text_of(hostile(), form)
    assert len(text.splitlines()) == 1 + len(HOSTILE) + 1  # a row is a line
    head, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    assert head == ["label", "gain", "at", "ok"]
    labels = [row[0] for row in rows]
    assert not [label for label in labels if label.strip().startswith(("=", "+", "-", "@"))]
    assert labels[0] == "'" + HOSTILE[0]
    assert labels[5:7] == ["a b c  d", 'say "hi", twice']
    assert rows[0][1:] == ["-0.1", "2026-01-02T03:04:05.600000Z", "true"]  # numbers are numbers
    assert rows[-1] == ["", "", "", ""]
    assert text.encode("utf-8")


def test_json_lines_hold_the_text_as_it_is() -> None:
    rows = [json.loads(line) for line in text_of(hostile(), "jsonl").splitlines()]
    assert [row["label"] for row in rows[:-2]] == HOSTILE[:-1]
    assert rows[-1] == {"label": None, "gain": None, "at": None, "ok": None}
    assert rows[0]["at"] == "2026-01-02T03:04:05.600000Z"


def test_parquet_has_types_units_and_where_it_comes_from(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    from pyarrow import parquet

    board = noisy_story().board
    write_file(table_of(board, "experiments"), "parquet", tmp_path / "x.parquet")
    read = parquet.read_table(tmp_path / "x.parquet")
    assert read.num_rows == len(board.experiments)
    about = {key.decode(): value.decode() for key, value in read.schema.metadata.items() if key.startswith(b"aster.")}
    assert (about["aster.campaign"], about["aster.version"]) == ("k-1", VERSION)
    assert json.loads(about["aster.units"]) == {"wall": "s", "cpu": "s", "max_rss": "MiB", "gpu": "s"}
    assert read.schema.field("wall").metadata[b"unit"] == b"s"
    assert read.schema.field("started").type == pa.timestamp("us", tz="UTC")
    assert read.column("attempt").to_pylist() == [f"{x}.1" for x in board.experiments]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_overwritten_only_by_force(form: str, tmp_path: Path) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    path = tmp_path / f"x.{form}"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"exists.*--force"):
        write_file(hostile(), form, path)
    assert path.read_text() == "mine"
    write_file(hostile(), form, path, force=True)
    assert path.read_bytes() != b"mine"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # no draft is left


def test_a_table_that_breaks_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    def broken() -> object:
        yield ("a",)
        raise OSError(28, "No space left on device")

    table = Table("claims", (Column("label", "text"),), 2, broken, {})  # type: ignore[arg-type]
    (tmp_path / "x.csv").write_text("old")
    with pytest.raises(StoreError, match="No space left"):
        write_file(table, "csv", tmp_path / "x.csv", force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.csv", "old")]


def test_all_tables_or_none(tmp_path: Path) -> None:
    tables = [table_of(noisy_story().board, name) for name in TABLES]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "findings.csv").write_text("mine")
    with pytest.raises(UserError, match=r"findings\.csv exist"):
        export_all(tables, "csv", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 1
    written = export_all(tables, "csv", tmp_path / "out", force=True)
    assert [path.name for path in written] == [f"{name}.csv" for name in TABLES]


def test_wrong_formats_and_places_are_the_users_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no format 'xlsx'; choose one of: parquet, csv, tsv, jsonl"):
        write_file(hostile(), "xlsx", tmp_path / "x")
    with pytest.raises(UserError, match="parquet file is no text"):
        write_text(hostile(), "parquet", io.StringIO())
    with pytest.raises(UserError, match="is a folder"):
        write_file(hostile(), "csv", tmp_path)
    with pytest.raises(UserError, match="no is not a folder: make it first"):
        write_file(hostile(), "csv", tmp_path / "no" / "x.csv")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is a file, and --what all needs a folder"):
        export_all([hostile()], "csv", tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "form"), [("a.parquet", "parquet"), ("a.TSV", "tsv"), ("a.jsonl", "jsonl"), ("a", "csv"), ("a.txt", "csv")]
)
def test_a_files_ending_chooses_its_form(name: str, form: str) -> None:
    assert form_of(Path(name)) == form


def test_rows_are_not_held(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        columns = (Column("label", "text"),)
        table = Table("claims", columns, rows, lambda: ((f"label {at}" * 10,) for at in range(rows)), {})
        tracemalloc.start()
        write_file(table, "csv", tmp_path / "x.csv", force=True)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)  # whatever is made once
    assert peak(20_000) < peak(200) + 200_000
