"""The race for search seeds: rungs, standings and the ranking that they make."""

from __future__ import annotations

import math
import random

import pytest
from tests.boards import BASELINE, CPU, Book, setup

from aster.board.race import Race, rungs_of
from aster.domain.records import Failed

OTHER = "gpu: other"


def racing(seeds: int = 4) -> Book:
    """Return a campaign whose baseline ran on every search seed: 9, 11, 9, 11, ..."""
    book = Book(setup("minimize", search_seeds=seeds, racing=True))
    book.baseline(*[9.0, 11.0] * (seeds // 2))
    return book


def run(book: Book, name: str, *values: float) -> None:
    """Add a candidate, unless it is there, and run it on its next search seeds."""
    if name not in book.board.candidates:
        book.candidate(name)
    first = len(book.board.experiments_of.get(name, ()))
    for place, value in enumerate(values, first):
        book.end(book.plan(name, place), value)
        book.decide()


@pytest.mark.parametrize(
    ("seeds", "rungs"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (5, (1, 2, 4, 5)), (8, (1, 2, 4, 8))]
)
def test_rungs_double_and_end_with_all_seeds(seeds: int, rungs: tuple[int, ...]) -> None:
    assert rungs_of(seeds) == rungs


def test_a_rung_is_reached_by_its_own_seeds_in_whatever_order_they_arrive() -> None:
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        race = Race(4)
        for index in order:
            race.measure("a", index, float(index))
        assert race.complete("a")
        assert [standing.loss("a") for standing in race.standings] == [0.0, 0.5, 1.5]
    race = Race(4)
    race.measure("a", 1, 5.0)
    assert race.rung("a") is None
    race.measure("a", 0, 1.0)
    assert race.reached("a") == 2


def test_a_gain_is_over_the_seeds_of_the_lower_rung() -> None:
    """Seed 0 is easier by 100: a mean over all seeds against a mean over one would be nonsense."""
    book = Book(setup("minimize", search_seeds=4, racing=True))
    book.baseline(0.0, 100.0, 100.0, 100.0)
    run(book, "a", -2.0)
    assert book.board.gain("a", BASELINE) == (2.0, 1)
    run(book, "a", 90.0)
    assert book.board.gain("a", BASELINE) == (6.0, 2)
    assert book.board.gain("nobody", BASELINE) is None


def test_a_mean_over_few_seeds_stands_worse_by_its_doubt() -> None:
    book = racing()
    doubt = math.sqrt(4 / 3) * (1 - 1 / 2)  # the sd of 9, 11, 9, 11; one seed against four
    run(book, "lucky", 9.0 - 0.9 * doubt)
    run(book, "steady", 9.0, 9.0, 9.0, 9.0)
    assert list(book.board.ranking)[:2] == ["steady", "lucky"]
    run(book, "better", 9.0 - 1.1 * doubt)
    assert list(book.board.ranking)[:2] == ["better", "steady"]


def test_who_breaks_on_a_later_seed_is_out() -> None:
    book = racing()
    run(book, "a", 1.0, 1.0)
    book.claim("a")
    book.end(book.plan("a", 2), Failed("later"))
    book.decide()
    assert list(book.board.ranking) == [BASELINE]
    assert book.board.race.rung("a") is None
    run(book, "a", 1.0)  # what was under way meanwhile
    assert "a" not in book.board.ranking
    assert book.board.unclaimed() == BASELINE


def test_each_kind_of_hardware_has_its_own_race() -> None:
    book = racing()
    run(book, "a", 1.0, 1.0)
    book.term(OTHER)
    assert book.board.race.rung("a") is None
    assert book.board.gain("a", BASELINE) is None
    book.term(CPU)
    assert book.board.race.reached("a") == 2


def test_who_waits_on_a_rung_has_no_runs_beyond_it() -> None:
    rng, race = random.Random(1), Race(8)
    for number in range(40):
        race.plan(f"c-{number}")
        race.measure(f"c-{number}", 0, rng.random())
    order = list(race.standings[0])
    assert race.waiting(0) == order[0]
    race.plan(order[0])
    assert race.begun is None  # its next rung is one run
    assert race.waiting(0) == order[1]
    race.measure(order[0], 1, 0.5)
    race.plan(order[0])
    assert race.begun == order[0]  # of two runs, one is planned
    race.plan(order[0])
    assert race.begun is None
    race.exempt("base")
    race.measure("base", 0, -1.0)
    assert race.waiting(0) == order[1]
