"""The desk of one assignment in a running campaign: what is known is answered from the ledger, the rest is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from aster.agents.protocol import Granted
from aster.board import Board
from aster.campaign.asking import Parted
from aster.campaign.assign import OVER
from aster.campaign.budget import may_search, search_room
from aster.domain import events as ev
from aster.domain.ids import blob_id
from aster.domain.records import Candidate, Outcome
from aster.domain.research import Ask, Assignment, Role
from aster.llm.chain import Chain
from aster.llm.protocol import Said
from aster.llm.scrub import scrubber

if TYPE_CHECKING:
    from aster.campaign.crew import Crew


class CampaignDesk:
    """The `Desk` of an assignment under way."""

    def __init__(self, crew: Crew, assignment: Assignment) -> None:
        self._crew, self._assignment = crew, assignment

    @property
    def assignment(self) -> Assignment:
        """What is to be done."""
        return self._assignment

    @property
    def instructions(self) -> str:
        """The role's prompt."""
        return self._crew.get_blob(self._assignment.instructions).decode()

    @property
    def brief(self) -> str:
        """What the agent is told of the campaign."""
        return self._crew.get_blob(self._assignment.brief).decode()

    async def call(self, agent: str, turn: int, chain: Chain, *, role: Role, max_output: int, must_call: bool) -> Said:
        """Ask the model; see `Desk`."""
        self._crew.check_cut(self._assignment.id)
        known = self._crew.asking.known(agent, turn, chain)
        if known is None:
            prompt = chain.prompt(max_output, must_call)
            known = await self._crew.asking.ask(self._assignment, agent, turn, chain, prompt, role)
        chain.add(known)
        said = chain.messages[-1]  # as it is stored: without secrets
        assert isinstance(said, Said)
        return said

    async def step(self, agent: str, turn: int, call: int, make: Callable[[], Awaitable[str]]) -> str:
        """Return what `make` returned the first time; see `Desk`."""
        key = f"{agent}/{turn}/{call}"
        blob = self._crew.board.research.path(agent).steps.get(key)
        if blob is not None:
            return self._crew.get_blob(blob).decode()
        result = scrubber().hide(await make())
        data = result.encode()
        await self._crew.post(ev.StepRecorded(key, blob_id(data)), {blob_id(data): data})
        return result

    async def experiment(self, ask: Ask, blobs: Mapping[str, bytes]) -> Granted:
        """Ask for an experiment and wait for what it comes to; see `Desk`."""
        crew = self._crew
        known = crew.board.research.asks.get(ask.id)
        if known is None:
            await crew.post(ev.ExperimentAsked(ask), blobs)
        elif known.record != ask:
            raise Parted(f"another version of Aster began it, which asked for another experiment as {ask.id}")
        await crew.answered(ask.id)
        answer = crew.board.research.asks[ask.id]
        if answer.experiment is None:
            return Granted(reason=answer.reason)
        await crew.seen(answer.experiment)
        state = crew.board.experiments[answer.experiment]
        own = state.record.hypothesis is not None and crew.board.research.hypothesis_of.get(state.record.hypothesis)
        others = state.record.purpose != "check" and not answer.own and own != self._assignment.id
        return Granted(answer.experiment, state.outcome, known=others)

    def search_left(self) -> int | None:
        """Return about how many experiments search has left; see `Desk`."""
        return search_room(self._crew.board)

    async def over(self, agent: str, turn: int) -> str:
        """Return that search is over, once it is; see `Desk`."""
        path = self._crew.board.research.path(agent)
        known = f"{agent}/{turn}/0" in path.steps
        if not known and (turn + 1 in path.answers or may_search(self._crew.board)):
            return ""

        async def make() -> str:
            return OVER

        return await self.step(agent, turn, 0, make)

    def look(self) -> Board:
        """Return the board as it is now."""
        return self._crew.board

    def files(self, candidate: Candidate) -> dict[str, bytes]:
        """Return a candidate's editable files."""
        return dict(self._crew.files_of(candidate))

    def log_of(self, outcome: Outcome) -> str:
        """Return the tail of an outcome's log."""
        return self._crew.get_blob(outcome.log).decode(errors="replace") if outcome.log is not None else ""
