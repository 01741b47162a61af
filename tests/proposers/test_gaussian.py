"""The Gaussian process behind the tuner's guesses."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from aster.proposers.gaussian import Process, _apart, _likelihood, _matern, best_guess

Floats = NDArray[np.float64]
WAYS = {2: 3}
"""Column 2 holds the index of one of three values."""


def measured(count: int, noise: float = 0.1) -> tuple[Floats, Floats]:
    """Return points and losses: column 0 matters, best at 0.7, column 1 does not, and value 1 of column 2 is worse."""
    draws = np.random.default_rng(3)
    points = draws.random((count, 3))
    points[:, 2] = draws.integers(3, size=count)
    losses = 4.0 * (points[:, 0] - 0.7) ** 2 + (points[:, 2] == 1) + noise * draws.normal(size=count)
    return points, losses


def test_the_slope_of_the_likelihood_is_that_of_the_likelihood() -> None:
    points, losses = measured(30)
    apart, y = _apart(points, points, WAYS), (losses - losses.mean()) / losses.std()
    at = np.asarray([-0.4, 0.3, 0.1, -2.0])
    steps = 1e-5 * np.eye(4)
    slope = [(_likelihood(apart, y, at + e)[0] - _likelihood(apart, y, at - e)[0]) / 2e-5 for e in steps]
    assert _likelihood(apart, y, at)[1] == pytest.approx(np.asarray(slope), rel=1e-5, abs=1e-6)


def test_what_does_not_matter_gets_a_longer_scale() -> None:
    process = Process(*measured(80), WAYS)
    assert process._weights[1] < process._weights[0] / 3


def test_noise_is_averaged_away() -> None:
    points, losses = measured(80, noise=0.3)
    truth = 4.0 * (points[:, 0] - 0.7) ** 2 + (points[:, 2] == 1)
    means, sds = Process(points, losses, WAYS).predict(points)
    assert float(np.abs(means - truth).mean()) < 0.5 * float(np.abs(losses - truth).mean())
    assert float((sds > 0).mean()) == 1.0


def test_both_ways_to_measure_distances_agree() -> None:
    points, losses = measured(12)
    process = Process(points, losses, WAYS)
    kernel = _matern(np.tensordot(process._weights, _apart(points, points, WAYS), 1))[0]
    assert process._kernel(points) == pytest.approx(kernel, abs=1e-12)


def test_what_is_supposed_is_known_as_well_as_what_was_measured() -> None:
    process = Process(*measured(20), WAYS)
    there = np.asarray([[0.05, 0.95, 2.0]])
    mean, sd = process.predict(there)
    process.suppose(there)
    again, less = process.predict(there)
    assert abs(float(again[0] - mean[0])) < 0.1
    assert float(less[0]) < float(sd[0])


def test_guesses_go_where_the_best_is_and_choices_stay_indices() -> None:
    guesses = [best_guess(*measured(60), np.empty((0, 3)), WAYS, random.Random(seed)) for seed in range(5)]
    assert all(abs(guess[0] - 0.7) < 0.15 for guess in guesses)
    assert all(guess[2] in (0.0, 2.0) for guess in guesses)


def test_equal_losses_are_no_trouble() -> None:
    points, _ = measured(10)
    guess = best_guess(points, np.ones(10), np.empty((0, 3)), WAYS, random.Random(0))
    assert np.isfinite(guess).all()
