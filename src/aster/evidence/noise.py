"""How well the noise of a measurement is known, and what can be told apart under it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from msgspec import Struct
from scipy import special

from aster.evidence.design import alpha_of, smallest_gain

LEVEL = 0.95
"""The level of the interval of an sd."""

USUAL_PAIRS = (3, 5, 10)
"""Sizes of a claim that people ask about."""


class Noise(Struct, frozen=True):
    """Repeated measurements of one candidate, in the metric's units.

    Attributes:
        n: how many there were, at least 1.
        sd: of one measurement; None after one.
        low, high: the interval of the sd at LEVEL, if the measurements are normally distributed; None with `sd`.
    """

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None


class Reach(Struct, frozen=True):
    """The smallest true gain that a campaign's first claim, over so many pairs, finds with the design's power."""

    pairs: int
    gain: float


def noise_of(values: Sequence[float]) -> Noise:
    """Return what at least one measurement tells of the noise.

    The interval is that of a normal sample: sd * sqrt((n - 1) / q) for the quantiles q of chi-square.
    """
    mean = fmean(values)
    if len(values) < 2:
        return Noise(len(values), mean)
    df, sd, tail = len(values) - 1, stdev(values), (1.0 - LEVEL) / 2.0
    low, high = (sd * math.sqrt(df / float(special.chdtri(df, share))) for share in (tail, 1.0 - tail))
    return Noise(len(values), mean, sd, low, high)


def reach(sd: float, least: float, paired: bool, pairs: Sequence[int] = USUAL_PAIRS) -> tuple[Reach, ...]:
    """Return what claims of these sizes can tell: `least`, the gain that counts at all, and what the noise hides."""
    return tuple(Reach(each, least + smallest_gain(each, sd, alpha_of(1), paired)) for each in pairs)
