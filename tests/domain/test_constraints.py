from __future__ import annotations

import pytest
from tests.boards import setup

from aster.domain.constraints import Constraint

MEMORY, SPEED = Constraint("memory", max=80.0), Constraint("speed", min=1.5, max=3.0)


@pytest.mark.parametrize(
    ("value", "excess", "why"),
    [
        (1.0, 0.5, "speed 1 is 0.5 under its least, 1.5"),
        (1.5, 0.0, None),
        (3.0, 0.0, None),
        (3.25, 0.25, "speed 3.25 is 0.25 over its most, 3"),
    ],
)
def test_bounds_are_kept_or_broken(value: float, excess: float, why: str | None) -> None:
    assert max(0.0, SPEED.excess(value)) == excess
    assert SPEED.broken_by({"speed": value}) == why


def test_no_single_run_breaks_a_bound_on_a_mean() -> None:
    mean = Constraint("loss", max=3.28, p=0.01)
    assert setup(constraints=(mean,)).infeasible({"loss": 9.0}) is None
    assert (mean.beyond(3.25), mean.beyond(3.29)) == (None, "loss 3.29 is 0.01 over its most, 3.28")
    assert (mean.wanted, SPEED.wanted) == ("at most 3.28", "at least 1.5 and at most 3")


def test_all_that_is_broken_is_told() -> None:
    both = setup(constraints=(MEMORY, SPEED))
    assert both.infeasible({"memory": 80.0, "speed": 2.0}) is None
    told = "memory 85.2 is 5.2 over its most, 80; speed, which is constrained, was not reported"
    assert both.infeasible({"memory": 85.2}) == told
    assert setup().infeasible({}) is None
