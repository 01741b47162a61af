"""Noise on every height."""

import numpy as np
from steps import Array

WEIGHT = 1.0
SIGMA = 0.05  # standard deviation


def move(h: Array, rng: np.random.Generator) -> Array:
    """The heights, each moved a little."""
    return h + rng.normal(0.0, SIGMA, h.size)
