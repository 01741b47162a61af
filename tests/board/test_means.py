"""Means that a claim must show to keep a bound: a single run breaks nothing, and who is beyond is not claimed."""

from __future__ import annotations

from typing import Any

from tests.boards import BASELINE, Book, setup

from aster.domain.constraints import Constraint
from aster.domain.records import Measured

LOSS = Constraint("loss", max=3.28, p=0.01)


def opened(**more: Any) -> Book:
    book = Book(setup("minimize", constraints=(LOSS,), **more))
    book.baseline(100.0, loss=3.27)
    book.direction("s")
    return book


def test_one_run_beyond_the_bound_is_feasible_and_ranks() -> None:
    book = opened()
    state = book.board.experiments[book.run(book.candidate("a", "d-0"), 90.0, loss=3.4)]
    assert state.status == "measured"
    assert list(book.board.ranking) == ["a", BASELINE]
    assert book.board.best_unconfirmed() == "a"
    assert book.board.here.means.beyond("a") == "loss 3.4 is 0.12 over its most, 3.28 (mean of 1 run)"


def test_who_is_beyond_is_passed_over_for_a_claim() -> None:
    book = opened()
    book.run(book.candidate("a", "d-0"), 80.0, loss=3.4)
    book.run(book.candidate("b", "d-0"), 90.0, loss=3.2)
    assert book.board.unclaimed() == "b"
    book.claim("b")
    assert book.board.unclaimed() == BASELINE


def test_a_mean_that_comes_back_within_the_bound_may_be_claimed() -> None:
    book = opened()
    book.run(book.candidate("a", "d-0"), 80.0, loss=3.4)
    assert book.board.unclaimed() == BASELINE
    book.run("a", 80.0, purpose="repeat", loss=3.1)
    assert book.board.here.means.beyond("a") is None
    assert book.board.unclaimed() == "a"
    book.claim("a")
    assert book.board.unclaimed() == BASELINE
    for loss in (9.0, 0.1):  # beyond and back: it stays claimed
        book.run("a", 80.0, purpose="repeat", loss=loss)
        assert book.board.unclaimed() == BASELINE


def test_who_is_beyond_is_passed_over_against_a_champion_too() -> None:
    book = opened(search_seeds=2)
    book.run(BASELINE, 100.0, 100.0, loss=3.27)
    for name, value, loss in (("a", 80.0, 3.4), ("b", 90.0, 3.2), ("c", 95.0, 3.2)):
        book.run(book.candidate(name, "d-0"), value, value, loss=loss)
    assert book.board.here.unclaimed("b") == "b"
    assert book.board.here.unclaimed("c") == "b"
    assert "a" in book.board.ranking


def test_a_run_of_a_version_made_only_to_learn_tells_nothing_of_its_mean() -> None:
    book = opened()
    book.run(book.candidate("a", "d-0"), 80.0, loss=3.2)
    book.end(book.plan("a", 1, "diagnosis"), Measured({"score": 80.0, "loss": 99.0}))
    book.decide()
    assert book.board.here.means.of("a", "loss").n == 1


def test_without_such_a_constraint_nothing_is_kept() -> None:
    book = Book(setup(constraints=(Constraint("loss", max=3.28),)))
    book.baseline(1.0, loss=1.0)
    assert book.board.here.means.of(BASELINE, "loss").n == 0
    assert book.board.here.means.beyond(BASELINE) is None
