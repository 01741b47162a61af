"""What every module shares: step functions on [0, 2], their overlaps, and how to make heights valid."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def overlaps(h: Array) -> Array:
    """The overlap of h with the complement at each of the 2n - 1 shifts, as integrals; the bound is the largest."""
    return np.correlate(1.0 - h, h, "full") * (2.0 / h.size)


def bound(h: Array) -> float:
    """The upper bound that the n heights prove, which we want small."""
    return float(overlaps(h).max())


def valid(h: Array) -> Array:
    """The nearest heights within [0, 1] whose mean is 1/2, so that the integral is 1: a shift, clipped."""
    low, high = -1.0 - h.max(), 2.0 - h.min()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(h + middle, 0.0, 1.0).mean() < 0.5 else (low, middle)
    return np.clip(h + high, 0.0, 1.0)


def refined(h: Array, count: int) -> Array:
    """The function on `count` steps: each new height is the mean of the old function over the new step."""
    sums = np.concatenate([[0.0], np.cumsum(h)]) / h.size
    edges = np.interp(np.linspace(0.0, 1.0, count + 1), np.linspace(0.0, 1.0, h.size + 1), sums)
    return valid(np.diff(edges) * count)
