"""Surface "chains": how the hops of one run are spent."""

import numpy as np
from geometry import Packing
from search import HOPS, explore
from starts import first


def run(rng: np.random.Generator) -> Packing:
    """All hops in one chain, from one first packing."""
    return explore(first(rng), HOPS, rng)
