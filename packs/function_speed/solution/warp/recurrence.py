"""Surface "recurrence": the cheapest path through a table of costs."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def warp(costs: Array) -> Array:
    """The least sum along a path from corner to corner, for each pair: (pairs, length, length) to (pairs,)."""
    length = costs.shape[1]
    ends = np.zeros(len(costs))
    for pair, cost in enumerate(costs):
        table = np.full((length + 1, length + 1), np.inf)
        table[0, 0] = 0.0
        for i, j in product(range(length), repeat=2):
            table[i + 1, j + 1] = cost[i, j] + min(table[i, j + 1], table[i + 1, j], table[i, j])
        ends[pair] = table[length, length]
    return ends
