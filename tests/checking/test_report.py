from __future__ import annotations

import pytest

from aster.checking.report import Pace, cost_of, pace_of

PACE = Pace(wall_s=36.0, turn_s=40.0, cpu_s=18.0, memory_mb=100.0)


def test_so_many_experiments() -> None:
    cost = cost_of(PACE, slots=4, cpus=2, gpus=0, experiments=101, wall_s=None, price=0.5)
    assert cost.wall_s == 26 * 40.0
    assert cost.device == "CPU core"
    assert cost.device_hours == pytest.approx(101 * 36 * 2 / 3600)
    assert cost.core_hours == pytest.approx(101 * 18 / 3600)
    assert cost.device_dollars == pytest.approx(0.5 * cost.device_hours)
    assert cost.model_dollars == 0.0


def test_gpus_are_what_is_paid_for() -> None:
    cost = cost_of(PACE, slots=1, cpus=8, gpus=2, experiments=100, wall_s=None, price=None)
    assert (cost.device, cost.device_hours, cost.device_dollars) == ("GPU", 2.0, None)


@pytest.mark.parametrize(
    ("experiments", "wall_s", "planned"),
    [(None, None, 100), (None, 400.0, 20), (15, 400.0, 15), (50, 400.0, 20), (None, 1.0, 1)],
)
def test_the_first_ceiling_counts(experiments: int | None, wall_s: float | None, planned: int) -> None:
    cost = cost_of(PACE, slots=2, cpus=1, gpus=0, experiments=experiments, wall_s=wall_s, price=None)
    assert cost.experiments == planned


def test_the_pace_is_a_mean_and_the_memory_a_peak() -> None:
    assert pace_of([(1.0, 2.0, 3.0, 50.0), (3.0, 4.0, 5.0, 20.0)]) == Pace(2.0, 3.0, 4.0, 50.0)
