"""Which ideas help and which combine: a small Bayesian regression over what was measured.

The features of a recipe are its ideas, their knob values and the pairs of its ideas; the target is the candidate's
rank, as a normal score, so that late gains of a thousandth count as much as early gains of a tenth. A failure ranks
below everything measured: it is an order, never a number. Proposals are drawn by Thompson sampling
(Thompson 1933): one draw of the weights, best recipe under it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, islice
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from aster.board import Board, ExperimentState
from aster.domain.records import Cancelled, Change, Measured

TOP, RECENT = 120, 120
"""The regression looks at the best and the latest candidates, so that a decision costs O(1) in the history."""

IDEA_SD, KNOB_SD, PAIR_SD, NOISE_SD = 1.0, 0.5, 0.4, 0.3
"""Prior standard deviations of the weights, and of the target's noise, in normal scores."""

MOST_FEATURES = 400

Recipe = tuple[Change, ...]


def features(recipe: Recipe) -> dict[str, float]:
    """Return the features that a recipe has, each with the prior sd of its weight."""
    found = {change.idea: IDEA_SD for change in recipe}
    for change in recipe:
        for knob, value in change.knobs.items():
            found[f"{change.idea}|{knob}={value!r}"] = KNOB_SD
    for a, b in combinations(recipe, 2):
        found[f"{a.idea}&{b.idea}"] = PAIR_SD
    return found


def _window(board: Board) -> tuple[list[str], list[str]]:
    """Return the candidates to learn from: ranked ones, best first, and those that failed."""
    ranking = board.ranking
    recent = [board.experiments[x].record.candidate for x in board.seen[-RECENT:]]
    chosen = dict.fromkeys(islice(ranking, TOP))
    chosen.update(dict.fromkeys(c for c in recent if c in ranking))
    ranked = sorted(chosen, key=ranking.position)
    failed = dict.fromkeys(
        state.record.candidate
        for state in (board.experiments[x] for x in board.seen[-RECENT:])
        if _broke(state) and state.record.candidate not in ranking
    )
    return ranked, list(failed)


def _broke(state: ExperimentState) -> bool:
    """Whether the candidate's own fault kept it from measuring; that an attempt was cancelled tells nothing of it."""
    return state.outcome is not None and not isinstance(state.outcome.result, Measured | Cancelled)


def _targets(board: Board, ranked: Sequence[str], failed: int) -> list[float]:
    """Return a normal score for each ranked candidate (ties share one), then one for each failure."""
    total = len(ranked) + failed
    normal = NormalDist()
    scores: list[float] = []
    last: float | None = None
    for place, candidate in enumerate(ranked):
        score = board.score(candidate)
        mean = score.mean if score is not None else None
        if mean is not None and last is not None and abs(mean - last) <= board.setup.objective.resolution:
            scores.append(scores[-1])
        else:
            scores.append(normal.inv_cdf(1.0 - (place + 0.5) / total))
        last = mean
    worst = normal.inv_cdf((failed / 2 + 0.25) / total) if failed else 0.0
    return scores + [worst] * failed


def draw(
    board: Board, options: Sequence[Recipe], rng: random.Random, predicted: Mapping[str, float] = {}
) -> list[float]:
    """Return one Thompson draw of how good each of `options` is, in normal scores.

    Args:
        board: what was measured.
        options: recipes to judge.
        rng: the draw.
        predicted: by idea, the prior mean of its weight; 0 for an idea that is not in it.
    """
    ranked, failed = _window(board)
    learned = [board.candidates[c].recipe for c in [*ranked, *failed]]
    targets = np.asarray(_targets(board, ranked, len(failed)), dtype=np.float64)
    sd = _columns([*options, *learned])
    column = {name: i for i, name in enumerate(sd)}
    prior = np.asarray(list(sd.values()), dtype=np.float64)
    expected = np.asarray([predicted.get(name, 0.0) for name in column], dtype=np.float64)
    x, z = _matrix(learned, column), _matrix(options, column)
    targets -= x @ expected  # the regression is about what differs from the predictions
    known = z @ expected
    x, z = x * prior, z * prior  # whitened: every weight has prior sd 1
    precision = x.T @ x / NOISE_SD**2 + np.eye(len(prior))
    factor = np.linalg.cholesky(precision)
    mean = np.linalg.solve(precision, x.T @ targets / NOISE_SD**2) if len(learned) else np.zeros(len(prior))
    noise = np.asarray([rng.gauss(0.0, 1.0) for _ in prior], dtype=np.float64)
    weights = mean + np.linalg.solve(factor.T, noise)
    return [float(v) for v in known + z @ weights]


def _columns(recipes: Iterable[Recipe]) -> dict[str, float]:
    """Return the features in use with their prior sd: the MOST_FEATURES widest, then those of the first recipes.

    Pairs are the many, and so the ones that are left out; without its idea an option could not be told from others.
    """
    sd: dict[str, float] = {"(level)": IDEA_SD}
    for recipe in recipes:
        for name, value in features(recipe).items():
            sd.setdefault(name, value)
    return dict(sorted(sd.items(), key=lambda item: -item[1])[:MOST_FEATURES])


def _matrix(recipes: Sequence[Recipe], column: dict[str, int]) -> NDArray[np.float64]:
    rows = np.zeros((len(recipes), len(column)))
    rows[:, 0] = 1.0
    for row, recipe in zip(rows, recipes, strict=True):
        for name in features(recipe):
            place = column.get(name)
            if place is not None:
                row[place] = 1.0
    return rows
