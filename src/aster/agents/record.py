"""What a ledger holds of each assignment, gathered in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from aster.domain import events as ev
from aster.domain.research import Ask, Assignment, Call, Settled


class Try(Struct):
    """One try at a model call. `settled`: what it came to; None: it was under way when the ledger ends."""

    call: Call
    settled: Settled | None = None


class Request(Struct):
    """A request for an experiment, and its answer; None: there is none."""

    ask: Ask
    answer: ev.AskAnswered | None = None


class Record(Struct):
    """All of one assignment.

    Attributes:
        position: where in the ledger it was given.
        turns: (agent, turn) -> its tries, oldest first; in the order of the first tries.
        steps: "AGENT/TURN/CALL" -> blob of what the step came to.
        requests: for experiments, by the ask's id.
        places: where in the ledger each call, step and ask was recorded, by its id or key.
        ended: with what result; None: it is under way.
        taken: what decisions made of the result; None: nothing yet.
    """

    assignment: Assignment
    position: int
    turns: dict[tuple[str, int], list[Try]]
    steps: dict[str, str]
    requests: dict[str, Request]
    places: dict[str, int]
    ended: ev.AssignmentEnded | None = None
    taken: ev.ResultTaken | None = None

    @property
    def agents(self) -> list[str]:
        """Whose conversations there are: the assignment's own, and those beside it, such as its critic's."""
        return list(dict.fromkeys(agent for agent, _ in self.turns))

    def answered(self, agent: str, turn: int) -> Try | None:
        """Return the try that brought the answer of a turn, or None."""
        for each in reversed(self.turns.get((agent, turn), ())):
            if each.settled is not None and each.settled.status == "answered" and each.settled.response is not None:
                return each
        return None


def read_records(entries: Iterable[ev.Entry], wanted: Collection[str] | None = None) -> dict[str, Record]:
    """Return the records of assignments by id, in the order in which they were given.

    Args:
        wanted: the assignments to gather; None: all.
    """
    records: dict[str, Record] = {}
    for entry in entries:
        match entry.event:
            case ev.AssignmentGiven(assignment=given) if wanted is None or given.id in wanted:
                records[given.id] = Record(given, entry.position, {}, {}, {}, {})
            case ev.CallReserved(call=call) if (record := records.get(owner_of(call.agent))) is not None:
                record.turns.setdefault(_turn_of(call.id), []).append(Try(call))
                record.places[call.id] = entry.position
            case ev.CallSettled(settled=settled) if (record := records.get(owner_of(settled.call))) is not None:
                _settle(record, settled)
            case ev.StepRecorded(key=key, result=blob) if (record := records.get(owner_of(key))) is not None:
                record.steps[key] = blob
                record.places[key] = entry.position
            case ev.ExperimentAsked(ask=ask) if (record := records.get(ask.assignment)) is not None:
                record.requests[ask.id] = Request(ask)
                record.places[ask.id] = entry.position
            case ev.AskAnswered() as answer if (record := records.get(owner_of(answer.ask))) is not None:
                record.requests[answer.ask].answer = answer
            case ev.AssignmentEnded() as ended if (record := records.get(ended.assignment)) is not None:
                if record.ended is None:
                    record.ended = ended
                    record.places[ended.assignment] = entry.position
            case ev.ResultTaken() as taken if (record := records.get(taken.assignment)) is not None:
                record.taken = taken
    return records


def owner_of(key: str) -> str:
    """Return the assignment that an agent, a call, a step or an ask belongs to."""
    return key.partition("/")[0].partition(".")[0]


def _turn_of(call: str) -> tuple[str, int]:
    agent, turn, _ = call.split("/")
    return agent, int(turn)


def _settle(record: Record, settled: Settled) -> None:
    for each in record.turns.get(_turn_of(settled.call), ()):
        if each.call.id == settled.call:
            each.settled = settled
