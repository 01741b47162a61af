from __future__ import annotations

import pytest
from tests.boards import BASELINE, Book, setup

from aster.domain import events as ev
from aster.domain.ids import search_seed
from aster.domain.records import Experiment, Purpose
from aster.evidence.backing import weighed
from aster.evidence.findings import against_noise, noise, noise_seen
from aster.evidence.repeats import repeated, runs_of


def again(book: Book, candidate: str, number: int, value: float, purpose: Purpose = "repeat") -> None:
    """Measure a version once more, on search seed `number`."""
    book.decide(sees=-1)
    name, board = f"x-{len(book.board.experiments)}", book.board
    seed = search_seed(board.setup.seed, number)
    book.say(ev.ExperimentPlanned(Experiment(name, board.decision, candidate, seed, purpose, board.hardware)))
    book.end(name, value)
    book.decide()


def opened(**more: object) -> Book:
    book = Book(setup(**more))  # type: ignore[arg-type]
    book.direction("x")
    book.baseline(1.0, 1.2, 0.8)
    book.run(book.candidate("a", "d-0"), 2.0)
    return book


def seen(book: Book) -> tuple[float, int]:
    known = noise_seen(book.board)
    assert known is not None
    return known


def test_one_run_of_each_has_nothing_to_add() -> None:
    book = Book()
    book.direction("x")
    book.baseline(1.0)
    book.run(book.candidate("a", "d-0"), 2.0)
    assert repeated(book.board, "a", BASELINE) == []


def test_runs_mean_spread_and_paired_difference_are_told() -> None:
    book = opened()
    again(book, "a", 1, 2.6)
    level, parent, difference = repeated(book.board, "a", BASELINE)
    assert level == "This version ran 2 times: mean 2.3, sd 0.424."
    assert parent == "Its parent ran 3 times: mean 1, sd 0.2."
    assert difference == "On the 2 seeds that both ran on it gains +1.2 on average, standard error 0.2."


def test_without_seeds_means_are_all_there_is() -> None:
    book = opened(paired=False)
    again(book, "a", 1, 2.6)
    assert repeated(book.board, "a", BASELINE)[-1].startswith("They share no seed")


def test_fresh_seeds_of_claims_are_not_among_them() -> None:
    book = opened()
    claim = book.claim("a")
    book.confirm(claim, [9.0, 9.0, 9.0], [1.0, 1.0, 1.0])
    assert [value for _, value in runs_of(book.board, "a")] == [2.0]


def test_a_repeat_does_not_change_who_ranks_where() -> None:
    book = opened()
    loss = book.board.ranking.loss("a")
    again(book, "a", 1, -50.0)
    assert book.board.ranking.loss("a") == loss


def test_the_noise_seen_so_far_has_what_was_measured_again() -> None:
    book = opened()
    assert seen(book) == pytest.approx((0.2, 3))
    assert against_noise(book.board, 1.0, 1) == "better by more than the noise seen so far (sd 0.2 of 3 runs); one run"
    again(book, "a", 1, 6.0)  # sd of 2 and 6: 2.83
    assert seen(book) == pytest.approx((((0.08 + 8.0) / 3) ** 0.5, 5))
    assert noise(book.board) == pytest.approx(0.2)  # claims are designed by the baseline's own
    assert against_noise(book.board, 1.0, 1) == "within the noise seen so far (sd 1.64 of 5 runs); one run"


def test_how_a_broken_version_wavers_says_nothing_of_others() -> None:
    book = opened()
    again(book, "a", 1, 600.0, "diagnosis")
    assert seen(book) == pytest.approx((0.2, 3))


def test_exact_metrics_have_none_and_say_so_plainly() -> None:
    book = opened(exact=True)
    assert noise_seen(book.board) is None
    assert against_noise(book.board, 1.0, 1) == "better; one run"
    assert against_noise(opened(exact=True, paired=False).board, -1.0, 1) == "worse"


def test_numbers_that_repeats_told_are_backed() -> None:
    book = opened()
    again(book, "a", 1, 2.6)
    of = list(book.board.experiments_of["a"])
    assert weighed(book.board, "Mean 2.3, sd 0.424; it gains 1.2 on average, standard error 0.2.", of).unbacked == ()
    assert weighed(book.board, "It gains 1.37 on average.", of).unbacked == ("1.37",)


def test_other_seeds_of_an_exact_problem_are_told_with_the_best() -> None:
    book = opened(exact=True)
    again(book, "a", 1, 2.6)
    level, parent, difference = repeated(book.board, "a", BASELINE)
    assert level == "This version ran 2 times: mean 2.3, sd 0.424, best 2.6."
    assert parent.endswith("best 1.2.")
    assert difference.startswith("On the 2 seeds that both ran on it gains +1.2 on average")
    assert repeated(opened(exact=True, paired=False).board, "a", BASELINE) == []
