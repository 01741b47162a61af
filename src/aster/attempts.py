"""From a problem to the executor of its attempts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from aster.board import Board
from aster.execution.arrivals import Judge
from aster.execution.local import LocalExecutor
from aster.execution.warm import compiled_kernels
from aster.problems.judge import make_judge
from aster.problems.model import Stage
from aster.problems.problem import Problem
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.plan import RunPlan, StagePlan
from aster.surroundings import Surroundings, Tell

TRIAL_BYTES = 16 << 20
"""The largest file of the outputs that is kept of an attempt outside any campaign."""


def open_executor(
    folder: Path,
    board: Board,
    problem: Problem,
    around: Surroundings,
    walls: Callable[[dict[str, str]], Walls],
    tell: Tell,
) -> LocalExecutor:
    """Return the executor of a campaign's attempts on this machine, after its compile caches were filled.

    Args:
        folder: the campaign's.
        walls: as in `LocalExecutor`.
        tell: is told in a sentence what takes long.

    Raises:
        UserError: the sandbox does not work here, the machine has too few devices, or the caches cannot be filled.
        ExecutorError: the machine is in trouble.
    """
    return _open(folder, problem, make_plan(problem, around), board.setup.slots, board.campaign, walls, tell)


def open_trial_executor(
    folder: Path,
    problem: Problem,
    around: Surroundings,
    slots: int,
    walls: Callable[[dict[str, str]], Walls],
    tell: Tell,
    longest_s: float | None = None,
) -> LocalExecutor:
    """Return an executor of attempts outside any campaign, in `folder`, whose name marks its processes.

    `longest_s`: a limit for every stage, if that is less than its own. Larger outputs are kept than in a campaign,
    since nothing is stored. The rest is as in `open_executor`.
    """
    plan = replace(make_plan(problem, around), output_bytes=TRIAL_BYTES)
    if longest_s is not None:
        shorter = (replace(each, timeout_s=min(each.timeout_s, longest_s)) for each in plan.stages)
        plan = replace(plan, stages=tuple(shorter))
    return _open(folder, problem, plan, slots, folder.name, walls, tell)


def _open(
    folder: Path,
    problem: Problem,
    plan: RunPlan,
    slots: int,
    mark: str,
    walls: Callable[[dict[str, str]], Walls],
    tell: Tell,
) -> LocalExecutor:
    def make(plan: RunPlan, judge: Judge) -> LocalExecutor:
        return LocalExecutor(folder, plan, judge, slots, mark=mark, walls=walls)

    command = problem.spec.environment.warm
    if command is not None:
        compiled = compiled_kernels(folder, plan, command, problem.solution_files, make, tell)
        plan = replace(plan, compiled=str(compiled.resolve()))
    return make(plan, make_judge(problem.spec))


def make_plan(problem: Problem, around: Surroundings) -> RunPlan:
    """Return everything about the attempts of a problem that is not the candidate."""
    spec = problem.spec
    return RunPlan(
        stages=tuple(_stage_plan(stage) for stage in spec.stages if stage.name not in spec.services),
        services=tuple(_stage_plan(stage) for stage in spec.stages if stage.name in spec.services),
        trusted_files=problem.trusted_files,
        frozen_solution=tuple(problem.frozen_solution_files),
        cpus=spec.resources.cpus,
        gpus=spec.resources.gpus,
        memory_mb=spec.resources.memory_mb,
        seed_env=spec.seeds.env,
        interpreter=around.interpreter,
        given=around.given,
        metrics={metric.name: metric.pattern for metric in spec.metrics if metric.pattern is not None},
        progress=spec.progress.pattern if spec.progress is not None else "",
        progress_goal=spec.progress_goal,
    )


def _stage_plan(stage: Stage) -> StagePlan:
    return StagePlan(stage.name, stage.command, stage.timeout_s, stage.trusted, stage.service or "", stage.quick)
