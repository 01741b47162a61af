"""From what a person asks for to a campaign's setup: checked, and filled with this machine's defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import UnionType
from typing import get_args

from aster.campaign.budget import Budget
from aster.domain.records import Mode, Reference, Setup
from aster.errors import UserError
from aster.execution.hardware import list_gpus
from aster.problems.problem import Problem

MOST_SLOTS = 4096
RESEARCHERS = ("ideas", "tuner", "ideas+tuner")
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
    problem: Problem, budget: Budget, researcher: str, slots: int | None, seed: int, mode: Mode | None
) -> Setup:
    """Return what a campaign's decisions depend on, with this machine's defaults. The arguments are as in `create`.

    Raises:
        UserError: a researcher, budget, seed or number of slots that cannot be.
    """
    _check_types(researcher, slots, seed, mode)
    spec, limits = problem.spec, budget.limits
    if slots is not None and slots < 1:
        raise UserError(f"A campaign needs at least one slot, not {slots}: give --slots 1 or more.")
    if slots is not None and slots > MOST_SLOTS:
        raise UserError(f"{slots} slots are more than one machine can run; give --slots {MOST_SLOTS} or fewer.")
    return Setup(
        problem=spec.problem.name,
        title=spec.problem.title,
        objective=spec.objective,
        limits=limits,
        mode=mode or ("ordered" if limits.wall_s is None else "arrival"),
        slots=slots or default_slots(spec.resources.cpus, spec.resources.gpus),
        seed=seed,
        search_seeds=spec.seeds.search,
        racing=spec.seeds.search > 1,
        confirm_seeds=spec.seeds.confirm,
        paired=spec.takes_seed,
        descriptors=spec.archive.descriptors,
        references=tuple(
            Reference(r.name, r.value, r.source, r.same, _conditions(r.conditions)) for r in spec.references
        ),
        researcher=researcher,
        constraints=spec.bounds,
        progress=spec.progress_goal if spec.progress is not None and spec.progress.stop else None,
    )


def _conditions(table: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items() if key != "same")


def default_slots(cpus: int, gpus: int) -> int:
    """Return how many attempts this machine runs side by side: by its devices if they need some, else by its cores."""
    if gpus:
        return max(1, len(list_gpus()) // gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, cores // cpus)
