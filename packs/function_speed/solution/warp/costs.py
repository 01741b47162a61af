"""Surface "costs": how far apart the points of two series are."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def local(series: Array, first: Index, second: Index) -> Array:
    """The distance of each point of one series from each of the other, for all pairs: (pairs, length, length)."""
    length = series.shape[1]
    costs = np.zeros((first.size, length, length))
    for pair in range(first.size):
        a, b = series[first[pair]], series[second[pair]]
        for i, j in product(range(length), repeat=2):
            costs[pair, i, j] = abs(a[i] - b[j])
    return costs
