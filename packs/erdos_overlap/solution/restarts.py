"""Surface "restarts": which function a search begins with."""

import numpy as np
from optimize import improve
from start import start
from steps import Array, valid
from symmetry import shaped


def first(rng: np.random.Generator, count: int) -> Array:
    """One start, improved."""
    return grown(rng, count)


def grown(rng: np.random.Generator, count: int) -> Array:
    """A new function of `count` steps after the optimizer."""
    return improve(valid(shaped(start(rng, count))))
