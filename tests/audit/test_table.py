"""Reading tables, however they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.audit.table import AUTORESEARCH, decoded, number_in, parse_table, read_table
from aster.errors import UserError

HEAD = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"


def test_an_autoresearch_file() -> None:
    table = parse_table(HEAD + "a1\t0.99\t44.0\tkeep\tbaseline\n\n  \t\t\nb2\t0.98\t44.0\tkeep\tlower\tLR\t\n", "x")
    assert table.names == AUTORESEARCH
    assert [row.line for row in table.rows] == [2, 5]
    assert table.rows[1].cells == ("b2", "0.98", "44.0", "keep", "lower LR")


def test_names_may_be_missing_or_repeated() -> None:
    assert parse_table("a1\t0.99\t44.0\tKEEP\tbaseline\n", "x").names == AUTORESEARCH
    assert parse_table("1,2\n3,4\n", "x").names == ("1", "2")
    assert len(parse_table(HEAD + "a\t1\t1\tkeep\tx\n" + HEAD, "x").rows) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bytes(tmp_path: Path, end: str, encoding: str) -> None:
    path = tmp_path / "r.tsv"
    path.write_bytes((HEAD + "a1\t0.99\t1\tkeep\t3\u00d7 wider \u2014 5%\n").replace("\n", end).encode(encoding))
    table = read_table(path)
    assert table.names == AUTORESEARCH
    assert table.rows[0].cell(4) == "3\u00d7 wider \u2014 5%"


def test_bytes_of_no_known_encoding_are_read() -> None:
    assert decoded(b"caf\xe9,1") == "caf\u00e9,1"


def test_commas_semicolons_and_quotes() -> None:
    table = parse_table('step,score,note\n1,0.5,"a, b"\n2,0.6,c, d\n', "x")
    assert [row.cell(2) for row in table.rows] == ["a, b", "c d"]
    assert parse_table("step;score\n1;0.5\n", "x").rows[0].cells == ("1", "0.5")
    assert len(parse_table('a,b\n"1,2\n3,4\n', "x").rows) == 2
    stray = HEAD + 'a\t1\t1\tkeep\t"not closed\nb\t2\t1\tkeep\tx\n'
    assert len(parse_table(stray, "x").rows) == 2


def test_columns_by_name_or_number() -> None:
    table = parse_table("Step,Score\n1,2\n", "x")
    assert (table.column("score"), table.column(" STEP "), table.column("2"), table.column("3")) == (1, 0, 1, None)
    assert table.first("nothing", "score") == 1


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.99", 0.99), (" 1e-3 ", 1e-3), ("97.5%", 97.5),
        ("1,234.5", 1234.5), ("\N{MINUS SIGN}2", -2.0), ("-0.5", -0.5),
        ("nan", None), ("inf", None), ("", None), ("1_000", None), ("0x10", None), ("a1", None), ("1e999", None),
    ],
)  # fmt: skip
def test_numbers(cell: str, value: float | None) -> None:
    assert number_in(cell) == value


@pytest.mark.parametrize(
    ("text", "says"), [("", "holds no rows"), (HEAD, "no experiments below"), ("a\n1\n", "not a table")]
)
def test_no_table(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_table(text, "results.tsv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.tsv cannot be read: No such file"):
        read_table(tmp_path / "none.tsv")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_table(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_clear_error(data: bytes) -> None:
    try:
        table = parse_table(decoded(data), "x")
    except UserError:
        return
    assert table.rows
    assert all(len(row.cells) <= len(table.names) for row in table.rows)


word = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="\ufeff"), min_size=1, max_size=12)


@settings(deadline=None)
@given(st.lists(st.tuples(word, st.floats(0.001, 1e6), word), min_size=1, max_size=20))
def test_what_was_written_is_read(rows: list[tuple[str, float, str]]) -> None:
    text = HEAD + "".join(f"{commit}\t{value!r}\t1\tkeep\t{words}\n" for commit, value, words in rows)
    table = parse_table(text, "x")
    assert [row.cell(4) for row in table.rows] == [words.strip() for *_, words in rows]
    assert [number_in(row.cell(1)) for row in table.rows] == [value for _, value, _ in rows]
