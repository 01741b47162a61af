"""A Gaussian process over a box (Rasmussen and Williams 2006): where a noisy, smooth score is likely to be best. Pure.

It fits the box's whole history at once and so averages noise away, which a sampler that only sorts good from bad does
not; with a hundred noisy measurements of a few constants that is worth more than anything else.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LENGTHS = (0.15, 0.3, 0.6, 1.2, 2.4)
"""Length scales that are tried, in widths of the box times the root of its dimensions."""

NOISES = (1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0)
"""Noise variances that are tried, as shares of the signal's."""

TAIL = 0.6
"""Losses above this quantile count as its value: how bad the bad ones are says little about where the best are."""

FAR, NEAR = 1000, 500
"""Points that are weighed: anywhere in the box, and around the best ones."""

STEPS = (0.2, 0.05, 0.0125)
"""Spreads about the best points, in widths of the box."""


class Process:
    """The posterior after measurements; its length scale and noise are those that make them likeliest."""

    def __init__(self, points: Floats, losses: Floats) -> None:
        """Args:
        points: a row a measurement.
        losses: what was measured; lower is better.
        """
        self._mean, self._scale = float(losses.mean()), float(losses.std()) or 1.0
        y = (losses - self._mean) / self._scale
        distances = _squared(points, points)
        self._points, best = points, -np.inf
        for length in np.asarray(LENGTHS) * np.sqrt(points.shape[1]):
            values, vectors = np.linalg.eigh(_kernel(distances, length))
            turned = (vectors.T @ y) ** 2
            for noise in NOISES:
                spread = np.maximum(values, 0.0) + noise
                signal = max(float((turned / spread).mean()), 1e-12)  # nothing varies: any will do
                likelihood = -0.5 * len(y) * np.log(signal) - 0.5 * float(np.log(spread).sum())
                if likelihood > best:
                    best, self._length, self._noise, self._signal = likelihood, float(length), noise, signal
                    inverse = (vectors / spread) @ vectors.T
        self._inverse, self._weights = inverse, inverse @ y

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the mean loss at points, and its standard deviation without the noise of a measurement."""
        near = _kernel(_squared(points, self._points), self._length)
        variance = self._signal * np.maximum(1.0 - ((near @ self._inverse) * near).sum(axis=1), 1e-12)
        return near @ self._weights * self._scale + self._mean, np.sqrt(variance) * self._scale


def best_guess(
    points: Floats, losses: Floats, pending: Floats, indices: Mapping[int, int], rng: random.Random
) -> Floats:
    """Return the point whose measurement is expected to improve most on the best that is expected now.

    Args:
        points, losses: what was measured.
        pending: points that are being measured: taken to come out as expected.
        indices: columns that hold the index of a choice, with the number of its values; all else is from 0 to 1.
        rng: the points weighed.
    """
    draws = np.random.default_rng(rng.getrandbits(63))
    losses = np.minimum(losses, np.quantile(losses, TAIL))
    seen = _widened(points, indices)
    process = Process(seen, losses)
    if len(pending):
        expected, _ = process.predict(_widened(pending, indices))
        points, seen = np.vstack([points, pending]), np.vstack([seen, _widened(pending, indices)])
        losses = np.concatenate([losses, expected])
        process = Process(seen, losses)
    best = points[np.argsort(process.predict(seen)[0], kind="stable")[:5]]
    weighed = np.vstack([_anywhere(draws, FAR, points.shape[1], indices), _around(draws, best, STEPS[0], indices)])
    target = float(process.predict(seen)[0].min())
    for step in (*STEPS[1:], None):
        mean, sd = process.predict(_widened(weighed, indices))
        order = np.argsort(-_improvement(target, mean, sd), kind="stable")
        if step is not None:
            weighed = np.vstack([weighed[order[:5]], _around(draws, weighed[order[:5]], step, indices)])
    found: Floats = weighed[order[0]]
    return found


def _improvement(target: float, mean: Floats, sd: Floats) -> Floats:
    from scipy.stats import norm  # imported late: most commands decide nothing

    z = (target - mean) / sd
    gain: Floats = sd * (z * norm.cdf(z) + norm.pdf(z))
    return gain


def _anywhere(draws: np.random.Generator, count: int, width: int, indices: Mapping[int, int]) -> Floats:
    found = draws.random((count, width))
    for column, values in indices.items():
        found[:, column] = draws.integers(values, size=count)
    return found


def _around(draws: np.random.Generator, best: Floats, step: float, indices: Mapping[int, int]) -> Floats:
    """Return points about the best ones; some dimensions stay, and a choice changes now and then."""
    rows = np.tile(best, (NEAR // len(best), 1))
    moved = rows + draws.normal(0.0, step, rows.shape) * (draws.random(rows.shape) < 0.7)
    moved = moved.clip(0.0, 1.0)
    for column, values in indices.items():
        anew = draws.random(len(rows)) < 0.2
        moved[:, column] = np.where(anew, draws.integers(values, size=len(rows)), rows[:, column])
    return moved


def _widened(points: Floats, indices: Mapping[int, int]) -> Floats:
    """Return points with a column for each value of a choice, so that any two values are equally far apart."""
    columns = []
    for column in range(points.shape[1]):
        if column in indices:
            columns.append((points[:, [column]] == np.arange(indices[column])) * 0.5)
        else:
            columns.append(points[:, [column]])
    return np.hstack(columns)


def _squared(one: Floats, two: Floats) -> Floats:
    found: Floats = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1)[None, :] - 2.0 * one @ two.T
    return np.maximum(found, 0.0)


def _kernel(squared: Floats, length: float) -> Floats:
    """Return the Matern kernel of smoothness 5/2."""
    x = np.sqrt(5.0 * squared) / length
    found: Floats = (1.0 + x + x**2 / 3.0) * np.exp(-x)
    return found


def as_array(rows: Sequence[Sequence[float]], width: int) -> Floats:
    """Return rows as an array, also if there are none."""
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), width)
