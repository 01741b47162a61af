"""Where samplers look next."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import islice
from statistics import fmean

import pytest

from aster.domain.records import Goal
from aster.proposers.axes import Axis, Choice, Span
from aster.proposers.sampling import Point, Told, asks

BOX: dict[str, Axis] = {"x": Span(0.0, 1.0), "y": Span(0.0, 1.0)}
CHOICES: dict[str, Axis] = {"x": Span(0.0, 1.0), "way": Choice(("a", "b", "c"))}
MANY: dict[str, Axis] = {f"x{n}": Span(0.0, 1.0) for n in range(8)}
GOALS: list[Goal] = ["minimize", "maximize"]


def history(axes: Mapping[str, Axis], goal: Goal, count: int = 40) -> list[Told]:
    """Return measurements whose best is at 0.8 everywhere, and at the choice "c"."""
    rng, told = random.Random(1), []
    for _ in range(count):
        point = {n: float(rng.randrange(3)) if isinstance(a, Choice) else rng.random() for n, a in axes.items()}
        loss = sum((at - 2.0) ** 2 if name == "way" else (at - 0.8) ** 2 for name, at in point.items())
        told.append(Told(point, "measured", loss if goal == "minimize" else -loss))
    return told


def ask(axes: Mapping[str, Axis], told: list[Told], seed: int, goal: Goal = "minimize", budget: int = 100) -> Point:
    return next(asks(axes, told, goal, budget, random.Random(seed)))


@pytest.mark.parametrize("goal", GOALS)
def test_asks_are_near_the_best(goal: Goal) -> None:
    told = history(BOX, goal)
    points = [ask(BOX, told, seed, goal) for seed in range(12)]
    assert fmean(abs(p["x"] - 0.8) + abs(p["y"] - 0.8) for p in points) < 0.4  # evenly drawn: 0.68


def test_choices_are_learnt_and_stay_indices() -> None:
    told = history(CHOICES, "minimize")
    ways = [ask(CHOICES, told, seed)["way"] for seed in range(12)]
    assert set(ways) <= {0.0, 1.0, 2.0}
    assert ways.count(2.0) >= 8


def test_many_continuous_dimensions_and_a_large_budget_are_for_cma() -> None:
    told: list[Told] = []
    for batch in range(45):
        points = list(islice(asks(MANY, told, "minimize", 320, random.Random(batch)), 10))
        told += [Told(p, "measured", sum((at - 0.8) ** 2 for at in p.values())) for p in points]
        told[-1] = Told(points[-1], "failed")
    assert fmean(abs(at - 0.8) for p in points for at in p.values()) < 0.02  # TPE would be at 0.1


def test_failures_keep_asks_away() -> None:
    told = [
        Told({"x": n / 20, "y": 0.5}, "failed") if n > 10 else Told({"x": n / 20, "y": 0.5}, "measured", 1.0)
        for n in range(21)
    ]
    assert fmean(ask(BOX, told, seed)["x"] <= 0.6 for seed in range(16)) > 0.6


def test_what_is_running_is_not_asked_for_again() -> None:
    told = history(BOX, "minimize", 30)
    first = ask(BOX, told, 3)
    again = ask(BOX, [*told, Told(first, "running")], 3)
    assert abs(first["x"] - again["x"]) + abs(first["y"] - again["y"]) > 1e-3


@pytest.mark.parametrize("budget", [100, 1000])
def test_the_same_history_and_generator_ask_for_the_same(budget: int) -> None:
    for axes in (BOX, CHOICES, MANY):
        told = history(axes, "minimize", 25)
        one, two = (list(islice(asks(axes, told, "minimize", budget, random.Random(5)), 3)) for _ in range(2))
        assert one == two
        assert all(0.0 <= at <= 1.0 for p in one for name, at in p.items() if name != "way")
