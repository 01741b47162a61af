"""Elites of clusters, and clustering afresh as the history grows."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.boards import BASELINE, Book, setup

from aster.archive.cluster import FIRST_SIZE, GROWTH, MOST_CLUSTERS, descriptor, due, place, recluster
from aster.board import Board
from aster.domain.events import ArchiveReclustered, EliteNamed
from aster.domain.records import Failed, Goal


def grown(points: list[tuple[float, ...]], goal: Goal = "maximize", values: list[float] | None = None) -> Book:
    """Return a board with a candidate at each point; the later, the better, unless `values` says otherwise."""
    book = Book(setup(goal))
    for number, point in enumerate(points):
        name = book.candidate(f"c-{number:03}", traits=point)
        book.run(name, values[number] if values else float(number))
    return book


def blobs(count: int, seed: int = 0) -> list[tuple[float, ...]]:
    """Return points about three far centres, in turn."""
    rng = random.Random(seed)
    centres = [(0.0, 0.0), (100.0, 0.0), (0.0, 1000.0)]
    return [tuple(x + rng.gauss(0, 1) for x in centres[i % 3]) for i in range(count)]


def test_before_the_first_clustering_everything_ranked_is_an_elite() -> None:
    book = grown([(0.0,), (5.0,)])
    for number in (0, 1):
        event = place(book.board, f"c-00{number}")
        assert event == EliteNamed(number, f"c-00{number}")
        book.say(event)
    assert place(book.board, "c-000") is None
    assert recluster(book.board) is None


def test_what_is_not_ranked_is_no_elite() -> None:
    book = grown([(0.0,)])
    book.run(book.candidate("broken"), Failed("x"))
    assert place(book.board, "broken") is None


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_clusters_follow_the_candidates_and_keep_the_best_of_each(goal: Goal) -> None:
    points = blobs(9)
    values = [float(i) if goal == "maximize" else -float(i) for i in range(9)]
    event = recluster(grown(points, goal, values).board)
    assert event is not None
    assert (event.size, len(event.centroids)) == (9, 3)
    assert set(event.elites) == {"c-006", "c-007", "c-008"}
    assert event.shift == pytest.approx(np.mean(points, axis=0))
    assert event.scale == pytest.approx(np.std(points, axis=0))
    for centre, elite in zip(event.centroids, event.elites, strict=True):
        blob = [p for i, p in enumerate(points) if i % 3 == int(elite[-1]) % 3]
        middle = (np.mean(blob, axis=0) - event.shift) / np.asarray(event.scale)
        assert centre == pytest.approx(middle)


def test_the_same_board_is_clustered_the_same() -> None:
    events = [recluster(grown(blobs(30, seed=4)).board) for _ in range(2)]
    assert events[0] is not None
    assert events[0] == events[1]


def test_the_best_candidate_is_always_an_elite() -> None:
    for seed in range(5):
        event = recluster(grown(blobs(20, seed)).board)
        assert event is not None
        assert "c-019" in event.elites
        assert len(set(event.elites)) == len(event.elites) == len(event.centroids)


@pytest.mark.parametrize("points", [[(1.0, 2.0)] * 8, [(1.0, 2.0)] * 7 + [(3.0, 2.0)]], ids=["all alike", "two kinds"])
def test_candidates_that_are_alike_share_a_cluster(points: list[tuple[float, ...]]) -> None:
    event = recluster(grown(points).board)
    assert event is not None
    assert len(event.elites) == len(set(points))
    assert all(math.isfinite(x) for row in (event.shift, event.scale, *event.centroids) for x in row)
    assert 0.0 not in event.scale


def test_the_number_of_clusters_grows_with_the_root_and_is_bounded() -> None:
    rng = random.Random(1)
    for size, most in ((16, 4), (100, 10), (900, MOST_CLUSTERS)):
        event = recluster(grown([(rng.random(), rng.random()) for _ in range(size)]).board)
        assert event is not None
        assert most - 3 <= len(event.elites) <= most


def test_it_is_clustered_afresh_whenever_it_has_grown_by_half() -> None:
    book, sizes = Book(), []
    for number in range(60):
        book.run(book.candidate(f"c-{number:03}", traits=(float(number % 7), float(number))), float(number))
        assert due(book.board) == (recluster(book.board) is not None)
        event = recluster(book.board)
        if event is not None:
            book.say(event)
            sizes.append(event.size)
    assert sizes[0] == FIRST_SIZE
    assert all(b == math.ceil(a * GROWTH) for a, b in pairwise(sizes))
    assert len(sizes) < 9


def two_clusters() -> Book:
    book = grown([(0.0,), (1.0,), (10.0,), (11.0,)])
    book.say(ArchiveReclustered(4, (0.0,), (2.0,), ((0.25,), (5.25,)), ("c-001", "c-003")))
    return book


@pytest.mark.parametrize(
    ("point", "value", "expected"),
    [
        ((2.0,), 9.0, EliteNamed(0, "new")),
        ((8.0,), 9.0, EliteNamed(1, "new")),
        ((2.0,), 0.5, None),
        ((2.0,), 1.0, None),
    ],
)
def test_a_newcomer_replaces_the_elite_that_it_beats(
    point: tuple[float, ...], value: float, expected: EliteNamed | None
) -> None:
    book = two_clusters()
    book.run(book.candidate("new", traits=point), value)
    assert place(book.board, "new") == expected


def test_an_elite_of_other_hardware_gives_way() -> None:
    book = two_clusters()
    book.term("gpu: other")
    book.run(book.candidate("new", traits=(0.0,)), -5.0)
    assert place(book.board, "new") == EliteNamed(0, "new")


def test_declared_descriptors_place_a_candidate() -> None:
    book = Book(setup(descriptors=("size", "speed")))
    book.run(book.candidate("a", traits=(9.0,)), 1.0, size=2.0, speed=3.0)
    assert descriptor(book.board, "a") == (2.0, 3.0)
    assert descriptor(grown([(4.0,)]).board, "c-000") == (4.0,)


def test_without_its_descriptors_a_candidate_has_no_place() -> None:
    book = Book(setup(descriptors=("size",)))
    book.baseline(1.0)
    assert descriptor(book.board, BASELINE) is None
    assert place(book.board, BASELINE) is None


def test_while_too_few_have_a_place_it_is_not_looked_for_again_and_again() -> None:
    book = Book(setup(descriptors=("size",)))
    for number in range(6):
        sizes: dict[str, Any] = {"size": 1.0} if number < 2 else {}
        book.run(book.candidate(f"c-{number}"), float(number), **sizes)
    event = recluster(book.board)
    assert event == ArchiveReclustered(6, (), (), (), ("c-1", "c-0"))
    book.say(event)
    assert recluster(book.board) is None
    book.run(book.candidate("new"), 0.0, size=5.0)
    assert place(book.board, "new") == EliteNamed(2, "new")


def test_place_and_recluster_leave_the_board_alone() -> None:
    book = grown(blobs(6))
    elites, size = dict(book.board.archive.elites), book.board.archive.size_clustered
    place(book.board, "c-005")
    recluster(book.board)
    assert isinstance(book.board, Board)
    assert (book.board.archive.elites, book.board.archive.size_clustered) == (elites, size)
