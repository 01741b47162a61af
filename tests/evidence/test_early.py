"""Bars: set from what was seen, lenient, and by the same rule whichever way is better."""

from __future__ import annotations

import random

import pytest
from tests.boards import BASELINE, Book, setup

from aster.domain.records import Goal
from aster.evidence.early import LEAST_CURVES, bars

STEPS = range(1, 101)


def falling(end: float, sign: float = 1.0) -> tuple[tuple[int, float], ...]:
    """Return a curve that falls (or rises) from 10 to `end`."""
    return tuple((step, sign * (end + (10.0 - end) * (1.0 - step / 100))) for step in STEPS)


def book_of(*ends: float, baseline: tuple[float, ...] = (5.0, 5.1, 4.9), goal: Goal = "minimize") -> Book:
    """Return a campaign in which the baseline and some candidates ended at these values."""
    sign = 1.0 if goal == "minimize" else -1.0
    book = Book(setup("minimize", progress=goal))
    for seed, end in enumerate(baseline):
        book.end(book.plan(BASELINE, seed, "baseline"), end, progress=falling(end, sign))
    book.direction("s")
    for number, end in enumerate(ends):
        book.end(book.plan(book.candidate(f"c-{number}", "d-0")), end, progress=falling(end, sign))
    book.decide()
    return book


def test_bars_stand_at_the_quarters_of_the_way() -> None:
    found = bars(book_of(4.0, 4.5, 5.5, 6.0).board)
    assert [step for step, _ in found] == [25, 50, 75]
    assert [bar for _, bar in found] == sorted((bar for _, bar in found), reverse=True)


def test_what_is_better_or_as_good_as_the_baseline_passes() -> None:
    for ends in [(4.0, 4.5, 5.5, 6.0), (1.0, 1.1, 1.2, 1.3, 1.4), (9.0, 9.1, 9.2, 9.3)]:
        found = bars(book_of(*ends).board)
        at = dict(falling(5.1))
        assert all(at[step] < bar for step, bar in found), "the worst run of the baseline itself goes on"


def test_what_is_worse_than_three_of_four_and_than_the_noise_does_not() -> None:
    found = bars(book_of(4.0, 4.5, 5.5, 6.0, baseline=(5.0, 5.01, 4.99)).board)
    at = dict(falling(9.0))
    assert all(at[step] > bar for step, bar in found)


def test_a_noisy_baseline_forgives_more() -> None:
    ends = (4.9, 5.0, 5.1, 5.2)
    quiet, noisy = (bars(book_of(*ends, baseline=b).board) for b in [(5.0, 5.01, 4.99), (5.0, 6.0, 4.0)])
    assert all(a < b for (_, a), (_, b) in zip(quiet, noisy, strict=True))


def test_higher_may_be_better() -> None:
    low, high = bars(book_of(4.0, 4.5, 5.5).board), bars(book_of(4.0, 4.5, 5.5, goal="maximize").board)
    assert [step for step, _ in high] == [step for step, _ in low]
    assert [-bar for _, bar in high] == pytest.approx([bar for _, bar in low])


def test_too_little_is_known_at_first() -> None:
    assert bars(book_of().board) == ()
    assert bars(book_of(4.0).board) == ()
    assert bars(book_of(4.0, 5.0).board) != ()
    assert LEAST_CURVES == 5


def test_a_single_run_of_the_baseline_is_forgiven_the_spread_of_all() -> None:
    found = dict(bars(book_of(3.0, 4.0, 6.0, 7.0, baseline=(5.0,)).board))
    assert found[50] == pytest.approx(dict(falling(5.0))[50] + 1.0)


def test_there_are_none_where_none_are_wanted_or_hardware_is_new() -> None:
    book = book_of(4.0, 4.5, 5.5, 6.0)
    assert bars(book.board)
    book.term("cpu: another")
    assert bars(book.board) == ()
    unwanted = Book(setup("minimize"))
    for seed in range(6):
        unwanted.end(unwanted.plan(BASELINE, seed, "baseline"), 1.0, progress=falling(1.0))
    unwanted.decide()
    assert bars(unwanted.board) == ()


def test_curves_of_one_point_give_no_bars() -> None:
    book = Book(setup("minimize", progress="minimize"))
    for seed in range(6):
        book.end(book.plan(BASELINE, seed, "baseline"), 1.0, progress=((0, 1.0),))
    book.decide()
    assert bars(book.board) == ()


def test_few_runs_of_an_unchanged_solution_are_stopped() -> None:
    """Where candidates are the baseline again, with noise, about one in a hundred meets each of three bars."""
    rng, stopped, runs = random.Random(1), 0, 0
    for _ in range(40):
        book = book_of(*(rng.gauss(5, 1) for _ in range(8)), baseline=tuple(rng.gauss(5, 1) for _ in range(5)))
        found = bars(book.board)
        for _ in range(25):
            curve = dict(falling(rng.gauss(5, 1)))
            stopped += any(curve[step] > bar for step, bar in found)
            runs += 1
    assert stopped / runs < 0.03
