"""Two sets of runs, against SciPy and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from aster.evidence.comparison import difference, ratio

A, B = [96.8, 97.1, 96.5, 96.9, 96.6], [95.2, 95.6, 95.1, 95.4, 94.9]


def test_unpaired_is_welchs_test() -> None:
    effect, expected = difference(A, B[:4], paired=False), stats.ttest_ind(B[:4], A, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (effect.low, effect.high, effect.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    assert (effect.n, effect.paired) == ((5, 4), False)


def test_paired_is_students_test() -> None:
    effect, expected = difference(A, B, paired=True), stats.ttest_rel(B, A)
    interval = expected.confidence_interval(0.95)
    assert (effect.low, effect.high, effect.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    assert (effect.n, effect.paired) == ((5,), True)


@pytest.mark.parametrize("paired", [True, False])
def test_a_ratio_is_the_difference_of_logs(paired: bool) -> None:
    effect = ratio(A, B, paired)
    logs = difference([math.log(x) for x in A], [math.log(x) for x in B], paired)
    assert effect.value == pytest.approx(stats.gmean(B) / stats.gmean(A))
    assert (math.log(effect.low), math.log(effect.high)) == pytest.approx((logs.low, logs.high))
    other = ratio(B, A, paired)
    assert (1 / other.high, 1 / other.low) == pytest.approx((effect.low, effect.high))


def test_the_interval_holds_the_true_ratio_at_its_rate() -> None:
    rng, draws, held = np.random.default_rng(1), 2000, 0
    for _ in range(draws):
        a, b = np.exp(rng.normal(0.0, 0.01, 6)), 0.99 * np.exp(rng.normal(0.0, 0.01, 6))
        effect = ratio(list(a), list(b), paired=False)
        held += effect.low <= 0.99 <= effect.high
    assert held / draws == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / draws))


def test_the_least_ratio_is_told_four_times_in_five() -> None:
    """Its own sd is what the runs showed: here the runs are made to show exactly that sd."""
    spread = np.array([-1.0, -0.4, 0.1, 0.4, 0.9])
    sd = 0.01
    logs = sd * (spread - spread.mean()) / spread.std(ddof=1)
    least = ratio(list(np.exp(logs)), list(np.exp(logs[::-1])), paired=False).least
    rng, draws = np.random.default_rng(2), 3000
    told = sum(
        ratio(list(np.exp(rng.normal(0, sd, 5))), list(least * np.exp(rng.normal(0, sd, 5))), paired=False).high < 1.0
        for _ in range(draws)
    )
    assert told / draws == pytest.approx(0.8, abs=0.03)


def test_runs_that_do_not_differ_leave_no_doubt() -> None:
    same = ratio([2.0, 2.0], [2.0, 2.0], paired=False)
    assert (same.value, same.low, same.high, same.p, same.least) == (1.0, 1.0, 1.0, 1.0, 1.0)
    less = difference([2.0, 2.0], [1.0, 1.0], paired=True)
    assert (less.value, less.low, less.high, less.p, less.least) == (-1.0, -1.0, -1.0, 0.0, 0.0)


def test_a_ratio_beyond_any_float_is_cut() -> None:
    assert math.isfinite(ratio([1e-300, 1e300], [1e300, 1e-300], paired=True).high)
