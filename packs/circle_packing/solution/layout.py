"""Surface "layout": where the centres stand before anything is optimised."""

import numpy as np
from geometry import COUNT, Array, inside

JITTER = 0.01  # standard deviation of the noise on each coordinate


def start(rng: np.random.Generator) -> Array:
    """Centres of shape (26, 2): the plan, shaken a little, then arranged."""
    centres = plan(rng)
    shaken = centres + rng.normal(0.0, JITTER, centres.shape)
    return inside(arrange(shaken, rng))


def plan(rng: np.random.Generator) -> Array:
    """The first 26 cells of a grid with 5 rows and 6 columns."""
    rows, columns = 5, 6
    cells = [((i + 0.5) / columns, (k + 0.5) / rows) for k in range(rows) for i in range(columns)]
    return np.array(cells[:COUNT])


# Arranging happens after the shaking, so that a symmetry made here is exact.


def arrange(centres: Array, rng: np.random.Generator) -> Array:
    """Leaves the centres as they are."""
    return centres
