from __future__ import annotations

import sys

import pytest
from tests.report.boards import noisy_story

from aster.errors import UserError
from aster.report import frames
from aster.report.frames import record_batches, to_arrow, to_pandas
from aster.report.tables import TABLES, table_of


@pytest.mark.parametrize("library", ["pyarrow", "pandas"])
def test_what_is_missing_is_named_with_its_mend(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "pandas":
        pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=rf"needs {library}.*pip install 'aster-research\[tables\]'"):
        to_pandas(table_of(noisy_story().board, "experiments"))


@pytest.mark.parametrize("name", TABLES)
def test_arrow_holds_what_the_table_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    monkeypatch.setattr(frames, "CHUNK", 7)
    table = table_of(noisy_story().board, name)
    assert max(batch.num_rows for batch in record_batches(table)) <= 7
    arrow = to_arrow(table)
    for at, column in enumerate(table.columns):
        if column.kind != "json":
            assert arrow.column(column.name).to_pylist() == [row[at] for row in table.rows()]


def test_a_table_without_rows_still_has_its_columns() -> None:
    pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    from tests.report.boards import Story, noisy_setup

    table = table_of(Story(noisy_setup()).board, "claims")
    assert to_arrow(table).column_names == [column.name for column in table.columns]


def test_pandas_gets_typed_columns() -> None:
    pytest.importorskip("pyarrow", reason="pip install 'aster-research[tables]'")
    pandas = pytest.importorskip("pandas", reason="pip install 'aster-research[tables]'")
    board = noisy_story().board
    frame = to_pandas(table_of(board, "experiments"))
    assert len(frame) == len(board.experiments)
    metric = f"metrics.{board.setup.objective.metric}"
    means = frame[frame.purpose == "baseline"][metric].mean()
    assert board.baseline_score is not None
    assert means == pytest.approx(board.baseline_score.mean)
    assert pandas.api.types.is_integer_dtype(frame["seed"])
    assert str(frame["started"].dt.tz) == "UTC"
