"""Surface "search": a walk over packings; each hop is a move, an optimisation and a decision."""

import moves
import numpy as np
from accept import keep
from geometry import Packing, inside
from optimize import improve
from radii import fit

HOPS = 30  # the budget of one run, in hops


def explore(packing: Packing, hops: int, rng: np.random.Generator) -> Packing:
    """The best packing seen on a walk of `hops` hops that begins at `packing`."""
    best = current = packing
    for hop in range(hops):
        candidate = hopped(current, rng)
        if keep(candidate, current, hop / hops):
            current = candidate
        if current.total > best.total:
            best = current
    return best


def hopped(current: Packing, rng: np.random.Generator) -> Packing:
    """A neighbour of the current packing, optimised."""
    centres = inside(moves.propose(current, rng))
    return improve(Packing(centres, fit(centres)))
