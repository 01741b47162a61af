"""Simulated keep-if-better runs whose true values are known, to hold audits against."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec import Struct

from aster.evidence.audit import Tried

Effect = Callable[[Random], float]
"""Draws what a change really does, in sds of the noise; positive: it helps."""


class Greedy(Struct, frozen=True):
    """A run that minimizes, and what its kept versions are really worth, the baseline first."""

    tried: tuple[Tried, ...]
    truth: tuple[float, ...]


def no_effect(_: Random) -> float:
    """Nothing ever helps or hurts."""
    return 0.0


def rare_gains(rng: Random) -> float:
    """One change in twenty helps, over half of the others hurt, the rest do nothing."""
    kind = rng.random()
    if kind < 0.05:
        return rng.expovariate(1 / 3)
    return -abs(rng.gauss(0, 3)) if kind < 0.6 else 0.0


def many_small(rng: Random) -> float:
    """Every change does a little, more often harm than good."""
    return rng.gauss(-0.5, 0.7)


def heavy_losses(rng: Random) -> float:
    """One change in ten helps, the others hurt, some of them badly."""
    return rng.expovariate(1 / 2) if rng.random() < 0.1 else -rng.expovariate(1 / 5)


def large_effects(rng: Random) -> float:
    """Effects are large beside the noise, one in five a gain."""
    return rng.expovariate(1 / 20) * (1 if rng.random() < 0.2 else -1)


WORLDS: dict[str, Effect] = {
    "no effect": no_effect,
    "rare gains": rare_gains,
    "many small": many_small,
    "heavy losses": heavy_losses,
    "large effects": large_effects,
}


def greedy_run(rng: Random, changes: int, effect: Effect, sd: float = 0.01, start: float = 1.0) -> Greedy:
    """Return a run of so many changes that keeps whatever measures lower than the best so far."""
    truth = [start]
    best = start + rng.gauss(0, sd)
    tried = [Tried(2, best, True, "baseline")]
    for number in range(changes):
        value = truth[-1] - sd * effect(rng)
        measured = value + rng.gauss(0, sd)
        kept = measured < best
        if kept:
            truth.append(value)
            best = measured
        tried.append(Tried(number + 3, measured, kept, f"change {number + 1}"))
    return Greedy(tuple(tried), tuple(truth))
