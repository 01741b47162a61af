"""What a position's neighbours in space or in the chain say about it. Surface: neighbours."""

import numpy as np
from protein import Array, Protein


def smoothed(table: Array, protein: Protein) -> Array:
    """The scores after neighbours had their say, shape (length, 20)."""
    # in space

    # along the chain

    # at the ends

    return table
