"""Surface "optimizer": from a packing to a better one nearby."""

import numpy as np
from geometry import FIRST, SECOND, Array, Packing, inside
from radii import fit

ROUNDS = 12
STEP = 0.004  # how far the strongest push moves a centre in one round


def improve(packing: Packing) -> Packing:
    """Push the centres apart for a few rounds and keep the best packing on the way."""
    best = packing
    centres = packing.centres
    for _ in range(ROUNDS):
        centres = inside(centres + STEP * pushes(centres))
        radii = fit(centres)
        if radii.sum() > best.total:
            best = Packing(centres, radii)
    return best


def pushes(centres: Array) -> Array:
    """Repulsion between centres, and from the walls, falling with the cube of the distance; longest is 1."""
    apart = centres[FIRST] - centres[SECOND]
    force = apart / np.maximum(np.hypot(apart[:, 0], apart[:, 1]), 1e-3)[:, None] ** 4
    total = centres**-3 / 8 - (1.0 - centres) ** -3 / 8
    np.add.at(total, FIRST, force)
    np.subtract.at(total, SECOND, force)
    return total / max(np.abs(total).max(), 1e-12)
