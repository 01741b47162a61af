"""Who carries out which assignment."""

from __future__ import annotations

from aster.agents.oneshot import OneShot
from aster.agents.planner import run_planner
from aster.agents.protocol import AgentRunner, Desk
from aster.agents.subagent import Subagent
from aster.agents.worker import run_worker
from aster.domain.research import Result
from aster.problems.problem import Problem


class Agents:
    """The agents of a campaign on one problem: an `AgentRunner` that picks by the assignment's role."""

    def __init__(self, problem: Problem, *, one_shot: bool = False, checks: bool = False) -> None:
        """Args:
        one_shot: whether subagents answer once with edits, instead of working with tools.
        checks: whether the problem has cheap stages that subagents may run.
        """
        self._problem = problem
        self._subagent: AgentRunner = OneShot(problem) if one_shot else Subagent(problem, checks=checks)

    async def __call__(self, desk: Desk) -> Result:
        """Work until there is a result; see `AgentRunner`."""
        match desk.assignment.role:
            case "planner":
                return await run_planner(desk, self._problem)
            case "worker":
                return await run_worker(desk, self._problem)
            case "subagent":
                return await self._subagent(desk)
            case "critic":
                raise ValueError("a critic has no assignment: a worker asks it")
