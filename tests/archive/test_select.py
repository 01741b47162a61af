"""Which candidate the next hypothesis branches from."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from tests.boards import BASELINE, Book

from aster.archive.select import draw_parents, ranked_elites
from aster.domain.events import EliteNamed

DRAWS = 3000


def book(count: int) -> Book:
    """Return a board with `count` elites, "c-0" the best."""
    made = Book()
    made.baseline(0.0)
    for number in range(count):
        name = made.candidate(f"c-{number}")
        made.run(name, float(count - number))
        made.say(EliteNamed(number, name))
    return made


def shares(of: Book) -> dict[str, float]:
    rng = random.Random(0)
    return {name: n / DRAWS for name, n in Counter(draw_parents(of.board, rng, DRAWS)).items()}


def test_without_elites_the_baseline_is_the_parent() -> None:
    assert draw_parents(book(0).board, random.Random(0), 2) == [BASELINE, BASELINE]


def test_parents_are_drawn_by_rank() -> None:
    found, weights = shares(book(4)), [math.exp(-3 * rank / 4) for rank in range(4)]
    for rank, weight in enumerate(weights):
        share = weight / sum(weights)
        assert found[f"c-{rank}"] == pytest.approx(share, abs=4 * math.sqrt(share / DRAWS))


def test_an_elite_that_was_branched_from_often_gives_way() -> None:
    crowded = book(2)
    direction = crowded.direction("s")
    for number in range(24):
        crowded.candidate(f"child-{number}", direction, parent="c-0")
    found = shares(crowded)
    expected = 0.2 / (0.2 + math.exp(-1.5))
    assert found["c-0"] == pytest.approx(expected, abs=0.04)
    assert shares(book(2))["c-0"] > 0.75


def test_elites_of_other_hardware_are_no_parents() -> None:
    moved = book(3)
    moved.term("gpu: other")
    assert draw_parents(moved.board, random.Random(0), 1) == [BASELINE]
    moved.run("c-2", 1.0)
    assert shares(moved) == {"c-2": 1.0}


def test_the_best_is_up_to_twenty_times_likelier_than_the_last() -> None:
    found = shares(book(24))
    assert max(found, key=lambda name: found[name]) in {"c-0", "c-1", "c-2"}
    assert math.exp(3 * 23 / 24) == pytest.approx(17.7, abs=0.1)


def test_one_elite_in_two_clusters_counts_once() -> None:
    twice = book(2)
    twice.say(EliteNamed(7, "c-1"))
    assert shares(twice)["c-1"] < 0.25


def test_elites_are_ranked_best_first() -> None:
    assert ranked_elites(book(3).board) == ["c-0", "c-1", "c-2"]
    assert ranked_elites(book(0).board) == []
