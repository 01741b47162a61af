"""The shrinkage of a chain: known answers, and truth that was simulated."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

from aster.evidence.shrinkage import CELLS, Chain, Spread, fit, mixed


def test_one_version_alone_is_what_was_measured() -> None:
    found = fit(Chain(((5.0,),)), 2.0)
    assert found.levels[0].mean == pytest.approx(5.0, abs=0.01)
    assert found.levels[0].quantile(0.975) == pytest.approx(5.0 + 1.96 * 2.0, abs=2.0 / CELLS)
    assert len(found.gains) == len(found.chances) == 0


def test_repeats_of_a_version_sharpen_it() -> None:
    found = fit(Chain(((1.0, 3.0, 2.0, 2.0),)), 1.0)
    half = (found.levels[0].quantile(0.975) - found.levels[0].quantile(0.025)) / 2
    assert found.levels[0].mean == pytest.approx(2.0, abs=0.01)
    assert half == pytest.approx(1.96 / math.sqrt(4), abs=1 / CELLS)


def test_a_large_gain_is_real_and_a_small_one_among_many_tries_is_not() -> None:
    rng = Random(1)
    tried = [(0, rng.gauss(-1, 1)) for _ in range(30)] + [(1, rng.gauss(9, 1)) for _ in range(30)]
    found = fit(Chain(((0.0,), (10.0,), (11.5,)), tuple(tried)), 1.0)
    assert found.chances[0] < 0.01
    assert found.chances[1] > 0.3
    assert found.gains[0].mean == pytest.approx(10, abs=1.5)


def test_a_version_whose_changes_all_look_worse_was_measured_luckily() -> None:
    worse = tuple((0, -2.0 + 0.05 * n) for n in range(-15, 16))
    assert fit(Chain(((0.0,),), worse), 1.0).levels[0].mean < -0.5
    assert fit(Chain(((0.0,),), tuple((0, value + 2.0) for _, value in worse)), 1.0).levels[0].mean > -0.3


def test_totals_are_sums_of_gains() -> None:
    found = fit(Chain(((0.0,), (4.0,), (6.0,)), ((0, -1.0), (2, 5.0))), 1.0)
    assert found.totals[0].mean == pytest.approx(0.0, abs=1e-9)
    assert found.totals[2].mean == pytest.approx(found.gains[0].mean + found.gains[1].mean, abs=0.15)
    assert found.totals[2].mean == pytest.approx(found.levels[2].mean - found.levels[0].mean, abs=0.15)


def test_units_do_not_matter() -> None:
    versions, tried = ((0.0,), (3.0,)), ((0, -2.0), (0, 0.5), (1, 2.0))
    plain = fit(Chain(versions, tried), 1.0)
    scaled = fit(Chain(((100.0,), (100.003,)), tuple((k, 100 + v / 1000) for k, v in tried)), 0.001)
    assert scaled.chances[0] == pytest.approx(plain.chances[0], abs=0.02)
    assert scaled.gains[0].mean * 1000 == pytest.approx(plain.gains[0].mean, abs=0.05)


def test_the_same_chain_has_the_same_answer() -> None:
    chain = Chain(((0.0,), (1.0,)), ((0, -1.0), (1, 0.0)))
    assert fit(chain, 1.0).chances == fit(chain, 1.0).chances


def test_values_far_apart_do_no_harm() -> None:
    found = fit(Chain(((0.0,), (1e6,)), ((0, -1e9), (1, 5.0))), 1.0)
    assert found.chances[0] < 1e-6
    assert found.gains[0].mean == pytest.approx(1e6, abs=3)


@pytest.mark.parametrize(
    ("chain", "sd"),
    [
        (Chain(()), 1.0),
        (Chain(((),)), 1.0),
        (Chain(((math.nan,),)), 1.0),
        (Chain(((1.0,),)), 0.0),
        (Chain(((1.0,),)), math.inf),
    ],
)
def test_nonsense_is_refused(chain: Chain, sd: float) -> None:
    with pytest.raises(ValueError):
        fit(chain, sd)


def test_spreads() -> None:
    one = Spread(np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.25]))
    assert (one.mean, one.quantile(0.5), one.above(0.5)) == (1.0, 1.0, 0.75)
    both = mixed([one, Spread(np.array([3.0]), np.array([1.0]))])
    assert both.mean == 2.0
    assert both.shares.sum() == pytest.approx(1.0)
