"""The records: what is better, and that they never change."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from aster.domain import records
from aster.domain.records import Measured, Objective, Result


def test_gain_counts_in_the_direction_of_the_goal() -> None:
    assert Objective("score", "maximize").gain(3.0, 1.0) == 2.0
    assert Objective("loss", "minimize").gain(3.0, 1.0) == -2.0


@pytest.mark.parametrize(("new", "better"), [(1.0, False), (1.5, False), (1.75, True), (0.0, False)])
def test_better_means_by_more_than_the_resolution(new: float, better: bool) -> None:
    assert Objective("score", "maximize", resolution=0.5).better(new, 1.0) is better
    assert Objective("loss", "minimize", resolution=0.5).better(-new, -1.0) is better


def test_without_a_resolution_equal_is_not_better() -> None:
    assert not Objective("score", "maximize").better(1.0, 1.0)
    assert Objective("score", "maximize").better(1.0 + 1e-12, 1.0)


def test_what_is_not_a_number_is_never_better() -> None:
    for goal in ("maximize", "minimize"):
        objective = msgspec.convert({"metric": "m", "goal": goal}, Objective)
        assert not objective.better(float("nan"), 1.0)
        assert not objective.better(1.0, float("nan"))


def structs() -> list[type[msgspec.Struct]]:
    found = [kind for _, kind in inspect.getmembers(records, inspect.isclass) if issubclass(kind, msgspec.Struct)]
    return [kind for kind in found if kind is not msgspec.Struct]


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: kind.__name__)
def test_records_are_frozen(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


def test_only_measured_has_numbers() -> None:
    """A failure is never a score: no other result has a field that could be taken for one."""
    for kind in Result.__args__:
        names = set(kind.__struct_fields__)
        assert ("metrics" in names) == (kind is Measured)
        assert not names & {"score", "value", "metric"}
