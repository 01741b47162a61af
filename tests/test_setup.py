"""From what a person asks for to a campaign's setup: what concerns models, agents and GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.toys import toy_problem

from aster.app import create, load_campaign
from aster.campaign.budget import Budget
from aster.domain.records import Setup
from aster.domain.research import ModelChoice, Price, Role
from aster.errors import UserError
from aster.problems.problem import Problem, load_problem
from aster.setup import MOST_STEERING, check_steering, make_setup

BIG, SMALL = ModelChoice("openai:big", Price(1.0, 2.0)), ModelChoice("local:small")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(toy_problem(tmp_path_factory.mktemp("setup") / "toy"))


def made(toy: Problem, *models: ModelChoice, **more: Any) -> Setup:
    asked: dict[str, Any] = {"slots": 3, "seed": 0, "mode": None, "budget": Budget(experiments=40)} | more
    budget, slots, seed, mode = (asked.pop(name) for name in ("budget", "slots", "seed", "mode"))
    return make_setup(toy, budget, "agents", slots, seed, mode, models=models, **asked)


def test_twice_as_many_agents_as_slots_think_side_by_side(toy: Problem) -> None:
    setup = made(toy, BIG)
    assert (setup.models, setup.agents, setup.mode, setup.one_shot) == ((BIG,), 6, "arrival", False)
    assert made(toy, BIG, agents=1, one_shot=True).agents == 1
    assert made(toy, BIG, one_shot=True).one_shot


def test_without_models_there_are_no_agents(toy: Problem) -> None:
    setup = made(toy)
    assert (setup.models, setup.agents, setup.mode) == ((), 0, "ordered")


def test_sealed_data_is_noted(toy: Problem) -> None:
    """Ledgers of before say nothing of it."""
    assert not made(toy).sealed
    sealed = made(load_problem("proteingym"))
    assert sealed.sealed
    fields = msgspec.to_builtins(sealed)
    assert msgspec.convert(fields, Setup) == sealed
    assert not msgspec.convert({name: value for name, value in fields.items() if name != "sealed"}, Setup).sealed


def test_gpu_hours_make_a_campaign_one_of_arrival(toy: Problem) -> None:
    assert made(toy, budget=Budget(experiments=40, gpu_hours=1.0)).mode == "arrival"


@pytest.mark.parametrize(
    ("models", "more", "why"),
    [
        ((), {"agents": 3}, "Agents need a language model"),
        ((), {"one_shot": True}, "they need a language model"),
        ((BIG,), {"agents": 0}, "0 agents cannot be; give --agents 1 to"),
        ((BIG,), {"agents": 1_000_000}, "1000000 agents cannot be"),
        ((BIG,), {"agents": "many"}, "agents must be a whole number"),
        ((BIG,), {"mode": "ordered"}, "cannot be ordered; leave --mode out"),
        ((), {"mode": "ordered", "budget": Budget(experiments=9, gpu_hours=1.0)}, "--mode arrival, not ordered"),
        ((BIG, BIG), {}, "openai:big is given twice"),
        ((ModelChoice("local:x", weight=0.0),), {}, "weight of local:x must be a number above 0"),
    ],
)
def test_what_cannot_be_is_refused(toy: Problem, models: Any, more: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        made(toy, *models, **more)


def with_roles(name: str, *roles: Role) -> ModelChoice:
    return ModelChoice(name, roles=roles)


def test_every_role_needs_a_model(toy: Problem) -> None:
    only = with_roles("openai:big", "planner", "worker", "critic")
    with pytest.raises(UserError, match=r"No model is for the role subagent.*--model subagent=PROVIDER:NAME"):
        made(toy, only)
    assert made(toy, only, with_roles("local:small", "subagent")).agents == 6
    assert made(toy, only, SMALL).agents == 6


def test_what_a_planner_is_told_is_plain_text_and_bounded(toy: Problem) -> None:
    setup = made(toy, BIG)
    assert check_steering(setup, " look at\nthe \x1b[31moptimizer \x00") == "look at\nthe [31moptimizer"
    for text, why in (("", "nothing to tell"), (" \n", "nothing to tell"), ("x" * (MOST_STEERING + 1), "too many")):
        with pytest.raises(UserError, match=why):
            check_steering(setup, text)
    with pytest.raises(UserError, match="no planner to tell"):
        check_steering(made(toy), "look there")


def test_a_campaign_is_opened_with_its_models_and_directions(toy: Problem, tmp_path: Path) -> None:
    folder = create(
        toy,
        Budget(experiments=40, usd=2.0, tokens="1M"),
        slots=2,
        campaigns=tmp_path,
        models=[BIG, SMALL],
        agents=7,
        one_shot=True,
        directions="# Look\nat b\n",
    )
    board = load_campaign(folder).board
    assert board.setup.models == (BIG, SMALL)
    assert (board.setup.agents, board.setup.one_shot) == (7, True)
    assert (board.setup.limits.usd, board.setup.limits.tokens) == (2.0, 1_000_000)
    assert board.setup.researcher == "ideas+agents+tuner"
    assert board.research.steering == ["# Look\nat b"]


def test_directions_without_a_planner_are_refused_before_anything_is_written(toy: Problem, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no planner"):
        create(toy, Budget(experiments=40), campaigns=tmp_path / "c", directions="look at b")
    assert not (tmp_path / "c").exists()
