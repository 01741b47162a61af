"""The agents of a campaign, wired: who carries out assignments, and by which client models are asked."""

from __future__ import annotations

from collections.abc import Callable

from aster.board import Board
from aster.campaign.clock import Clock
from aster.campaign.crew import Crew
from aster.domain.trees import unpack_tree
from aster.problems.problem import Problem


def hire(board: Board, problem: Problem, get_blob: Callable[[str], bytes], clock: Clock) -> Crew:
    """Return the crew of a campaign that has models; none of its agents is at work yet.

    Raises:
        UserError: a model cannot be asked: no such provider, or no key for it.
    """
    from aster.agents.crew import Agents  # imported late: they load pydantic-ai, and most campaigns have no agents
    from aster.llm.client import PydanticClient
    from aster.llm.retry import pause_s

    client = PydanticClient()
    for model in board.setup.models:
        client.check(model)
    return Crew(
        board,
        Agents(problem, one_shot=board.setup.one_shot, checks=problem.spec.has_check),
        client,
        pause=pause_s,
        get_blob=get_blob,
        files_of=lambda candidate: unpack_tree(candidate.tree, get_blob),
        clock=clock,
    )
