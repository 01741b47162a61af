"""Surface "restarts": which packing a search begins with."""

import numpy as np
from geometry import Packing
from layout import start
from optimize import improve
from radii import fit


def first(rng: np.random.Generator) -> Packing:
    """One layout, improved."""
    return grown(rng)


def grown(rng: np.random.Generator) -> Packing:
    """A new layout with radii, after the optimizer."""
    centres = start(rng)
    return improve(Packing(centres, fit(centres)))
