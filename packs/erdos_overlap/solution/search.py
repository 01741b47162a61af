"""Surface "search": a walk over functions; each hop is a move, an optimisation and a decision."""

import moves
import numpy as np
from accept import keep
from optimize import improve
from steps import Array, bound, valid
from symmetry import shaped

HOPS = 8


def explore(h: Array, rng: np.random.Generator) -> Array:
    """The best function seen on a walk of HOPS hops that begins at h."""
    best = current = h
    for hop in range(HOPS):
        candidate = improve(valid(shaped(moves.propose(current, rng))))
        if keep(bound(candidate), bound(current), hop / HOPS):
            current = candidate
        if bound(current) < bound(best):
            best = current
    return best
