"""Nudge one circle: the smallest change there is."""

import numpy as np
from geometry import COUNT, Array, Packing

WEIGHT = 1.0
SIGMA = 0.01  # standard deviation of each coordinate's change


def move(packing: Packing, rng: np.random.Generator) -> Array:
    """The centres, with one of them moved a little."""
    centres = packing.centres.copy()
    centres[rng.integers(COUNT)] += rng.normal(0.0, SIGMA, 2)
    return centres
