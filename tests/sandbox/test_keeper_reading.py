"""What is read from hostile output: bounded, and by the text alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.sandbox.keeper import reading
from aster.sandbox.keeper.reading import LARGEST, MOST_LINE, MOST_POINTS, MOST_TEXT, Reader, TooSlow
from aster.sandbox.keeper.spec import Reading

pytestmark = pytest.mark.anyuser

LOSS = {"loss": r"^loss: (\S+)"}
STEPS = r"^step (\d+) loss (\S+)$"


def read(text: str | bytes, of: Reading, *cuts: int) -> Reader:
    """Return a reader that was given a text in pieces."""
    data, reader = text.encode() if isinstance(text, str) else text, Reader(of)
    for begin, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        reader.add(data[begin:end])
    reader.end()
    return reader


def test_the_last_line_that_matches_counts() -> None:
    assert read("loss: 3\nstep\nloss: 2.5\nno loss: 1\n", Reading(LOSS)).found == {"loss": "2.5"}
    assert read("loss: 3\nloss: nan", Reading(LOSS)).found == {"loss": "nan"}
    assert read("nothing", Reading(LOSS)).found == {}


def test_progress_bars_colours_and_bytes_that_are_no_text() -> None:
    assert read(b"loss: 3\r50%\rloss: 2\r\n\xff\xfe", Reading(LOSS)).found == {"loss": "2"}
    assert read("\x1b[32mloss: \x1b[1m4\x1b[0m", Reading(LOSS)).found == {"loss": "4"}
    assert read(b"loss: \xff7", Reading(LOSS)).found == {"loss": "\ufffd7"}


@given(st.text("ab1 \n\r\u00e9", max_size=200), st.lists(st.integers(0, 400), max_size=8))
def test_how_output_comes_in_pieces_changes_nothing(text: str, cuts: list[int]) -> None:
    of = Reading({"x": r"(\d+)", "y": r"^a(.*)b"}, r"(1+) (1+)", "minimize", [(11, 5.0)])
    whole, pieces = read(text, of), read(text, of, *cuts)
    assert (whole.found, whole.points, whole.hopeless) == (pieces.found, pieces.points, pieces.hopeless)


def test_a_long_line_is_cut_before_it_is_matched() -> None:
    near, far = "x" * (MOST_LINE - 6) + "end: 1", "x" * (MOST_LINE - 5) + "end: 1"
    of = Reading({"end": r"end: (\S+)"})
    assert read(near, of, 3, 999).found == {"end": "1"}
    assert read(far, of, 3, 999).found == {}
    endless = Reader(of)
    for _ in range(100):
        endless.add(b"x" * 65_536)
    assert len(endless._rest) < 2 * 65_536
    assert len(read("end: " + "9" * 900, of).found["end"]) == MOST_TEXT


def test_points_have_growing_steps_and_finite_values() -> None:
    text = (
        "step 1 loss 3\nstep 2 loss nan\nstep 2 loss inf\nstep 2 loss x\nstep 2 loss 2\nstep 1 loss 9\nstep 2 loss 8\n"
    )
    assert read(text, Reading({}, STEPS)).points == [(1, 3.0), (2, 2.0)]
    huge = f"step {10**400} loss 1\nstep 5 loss {10 * LARGEST}\nstep {1 << 54} loss 1\n"
    assert read(huge, Reading({}, STEPS)).points == []


@given(st.integers(1, 2000))
def test_thinned_points_are_few_and_spread_evenly(count: int) -> None:
    points = read("".join(f"step {n} loss {n}\n" for n in range(count)), Reading({}, STEPS)).points
    assert min(count, MOST_POINTS // 2) <= len(points) <= MOST_POINTS
    gaps = {b - a for (a, _), (b, _) in pairwise(points)}
    assert len(gaps) <= 1
    assert count - 1 - points[-1][0] < max(gaps, default=1)


def test_a_bar_is_held_against_the_first_value_at_or_past_its_step() -> None:
    of = Reading({}, STEPS, "minimize", [(20, 1.0), (10, 2.0)])
    fine = read("step 5 loss 9\nstep 11 loss 2\nstep 12 loss 9\nstep 20 loss 1\nstep 30 loss 9\n", of)
    assert fine.hopeless == ""
    stopped = read("step 5 loss 9\nstep 11 loss 2.5\nstep 12 loss 0\n", of)
    assert stopped.hopeless == "stopped early at step 11: 2.5 is worse than 2"
    assert stopped.points == [(5, 9.0), (11, 2.5)]
    assert read("step 25 loss 1.5\n", of).hopeless.endswith("worse than 1")
    assert read("step 10 loss 2.5\n", Reading({}, STEPS, "maximize", [(10, 2.0)])).hopeless == ""
    assert read("step 10 loss 1.5\n", Reading({}, STEPS, "maximize", [(10, 2.0)])).hopeless


def test_nothing_is_read_once_a_bar_is_broken() -> None:
    reader = read("loss: 1\nstep 9 loss 9\nloss: 0\nstep 10 loss 0", Reading(LOSS, STEPS, "minimize", [(9, 2.0)]))
    assert (reader.found, reader.points, reader.idle) == ({"loss": "1"}, [(9, 9.0)], True)


def test_a_pattern_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MATCHING_S", 0.05)
    reader = Reader(Reading({"slow": r"(a*)*b"}))  # which no problem may have
    with pytest.raises(TooSlow):
        reader.add(b"a" * 500 + b"\n")
    quick = Reader(Reading(LOSS))
    quick.add(b"loss: 1\n")  # the next one has all its time again
    assert quick.found == {"loss": "1"}


def test_an_idle_reader_keeps_nothing() -> None:
    reader = Reader(Reading())
    reader.add(b"loss: 1\n" * 1000)
    assert reader.idle
    assert reader._rest == b""
