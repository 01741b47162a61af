"""Scoring functions: from log-probabilities of shape (length, 20) to a score for every possible change at once.

A score table has the same shape: the score of each residue at each position. A mutant's score is the sum over its
changes. All work in float64 and in log space; rows that are not modelled (`nan`) stay `nan`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gym.mutants import Mutants

Array = NDArray[np.float64]
Codes = NDArray[np.int8]
_BLOCK = 4096  # rows at a time: the comparison of all residues of a row with each other takes 400 numbers a row


def log_p(logp: Array, wild: Codes) -> Array:  # noqa: ARG001 - all take the same
    """The log-probability of the residue."""
    return logp


def log_odds(logp: Array, wild: Codes) -> Array:
    """The same, less the wild type's."""
    return less_wild(logp, wild)


def calibrated(logp: Array, wild: Codes) -> Array:  # noqa: ARG001 - all take the same
    """log of the probability of all residues that are no more likely, less log of their share of the twenty.

    With S(a) the residues b with p(b) <= p(a), ties among them: log sum of p(b) over S(a) - log(|S(a)| / 20). Since a
    itself is the most likely of S(a), the sum is p(a) times a number from 1 to 20 and nothing overflows.
    """
    found = np.empty_like(logp)
    for start in range(0, len(logp), _BLOCK):
        rows = logp[start : start + _BLOCK]
        less = rows[:, None, :] - rows[:, :, None]  # of b to a: at most 0 in S(a)
        below = ~(less > 0.0)  # rows of nan stay nan, and the logarithms below see no 0
        beside = np.where(below, np.exp(np.minimum(less, 0.0)), 0.0).sum(axis=2)
        found[start : start + _BLOCK] = rows + np.log(beside) - np.log(below.sum(axis=2) / 20.0)
    return found


def calibrated_odds(logp: Array, wild: Codes) -> Array:
    """The calibrated score less the wild type's."""
    return less_wild(calibrated(logp, wild), wild)


def less_wild(table: Array, wild: Codes) -> Array:
    """A table less its entries of the wild type; where that is none of the twenty nothing is taken off."""
    known = np.minimum(wild, 19)
    own = np.where(wild < 20, table[np.arange(len(table)), known], 0.0)
    return table - own[:, None]


SCORINGS: dict[str, Callable[[Array, Codes], Array]] = {
    "log-p": log_p,
    "log-odds": log_odds,
    "calibrated": calibrated,
    "calibrated-odds": calibrated_odds,
}


def sum_mutants(table: Array, mutants: Mutants) -> Array:
    """The score of each mutant, shape (count,): the sum over its changes."""
    single = table[mutants.position, mutants.mutated]
    return np.bincount(mutants.row, weights=single, minlength=mutants.count)
