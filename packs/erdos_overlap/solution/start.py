"""Surface "start": the heights before anything is optimised."""

import numpy as np
from steps import Array

NOISE = 0.05  # standard deviation of the noise on each height


def start(rng: np.random.Generator, count: int) -> Array:
    """`count` heights: the plan, shaken a little; not valid yet."""
    middles = (np.arange(count) + 0.5) * 2 / count
    return plan(middles, rng) + rng.normal(0.0, NOISE, count)


def plan(middles: Array, rng: np.random.Generator) -> Array:
    """The heights at the middles of the steps: one hill in the middle of [0, 2]."""
    return 0.5 - 0.5 * np.cos(np.pi * middles)
