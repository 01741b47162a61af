"""Surface "moves": ways to disturb a function, one module each.

A move module has a WEIGHT, its share among the moves, and a function ``move(h, rng) -> heights``, which need not be
valid. Every module in this folder takes part.
"""

import importlib
import pkgutil

import numpy as np
from steps import Array

_MOVES = [
    importlib.import_module(f"{__name__}.{name}")
    for name in sorted(info.name for info in pkgutil.iter_modules(__path__))
]


def propose(h: Array, rng: np.random.Generator) -> Array:
    """New heights by one of the moves, drawn by weight; the old ones if none has any."""
    weights = np.array([module.WEIGHT for module in _MOVES], dtype=float)
    if weights.sum() <= 0:
        return h
    chosen = _MOVES[int(rng.choice(len(_MOVES), p=weights / weights.sum()))]
    return chosen.move(h, rng)
