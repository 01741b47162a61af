"""Two sets of runs: a difference, or a ratio, with its interval and the least that so many runs can tell. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from msgspec import Struct
from scipy import special

from aster.evidence.design import smallest_shift, t_quantile
from aster.evidence.verdict import welch

ALPHA = 0.025
"""The error rate on either side, so that intervals are at 95% and a p-value below 0.05 is told from chance."""

MOST_LOG = 700.0
"""Of a ratio that a float can hold."""


class Effect(Struct, frozen=True):
    """How B stands to A.

    Attributes:
        value: B - A, or the ratio B / A of geometric means.
        low, high: its interval at 95%.
        p: two-sided p-value of "there is no difference".
        least: the smallest true difference (above 0) that so many runs tell with a power of 80%; of a ratio, the
            largest below 1. 0, or 1, where no run differs from another.
        paired: whether it rests on pairs (Student's t), else on two samples (Welch's t).
        n: pairs, or runs of A and runs of B.
    """

    value: float
    low: float
    high: float
    p: float
    least: float
    paired: bool
    n: tuple[int, ...]


def difference(a: Sequence[float], b: Sequence[float], paired: bool) -> Effect:
    """Return B - A. At least two values a side; as many on both where they are paired, in the order of the pairs."""
    if paired:
        gains = [y - x for x, y in zip(a, b, strict=True)]
        mean, error, df = fmean(gains), stdev(gains) / math.sqrt(len(gains)), float(len(gains) - 1)
    else:
        mean, error, df = welch(b, a)
    half = t_quantile(1.0 - ALPHA, df) * error
    surprise = abs(mean) / error if error else math.inf if mean else 0.0
    p = 2.0 * float(special.stdtr(df, -surprise))
    n = (len(a),) if paired else (len(a), len(b))
    return Effect(mean, mean - half, mean + half, p, smallest_shift(error, df, ALPHA), paired, n)


def ratio(a: Sequence[float], b: Sequence[float], paired: bool) -> Effect:
    """Return B / A of positive values: the difference of their logarithms, taken back."""
    logs = difference([math.log(x) for x in a], [math.log(y) for y in b], paired)
    value, low, high, least = (math.exp(min(x, MOST_LOG)) for x in (logs.value, logs.low, logs.high, -logs.least))
    return Effect(value, low, high, logs.p, least, paired, logs.n)
