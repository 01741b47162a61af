from __future__ import annotations

import random
from statistics import stdev

import pytest

from aster.evidence.design import alpha_of, power, smallest_gain
from aster.evidence.noise import noise_of, reach


def test_one_measurement_tells_no_noise() -> None:
    found = noise_of([3.5])
    assert (found.n, found.mean, found.sd, found.low, found.high) == (1, 3.5, None, None, None)


def test_equal_measurements_have_no_noise_at_all() -> None:
    found = noise_of([0.987] * 5)  # their floating-point mean is not 0.987
    assert (found.sd, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_interval_of_five() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = noise_of(values)
    assert found.sd == pytest.approx(stdev(values))
    assert found.low == pytest.approx(0.5991 * stdev(values), rel=1e-3)  # sqrt(4 / 11.143), from a table
    assert found.high == pytest.approx(2.8736 * stdev(values), rel=1e-3)  # sqrt(4 / 0.4844)


def test_the_interval_holds_as_often_as_it_says() -> None:
    draw = random.Random(1)
    held = 0
    for _ in range(2000):
        found = noise_of([draw.gauss(7.0, 2.0) for _ in range(6)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 2.0 <= found.high
    assert 0.935 < held / 2000 < 0.965


def test_what_claims_can_tell() -> None:
    found = reach(0.5, 0.1, True, (3, 10))
    assert [each.pairs for each in found] == [3, 10]
    assert found[1].gain == pytest.approx(0.1 + smallest_gain(10, 0.5, alpha_of(1), True))
    assert power(10, found[1].gain - 0.1, 0.5, alpha_of(1), True) >= 0.8
    assert found[0].gain > found[1].gain
    assert reach(0.0, 0.1, False, (3,))[0].gain == 0.1
