"""What decisions see of attempts, and which attempt counts."""

from __future__ import annotations

import pytest
from tests.boards import BASELINE, Book

from aster.domain.records import Cancelled, Failed, Invalid, Result, TimedOut


def ranked(book: Book) -> list[str]:
    return list(book.board.ranking)


# --- what decisions see -----------------------------------------------------------------------------------------


def test_an_outcome_that_came_early_is_not_seen_before_its_decision() -> None:
    book = Book()
    book.baseline(1.0)
    slow, fast = (book.plan(book.candidate(name)) for name in ("slow", "fast"))
    board = book.board
    planned = board.experiments[fast].record.decision
    book.end(fast, 9.0)
    book.decide(sees=planned - 1)
    assert board.score("fast") is None
    assert ranked(book) == [BASELINE]
    assert board.best_unconfirmed() is None
    assert not board.experiments[fast].seen
    assert board.fresh == []
    assert list(board.unseen) == [fast]
    book.end(slow, 5.0)
    book.decide(sees=planned)
    assert ranked(book) == ["fast", "slow", BASELINE]
    assert board.fresh == [slow, fast]
    assert board.best_unconfirmed() == "fast"
    assert not board.unseen


def test_what_is_seen_together_is_seen_in_the_order_of_its_decisions() -> None:
    boards = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        book = Book()
        book.baseline(1.0)
        planned = [book.plan(book.candidate(f"c-{i}")) for i in range(3)]
        for i in order:
            book.end(planned[i], 2.0)
        book.decide(sees=book.board.decision)
        boards.append(book.board)
    assert {tuple(board.ranking) for board in boards} == {("c-0", "c-1", "c-2", BASELINE)}
    assert len({tuple(board.seen) for board in boards}) == 1


def test_two_experiments_of_one_decision_are_seen_in_one_order() -> None:
    seen = set()
    for order in ([0, 1], [1, 0]):
        book = Book()
        book.baseline(1.0)
        first = book.plan(book.candidate("a"))
        both = [first, book.plan(book.candidate("b"), alone=False)]
        for i in order:
            book.end(both[i], 2.0)
        book.decide(sees=book.board.decision)
        seen.add(tuple(book.board.ranking))
    assert len(seen) == 1


def test_in_arrival_mode_everything_that_came_is_seen_as_it_came() -> None:
    book = Book()
    book.baseline(1.0)
    first, second = (book.plan(book.candidate(name)) for name in "ab")
    book.end(second, 2.0)
    book.end(first, 2.0)
    book.decide(sees=None)
    assert book.board.fresh == [second, first]
    book.decide(sees=None)
    assert book.board.fresh == []


# --- attempts ---------------------------------------------------------------------------------------------------


def test_an_experiment_waits_runs_and_ends() -> None:
    book = Book()
    board, experiment = book.board, book.plan(BASELINE, purpose="baseline")
    assert list(board.waiting) == [experiment]
    attempt = book.start(experiment)
    assert (list(board.waiting), board.running) == ([], {attempt: experiment})
    assert board.experiments[experiment].attempt == attempt
    book.end(experiment, 1.0, attempt=attempt)
    assert (list(board.waiting), board.running, list(board.unseen)) == ([], {}, [experiment])
    assert board.experiments[experiment].attempt is None


def test_a_lost_attempt_is_tried_again() -> None:
    book = Book()
    experiment = book.plan(BASELINE, purpose="baseline")
    book.lose(book.start(experiment))
    assert list(book.board.waiting) == [experiment]
    assert book.board.lost == 1
    assert book.start(experiment) == f"{experiment}.2"
    book.end(experiment, 1.0, attempt=f"{experiment}.2")
    assert book.board.tally == {"measured": 1}


def test_an_early_attempt_that_is_lost_late_does_not_start_a_third() -> None:
    book = Book()
    board, experiment = book.board, book.plan(BASELINE, purpose="baseline")
    book.start(experiment)
    second = book.start(experiment)
    book.lose(f"{experiment}.1")
    assert list(board.waiting) == []
    assert board.running == {second: experiment}
    assert board.experiments[experiment].attempt == second


def test_an_early_attempt_that_ends_late_leaves_the_later_one_running() -> None:
    book = Book()
    board, experiment = book.board, book.plan(BASELINE, purpose="baseline")
    first, second = book.start(experiment), book.start(experiment)
    book.end(experiment, 1.0, attempt=first)
    assert board.experiments[experiment].attempt == second
    assert board.running == {second: experiment}
    book.lose(second)
    assert not board.running
    assert not board.waiting


def test_a_duplicate_is_charged_and_not_counted() -> None:
    book = Book()
    book.baseline(1.0)
    board, experiment = book.board, book.plan(book.candidate("a"))
    first, second = book.start(experiment), book.start(experiment)
    book.end(experiment, 3.0, attempt=first, seconds=10.0)
    spent = board.spend.attempt_s
    book.end(experiment, 99.0, attempt=second, seconds=7.0)
    book.decide()
    assert board.spend.attempt_s == spent + 7.0
    assert board.spend.gpu_s == 1.5
    assert board.tally == {"measured": 2}
    score = board.score("a")
    assert score is not None
    assert (score.n, score.mean) == (1, 3.0)
    assert board.seen.count(experiment) == 1
    assert not board.running


def test_a_duplicate_after_the_outcome_was_seen_is_not_seen_again() -> None:
    book = Book()
    experiment = book.plan(BASELINE, purpose="baseline")
    first, second = book.start(experiment), book.start(experiment)
    book.end(experiment, 1.0, attempt=first)
    book.decide()
    book.end(experiment, 1.0, attempt=second)
    book.decide()
    assert book.board.fresh == []
    assert not book.board.unseen


@pytest.mark.parametrize("result", [Failed("boom"), TimedOut("solve", 3.0), Invalid("overlap"), Cancelled("no time")])
def test_what_did_not_measure_has_no_number(result: Result) -> None:
    book = Book()
    book.baseline(1.0)
    experiment = book.run(book.candidate("a"), result)
    assert book.board.score("a") is None
    assert ranked(book) == [BASELINE]
    assert book.board.experiments[experiment].metrics is None
    assert sum(book.board.tally.values()) == 2
    assert book.board.tally["measured"] == 1
