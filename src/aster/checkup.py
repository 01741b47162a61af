"""`aster check`: a problem is tried before a campaign, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from aster.app import trial_executor
from aster.campaign.budget import Budget
from aster.checking.bench import workshop
from aster.checking.examine import Wishes, examine
from aster.checking.impostors import hidden_of
from aster.checking.report import Check
from aster.errors import UserError
from aster.execution.local import LocalExecutor
from aster.problems.problem import Problem, load_problem
from aster.sandbox.layers import SandboxName
from aster.setup import check_kind, default_slots

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
    with workshop() as folder:

        def open_executor(longest_s: float | None) -> closing[LocalExecutor]:
            return closing(trial_executor(found, folder, places, sandbox, require_sandbox, longest_s))

        hidden = hidden_of(found, [str(folder / "trusted"), *_home(found)], _data(found))
        return examine(found, open_executor, places, wishes, hidden, folder.name, told)


def _home(problem: Problem) -> list[str]:
    """Return the folder that the problem was read from, if it is known."""
    folder = Path(problem.source).expanduser()
    return [str(folder.resolve())] if folder.is_dir() else []


def _data(problem: Problem) -> list[str]:
    """Return where the data lies that candidates' stages may not see."""
    trusted = {stage.name for stage in problem.spec.stages if stage.trusted}
    home = Path(problem.source).expanduser()
    return [
        str((home / Path(each.path).expanduser()).resolve())
        for each in getattr(problem.spec, "data", ())
        if set(each.visible) <= trusted
    ]
