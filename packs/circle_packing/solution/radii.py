"""Surface "radii": the radii for centres that stay where they are."""

import numpy as np
from geometry import COUNT, FIRST, SECOND, Array, pair_distances, wall_distances


def fit(centres: Array) -> Array:
    """Valid radii of shape (26,): half the way to the nearest neighbour, then grown one after another."""
    walls = wall_distances(centres)
    apart = np.full((COUNT, COUNT), np.inf)
    apart[FIRST, SECOND] = apart[SECOND, FIRST] = pair_distances(centres)
    radii = np.minimum(walls, apart.min(axis=1) / 2)
    for i in range(COUNT):
        radii[i] = max(0.0, min(walls[i], (apart[i] - radii).min()))
    return radii
