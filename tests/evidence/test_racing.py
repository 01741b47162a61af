"""Who stays in the race for seeds, and what whole campaigns gain by it."""

from __future__ import annotations

import random

import pytest
from tests.boards import BASELINE, Book, setup

from aster.board import Board
from aster.domain.records import Mode
from aster.evidence.racing import concluded, in_race, next_run
from aster.testing.field import field_setup, number_of, search_field


def field(*losses: float, seeds: int = 4) -> Board:
    """Return the board of a campaign in which candidates c-0, c-1, ... ran on one seed; the baseline's losses are 5."""
    book = Book(setup("minimize", search_seeds=seeds, racing=True))
    book.baseline(*[5.0] * seeds)
    for number, loss in enumerate(losses):
        book.run(book.candidate(f"c-{number}"), loss)
    return book.board


def test_a_quarter_of_a_rung_runs_on() -> None:
    board = field(*range(10, 21))  # with the baseline, twelve on the lowest rung
    assert [c for c in board.candidates if in_race(board, c)] == ["c-0", "c-1"]
    assert next_run(board) == ("c-0", 1)
    assert concluded(board, "c-2")
    assert not concluded(board, "c-0")


def test_the_baseline_ran_on_every_seed_and_never_runs_again() -> None:
    board = field(6.0, 7.0, 8.0)
    assert not in_race(board, BASELINE)
    assert next_run(board) is None


def test_a_rung_once_begun_is_run_to_its_end() -> None:
    book = Book(setup("minimize", search_seeds=4, racing=True))
    book.baseline(5.0, 5.0, 5.0, 5.0)
    book.run(book.candidate("a"), 3.0)
    book.end(book.plan("a", 1), 3.0)
    book.decide()
    assert next_run(book.board) == ("a", 2)
    book.plan("a", 2)
    book.run(book.candidate("b"), 1.0)
    assert next_run(book.board) == ("a", 3)
    book.plan("a", 3)
    assert next_run(book.board) == ("b", 1)


def searched(board: Board) -> dict[str, list[int]]:
    """Return by candidate the seeds of its search runs, in order."""
    found: dict[str, list[int]] = {}
    for state in board.experiments.values():
        if state.record.purpose == "search":
            found.setdefault(state.record.candidate, []).append(state.record.seed)
    return found


@pytest.mark.parametrize("mode", ["ordered", "arrival"])
def test_seeds_go_to_the_few_that_may_be_best(mode: Mode) -> None:
    setup = field_setup(150, 3, search_seeds=8, racing=True, mode=mode, slots=4)
    board = search_field(setup, lambda number: 4.0 if number == 20 else 0.0, 40)
    runs = searched(board)
    assert number_of(board, board.champion) == 20
    assert len(runs[board.champion or ""]) == 8
    assert sum(len(seeds) == 1 for seeds in runs.values()) > len(runs) / 2
    assert all(len(set(seeds)) == len(seeds) for seeds in runs.values())
    longest = max(runs.values(), key=len)
    assert all(seeds == longest[: len(seeds)] for seeds in runs.values())  # the same seeds in the same order
    assert board.spend.experiments <= 150


def test_who_is_claimed_has_run_on_every_seed_unless_it_was_the_last_chance() -> None:
    for seed in range(10):
        board = search_field(field_setup(120, seed, search_seeds=4, racing=True), lambda n: 1.5 * (n == 9), 60)
        runs = searched(board)
        assert all(len(runs[c.record.candidate]) == 4 for c in list(board.claims.values())[:-1])


def found(seeds: int, racing: bool, campaigns: int = 25) -> int:
    """Return in how many campaigns the one candidate of 32 that is better, by 2 sd, becomes the champion."""
    hits = 0
    for world in range(campaigns):
        better = random.Random(world).randint(1, 32)
        setup = field_setup(90, world, search_seeds=seeds, racing=racing)
        board = search_field(setup, lambda number, better=better: 2.0 if number == better else 0.0, 32)  # type: ignore[misc]
        hits += number_of(board, board.champion) == better
    return hits


def test_racing_finds_more_than_fixed_repeats_in_the_same_budget() -> None:
    """benchmarks/racing.py has the figures: about 65% against 45% with one or two fixed seeds and 25% with four."""
    raced = found(4, racing=True)
    assert all(raced > found(seeds, racing=False) for seeds in (1, 2, 4))


def test_noise_alone_is_rarely_confirmed_by_campaigns_that_race() -> None:
    """At most 5% by design; with 80 campaigns, 11 is over three sd above that."""
    boards = (search_field(field_setup(60, s, search_seeds=4, racing=True), lambda _: 0.0, 60) for s in range(80))
    assert sum(board.champion is not None for board in boards) <= 11
