"""Surface "resolution": how many steps, and on which way there."""

import numpy as np
from restarts import first
from search import explore
from steps import Array

STEPS = 25


def run(rng: np.random.Generator) -> Array:
    """A search at one resolution."""
    return explore(first(rng, STEPS), rng)
