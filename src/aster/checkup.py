"""`aster check`: a problem is tried before a campaign, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from aster.attempts import open_trial_executor
from aster.campaign.budget import Budget
from aster.checking.bench import workshop
from aster.checking.examine import Wishes, examine
from aster.checking.impostors import hidden_of
from aster.checking.report import Check
from aster.errors import UserError
from aster.execution.local import LocalExecutor
from aster.problems.problem import Problem, load_problem
from aster.sandbox.keeper.walls import Walls
from aster.sandbox.layers import SandboxName, choose_walls
from aster.setup import check_kind, default_slots
from aster.surroundings import Surroundings, look_around

MOST_SEEDS = 1000


def check(
    problem: Problem | str | Path,
    *,
    seeds: int | None = None,
    budget: Budget | None = None,
    device_price: float | None = None,
    cheats: bool = True,
    slots: int | None = None,
    sandbox: SandboxName = "auto",
    require_sandbox: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Check:
    """Run the baseline over a few seeds and try cheats on the evaluator; return what that tells. No campaign is made.

    Args:
        problem: a problem, or what `load_problem` takes.
        seeds: on how many the baseline runs; None: 5, or 1 if the metric is exact.
        budget: the ceiling of the campaign whose cost is estimated; None: 100 experiments.
        device_price: dollars for an hour of one device (a GPU, or a core where the problem needs no GPU).
        cheats: whether to try them.
        slots: attempts side by side; None: as many as the machine has cores or devices for.
        told: hears what is being done, for people.

    Raises:
        UserError: the problem is broken, its baseline does not measure, or an argument cannot be.
        ExecutorError: the machine failed.
    """
    check_kind("problem", problem, Problem | str | Path, "a problem, its folder or its name")
    found = problem if isinstance(problem, Problem) else load_problem(problem)
    limits = (budget or Budget(experiments=100)).limits
    for name, value, most in (("seeds", seeds, MOST_SEEDS), ("slots", slots, 4096)):
        if value is not None and not 1 <= value <= most:
            raise UserError(f"A check needs 1 to {most} {name}, not {value}.")
    if limits.experiments is not None and limits.experiments < 1:
        raise UserError(f"The cost of {limits.experiments} experiments cannot be told: give --experiments 1 or more.")
    if device_price is not None and not 0 <= device_price < float("inf"):
        raise UserError(f"A price for an hour is a number of dollars, 0 or more, not {device_price}.")
    wishes = Wishes(seeds, limits.experiments, limits.wall_s, device_price, cheats)
    places = slots or default_slots(found.spec.resources.cpus, found.spec.resources.gpus)
    around = look_around(found, told)
    with workshop() as folder:

        def walls(nodes: dict[str, str]) -> Walls:
            services = bool(found.spec.services)
            return choose_walls(sandbox, folder, nodes, required=require_sandbox, service=services, needs=around.needs)

        def open_executor(longest_s: float | None) -> closing[LocalExecutor]:
            return closing(open_trial_executor(folder, found, around, places, walls, told, longest_s))

        home = [] if found.folder is None else [str(found.folder.resolve())]
        hidden = hidden_of(found, [str(folder / "trusted"), *home], _kept_from_candidates(found, around))
        return examine(found, open_executor, places, wishes, hidden, folder.name, told)


def _kept_from_candidates(problem: Problem, around: Surroundings) -> list[str]:
    """Return where the data lies that no stage may see that runs candidates' code."""
    trusted = {stage.name for stage in problem.spec.stages if stage.trusted}
    given = (each for each in around.given if each.name and set(each.stages) <= trusted)
    return [place for each in given for place in each.places]
