"""The maps of a seed. Frozen, so that the evaluator may import it too."""

from __future__ import annotations

from random import Random

MAPS = 5
COUNT = 60


def make_maps(seed: int) -> list[list[tuple[float, float]]]:
    """Return five maps of 60 places each in the unit square."""
    rng = Random(f"map {seed}")
    return [[(rng.random(), rng.random()) for _ in range(COUNT)] for _ in range(MAPS)]
