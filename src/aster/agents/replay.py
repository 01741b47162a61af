"""Agents run again from the record: a desk that answers from the ledger, and what parts from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Never

from msgspec import Struct, json

from aster.agents.protocol import FAULT, AgentRunner, Granted, Spent, Unanswered, fault_of
from aster.agents.record import Record, Request, Try
from aster.agents.transcript import GetBlob, message_text
from aster.board import Board
from aster.domain.records import Candidate, Outcome
from aster.domain.research import Ask, Assignment, Ending, Result, Role
from aster.domain.trees import unpack_tree
from aster.llm.chain import Chain, read_chain
from aster.llm.protocol import Said

SHOWN = 160
"""Characters of each side of a difference that are shown, from where the two part."""

BEFORE = 24
"""Of these, how many stand before that place."""


class Departure(Struct, frozen=True):
    """The first place where an agent that is run again does something else than the record says.

    Attributes:
        position: in the ledger.
        where: such as "a-12/3, message 4 (read_file returned)" or "a-12.2, tree".
        expected, came: what the record has there, and what came this time.
    """

    position: int
    assignment: str
    role: Role
    where: str
    expected: str
    came: str

    @property
    def text(self) -> str:
        """Where it is and what differs, in one line."""
        head = f"position {self.position}, {self.role} {self.assignment}: {self.where}"
        return f"{head}: expected {self.expected}, and {self.came} came"


class _Parted(BaseException):
    """Ends an agent where it parts from the record; no `except Exception` of an agent is to catch it."""


class _CutOff(BaseException):
    """The record ends here: the agent was under way when the campaign ended."""


class RecordedDesk:
    """The `Desk` of an assignment as it was: all answers are the ledger's, and nothing is asked of anybody.

    What the record does not have is met as it must have been then: an allowance that was used up, a provider that did
    not answer, or a campaign that ended.
    """

    def __init__(self, record: Record, board: Board, get_blob: GetBlob) -> None:
        self._record, self._board, self._get_blob = record, board, get_blob
        self._used: set[str] = set()
        self._turns: set[tuple[str, int]] = set()
        self.missed = ""
        """The first thing that was wanted and is not in the record."""
        self.parted: Departure | None = None
        """Where the agent parted from the record first."""

    @property
    def assignment(self) -> Assignment:
        """What is to be done."""
        return self._record.assignment

    @property
    def instructions(self) -> str:
        """The role's prompt, as it was given."""
        return self._get_blob(self.assignment.instructions).decode()

    @property
    def brief(self) -> str:
        """What the agent was told."""
        return self._get_blob(self.assignment.brief).decode()

    async def call(self, agent: str, turn: int, chain: Chain, *, role: Role, max_output: int, must_call: bool) -> Said:  # noqa: ARG002 - as `Desk` has it
        """Return what the model said then, if it is asked the same."""
        where = f"{agent}/{turn}"
        tries = self._record.turns.get((agent, turn))
        if not tries:
            self._lacking(f"the call {where}")
        self._turns.add((agent, turn))
        answered = self._record.answered(agent, turn)
        shown = answered or tries[-1]
        if shown.call.request != chain.head:
            self._part(self._other_request(where, shown, chain))
        if answered is None or answered.settled is None or answered.settled.response is None:
            self._lacking(f"an answer to the call {where}", unanswered=True)
        _, messages = read_chain(answered.settled.response, self._get_blob)
        said = messages[-1]
        assert isinstance(said, Said), "an answer is something said"
        chain.add(said)
        return said

    async def step(self, agent: str, turn: int, call: int, make: Callable[[], Awaitable[str]]) -> str:  # noqa: ARG002
        """Return what the step came to then."""
        key = f"{agent}/{turn}/{call}"
        blob = self._record.steps.get(key)
        if blob is None:
            self._lacking(f"the step {key}")
        self._used.add(key)
        return self._get_blob(blob).decode()

    async def experiment(self, ask: Ask, blobs: Mapping[str, bytes]) -> Granted:  # noqa: ARG002
        """Return what became of the request then, if it is the same."""
        request = self._record.requests.get(ask.id)
        if request is None:
            self._lacking(f"the request {ask.id}")
        self._used.add(ask.id)
        for field in ask.__struct_fields__:
            old, new = getattr(request.ask, field), getattr(ask, field)
            if old != new:
                place = self._record.places[ask.id]
                self._part(self.departure(place, f"{ask.id}, {field}", *_apart(_text(old), _text(new))))
        return self._granted(request)

    def _granted(self, request: Request) -> Granted:
        answer = request.answer
        if answer is None:
            self._lacking(f"an answer to the request {request.ask.id}")
        if answer.experiment is None:
            return Granted(reason=answer.reason)
        state = self._board.experiments[answer.experiment]
        if not state.seen:
            self._lacking(f"the outcome of {answer.experiment}")
        record, of = state.record, self._board.research.hypothesis_of
        own = record.hypothesis is not None and of.get(record.hypothesis) == self.assignment.id
        return Granted(answer.experiment, state.outcome, known=record.purpose != "check" and not (own or answer.own))

    def search_left(self) -> int | None:
        """Is asked inside steps alone, which are in the record."""
        return None

    async def over(self, agent: str, turn: int) -> str:
        """Return what was said of the end of search then."""
        blob = self._record.steps.get(f"{agent}/{turn}/0")
        if blob is None:
            return ""
        self._used.add(f"{agent}/{turn}/0")
        return self._get_blob(blob).decode()

    def look(self) -> Board:
        """Return the board as it is in the end; what was seen of it then is in the recorded steps."""
        return self._board

    def files(self, candidate: Candidate) -> dict[str, bytes]:
        """Return a candidate's editable files."""
        return unpack_tree(candidate.tree, self._get_blob)

    def log_of(self, outcome: Outcome) -> str:
        """Return the tail of an outcome's log, as text."""
        return self._get_blob(outcome.log).decode(errors="replace") if outcome.log is not None else ""

    # --- where the two part ------------------------------------------------------------------------------

    def departure(self, position: int, where: str, expected: str, came: str) -> Departure:
        """Return a departure of this assignment."""
        return Departure(position, self.assignment.id, self.assignment.role, where, expected, came)

    def _part(self, departure: Departure) -> Never:
        self.parted = self.parted or departure
        raise _Parted

    def unused(self) -> Departure | None:
        """Return the first of what is in the record and was not wanted again, or None."""
        calls = [tries[0].call.id for turn, tries in self._record.turns.items() if turn not in self._turns]
        others = [key for key in (*self._record.steps, *self._record.requests) if key not in self._used]
        left = sorted((self._record.places[each], each) for each in (*calls, *others))
        return self.departure(left[0][0], left[0][1], "this to be wanted", "the end of the agent") if left else None

    def _lacking(self, what: str, unanswered: bool = False) -> Never:
        """Meet what the record does not have as the agent must have met it then."""
        self.missed = self.missed or what
        ended = self._record.ended
        if ended is None or ended.ending == "cancelled":
            raise _CutOff
        if ended.reason.startswith(FAULT):
            raise Unanswered(f"{what} is not in the record")  # it broke down before it wanted this
        if ended.ending == "failed" or (unanswered and ended.ending == "done"):
            raise Unanswered(ended.reason)
        raise Spent(ended.reason)

    def _other_request(self, where: str, shown: Try, chain: Chain) -> Departure:
        """Say where a request differs from the one that was sent."""
        head, messages = read_chain(shown.call.request, self._get_blob)
        place = self._record.places[shown.call.id]
        if head.instructions != chain.instructions:
            return self.departure(place, f"{where}, instructions", *_apart(head.instructions, chain.instructions))
        if head.tools != chain.tools:
            return self.departure(place, f"{where}, tools", *_apart(_text(head.tools), _text(chain.tools)))
        for number, (old, new) in enumerate(zip(messages, chain.messages, strict=False), 1):
            if old != new:
                kind, *_ = message_text(old)
                return self.departure(place, f"{where}, message {number} ({kind})", *_apart(_text(old), _text(new)))
        return self.departure(place, where, f"{len(messages)} messages", str(len(chain.messages)))


async def run_again(record: Record, runner: AgentRunner, board: Board, get_blob: GetBlob) -> Departure | None:
    """Run an agent again on the record, and return where it parts from it, or None.

    Args:
        board: the fold of the whole ledger, for the outcomes of experiments.

    Raises:
        StoreError: as `get_blob` does.
    """
    desk = RecordedDesk(record, board, get_blob)
    ending: Ending = "done"
    result: Result | None = None
    reason = ""
    try:
        result = await runner(desk)
    except (_Parted, _CutOff):
        return desk.parted
    except Spent as error:
        ending, reason = "spent", str(error)
    except Unanswered as error:
        ending, reason = "failed", str(error)
    except Exception as error:  # noqa: BLE001 - a fault of an agent is recorded as its end, so it has to come again
        ending, reason = "failed", fault_of(error)
    return desk.parted or desk.unused() or _other_end(record, desk, ending, result, reason)


def _other_end(
    record: Record, desk: RecordedDesk, ending: Ending, result: Result | None, reason: str
) -> Departure | None:
    """Compare what an agent came to with what is recorded."""
    ended = record.ended
    lacking = f"; {desk.missed} is not in the record" if desk.missed else ""
    if ended is None or ended.ending == "cancelled":
        return desk.departure(record.position, "its end", "none, it was under way", f"{ending} {reason}{lacking}")
    place = record.places[record.assignment.id]
    if ended.ending != ending or ended.reason != reason:
        old, new = (f"{how} {why}".strip() for how, why in ((ended.ending, ended.reason), (ending, reason)))
        return desk.departure(place, "its end", old, f"{new}{lacking}")
    if ended.result != result:
        return desk.departure(place, "its result", *_apart(_text(ended.result), _text(result)))
    return None


def rerun(record: Record, runner: AgentRunner, board: Board, get_blob: GetBlob) -> Departure | None:
    """Do as `run_again`, from outside of an event loop."""
    return asyncio.run(run_again(record, runner, board, get_blob))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.encode(value).decode()


def _apart(old: str, new: str) -> tuple[str, str]:
    """Return both texts from shortly before where they part, quoted and cut."""
    place = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    begin = max(0, place - BEFORE)
    return _quoted(old, begin), _quoted(new, begin)


def _quoted(text: str, begin: int) -> str:
    cut = text[begin : begin + SHOWN]
    return f"{'...' if begin else ''}{cut!r}{'...' if begin + SHOWN < len(text) else ''}"
