"""The slow, correct function that candidates are compared with: in time and in every answer.

The dynamic time warping distance of two series: the least sum of |a_i - b_j| along a path from the first pair of points
to the last, each step of which advances in a, in b or in both.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def matrix(series: Array) -> Array:
    """The distances of all pairs of series: shape (count, length) to shape (count, count)."""
    count = len(series)
    result = np.zeros((count, count))
    for first, second in product(range(count), repeat=2):
        result[first, second] = warp(local(series[first], series[second]))
    return result


def local(a: Array, b: Array) -> Array:
    """The distance of each point of a from each point of b, shape (length, length)."""
    costs = np.zeros((a.size, b.size))
    for i, j in product(range(a.size), range(b.size)):
        costs[i, j] = abs(a[i] - b[j])
    return costs


def warp(costs: Array) -> float:
    """The least sum of costs along a path from the first corner to the last."""
    lines, columns = costs.shape
    table = np.full((lines + 1, columns + 1), np.inf)
    table[0, 0] = 0.0
    for i, j in product(range(lines), range(columns)):
        table[i + 1, j + 1] = costs[i, j] + min(table[i, j + 1], table[i + 1, j], table[i, j])
    return float(table[lines, columns])
