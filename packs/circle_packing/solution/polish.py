"""Surface "polish": the last step, whose result is written."""

import numpy as np
from geometry import Packing, worst_gap

MARGIN = 1e-14  # tune: no  # left free between any two circles against rounding


def finish(packing: Packing) -> Packing:
    """A strictly valid packing."""
    return strict(packing)


def strict(packing: Packing) -> Packing:
    """The packing with all radii reduced by the least amount that removes every overlap."""
    excess = max(0.0, MARGIN - worst_gap(packing))
    return Packing(packing.centres, np.maximum(packing.radii - excess, 0.0))
