"""Surface "optimizer": from a function to a better one nearby."""

import numpy as np
from steps import Array, bound, overlaps, valid
from symmetry import shaped

ROUNDS = 60
STEP = 0.05  # how far the first round moves the heights, as a standard deviation


def improve(h: Array) -> Array:
    """Follow the gradient of the largest overlap, with ever smaller steps, and keep the best function on the way."""
    best = h
    for number in range(ROUNDS):
        downhill = shaped(-gradient(h))
        h = valid(h + STEP / (1 + number) * downhill / max(float(downhill.std()), 1e-12))
        if bound(h) < bound(best):
            best = h
    return best


def gradient(h: Array) -> Array:
    """How the largest overlap changes with each height."""
    shift = int(overlaps(h).argmax()) - (h.size - 1)
    slope = np.zeros(h.size)
    here, there = slice(max(0, -shift), h.size - max(0, shift)), slice(max(0, shift), h.size - max(0, -shift))
    slope[here] += 1.0 - h[there]
    slope[there] -= h[here]
    return slope * 2.0 / h.size
