"""How claims are designed, against simulation and against SciPy's distributions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from tests.boards import setup

from aster.domain.records import Limits
from aster.evidence.design import (
    ALPHA,
    MIN_PAIRS,
    POWER,
    alpha_of,
    baseline_runs,
    claim_experiments,
    pairs_needed,
    power,
    smallest_gain,
    t_quantile,
)

DRAWS = 4000


def test_all_claims_together_spend_no_more_than_alpha() -> None:
    spent = math.fsum(alpha_of(k) for k in range(1, 100_001))
    assert 0.99999 * ALPHA < spent <= ALPHA
    assert all(a > b > 0 for a, b in pairwise(alpha_of(k) for k in range(1, 50)))
    assert alpha_of(1) == pytest.approx(0.0304, abs=5e-5)


@pytest.mark.parametrize("df", [1, 2, 2.7, 9, 120])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.9999])
def test_t_quantiles(probability: float, df: float) -> None:
    assert t_quantile(probability, df) == pytest.approx(stats.t.ppf(probability, df), rel=1e-9, abs=1e-12)


def simulated_power(pairs: int, gain: float, sd: float, alpha: float, paired: bool) -> float:
    """Return the share of made-up claims that SciPy's own one-sided t test finds."""
    rng = np.random.default_rng(12345)
    new = rng.normal(gain, sd, (DRAWS, pairs))
    old = rng.normal(0.0, sd, (DRAWS, pairs))
    test = stats.ttest_rel if paired else stats.ttest_ind
    return float(np.mean(test(new, old, axis=1, alternative="greater").pvalue < alpha))


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(
    ("pairs", "gain", "sd", "alpha"),
    [(3, 4.0, 1.0, 0.0304), (5, 0.02, 0.01, 0.0076), (10, 1.0, 1.0, 0.05), (8, 0.0, 2.0, 0.05)],
)
def test_power_is_the_share_of_simulated_claims_that_succeed(
    pairs: int, gain: float, sd: float, alpha: float, paired: bool
) -> None:
    found = simulated_power(pairs, gain, sd, alpha, paired)
    promised = power(pairs, gain, sd, alpha, paired)
    assert found == pytest.approx(promised, abs=3 * math.sqrt(promised * (1 - promised) / DRAWS) + 1e-3)


@pytest.mark.parametrize("paired", [True, False])
def test_power_without_a_gain_is_alpha(paired: bool) -> None:
    for alpha in (0.05, 0.001):
        assert power(6, 0.0, 1.0, alpha, paired) == pytest.approx(alpha, rel=1e-6)


def test_a_huge_gain_can_still_miss_with_few_pairs_and_a_tiny_alpha() -> None:
    """Three pairs estimate the sd badly, and the tenth claim's quantile is 40: a gain of 30 errors is not enough."""
    pairs, alpha = 3, alpha_of(10)
    gain = 31.0 * math.sqrt(2.0 / pairs)
    promised = power(pairs, gain, 1.0, alpha, paired=True)
    assert promised == pytest.approx(stats.nct.sf(stats.t.ppf(1 - alpha, 2), 2, 31.0), abs=1e-3)
    assert promised < 0.5
    assert power(pairs, gain, 1.0, alpha_of(1), paired=True) > 0.999999


def test_power_is_smooth_where_the_formula_changes() -> None:
    for alpha in (alpha_of(1), alpha_of(12)):
        below, above = (power(3, shift * math.sqrt(2 / 3), 1.0, alpha, paired=True) for shift in (29.99, 30.01))
        assert below <= above + 1e-4
        assert above - below < 1e-3


def test_without_noise_any_gain_is_found() -> None:
    assert power(3, 1e-9, 0.0, 0.01, paired=True) == 1.0
    assert power(3, 0.0, 0.0, 0.01, paired=True) == 0.0
    assert smallest_gain(3, 0.0, 0.01, paired=True) == 0.0
    assert pairs_needed(1e-9, 0.0, 0.01, True, 10) == (MIN_PAIRS, 1.0)


@pytest.mark.parametrize("paired", [True, False])
def test_the_fewest_pairs_that_have_the_power(paired: bool) -> None:
    alpha, most = 0.0304, 40
    for gain in (0.9, 1.2, 2.0, 3.5, 6.0):
        pairs, reached = pairs_needed(gain, 1.0, alpha, paired, most)
        assert MIN_PAIRS <= pairs < most
        assert reached == power(pairs, gain, 1.0, alpha, paired) >= POWER
        assert pairs == MIN_PAIRS or power(pairs - 1, gain, 1.0, alpha, paired) < POWER


def test_more_pairs_for_smaller_gains_more_noise_and_later_claims() -> None:
    def pairs(gain: float, sd: float, number: int) -> int:
        return pairs_needed(gain, sd, alpha_of(number), True, 60)[0]

    gains = [pairs(gain / 10, 1.0, 1) for gain in range(4, 60)]
    noises = [pairs(1.0, sd / 10, 1) for sd in range(1, 30)]
    claims = [pairs(1.0, 0.5, number) for number in range(1, 20)]
    assert gains == sorted(gains, reverse=True)
    assert noises == sorted(noises)
    assert claims == sorted(claims)
    assert min(len(set(rows)) for rows in (gains, noises, claims)) > 3


def test_what_no_design_finds_gets_the_most_pairs_and_its_honest_power() -> None:
    pairs, reached = pairs_needed(0.1, 1.0, 0.0304, True, 10)
    assert pairs == 10
    assert reached == power(10, 0.1, 1.0, 0.0304, True) < POWER


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("pairs", [3, 10])
def test_the_smallest_gain_has_just_the_power(pairs: int, paired: bool) -> None:
    for sd in (0.001, 5.0):
        gain = smallest_gain(pairs, sd, 0.0304, paired)
        assert power(pairs, gain, sd, 0.0304, paired) >= POWER
        assert power(pairs, 0.98 * gain, sd, 0.0304, paired) < POWER


def test_the_baseline_runs_often_enough_to_know_the_noise() -> None:
    assert baseline_runs(setup()) == 5
    assert baseline_runs(setup(limits=Limits(experiments=49))) == 3
    assert baseline_runs(setup(limits=Limits(wall_s=60.0))) == 5
    assert baseline_runs(setup(search_seeds=8)) == 8
    assert baseline_runs(setup(exact=True)) == 1


def test_an_exact_baseline_runs_on_every_search_seed_so_that_it_is_ranked() -> None:
    assert baseline_runs(setup(exact=True, search_seeds=3)) == 3


def test_what_a_claim_takes() -> None:
    assert claim_experiments(setup(confirm_seeds=10)) == 20
    assert claim_experiments(setup(confirm_seeds=10), "fewest") == 2 * MIN_PAIRS
    assert claim_experiments(setup(confirm_seeds=1)) == 2 * MIN_PAIRS
    assert claim_experiments(setup(exact=True)) == 2


def test_what_the_docstrings_say_of_few_runs() -> None:
    """Five runs know the sd within a factor of 0.6 to 2.9, three within 0.5 to 6.3."""
    for runs, low, high in ((5, 0.6, 2.9), (3, 0.5, 6.3)):
        df = runs - 1
        assert math.sqrt(df / stats.chi2.ppf(0.975, df)) == pytest.approx(low, abs=0.05)
        assert math.sqrt(df / stats.chi2.ppf(0.025, df)) == pytest.approx(high, abs=0.05)
    assert stats.t.ppf(0.95, 1) == pytest.approx(6.3, abs=0.05)


def test_a_claim_takes_the_fewest_pairs_that_its_problem_asks_for() -> None:
    assert pairs_needed(1.0, 0.0, 0.01, True, 10, 8) == (8, 1.0)
    assert pairs_needed(1.0, 0.0, 0.01, True, 8, 8) == (8, 1.0)
    assert claim_experiments(setup(confirm_seeds=10, fewest_pairs=8), "fewest") == 16
    assert claim_experiments(setup(confirm_seeds=5, fewest_pairs=8), "fewest") == 10
