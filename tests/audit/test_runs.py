"""What the columns of results files mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.audit.runs import Run, Wanted, read_run
from aster.audit.table import parse_table, read_table
from aster.errors import UserError

HEAD = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"


def run_of(text: str, **wanted: object) -> Run:
    return read_run(parse_table(text, "x"), Wanted(**wanted), "x")  # type: ignore[arg-type]


def autoresearch(*rows: tuple[object, str, str]) -> Run:
    lines = [f"c{n}\t{value}\t1.0\t{status}\t{words}" for n, (value, status, words) in enumerate(rows)]
    return run_of(HEAD + "\n".join(lines))


def test_a_real_file() -> None:
    path = Path(__file__).parents[1] / "data" / "autoresearch-mlx" / "results.tsv"
    run = read_run(read_table(path), Wanted(), "x")
    assert (run.metric, run.goal, run.marked, run.notes) == ("val_bpb", "minimize", (), ())
    assert [t.value for t in run.tried] == [2.667, 2.695369, 2.588904, 2.533728, 1.807902]
    assert [t.kept for t in run.tried] == [True, False, True, True, True]
    assert run.tried[4].label == "reduce depth from 8 to 4"
    assert run.rule == "kept: keep (4); not kept: discard (1)"


def test_crashes_have_no_value() -> None:
    run = autoresearch(
        (0.99, "KEEP", "a"), ("0.000000", "crash", "b"), ("nan", "discard", "c"), ("", "discard", "d"),
        ("0.0", "discard", "aborted"), (0.95, "crash", "late"), (0.98, " best ", "e"), ("FAILED", "infra-fail", "f"),
    )  # fmt: skip
    assert [t.value for t in run.tried] == [0.99, None, None, None, None, None, 0.98, None]
    assert [t.kept for t in run.tried] == [True, False, False, False, False, False, True, False]


def test_zeros_among_values_of_both_signs_are_values() -> None:
    text = "score,status\n-1,keep\n0,discard\n1,keep\n"
    assert [t.value for t in run_of(text, column="score", goal="maximize").tried] == [-1.0, 0.0, 1.0]


def test_a_value_can_stand_for_a_crash() -> None:
    text = "score\tstatus\n-999\tREVERT\n1.5\tKEEP\n"
    run = run_of(text, column="score", goal="maximize", crash_values=(-999.0,))
    assert [t.value for t in run.tried] == [None, 1.5]


def test_without_a_kept_column_the_running_best_is_kept() -> None:
    run = run_of("step,loss\n1,5\n2,4\n3,4\n4,6\n5,3\n", column="loss", goal="minimize")
    assert [t.kept for t in run.tried] == [True, True, False, False, True]
    assert "running best" in run.rule or "better than all before" in run.rule


def test_words_for_kept_can_be_given() -> None:
    text = "loss,verdict\n5,yes\n4,no\n3,yes\n"
    run = run_of(text, column="loss", goal="minimize", kept_column="verdict", kept_values=("YES",))
    assert [t.kept for t in run.tried] == [True, False, True]


def test_lines_that_are_no_rows_and_copies_are_left_out_and_said() -> None:
    run = run_of(
        HEAD
        + "a\t0.99\t1\tkeep\tx\n=====\n2026-08-04\twd_020\t1.86\t157\t30\nb\t0.98\t1\tkeep\ty\na\t0.99\t1\tkeep\tx\n"
    )
    assert [t.line for t in run.tried] == [2, 5]
    assert any("1 line left out as exact copies" in note and "line 6" in note for note in run.notes)
    assert any("2 lines left out, not rows of this table (lines 3, 4)" in note for note in run.notes)


def test_repeats_are_noticed_and_not_used() -> None:
    text = HEAD + (
        "a\t0.99\t1\tkeep\tbaseline\na\t0.98\t1\tdiscard\tsomething\nb\t0.97\t1\tkeep\twider\n"
        "c\t0.96\t1\tkeep\tseed 43\nd\t0.95\t1\tdiscard\tbaseline rerun\ne\t0.94\t1\tdiscard\tseeded init\n"
    )
    run = run_of(text)
    assert run.marked == (1, 3, 4)
    assert not any(t.repeat for t in run.tried)


def test_a_new_baseline_in_the_middle_is_noted() -> None:
    run = autoresearch(
        (2.7, "keep", "baseline"), (1.8, "keep", "shallower"), (2.3, "keep", "Mac baseline"), (2.2, "keep", "b")
    )
    assert any("Line 4 was kept although it is worse by 0.5" in note for note in run.notes)


@pytest.mark.parametrize(
    ("text", "wanted", "says"),
    [
        ("step,loss\n1,2\n", {}, "no column val_bpb, so say which.*step, loss"),
        ("step,loss\n1,2\n", {"column": "score"}, "no column 'score'"),
        ("step,loss\n1,2\n", {"column": "loss"}, "which way 'loss' is better"),
        ("step,loss\n1,nan\n", {"column": "loss", "goal": "minimize"}, "holds no number"),
        (HEAD + "a\t1\t1\tdone\tx\n", {}, r"no word in column 'status'.*it holds done \(1\).*--kept-value"),
        (HEAD + "a\t1\t1\tkeep\tx\n", {"kept_column": "verdict"}, "no column 'verdict'"),
    ],
)
def test_errors_say_what_to_do(text: str, wanted: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        run_of(text, **wanted)


cells = st.sampled_from(
    ["0.99", "1.2", "0", "nan", "", "keep", "crash", "discard", "a\tb", "x,y", "KEEP", "rerun", '"']
)


@settings(deadline=None)
@given(st.lists(st.lists(cells, min_size=1, max_size=7).map("\t".join), max_size=12))
def test_messy_rows_are_read_or_refused(lines: list[str]) -> None:
    try:
        run = run_of(HEAD + "\n".join(lines))
    except UserError:
        return
    assert any(t.value is not None for t in run.tried)
    assert all(t.value is not None for t in run.tried if t.kept)
    assert len(run.tried) <= len(lines)
