"""The planner that needs no model."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.boards import Book, setup

from aster.domain.events import DirectionOpened, DirectionRetired, EliteNamed
from aster.domain.records import COMBINATION, EXHAUSTED, Setup
from aster.planning.bandit import DRY, BanditPlanner
from aster.testing.proposers import deep

DRAWS = 600


def started(*surfaces: str, of: Setup | None = None) -> tuple[BanditPlanner, Book]:
    planner, book = BanditPlanner(dict.fromkeys(surfaces)), Book(of)
    book.baseline(1.0)
    book.say(*planner.plan(book.board))
    return planner, book


def opened(book: Book, surface: str) -> str:
    """Return the latest direction of a surface."""
    return book.board.directions_on[surface][-1].record.id


def alive(book: Book) -> list[str]:
    return sorted(s.record.surface for s in book.board.directions.values() if s.retired is None)


def firsts(planner: BanditPlanner, book: Book) -> Counter[str]:
    """Return how often each surface is funded first."""
    draws = (planner.fund(book.board, random.Random(seed))[0] for seed in range(DRAWS))
    return Counter(book.board.directions[d].record.surface for d in draws)


def test_one_direction_a_surface_is_opened_once() -> None:
    planner, book = started("b", "a")
    assert alive(book) == ["a", "b"]
    assert planner.plan(book.board) == []


def test_what_a_surface_promises_is_its_rationale() -> None:
    planner = BanditPlanner({"a": 0.25, "b": None})
    texts = [e.direction.rationale for e in planner.plan(Book().board) if isinstance(e, DirectionOpened)]
    assert texts == [f"There is something to try on {s}." for s in ("a, predicted to gain up to 0.25", "b")]


def test_planning_and_funding_leave_the_board_alone() -> None:
    planner, book = started("a", "b")
    for _ in range(DRY):
        book.attempt(opened(book, "a"), 0.0)
    before = deep(book.board)
    assert planner.plan(book.board) == planner.plan(book.board)
    assert planner.fund(book.board, random.Random(3)) == planner.fund(book.board, random.Random(3))
    assert deep(book.board) == before


def test_every_open_direction_is_funded_and_no_other() -> None:
    planner, book = started("a", "b", "c")
    book.retire(opened(book, "b"))
    assert sorted(planner.fund(book.board, random.Random(0))) == sorted([opened(book, "a"), opened(book, "c")])


# --- funding ----------------------------------------------------------------------------------------------------


def test_a_surface_with_gains_is_funded_more_often_than_a_dry_one() -> None:
    planner, book = started("dry", "rich")
    even = firsts(planner, book)
    assert even["rich"] / DRAWS == pytest.approx(0.5, abs=0.08)
    for _ in range(4):
        book.attempt(opened(book, "rich"), 0.5)
        book.attempt(opened(book, "dry"), -0.1)
    found = firsts(planner, book)
    assert found["rich"] > 0.8 * DRAWS
    assert found["dry"] > 0  # it is not given up


def test_a_surface_nobody_tried_is_funded_before_one_that_only_fails() -> None:
    planner, book = started("failing", "new")
    for _ in range(4):
        book.attempt(opened(book, "failing"), None)
    assert firsts(planner, book)["new"] > 0.6 * DRAWS


def test_late_gains_weigh_more_than_early_ones() -> None:
    planner, book = started("early", "late")
    for number in range(8):
        book.attempt(opened(book, "early"), 0.5 if number < 4 else 0.0)
        book.attempt(opened(book, "late"), 0.5 if number >= 4 else 0.0)
    assert firsts(planner, book)["late"] > 0.55 * DRAWS


def test_a_surface_that_promises_more_is_tried_first_more_often() -> None:
    planner, book = BanditPlanner({"modest": 0.01, "bold": 1.0}), Book()
    book.baseline(1.0)
    book.say(*planner.plan(book.board))
    assert firsts(planner, book)["bold"] > 0.6 * DRAWS


@pytest.mark.parametrize(("mode", "least", "most"), [("arrival", 0.7, 1.0), ("ordered", 0.4, 0.6)])
def test_cost_counts_where_time_may(mode: str, least: float, most: float) -> None:
    """In ordered mode decisions cannot depend on seconds, which differ from run to run."""
    planner, book = started("cheap", "dear", of=setup(mode=mode))
    for _ in range(5):
        book.attempt(opened(book, "cheap"), 0.5, seconds=1.0)
        book.attempt(opened(book, "dear"), 0.5, seconds=100.0)
    assert least <= firsts(planner, book)["cheap"] / DRAWS <= most


def test_in_ordered_mode_seconds_change_nothing() -> None:
    orders = []
    for seconds in (1.0, 50.0):
        planner, book = started("a", "b", "c")
        for number, surface in enumerate("abcab"):
            book.attempt(opened(book, surface), 0.1 * number, seconds=seconds * (number + 1))
        orders.append([planner.fund(book.board, random.Random(seed)) for seed in range(20)])
    assert orders[0] == orders[1]


# --- retiring ---------------------------------------------------------------------------------------------------


def test_a_dry_direction_is_retired_and_stays_so() -> None:
    planner, book = started("a", "b")
    for number in range(DRY):
        assert planner.plan(book.board) == []
        book.attempt(opened(book, "a"), None if number % 2 else -0.1)
    changes = planner.plan(book.board)
    assert changes == [DirectionRetired(opened(book, "a"), f"dry: no success in the last {DRY} hypotheses")]
    book.say(*changes)
    assert planner.plan(book.board) == []
    assert alive(book) == ["b"]


def test_a_success_keeps_a_direction_open() -> None:
    planner, book = started("a", "b")
    for gain in [-0.1] * (DRY - 1) + [0.2] + [-0.1] * (DRY - 1):
        book.attempt(opened(book, "a"), gain)
    assert not any(isinstance(event, DirectionRetired) for event in planner.plan(book.board))


def test_gains_within_the_noise_keep_nothing_open() -> None:
    planner, book = started("a", "b")
    for _ in range(DRY):
        book.attempt(opened(book, "a"), 0.001, success=False)
    assert isinstance(planner.plan(book.board)[0], DirectionRetired)


def test_the_last_direction_is_never_retired() -> None:
    planner, book = started("a", "b", "c")
    for surface in "abc":
        for _ in range(2 * DRY):
            book.attempt(opened(book, surface), -0.5)
    changes = planner.plan(book.board)
    assert [type(change) for change in changes] == [DirectionRetired, DirectionRetired]
    book.say(*changes)
    assert alive(book) == ["c"]
    assert planner.plan(book.board) == []


# --- opening again ----------------------------------------------------------------------------------------------


def test_a_dry_surface_opens_again_when_the_best_has_changed() -> None:
    planner, book = started("a", "b")
    book.retire(opened(book, "a"), "dry")
    first = opened(book, "a")
    book.attempt(opened(book, "b"), -0.5)
    assert planner.plan(book.board) == []
    book.attempt(opened(book, "b"), 0.5)
    (change,) = planner.plan(book.board)
    assert isinstance(change, DirectionOpened)
    assert change.direction.surface == "a"
    assert change.direction.id != first
    assert change.direction.rationale.startswith("Opened again")


def test_an_exhausted_surface_opens_again_when_the_archive_has_changed() -> None:
    planner, book = started("a", "b")
    book.retire(opened(book, "a"), EXHAUSTED)
    better = book.attempt(opened(book, "b"), 0.5)
    assert planner.plan(book.board) == []
    book.say(EliteNamed(0, better))
    for _ in range(DRY - 2):
        book.attempt(opened(book, "b"), 0.5)
        assert planner.plan(book.board) == []
    book.attempt(opened(book, "b"), 0.5)
    (change,) = planner.plan(book.board)
    assert isinstance(change, DirectionOpened)
    assert change.direction.surface == "a"


def test_an_exhausted_surface_need_not_wait_when_nothing_else_is_left() -> None:
    planner, book = started("a")
    book.retire(opened(book, "a"), EXHAUSTED)
    assert planner.plan(book.board) == []
    book.say(EliteNamed(0, "c-1"))
    (change,) = planner.plan(book.board)
    assert isinstance(change, DirectionOpened)


def test_dry_surfaces_open_again_when_nothing_else_is_left() -> None:
    planner, book = started("a", "b", "c")
    book.retire(opened(book, "a"), "dry")
    book.retire(opened(book, "b"), EXHAUSTED)
    assert planner.plan(book.board) == []
    book.retire(opened(book, "c"), EXHAUSTED)
    (change,) = planner.plan(book.board)
    assert isinstance(change, DirectionOpened)
    assert change.direction.surface == "a"


def test_when_every_surface_is_exhausted_nothing_opens() -> None:
    planner, book = started("a", "b")
    for surface in "ab":
        book.retire(opened(book, surface), EXHAUSTED)
    assert planner.plan(book.board) == []
    assert planner.fund(book.board, random.Random(0)) == []


def test_each_direction_has_an_id_of_its_own() -> None:
    planner, book = started("a", "b")
    for number in range(4):
        book.retire(opened(book, "a"), "dry")
        book.attempt(opened(book, "b"), 0.5 + number)
        book.say(*(e for e in planner.plan(book.board) if isinstance(e, DirectionOpened)))
    assert len(book.board.directions_on["a"]) == 5
    assert len(book.board.directions) == len({s.record.id for s in book.board.directions.values()})


# --- combining --------------------------------------------------------------------------------------------------


def test_a_combination_opens_when_two_surfaces_have_won() -> None:
    planner, book = started("a", "b", "c")
    book.attempt(opened(book, "b"), 0.5)
    book.attempt(opened(book, "b"), 0.5)
    assert planner.plan(book.board) == []
    book.attempt(opened(book, "a"), 0.1)
    (change,) = planner.plan(book.board)
    assert isinstance(change, DirectionOpened)
    assert change.direction.surface == COMBINATION
    assert change.direction.rationale == "Changes won apart on a, b; do they add up?"
    book.say(change)
    assert planner.plan(book.board) == []


def test_wins_within_the_noise_open_no_combination() -> None:
    planner, book = started("a", "b")
    for surface in "ab":
        book.attempt(opened(book, surface), 0.5, success=False)
    assert planner.plan(book.board) == []


def test_a_combination_that_won_is_no_surface_to_combine() -> None:
    planner, book = started("a", "b")
    book.attempt(book.direction(COMBINATION), 0.5)
    book.retire(opened(book, COMBINATION), "dry")
    book.attempt(opened(book, "a"), 0.9)
    assert planner.plan(book.board) == []


def test_an_exhausted_combination_opens_again_with_new_elites() -> None:
    planner, book = started("a", "b")
    for surface in "ab":
        book.attempt(opened(book, surface), 0.5)
    book.say(*planner.plan(book.board))
    book.retire(opened(book, COMBINATION), EXHAUSTED)
    assert planner.plan(book.board) == []
    book.say(EliteNamed(0, "c-1"))
    assert planner.plan(book.board) == [], "new elites alone are not enough: it waits for a few outcomes"
    for _ in range(DRY):
        book.attempt(opened(book, "a"), 0.5)
    assert [e.direction.surface for e in planner.plan(book.board) if isinstance(e, DirectionOpened)] == [COMBINATION]
