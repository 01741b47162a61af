"""Which distribution is scored: from those of all models to one. Surface: mixture."""

import numpy as np
from protein import ALPHABET, Array, Protein, normalised

MAIN = "proteinsolver/seqcond"  # the first model where there is none of this name


def combined(protein: Protein) -> Array:
    """log p of shape (length, 20), rows normalised."""
    found = protein.logp.get(MAIN, next(iter(protein.logp.values())))

    # what other models say

    # what is common in this protein

    return found
