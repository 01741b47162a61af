"""What the board keeps for each record."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.board.states import Ranking, Score

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(VALUES)
def test_running_mean_and_sd_are_those_of_all_values(values: list[float]) -> None:
    score = Score()
    for value in values:
        score.add(value)
    assert score.n == len(values)
    assert score.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    if len(values) == 1:
        assert score.sd is None
    else:
        assert score.sd == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)


def test_the_sd_survives_a_large_mean() -> None:
    score = Score()
    for value in (1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16):
        score.add(value)
    assert score.sd == pytest.approx(math.sqrt(30.0), rel=1e-12)


MOVES = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([-1.0, 0.0, 0.5, 2.0])), max_size=40)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(MOVES)
def test_a_ranking_is_what_sorting_gives(moves: list[tuple[int, float]]) -> None:
    """Ties keep the order in which candidates first came, however often they moved."""
    ranking, losses = Ranking(), {}
    for number, loss in moves:
        ranking.place(f"c-{number}", loss)
        losses[f"c-{number}"] = loss  # a dictionary keeps the place of the first coming
    expected = sorted(losses, key=lambda c: losses[c])
    assert list(ranking) == expected
    assert len(ranking) == len(expected)
    assert [ranking.position(c) for c in expected] == list(range(len(expected)))
    assert all(c in ranking for c in expected)
    assert "c-10" not in ranking


def test_who_is_not_ranked_has_no_position() -> None:
    with pytest.raises(KeyError):
        Ranking().position("c-0")


class Counted(float):
    """A number that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Counted.compared += 1
        return float(self) < float(other)

    def __gt__(self, other: float) -> bool:
        Counted.compared += 1
        return float(self) > float(other)

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return float(self) == other

    __hash__ = float.__hash__


def test_one_more_candidate_takes_few_comparisons() -> None:
    rng, ranking, size = random.Random(0), Ranking(), 5000
    for number in range(size):
        ranking.place(f"c-{number}", Counted(rng.random()))
    Counted.compared = 0
    ranking.place("new", Counted(0.5))
    ranking.place("new", Counted(0.25))
    ranking.position("new")
    assert Counted.compared <= 4 * 4 * (math.log2(size) + 2)  # four searches, up to four comparisons a step


@settings(max_examples=60, derandomize=True, deadline=None)
@given(MOVES, st.sets(st.integers(0, 9)))
def test_the_best_without_those_marked(moves: list[tuple[int, float]], chosen: set[int]) -> None:
    ranking, marked = Ranking(), Ranking()
    for number, loss in moves:
        ranking.place(f"c-{number}", loss)
        if number in chosen:
            marked.mark(ranking.row(f"c-{number}"))
    left = [c for c in ranking if c not in marked]
    assert ranking.first_without(marked) == (left[0] if left else None)
