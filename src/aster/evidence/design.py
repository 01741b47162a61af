"""How a claim is tested, fixed before any of its experiments runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

from msgspec import Struct
from scipy import special

from aster.domain.records import Setup

ALPHA = 0.05
"""The chance, over a whole campaign, that any claim is confirmed although nothing is better."""

POWER = 0.8
"""The chance that a claim is confirmed if the gain that its design expects is real."""

MIN_PAIRS = 3
"""Below three pairs a t interval is too wide to be of use (its quantile at 5% is 6.3 for two pairs)."""


class Margin(Struct, frozen=True):
    """How far inside a bound a mean is expected, the sd of one measurement of it, and what its p-value must be
    below."""

    margin: float
    sd: float
    p: float


def alpha_of(number: int) -> float:
    """Return the one-sided error rate of the campaign's claim `number` (1, 2, ...).

    ALPHA * 6 / (pi^2 k^2) sums to ALPHA over all k, so any number of claims keeps the campaign's error rate.
    """
    return ALPHA * 6.0 / (math.pi**2 * number**2)


def t_quantile(probability: float, df: float) -> float:
    """Return the quantile of Student's t distribution."""
    return float(special.stdtrit(df, probability))


def power(pairs: int, gain: float, sd: float, alpha: float, paired: bool) -> float:
    """Return the chance that a one-sided t test over `pairs` finds a true `gain`.

    `sd` is the noise of one measurement, in the metric's units. Pairing is given no credit: how much two runs on
    one seed have in common is not known before they are compared, so the sd of a difference is taken as sd * sqrt(2).
    """
    if sd <= 0:
        return 1.0 if gain > 0 else 0.0
    return _t_power(gain / (sd * math.sqrt(2.0 / pairs)), pairs - 1 if paired else 2 * pairs - 2, alpha)


def power_of_mean(runs: int, expected: Margin) -> float:
    """Return the chance that a one-sided t test over `runs` shows that the mean keeps its bound."""
    if expected.sd <= 0:
        return 1.0 if expected.margin > 0 else 0.0
    return _t_power(expected.margin / (expected.sd / math.sqrt(runs)), runs - 1, expected.p)


def _t_power(shift: float, df: float, alpha: float) -> float:
    """Return the chance that a t statistic with noncentrality `shift` passes the one-sided test at `alpha`."""
    critical = t_quantile(1.0 - alpha, df)
    if shift > 1e9:
        return 1.0
    if shift > 30:  # older SciPy underflows there; what is left to chance is the sd that the test estimates
        return float(special.chdtr(df, df * (shift / critical) ** 2))
    return float(1.0 - special.nctdtr(df, shift, critical))


def fewest_pairs(setup: Setup) -> int:
    """Return the fewest pairs that a claim of this campaign takes, at most as many as it may take."""
    return max(MIN_PAIRS, min(setup.fewest_pairs, setup.confirm_seeds))


def pairs_needed(
    gain: float,
    sd: float,
    alpha: float,
    paired: bool,
    most: int,
    fewest: int = MIN_PAIRS,
    margins: Sequence[Margin] = (),
) -> tuple[int, float]:
    """Return (pairs, power): the fewest pairs, from `fewest` to `most`, that reach POWER, or `most` if none does.

    `margins`: of the bounded means that the claim must show too, each over one run a pair; the power is that of showing
    all, as if they were independent.
    """

    def reached(pairs: int) -> float:
        shown = math.prod(power_of_mean(pairs, each) for each in margins)
        return power(pairs, gain, sd, alpha, paired) * shown

    for pairs in range(fewest, most):
        if reached(pairs) >= POWER:
            return pairs, reached(pairs)
    return most, reached(most)


def luck(sd: float, seeds: int, rivals: int) -> float:
    """Return by how much the best of `rivals` equal candidates, measured on `seeds` seeds each, looks too good.

    The mean of the largest of so many normal errors, in the metric's units (Blom 1958). It is what to take off a gain
    that was picked for being the largest; from a candidate that really is better it takes too much.
    """
    return sd / math.sqrt(seeds) * NormalDist().inv_cdf((rivals - 0.375) / (rivals + 0.25))


def smallest_gain(pairs: int, sd: float, alpha: float, paired: bool) -> float:
    """Return the smallest true gain that `pairs` find with POWER, in the metric's units, within 1%."""
    if sd <= 0:
        return 0.0
    low, high = 0.0, sd
    while power(pairs, high, sd, alpha, paired) < POWER:
        low, high = high, 2 * high
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(pairs, middle, sd, alpha, paired) >= POWER else (middle, high)
    return high


def smallest_shift(error: float, df: float, alpha: float) -> float:
    """Return the smallest true shift of an estimate with this standard error that a t test finds with POWER, within 1%.

    `alpha` is on one side.
    """
    if error <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while _t_power(high, df, alpha) < POWER:
        low, high = high, 2 * high
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _t_power(middle, df, alpha) >= POWER else (middle, high)
    return high * error


def baseline_runs(setup: Setup) -> int:
    """Return how often the baseline runs before the search: once a search seed if exact, else enough to know the noise.

    Five runs know the sd within a factor of 0.6 to 2.9 (95%), three within 0.5 to 6.3; a small budget affords three.
    """
    if setup.objective.exact:
        return setup.search_seeds
    wanted = 3 if setup.limits.experiments is not None and setup.limits.experiments < 50 else 5
    return max(wanted, setup.search_seeds)


def claim_experiments(setup: Setup, pairs: Literal["fewest", "most"] = "most") -> int:
    """Return how many experiments one claim takes: two a pair, one pair of re-scorings if exact."""
    if setup.objective.exact:
        return 2
    return 2 * (fewest_pairs(setup) if pairs == "fewest" else max(MIN_PAIRS, setup.confirm_seeds))
