"""What an agent stands on: the desk, which makes all that it does durable before it has effects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from aster.board import Board
from aster.domain.records import Candidate, Outcome
from aster.domain.research import Ask, Assignment, DirectionDraft, Result, Role
from aster.llm.chain import Chain
from aster.llm.protocol import Said
from aster.llm.scrub import scrub


class Spent(Exception):
    """The allowance, or a ceiling of the campaign, has no room for what an agent wants to do; the text says which."""


class Unanswered(Exception):
    """The model does not answer, however often it is asked; the text says why."""


FAULT = "a fault of Aster's: "
"""How the reason of an assignment begins that ended by an error in its agent's own code."""

MOST_FAULT = 400
"""Characters of such an error that are kept: it may quote anything."""


def fault_of(error: Exception) -> str:
    """Return the reason of an assignment that an error of the agent's own code ended."""
    return FAULT + scrub(f"{type(error).__name__}: {error}")[:MOST_FAULT]


class Granted(Struct, frozen=True):
    """What became of a request for an experiment.

    Attributes:
        experiment: its id; None: it was refused, for `reason`.
        outcome: what it came to; there unless it was refused.
        known: it had been run before, and cost nothing.
    """

    experiment: str | None = None
    outcome: Outcome | None = None
    reason: str = ""
    known: bool = False


class Desk(Protocol):
    """An agent's way to all that is outside its own head. One is made for each assignment.

    Everything is keyed by (agent, turn, call), recorded before it has effects, and answered from the ledger where it
    is known: an agent that is run again, with the same brief, is back where it was without paying twice. So an agent
    must be deterministic in what the desk gives it: no clock, no randomness, no look at anything else.
    """

    @property
    def assignment(self) -> Assignment:
        """What is to be done."""
        ...

    @property
    def instructions(self) -> str:
        """The text that the assignment's `instructions` name."""
        ...

    @property
    def brief(self) -> str:
        """The text that the assignment's `brief` names."""
        ...

    async def call(self, agent: str, turn: int, chain: Chain, *, role: Role, max_output: int, must_call: bool) -> Said:
        """Ask the model, put what it said at the end of the chain, and return it.

        Args:
            agent: the assignment's id, or that with a suffix for a conversation beside it.
            turn: counts the agent's calls, from 1.
            role: who asks. Its own model is the assignment's; for another role one is chosen.

        Raises:
            Spent: there is no allowance or money left. Unanswered: the provider fails again and again.
        """
        ...

    async def step(self, agent: str, turn: int, call: int, make: Callable[[], Awaitable[str]]) -> str:
        """Return what `make` returns, as it was the first time."""
        ...

    async def experiment(self, ask: Ask, blobs: Mapping[str, bytes]) -> Granted:
        """Ask for an experiment, and wait until it has run or is refused. `blobs`: of its tree.

        Raises:
            Spent: the assignment has no experiments left.
        """
        ...

    def search_left(self) -> int | None:
        """Return about how many experiments the campaign has left for search, beyond those that were asked for; None:
        no limit tells. Only for use inside `step`."""
        ...

    async def over(self, agent: str, turn: int) -> str:
        """Return, after a turn's tool calls, that search is over, in words, or "" while it is not; as it was the first
        time. Not asked again once it is over."""
        ...

    def look(self) -> Board:
        """Return the board as it is now; only for use inside `step`, because it goes on changing."""
        ...

    def files(self, candidate: Candidate) -> dict[str, bytes]:
        """Return a candidate's editable files."""
        ...

    def log_of(self, outcome: Outcome) -> str:
        """Return the tail of an outcome's log, as text."""
        ...


class Briefing(Protocol):
    """What agents are told, and what of their results can be had. Pure: decisions consult it."""

    @property
    def baseline(self) -> Mapping[str, bytes]:
        """The unchanged editable files."""
        ...

    def instructions(self, board: Board, role: Role) -> str:
        """Return the prompt of a role, filled in; the same for all of a campaign's agents of that role."""
        ...

    def brief(self, board: Board, assignment: Assignment) -> str:
        """Return what an agent is told of the campaign as it is now, within a budget of tokens.

        Args:
            assignment: what it is to do, as it will be given; its `brief` is "".
        """
        ...

    def refuse(self, board: Board, draft: DirectionDraft) -> str | None:
        """Return why a direction cannot be opened (no such file, definition or surface; open already), or None."""
        ...

    def surface_paths(self, draft: DirectionDraft) -> tuple[str, ...]:
        """Return what may be edited in a direction: the problem's own paths of its surface, else the draft's."""
        ...

    def combine(self, board: Board, first: str, second: str) -> dict[str, bytes] | None:
        """Return the editable files of `first` with the change of `second` merged in; None if they conflict."""
        ...


class AgentRunner(Protocol):
    """Carries out assignments: the planner's, a worker's, a subagent's."""

    async def __call__(self, desk: Desk) -> Result:
        """Work until there is a result.

        Raises:
            Spent, Unanswered: it came to none.
        """
        ...
