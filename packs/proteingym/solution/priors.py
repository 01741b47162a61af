"""What is known of amino acids without any model. Surface: priors."""

import numpy as np
from protein import ALPHABET, Array, Protein
from residues import EXCHANGES, HYDROPHOBICITY, VOLUME


def prior(protein: Protein) -> Array:
    """What is added to the scores, shape (length, 20)."""
    table = np.zeros((len(protein.wild), 20))

    # which residues stand in for each other

    # how they differ in water

    # how they differ in size

    # what breaks a fold

    return table
