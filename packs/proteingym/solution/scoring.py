"""From log-probabilities to scores. Surface: scoring."""

import numpy as np
from protein import Array, Protein, normalised


def scored(logp: Array, protein: Protein) -> Array:
    """The score of each residue at each position, shape (length, 20)."""
    # how sharp the distribution is taken to be

    # the score of a residue
    found = calibrated(logp)

    # against the wild type

    return found


def calibrated(logp: Array) -> Array:
    """log of the summed probability of all residues that are no more likely than this one, less log of their share of
    the twenty. Ties count as no more likely."""
    less = logp[:, None, :] - logp[:, :, None]
    below = ~(less > 0.0)
    beside = np.where(below, np.exp(np.minimum(less, 0.0)), 0.0).sum(axis=2)
    return logp + np.log(beside) - np.log(below.sum(axis=2) / 20.0)
