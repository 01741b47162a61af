"""The agents of a campaign, wired: who carries out assignments, and by which client models are asked."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

from aster.board import Board
from aster.campaign.clock import Clock
from aster.campaign.crew import Crew
from aster.domain.records import Candidate
from aster.domain.research import ModelChoice
from aster.domain.trees import unpack_tree
from aster.problems.problem import Problem

YOUNG = 20_000
"""Objects that are made before the collector looks for cycles among them."""

RATES = "ASTER_RATES"
"""The variable that says what providers take; like a key, it belongs to an account and not to a campaign."""


def check_models(models: Sequence[ModelChoice]) -> None:
    """Refuse, before anything is made, models that cannot be asked, as far as that is known without asking.

    Raises:
        UserError: no such provider, or no key for it.
    """
    if models:
        from aster.llm.client import PydanticClient  # imported late: it loads pydantic-ai

        client = PydanticClient()
        for model in models:
            client.check(model)


def hire(board: Board, problem: Problem, get_blob: Callable[[str], bytes], clock: Clock) -> Crew:
    """Return the crew of a campaign that has models; none of its agents is at work yet.

    Raises:
        UserError: a model cannot be asked: no such provider, or no key for it; or ASTER_RATES says nothing that can be.
    """
    from aster.agents.crew import Agents  # imported late: they load pydantic-ai, and most campaigns have no agents
    from aster.llm.client import PydanticClient
    from aster.llm.limits import Gate
    from aster.llm.parse import parse_rates
    from aster.llm.retry import pause_s

    gate = Gate(parse_rates(os.environ.get(RATES, "").split()))
    client = PydanticClient()
    for model in board.setup.models:
        client.check(model)
    return Crew(
        board,
        Agents(problem, one_shot=board.setup.one_shot, checks=problem.spec.has_check),
        client,
        pause=pause_s,
        get_blob=get_blob,
        files_of=files_reader(get_blob),
        clock=clock,
        gate=gate,
    )


def files_reader(get_blob: Callable[[str], bytes]) -> Callable[[Candidate], Mapping[str, bytes]]:
    """Return what reads a candidate's editable files; of those read last they are kept, since many agents start from
    the same few."""

    @lru_cache(maxsize=32)
    def read(tree: str) -> Mapping[str, bytes]:
        return unpack_tree(tree, get_blob)

    return lambda candidate: read(candidate.tree)


@contextmanager
def seldom_collecting(agents: int) -> Iterator[None]:
    """Have the collector look for cycles seldom while agents work side by side, if there are any.

    Each call makes thousands of objects that are soon gone. Looking after every 700 of them, among all that the others
    have in flight, takes a third of a call's processor time.
    """
    before = gc.get_threshold()
    if agents and before[0] > 0:  # 0: somebody has switched it off
        gc.set_threshold(max(before[0], YOUNG), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
