"""A small agent, and the ledger that its work leaves: for tests of transcripts and replays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aster.agents.protocol import Desk, Granted, Spent, Unanswered
from aster.board import Board
from aster.domain import events as ev
from aster.domain.ids import blob_id
from aster.domain.records import Candidate, Outcome
from aster.domain.research import (
    Allowance,
    Ask,
    Assignment,
    Call,
    CallStatus,
    Ending,
    Note,
    Result,
    Role,
    Settled,
    Tokens,
)
from aster.llm.chain import Chain
from aster.llm.protocol import Returned, Said, Told, ToolCall, ToolSpec

LOOK = ToolSpec("look", "Look at the board.", {"type": "object", "properties": {}})
ASK = Ask("a-1.1", "a-1", "c-new", "tree", "c-0", "more of A", "to see whether A helps")
GIVEN = Assignment("a-1", "subagent", "fake:m", Allowance(9, 9999, 3), blob_id(b"Work."), blob_id(b"Brief."), "d-1")


class Agent:
    """Looks, has its critic think, asks for an experiment, and hands back a note. Options make it another agent."""

    def __init__(
        self,
        instructions: str = "Work.",
        told: str = "",
        tree: str = "tree",
        note: str = "A helps",
        looks: int = 1,
        fault: bool = False,
    ) -> None:
        self.instructions, self.told, self.tree, self.note = instructions, told, tree, note
        self.looks, self.fault = looks, fault

    async def __call__(self, desk: Desk) -> Result:
        """Work."""
        me = desk.assignment.id
        chain = Chain(self.instructions, (LOOK,))
        chain.add(Told(desk.brief + self.told))
        for turn in range(1, self.looks + 1):
            said = await desk.call(me, turn, chain, role="subagent", max_output=100, must_call=False)
            for number, call in enumerate(said.calls, 1):
                text = await desk.step(me, turn, number, _now)
                chain.add(Returned(call.id, call.name, text))
        critic = Chain("Doubt.", ())
        critic.add(Told("Is A worth it?"))
        await desk.call(f"{me}.critic", 1, critic, role="critic", max_output=100, must_call=False)
        if self.fault:
            raise KeyError("a bug")
        ask = Ask(f"{me}.1", me, "c-new", self.tree, "c-0", "more of A", "to see whether A helps")
        granted = await desk.experiment(ask, {})
        chain.add(Told(f"experiment: {granted.reason or granted.outcome}"))
        last = await desk.call(me, self.looks + 1, chain, role="subagent", max_output=100, must_call=True)
        return Note(f"{self.note}: {last.text}")


async def _now() -> str:
    return "the board as it is now"


class RecordingDesk:
    """Writes what an agent does as a campaign's ledger would have it.

    Args:
        refuse: turns of the agent itself whose first try is refused.
        most: calls that are allowed.
        silent: the turn that is never answered.
        stop: raise this instead of answering the request for an experiment.
    """

    def __init__(
        self, *, refuse: tuple[int, ...] = (), most: int = 99, silent: int = 0, stop: BaseException | None = None
    ) -> None:
        self.events: list[ev.Event] = [ev.AssignmentGiven(GIVEN)]
        self.blobs = {blob_id(data): data for data in (b"Work.", b"Brief.", b"a log")}
        self._refuse, self._most, self._silent, self._stop = refuse, most, silent, stop
        self._calls = 0

    @property
    def assignment(self) -> Assignment:
        return GIVEN

    @property
    def instructions(self) -> str:
        return "Work."

    @property
    def brief(self) -> str:
        return "Brief."

    async def call(self, agent: str, turn: int, chain: Chain, *, role: Role, max_output: int, must_call: bool) -> Said:
        self._calls += 1
        if self._calls > self._most:
            raise Spent("all calls are used")
        own = agent == GIVEN.id
        if own and turn in self._refuse:
            self._try(agent, turn, 1, chain, "refused")
        if own and turn == self._silent:
            self._try(agent, turn, 1, chain, "unknown")
            raise Unanswered("nobody answers")
        call = self._try(agent, turn, 2 if own and turn in self._refuse else 1, chain, "answered")
        calls = (ToolCall("1", "look", "{}"),) if own and not must_call else ()
        said = Said(f"said {call}", calls, raw="{}")
        chain.add(said)
        self.blobs |= chain.take_blobs()
        self.events[-1] = ev.CallSettled(Settled(call, "answered", 0.01, Tokens(90, 10, 60), 0.0, chain.head, "", 1.5))
        return said

    def _try(self, agent: str, turn: int, number: int, chain: Chain, status: CallStatus) -> str:
        name = f"{agent}/{turn}/{number}"
        self.blobs |= chain.take_blobs()
        charged = 0.05 if status == "unknown" else 0.0
        error = "429: too many requests" if status == "refused" else "timed out"
        self.events.append(ev.CallReserved(Call(name, agent, "fake:m", 0.05, 500, chain.head)))
        self.events.append(ev.CallSettled(Settled(name, status, charged, Tokens(), 0.0, None, error, 0.2)))
        return name

    async def step(self, agent: str, turn: int, call: int, make: Callable[[], Awaitable[str]]) -> str:
        data = (await make()).encode()
        self.blobs[blob_id(data)] = data
        self.events.append(ev.StepRecorded(f"{agent}/{turn}/{call}", blob_id(data)))
        return data.decode()

    def search_left(self) -> int | None:
        return None

    async def over(self, agent: str, turn: int) -> str:
        return ""

    async def experiment(self, ask: Ask, blobs: Mapping[str, bytes]) -> Granted:
        self.events.append(ev.ExperimentAsked(ask))
        if self._stop is not None:
            raise self._stop
        self.events.append(ev.AskAnswered(ask.id, None, None, "it was tried before"))
        return Granted(reason="it was tried before")

    def look(self) -> Board:
        raise AssertionError("not in these tests")

    def files(self, candidate: Candidate) -> dict[str, bytes]:
        raise AssertionError("not in these tests")

    def log_of(self, outcome: Outcome) -> str:
        raise AssertionError("not in these tests")

    def entries(self) -> list[ev.Entry]:
        """Return the ledger."""
        return [ev.Entry(place, 1, 0.0, ev.decode(ev.encode(each))) for place, each in enumerate(self.events, 1)]


def work(desk: RecordingDesk, agent: Agent | None = None) -> RecordingDesk:
    """Have an agent do its work, and record its end as a campaign does; returns the desk."""
    ending: Ending = "done"
    result: Result | None = None
    reason = ""
    try:
        result = asyncio.run(_run(desk, agent or Agent()))
    except Spent as error:
        ending, reason = "spent", str(error)
    except Unanswered as error:
        ending, reason = "failed", str(error)
    except KeyError as error:
        ending, reason = "failed", f"a fault of Aster's: {type(error).__name__}: {error}"
    except TimeoutError:
        return desk  # the campaign was killed: no end is recorded
    desk.events.append(ev.AssignmentEnded(GIVEN.id, ending, result, reason))
    return desk


async def _run(desk: Desk, agent: Agent) -> Result:
    return await agent(desk)
