"""Which direction of agents gets the next assignment."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.boards import Book, setup

from aster.domain.events import DirectionFunded, DirectionOpened
from aster.domain.records import Direction
from aster.planning.lines import fund_lines, open_lines
from aster.testing.proposers import deep

DRAWS = 600


def started(*lines: str, **expected: float) -> Book:
    """Open a direction of agents for each name, and one of proposers."""
    book = Book(setup(mode="arrival"))
    book.baseline(1.0)
    book.direction("tuned")
    for line in lines:
        book.say(DirectionOpened(Direction(line, line, "why not", by="agents", expected=expected.get(line))))
    return book


def firsts(book: Book) -> Counter[str]:
    return Counter(fund_lines(book.board, random.Random(seed))[0] for seed in range(DRAWS))


def test_only_open_directions_of_agents_are_funded() -> None:
    book = started("a", "b", "c")
    book.retire("b")
    assert sorted(fund_lines(book.board, random.Random(0))) == ["a", "c"]
    assert [state.record.id for state in open_lines(book.board)] == ["a", "c"]


def test_nothing_open_is_nothing_to_fund() -> None:
    assert fund_lines(started().board, random.Random(0)) == []


def test_new_directions_are_funded_alike() -> None:
    assert firsts(started("a", "b"))["a"] / DRAWS == pytest.approx(0.5, abs=0.08)


def test_a_direction_that_gains_is_funded_more_and_a_dry_one_is_not_given_up() -> None:
    book = started("rich", "dry")
    for _ in range(4):
        book.attempt("rich", 0.5)
        book.attempt("dry", -0.1)
    found = firsts(book)
    assert found["rich"] > 0.8 * DRAWS
    assert found["dry"] > 0


def test_the_planners_weight_multiplies() -> None:
    book = started("a", "b")
    book.say(DirectionFunded("b", 4.0))
    assert firsts(book)["b"] > 0.65 * DRAWS
    book.say(DirectionFunded("b", 0.0))
    assert firsts(book)["b"] == 0


def test_what_the_planner_expects_is_a_prior_that_evidence_outweighs() -> None:
    book = started("modest", "bold", modest=0.01, bold=1.0)
    assert firsts(book)["bold"] > 0.6 * DRAWS
    for _ in range(6):
        book.attempt("modest", 0.5)
        book.attempt("bold", 0.0, success=False)
    assert firsts(book)["modest"] > 0.8 * DRAWS


def test_an_expectation_beyond_numbers_says_nothing() -> None:
    book = started("a", "b", a=float("nan"))
    assert firsts(book)["a"] / DRAWS == pytest.approx(0.5, abs=0.08)


def test_funding_leaves_the_board_alone() -> None:
    book = started("a", "b")
    book.attempt("a", 0.5)
    before = deep(book.board)
    assert fund_lines(book.board, random.Random(3)) == fund_lines(book.board, random.Random(3))
    assert deep(book.board) == before
