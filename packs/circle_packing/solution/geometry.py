"""What every module shares: the packing, distances and walls. Lengths are in sides of the square."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COUNT = 26  # tune: no
FIRST, SECOND = np.triu_indices(COUNT, 1)  # the 325 pairs


class Packing(NamedTuple):
    """Centres of shape (26, 2) and radii of shape (26,)."""

    centres: Array
    radii: Array

    @property
    def total(self) -> float:
        """The sum of the radii, which we want large."""
        return float(self.radii.sum())


def wall_distances(centres: Array) -> Array:
    """The distance from each centre to its nearest wall, shape (26,)."""
    return np.minimum(centres, 1.0 - centres).min(axis=1)


def pair_distances(centres: Array) -> Array:
    """The distance between the centres of each pair, shape (325,)."""
    apart = centres[FIRST] - centres[SECOND]
    return np.hypot(apart[:, 0], apart[:, 1])


def inside(centres: Array) -> Array:
    """The centres, pulled back into the square where they left it."""
    return np.clip(centres, 0.01, 0.99)


def worst_gap(packing: Packing) -> float:
    """The least gap between two circles or a circle and a wall; negative when something overlaps."""
    pairs = pair_distances(packing.centres) - packing.radii[FIRST] - packing.radii[SECOND]
    walls = wall_distances(packing.centres) - packing.radii
    return float(min(pairs.min(), walls.min()))
