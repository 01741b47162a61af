"""Surface "batching": what is computed at a time. `matrix` is what is timed."""

import numpy as np
from numpy.typing import NDArray

from warp.costs import local
from warp.pairs import chosen, spread
from warp.recurrence import warp

Array = NDArray[np.float64]


def matrix(series: Array) -> Array:
    """The distances of all pairs of series: shape (count, length) to shape (count, count)."""
    first, second = chosen(len(series))
    distances = warp(local(series, first, second))
    return spread(distances, first, second, len(series))
