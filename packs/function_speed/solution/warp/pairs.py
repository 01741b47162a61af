"""Surface "pairs": which pairs are computed, and where their distances go."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def chosen(count: int) -> tuple[Index, Index]:
    """The two ends of each pair: all pairs, in both orders."""
    ends = np.array(list(product(range(count), repeat=2)), dtype=np.intp)
    return ends[:, 0], ends[:, 1]


def spread(distances: Array, first: Index, second: Index, count: int) -> Array:
    """The matrix of all distances, shape (count, count), from those of the chosen pairs."""
    result = np.zeros((count, count))
    result[first, second] = distances
    return result
