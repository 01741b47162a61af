"""Which ideas help and which combine: a small Bayesian regression over what was measured.

The features of a recipe are its ideas, their knob values and the pairs of its ideas; the target is the candidate's
rank, as a normal score, so that late gains of a thousandth count as much as early gains of a tenth. A failure ranks
below everything measured: it is an order, never a number. Proposals are drawn by Thompson sampling
(Thompson 1933): one draw of the weights, best recipe under it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, islice
from statistics import NormalDist
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from aster.board import Board, ExperimentState
from aster.domain.ids import settings_key
from aster.domain.records import Change, Knob
from aster.proposers.settings import is_composed, settings_over

TOP, RECENT = 120, 120
"""The regression looks at the best and the latest candidates, so that a decision costs O(1) in the history."""

LOOKED_AT = 4 * TOP
"""Places of the ranking in which the best are looked for; tuned ones among them are left out."""

IDEA_SD, KNOB_SD, PAIR_SD, NOISE_SD = 1.0, 0.5, 0.4, 0.3
"""Prior standard deviations of the weights, and of the target's noise, in normal scores."""

MOST_FEATURES = 400

MOST_CODED = 1 << 13
"""Recipes whose features are remembered."""

MOST_NAMES = 1 << 15
"""Features whose numbers are remembered."""

LEVEL = "(level)"

Recipe = tuple[Change, ...]
Numbers = NDArray[np.int32]
Columns = NDArray[np.intp]
Floats = NDArray[np.float64]


class Option(Protocol):
    """A recipe to judge; `recipe` is only asked for when `key`, its `recipe_key`, is not known yet."""

    @property
    def key(self) -> int: ...

    @property
    def recipe(self) -> Recipe: ...

    @property
    def settings(self) -> Mapping[str, Knob]: ...


def features(recipe: Recipe, settings: Mapping[str, Knob] = {}) -> dict[str, float]:
    """Return the features that a recipe has, each with the prior sd of its weight.

    What the tuner set on top of it is one feature: all recipes that took over the same settings share its weight.
    """
    found = {change.idea: IDEA_SD for change in recipe}
    if settings:
        found[f"set {settings_key(settings):x}"] = IDEA_SD
    for change in recipe:
        for knob, value in change.knobs.items():
            found[f"{change.idea}|{knob}={value!r}"] = KNOB_SD
    for a, b in combinations(recipe, 2):
        found[f"{a.idea}&{b.idea}"] = PAIR_SD
    return found


class Surrogate:
    """The regression of one proposer. What it remembers are caches alone: they change its speed, never a draw."""

    def __init__(self, predicted: Mapping[str, float] = {}) -> None:
        """Args:
        predicted: by idea, the prior mean of its weight; 0 for an idea that is not in it.
        """
        self._predicted = predicted
        self._forget()

    def draw(self, board: Board, options: Sequence[Option], rng: random.Random) -> list[float]:
        """Return one Thompson draw of how good each of `options` is, in normal scores.

        Args:
            board: what was measured.
            options: recipes to judge.
            rng: the draw.
        """
        if len(self._numbers) > MOST_NAMES:
            self._forget()
        lessons = self._learn(board)
        coded = [self._coded(option) for option in options]
        columns = self._columns([*coded, *lessons.coded])
        prior, expected = self._sd[columns], self._expected[columns]
        noise = np.asarray([rng.gauss(0.0, 1.0) for _ in range(len(columns))], dtype=np.float64)
        measured, judged = (_matrix(recipes, columns, len(self._sd)) for recipes in (lessons.coded, coded))
        weights = _posterior_draw(measured, lessons.targets, prior, expected, noise)
        # Rounded, because a recipe that two parents lead to must tie with itself on every machine's arithmetic.
        return [round(float(v), 9) for v in judged @ expected + (judged * prior) @ weights]

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {LEVEL: 0}
        self._sd: Floats = np.ones(1)
        self._expected: Floats = np.asarray([self._predicted.get(LEVEL, 0.0)])
        self._recipes: dict[int, Numbers] = {}
        self._lessons: WeakKeyDictionary[Board, Lessons] = WeakKeyDictionary()

    # --- features as numbers ------------------------------------------------------------------------------------

    def _coded(self, option: Option) -> Numbers:
        known = self._recipes.get(option.key)
        if known is None:
            if len(self._recipes) >= MOST_CODED:
                self._recipes.clear()
            known = self._recipes[option.key] = self._code(option.recipe, option.settings)
        return known

    def _code(self, recipe: Recipe, settings: Mapping[str, Knob]) -> Numbers:
        """Return the numbers of a recipe's features, in their order."""
        found, numbers = features(recipe, settings), self._numbers
        new = {name: sd for name, sd in found.items() if name not in numbers}
        if new:
            numbers.update(zip(new, range(len(numbers), len(numbers) + len(new)), strict=True))
            self._sd = np.append(self._sd, list(new.values()))
            self._expected = np.append(self._expected, [self._predicted.get(name, 0.0) for name in new])
        return np.fromiter((numbers[name] for name in found), dtype=np.int32, count=len(found))

    def _read(self, board: Board, name: str) -> Numbers:
        return self._code(board.candidates[name].recipe, settings_over(board, name))

    def _columns(self, coded: Sequence[Numbers]) -> Columns:
        """Return the features in use: the MOST_FEATURES widest, then those of the first recipes.

        Pairs are the many, and so the ones that are left out; without its idea an option could not be told from
        others. The level comes first.
        """
        every = np.concatenate([np.zeros(1, dtype=np.int32), *coded])
        first = np.full(len(self._sd), len(every))
        first[every[::-1]] = np.arange(len(every) - 1, -1, -1)  # of equal places the last one written stays
        used = np.flatnonzero(first < len(every))
        used = used[np.argsort(first[used], kind="stable")]
        return used[np.argsort(-self._sd[used], kind="stable")][:MOST_FEATURES]

    # --- what was measured --------------------------------------------------------------------------------------

    def _learn(self, board: Board) -> Lessons:
        """Return what the window teaches; all that it depends on changes only when an outcome is seen."""
        last, now = self._lessons.get(board), (len(board.seen), board.kind)
        if last is not None and last.at == now:
            return last
        ranked, failed = _window(board)
        known = last.by_candidate if last is not None else {}
        by_candidate = {name: known[name] if name in known else self._read(board, name) for name in (*ranked, *failed)}
        targets = np.asarray(_targets(board, ranked, len(failed)), dtype=np.float64)
        lessons = self._lessons[board] = Lessons(now, by_candidate, targets)
        return lessons


class Lessons:
    """The window of a board at one moment: a row of features and a target for each candidate in it."""

    def __init__(self, at: tuple[int, str], by_candidate: dict[str, Numbers], targets: Floats) -> None:
        self.at, self.by_candidate, self.targets = at, by_candidate, targets
        self.coded = list(by_candidate.values())


def _posterior_draw(rows: Floats, targets: Floats, prior: Floats, expected: Floats, noise: Floats) -> Floats:
    """Return one draw of the whitened weights (prior sd 1), made of `noise`, one normal number for each.

    Args:
        rows: recipes that were measured, by feature: zeros and ones.
        targets: what they measured, in normal scores.
        prior, expected: sd and mean of each weight before that.
    """
    from scipy.linalg import blas, lapack  # imported late: most commands decide nothing

    weights, met = noise.copy(), np.flatnonzero(rows.any(axis=0))  # of the others nothing was learnt
    if not len(met):
        return weights
    counts = blas.ssyrk(1.0, rows[:, met].T.astype(np.float32), lower=0)  # exact: whole numbers below 2^24
    precision = counts * (np.outer(prior[met], prior[met]) / NOISE_SD**2)
    precision[np.diag_indices(len(met))] += 1.0
    upper, failed = lapack.dpotrf(precision, lower=0, clean=0, overwrite_a=1)
    assert failed == 0, "the identity keeps the precision positive definite"
    rest = targets - rows @ expected  # the regression is about what differs from the predictions
    half, _ = lapack.dtrtrs(upper, prior[met] * (rest @ rows[:, met]) / NOISE_SD**2, lower=0, trans=1)
    weights[met], _ = lapack.dtrtrs(upper, half + noise[met], lower=0)
    return weights


def _matrix(coded: Sequence[Numbers], columns: Columns, features: int) -> Floats:
    """Return a row of zeros and ones for each recipe; the first column, the level, is one in all."""
    place = np.full(features, -1)
    place[columns] = np.arange(len(columns))
    rows = np.zeros((len(coded), len(columns)))
    rows[:, 0] = 1.0
    if coded:
        of = np.repeat(np.arange(len(coded)), [len(numbers) for numbers in coded])
        at = place[np.concatenate(coded)]
        rows[of[at >= 0], at[at >= 0]] = 1.0
    return rows


def _window(board: Board) -> tuple[list[str], list[str]]:
    """Return the candidates to learn from: ranked ones, best first, and those that failed.

    They are those that ideas made, and of the tuned ones the archive's elites, on top of which ideas may be put.
    """
    ranking, elites = board.ranking, set(board.archive.elites.values())

    def teaches(candidate: str) -> bool:
        return candidate in board.composed or (candidate in elites and is_composed(board, candidate))

    recent = [s for s in (board.experiments[x] for x in board.seen[-RECENT:]) if teaches(s.record.candidate)]
    chosen = dict.fromkeys(islice(filter(teaches, islice(ranking, LOOKED_AT)), TOP))
    chosen.update(dict.fromkeys(s.record.candidate for s in recent if s.record.candidate in ranking))
    ranked = sorted(chosen, key=ranking.row)
    failed = dict.fromkeys(s.record.candidate for s in recent if _broke(s) and s.record.candidate not in ranking)
    return ranked, list(failed)


def _broke(state: ExperimentState) -> bool:
    """Whether the candidate itself kept its experiment from counting: it failed, was hopeless or infeasible.

    That an attempt was cancelled from outside tells nothing of it.
    """
    return state.status not in (None, "measured", "cancelled")


def _targets(board: Board, ranked: Sequence[str], failed: int) -> list[float]:
    """Return a normal score for each ranked candidate (ties share one), then one for each failure."""
    total = len(ranked) + failed
    normal = _normal_scores(total)
    scores: list[float] = []
    last: float | None = None
    for place, candidate in enumerate(ranked):
        score = board.score(candidate)
        mean = score.mean if score is not None else None
        if mean is not None and last is not None and abs(mean - last) <= board.setup.objective.resolution:
            scores.append(scores[-1])
        else:
            scores.append(normal[place])
        last = mean
    worst = NormalDist().inv_cdf((failed / 2 + 0.25) / total) if failed else 0.0
    return scores + [worst] * failed


@lru_cache(maxsize=8)
def _normal_scores(total: int) -> list[float]:
    normal = NormalDist()
    return [normal.inv_cdf(1.0 - (place + 0.5) / total) for place in range(total)]
