from __future__ import annotations

import io

from tests.agent_story import MODELS, story
from tests.boards import Book, setup
from tests.report.boards import Story, noisy_setup, noisy_story

from aster.domain.records import Limits
from aster.ticker import WIDTH, Ticker, line_of, observing


def test_one_line_is_drawn_over_itself_and_left_standing() -> None:
    out, now = io.StringIO(), [0.0]
    ticker, board = Ticker(out, lambda: now[0]), noisy_story().board
    for _ in range(10):
        ticker.note(board, [])
    assert out.getvalue().count("\r") == 1  # not more often than anybody can read
    now[0] = 1.0
    ticker.note(board, [])
    ticker.close()
    text = out.getvalue()
    assert text.count("\r") == 3
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert "1 of 1 claims confirmed" in text


def test_the_line_is_short_whatever_the_problem_is_called() -> None:
    board = Story(noisy_setup(title="t" * 500)).board
    assert len(line_of(board)) <= WIDTH
    assert len(line_of(noisy_story().board)) <= WIDTH


def test_it_says_what_agents_do_and_cost() -> None:
    for limits, said in ((Limits(usd=2.0), "2 agents, $0.10 of $2.00"), (Limits(tokens=10**6), "2 agents, 24k tokens")):
        book = Book(setup(models=MODELS, agents=8, mode="arrival", limits=limits))
        book.baseline(14.0)
        book.say(*story(decision=book.board.decision).events)
        assert said in line_of(book.board)
    assert "agents" not in line_of(noisy_story().board)


def test_nobody_reading_is_no_error() -> None:
    out = io.StringIO()
    ticker = Ticker(out)
    out.close()
    assert ticker.note(noisy_story().board, []) is None  # type: ignore[func-returns-value]
    ticker.close()
    assert ticker._last is not None, "it drew, and nobody read"


def test_a_ticker_that_saw_nothing_says_nothing() -> None:
    out = io.StringIO()
    Ticker(out).close()
    assert out.getvalue() == ""


def test_observers_are_the_users_and_the_line() -> None:
    with observing(None, False) as observers:
        assert observers == []
    with observing(lambda board, events: None, True) as observers:
        assert len(observers) == 2
