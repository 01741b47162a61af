"""A Gaussian process over a box (Rasmussen and Williams 2006): where a noisy, smooth score is likely to be best. Pure.

It fits the box's whole history at once and so averages noise away, which a sampler that only sorts good from bad does
not; with a hundred noisy measurements of a few constants that is worth more than anything else. Each dimension has a
length scale of its own, because a few constants matter and most hardly do. Losses are taken as they are: with those
above a quantile cut off, regret was about twice as large on the problem of `benchmarks/regret.py`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LENGTH, LENGTH_SD = 0.5, 0.75
"""What length scales are like beforehand: their median, in widths of the box times the root of its dimensions, and the
sd of their logarithm. Without that, constants that matter little are fitted to the noise."""

NOISE, NOISE_SD = 0.05, 2.0
"""The same for the variance of the noise as a share of the signal's, and the sd of its logarithm."""

FITS = 25
"""Steps of the climb to the likeliest scales, at most."""

FAR, NEAR = 1000, 500
"""Points that are weighed: anywhere in the box, and around the best ones."""

STEPS = (0.2, 0.05, 0.0125)
"""Spreads about the best points, in widths of the box."""

JITTER = 1e-8


class Process:
    """The posterior after measurements, under the length scales and noise that are likeliest after them."""

    def __init__(self, points: Floats, losses: Floats, indices: Mapping[int, int]) -> None:
        """Args:
        points: a row a measurement, a column a dimension.
        losses: what was measured; lower is better.
        indices: columns that hold the index of a choice, with the number of its values; all else is from 0 to 1.
        """
        self._indices = indices
        self._mean, self._scale = float(losses.mean()), float(losses.std()) or 1.0
        y = (losses - self._mean) / self._scale
        apart = _apart(points, points, indices)
        scales = _likeliest(apart, y)
        self._weights, self._noise = np.exp(-2.0 * scales[:-1]), math.exp(scales[-1]) + JITTER
        self._settle(points, y)
        self._signal = max(float(y @ self._answer) / len(y), 1e-12)

    def suppose(self, points: Floats) -> None:
        """Take points as measured, at what is expected there."""
        expected = self.predict(points)[0]
        known = np.concatenate([self._losses, (expected - self._mean) / self._scale])
        self._settle(np.vstack([self._points, points]), known)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the mean loss at points, and its standard deviation without the noise of a measurement."""
        near = self._kernel(points)
        variance = self._signal * np.maximum(1.0 - ((near @ self._inverse) * near).sum(axis=1), 1e-12)
        return near @ self._answer * self._scale + self._mean, np.sqrt(variance) * self._scale

    def _settle(self, points: Floats, y: Floats) -> None:
        self._points, self._losses = points, y
        self._inverse = np.linalg.inv(self._kernel(points) + self._noise * np.eye(len(y)))
        self._answer = self._inverse @ y

    def _kernel(self, points: Floats) -> Floats:
        one, two = (_widened(each, self._indices, np.sqrt(self._weights)) for each in (points, self._points))
        squared = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1)[None, :] - 2.0 * one @ two.T
        return _matern(np.maximum(squared, 0.0))[0]


def best_guess(
    points: Floats, losses: Floats, pending: Floats, indices: Mapping[int, int], rng: random.Random
) -> Floats:
    """Return the point whose measurement is expected to improve most on the best that is expected now.

    Args:
        points, losses, indices: as in `Process`.
        pending: points that are being measured: taken to come out as expected.
        rng: the points weighed.
    """
    draws = np.random.default_rng(rng.getrandbits(63))
    process = Process(points, losses, indices)
    if len(pending):
        process.suppose(pending)
        points = np.vstack([points, pending])
    means = process.predict(points)[0]
    best, target = points[np.argsort(means, kind="stable")[:5]], float(means.min())
    weighed = np.vstack([_anywhere(draws, FAR, points.shape[1], indices), _around(draws, best, STEPS[0], indices)])
    for step in (*STEPS[1:], None):
        mean, sd = process.predict(weighed)
        order = np.argsort(-_improvement(target, mean, sd), kind="stable")
        if step is not None:
            weighed = np.vstack([weighed[order[:5]], _around(draws, weighed[order[:5]], step, indices)])
    found: Floats = weighed[order[0]]
    return found


# --- the fit ---------------------------------------------------------------------------------------------------


def _likeliest(apart: Floats, y: Floats) -> Floats:
    """Return the logarithms of the length scales and of the noise that maximise the posterior density.

    The signal's variance is the likeliest given the others. A fixed start and a bound on the steps: the same
    measurements give the same scales.
    """
    from scipy.optimize import minimize  # imported late: most commands decide nothing

    dimensions = len(apart)
    usual = np.append(np.full(dimensions, math.log(LENGTH * math.sqrt(dimensions))), math.log(NOISE))
    spread = np.append(np.full(dimensions, LENGTH_SD), NOISE_SD)

    def unlikely(scales: Floats) -> tuple[float, Floats]:
        value, slope = _likelihood(apart, y, scales)
        off = (scales - usual) / spread
        return 0.5 * float(off @ off) - value, off / spread - slope

    bounds = [(math.log(0.03), math.log(30.0))] * dimensions + [(math.log(1e-5), math.log(10.0))]
    found = minimize(unlikely, usual, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": FITS})
    return np.asarray(found.x, dtype=np.float64)


def _likelihood(apart: Floats, y: Floats, scales: Floats) -> tuple[float, Floats]:
    """Return the logarithm of the likelihood, but for a constant, and its slope in the scales."""
    weights, noise, count = np.exp(-2.0 * scales[:-1]), math.exp(scales[-1]), len(y)
    near, steep = _matern(np.tensordot(weights, apart, 1))
    lower = np.linalg.cholesky(near + (noise + JITTER) * np.eye(count))
    half = np.linalg.inv(lower)
    inverse = half.T @ half
    answer = inverse @ y
    fit = max(float(y @ answer), 1e-12)  # nothing varies: any scales will do
    value = -0.5 * count * math.log(fit / count) - float(np.log(np.diag(lower)).sum())
    pull = 0.5 * count / fit * np.outer(answer, answer) - 0.5 * inverse
    slopes = weights * np.tensordot(apart, pull * steep, 2)
    return value, np.append(slopes, noise * float(np.trace(pull)))


def _matern(squared: Floats) -> tuple[Floats, Floats]:
    """Return the Matern kernel of smoothness 5/2 at squared distances, and -2 times its slope in them."""
    x = np.sqrt(5.0 * squared)
    fall = np.exp(-x)
    return (1.0 + x + 5.0 / 3.0 * squared) * fall, 5.0 / 3.0 * (1.0 + x) * fall


def _apart(one: Floats, two: Floats, indices: Mapping[int, int]) -> Floats:
    """Return squared distances by dimension; any two values of a choice are equally far apart."""
    found = (one.T[:, :, None] - two.T[:, None, :]) ** 2
    for column in indices:
        found[column] = (found[column] > 0) * 0.5
    return found


def _widened(points: Floats, indices: Mapping[int, int], weights: Floats) -> Floats:
    """Return points, weighed by dimension, with a column for each value of a choice: distances as in `_apart`."""
    columns = []
    for column, weight in enumerate(weights):
        if column in indices:
            columns.append((points[:, [column]] == np.arange(indices[column])) * 0.5 * weight)
        else:
            columns.append(points[:, [column]] * weight)
    return np.hstack(columns)


# --- the points weighed ----------------------------------------------------------------------------------------


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


def as_array(rows: Sequence[Sequence[float]], width: int) -> Floats:
    """Return rows as an array, also if there are none."""
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), width)
