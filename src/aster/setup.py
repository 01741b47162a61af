"""From what a person asks for to a campaign's setup: checked, and filled with this machine's defaults."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import get_args

from aster.campaign.budget import Budget
from aster.domain.records import Mode, Reference, Setup
from aster.domain.research import ROLES, ModelChoice
from aster.errors import UserError
from aster.execution.hardware import list_gpus
from aster.planning.models import models_for
from aster.problems.problem import Problem

MOST_SLOTS = 4096
MOST_AGENTS = 20_000
MOST_STEERING = 20_000
GRACE_S = 10.0
"""Seconds beyond its stages' timeouts for which an attempt may hold its devices: it is laid out, killed, cleaned up."""

RESEARCHERS = (
    "ideas",
    "tuner",
    "ideas+tuner",
    "agents",
    "agents+tuner",
    "ideas+agents",
    "ideas+agents+tuner",
)  # fmt: skip
"""Authors of candidates that a campaign can be run with."""


def _check_types(researcher: object, slots: object, seed: object, mode: object) -> None:
    """Refuse what a caller from Python may have mistaken; the command line gives the right types."""
    if researcher not in RESEARCHERS:
        raise UserError(f"There is no researcher {researcher!r}; choose one of: {', '.join(RESEARCHERS)}.")
    check_kind("slots", slots, int | None, "a whole number")
    check_kind("seed", seed, int, "a whole number")
    if mode not in (None, *get_args(Mode)):
        raise UserError(f"There is no mode {mode!r}; choose one of: {', '.join(get_args(Mode))}.")


def check_kind(name: str, value: object, kind: type | UnionType, said: str) -> None:
    """Refuse an argument that is not of its kind; `said` is what it must be.

    Raises:
        UserError: it is not.
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"{name} must be {said}, not {value!r}.")


def make_setup(
    problem: Problem,
    budget: Budget,
    researcher: str,
    slots: int | None,
    seed: int,
    mode: Mode | None,
    *,
    models: Sequence[ModelChoice] = (),
    agents: int | None = None,
    one_shot: bool = False,
) -> Setup:
    """Return what a campaign's decisions depend on, with this machine's defaults. The arguments are as in `create`.

    Raises:
        UserError: a researcher, budget, seed, mode, number of slots or agents, or set of models that cannot be.
    """
    _check_types(researcher, slots, seed, mode)
    _check_models(models)
    if mode == "ordered" and models:
        raise UserError(
            "Models answer in their own time, so a campaign with --model cannot be ordered; leave --mode out."
        )
    spec, limits = problem.spec, budget.limits
    if mode == "ordered" and limits.gpu_s is not None:
        raise UserError("GPU time is only known once it is used, so --gpu-hours goes with --mode arrival, not ordered.")
    if slots is not None and slots < 1:
        raise UserError(f"A campaign needs at least one slot, not {slots}: give --slots 1 or more.")
    if slots is not None and slots > MOST_SLOTS:
        raise UserError(f"{slots} slots are more than one machine can run; give --slots {MOST_SLOTS} or fewer.")
    side_by_side = slots or default_slots(spec.resources.cpus, spec.resources.gpus)
    timed = limits.wall_s is not None or limits.gpu_s is not None or bool(models)
    return Setup(
        problem=spec.problem.name,
        title=spec.problem.title,
        objective=spec.objective,
        limits=limits,
        mode=mode or ("arrival" if timed else "ordered"),
        slots=side_by_side,
        seed=seed,
        search_seeds=spec.seeds.search,
        racing=spec.seeds.search > 1,
        confirm_seeds=spec.seeds.confirm,
        fewest_pairs=spec.seeds.confirm_least,
        paired=spec.takes_seed,
        descriptors=spec.archive.descriptors,
        references=tuple(
            Reference(r.name, r.value, r.source, r.same, _conditions(r.conditions)) for r in spec.references
        ),
        researcher=researcher,
        constraints=spec.bounds,
        checks=spec.has_check,
        progress=spec.progress_goal if spec.progress is not None and spec.progress.stop else None,
        models=tuple(models),
        agents=_count_agents(agents, side_by_side, models),
        one_shot=_checked_one_shot(one_shot, models),
        sealed=any(data.sealed for data in spec.data),
        attempt_gpu_s=spec.resources.gpus * (sum(stage.timeout_s for stage in spec.stages) + GRACE_S),
    )


def _check_models(models: Sequence[ModelChoice]) -> None:
    """Refuse a model that is given twice, and a role that none of the models is for."""
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"The model {twice[0]} is given twice; name its roles together: --model planner,critic={twice[0]}."
        )
    useless = [model for model in models if not (model.weight > 0 and math.isfinite(model.weight))]
    if useless:
        raise UserError(f"The weight of {useless[0].name} must be a number above 0, not {useless[0].weight}.")
    lacking = [role for role in ROLES if models and not models_for(tuple(models), role)]
    if lacking:
        raise UserError(
            f"No model is for the role {lacking[0]}: give one without a role (--model PROVIDER:NAME), which serves "
            f"every role that no other names, or --model {lacking[0]}=PROVIDER:NAME."
        )


def check_steering(setup: Setup, text: str) -> str:
    """Return what a person tells the planner, without space around it.

    Raises:
        UserError: the campaign has no planner, or there is nothing, or too much, to tell.
    """
    if not setup.models:
        raise UserError(
            "This campaign has no language model, so there is no planner to tell anything; what to try on which "
            "surface is said with ideas, and with `surfaces` in problem.toml."
        )
    check_kind("directions", text, str, "a text")
    said = "".join(c for c in text if c.isprintable() or c in "\n\t").strip()
    if not said:
        raise UserError('There is nothing to tell the planner: give a sentence, such as "look at the optimizer".')
    if len(said) > MOST_STEERING:
        raise UserError(f"{len(said)} characters are too many to tell the planner; {MOST_STEERING} are the most.")
    return said


def _count_agents(agents: int | None, slots: int, models: Sequence[ModelChoice]) -> int:
    check_kind("agents", agents, int | None, "a whole number")
    if not models:
        if agents is not None:
            raise UserError("Agents need a language model: give --model PROVIDER:NAME, or leave --agents out.")
        return 0
    if agents is not None and not 1 <= agents <= MOST_AGENTS:
        raise UserError(f"{agents} agents cannot be; give --agents 1 to {MOST_AGENTS}.")
    return agents or 2 * slots


def _checked_one_shot(one_shot: bool, models: Sequence[ModelChoice]) -> bool:
    if one_shot and not models:
        raise UserError("One shot is how agents work, and they need a language model: give --model PROVIDER:NAME.")
    return bool(one_shot)


def _conditions(table: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items() if key != "same")


def default_slots(cpus: int, gpus: int) -> int:
    """Return how many attempts this machine runs side by side: by its devices if they need some, else by its cores."""
    if gpus:
        return max(1, len(list_gpus()) // gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, cores // cpus)
