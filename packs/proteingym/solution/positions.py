"""How much a position matters: the scores of one position against those of another. Surface: positions."""

import numpy as np
from protein import Array, Protein


def weighted(table: Array, logp: Array, protein: Protein) -> Array:
    """The scores with each row stretched or shifted, shape (length, 20)."""
    # how open the distribution is

    # how buried the residue is

    # how sure the structure is

    # how the position scores as a whole

    return table
