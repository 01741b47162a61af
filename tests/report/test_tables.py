from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.report.boards import Story, noisy_setup, noisy_story

from aster.domain.constraints import Constraint
from aster.domain.records import Cancelled, Change, Failed, Measured
from aster.errors import UserError
from aster.report.tables import TABLES, Table, table_of


def rows(table: Table) -> list[dict[str, object]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows()]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_as_many_rows_as_it_says_and_a_value_for_each_column(name: str) -> None:
    table = table_of(noisy_story().board, name)
    made = list(table.rows())
    assert len(made) == table.size > 0
    assert {len(row) for row in made} == {len(table.columns)}
    kinds = {"text": str, "int": int, "float": float, "bool": bool, "time": datetime, "json": list | dict}
    for row in made:
        for column, value in zip(table.columns, row, strict=True):
            assert value is None or isinstance(value, kinds[column.kind]), column
    assert list(table.rows()) == made  # made anew


def test_every_metric_is_a_column_and_no_metric_takes_anothers_name() -> None:
    story = Story(noisy_setup())
    metric = story.board.setup.objective.metric
    story.end(story.plan(story.baseline), Measured({metric: 1.5, "seed": 9.0, "z": 2.0}))
    story.end(story.plan(story.baseline, seed=4), Measured({metric: 2.5}))
    table = table_of(story.board, "experiments")
    metrics = [column.name for column in table.columns if column.name.startswith("metrics.")]
    assert metrics == [f"metrics.{metric}", "metrics.seed", "metrics.z"]
    first, second = rows(table)
    assert (first["seed"], first["metrics.seed"], first["metrics.z"]) == (0, 9.0, 2.0)
    assert (second["seed"], second["metrics.seed"], second[f"metrics.{metric}"]) == (4, None, 2.5)


def test_an_experiment_row_tells_who_what_when_and_why_not() -> None:
    story = Story(noisy_setup())
    where = story.direction("layout")
    recipe = (Change("wide", {"solution/solve.py::N": 3}),)
    key = story.candidate({"solution/solve.py": b"N = 3\n"}, "+ wide", story.baseline, where, recipe=recipe, label="w")
    story.end(story.plan(key), Failed("exit 1"), seconds=5.0)
    story.end(story.plan(key, seed=1), Cancelled("no time left"))
    story.plan(key, seed=2)
    failed, cancelled, running = rows(table_of(story.board, "experiments"))
    assert (failed["label"], failed["author"], failed["surface"], failed["change"]) == (
        "w",
        "ideas",
        "layout",
        "+ wide",
    )
    assert failed["recipe"] == [{"idea": "wide", "knobs": {"solution/solve.py::N": 3}}]
    assert (failed["status"], failed["reason"], failed["wall"]) == ("failed", "exit 1", 5.0)
    assert failed["started"] == datetime.fromtimestamp(1_000, UTC)
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "no time left")
    assert (running["status"], running["reason"], running["ended"]) == ("running", None, None)
    assert running["attempt"] == "x-3.1"


def test_infeasible_experiments_keep_their_numbers_and_say_why() -> None:
    story = Story(noisy_setup(constraints=(Constraint("memory", max=80.0),)))
    metric = story.board.setup.objective.metric
    story.end(story.plan(story.baseline), Measured({metric: 1.5, "memory": 70.0}), progress=((1, 3.0), (2, 2.0)))
    story.end(story.plan(story.baseline, seed=4), Measured({metric: 1.0, "memory": 90.0}))
    fine, broken = rows(table_of(story.board, "experiments"))
    assert (fine["status"], fine["reason"], fine["progress"]) == ("measured", None, [[1, 3.0], [2, 2.0]])
    assert (broken["status"], broken[f"metrics.{metric}"], broken["metrics.memory"]) == ("infeasible", 1.0, 90.0)
    assert "memory" in str(broken["reason"])


def test_claims_candidates_and_findings_agree_with_the_board() -> None:
    board = noisy_story().board
    (claim,) = rows(table_of(board, "claims"))
    (state,) = board.claims.values()
    assert state.decided is not None
    assert (claim["verdict"], claim["gain"], claim["pairs"]) == (state.decided.verdict, state.decided.gain, 6)
    candidates = {row["candidate"]: row for row in rows(table_of(board, "candidates"))}
    assert list(candidates) == list(board.candidates)
    assert [key for key, row in candidates.items() if row["confirmed"]] == [board.champion]
    findings = rows(table_of(board, "findings"))
    assert [row["text"] for row in findings] == [finding.text for finding in board.findings]
    assert {row["surface"] for row in findings} == {"embeddings"}


def test_a_table_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UserError, match="no table 'runs'; choose one of: experiments, claims"):
        table_of(Story(noisy_setup()).board, "runs")
