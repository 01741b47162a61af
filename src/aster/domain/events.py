"""The events of the ledger: the only thing that is ever stored.

*Facts* happened whether we like it or not; each has a natural key, so that recording one twice changes nothing.
*Decisions* are made by the campaign's one decider and are fenced by its term. Every event is a tagged record:
its JSON holds its kind under "type". A field that is added later gets a default, so old ledgers stay readable;
a change that a default cannot express gets a new kind.
"""

from __future__ import annotations

from typing import get_args

import msgspec
from msgspec import Struct

from aster.domain.records import (
    Candidate,
    Claim,
    Decided,
    Direction,
    Experiment,
    Finding,
    Hypothesis,
    Outcome,
    Setup,
)
from aster.domain.research import Ask, Assignment, Call, Ending, Settled, Waiting
from aster.domain.research import Result as Handed

# --- decisions -------------------------------------------------------------------------------------------


class CampaignOpened(Struct, frozen=True, tag=True):
    """The first event. `snapshot` is the blob of a JSON object, path -> blob, of the whole problem folder.

    `origin` is where that folder lies, relative to the campaign's; "" for a built-in problem. `data`: name ->
    fingerprint of what the problem reads and no snapshot holds.
    """

    campaign: str
    setup: Setup
    snapshot: str
    origin: str = ""
    data: dict[str, str] = {}


class TermStarted(Struct, frozen=True, tag=True):
    """A process took the campaign over, on this kind of hardware, with this sandbox around candidate code."""

    term: int
    hardware: str
    host: str
    pid: int
    version: str
    sandbox: str = ""


class DecisionTaken(Struct, frozen=True, tag=True):
    """Decision `number` begins; it sees outcomes of decisions up to `sees` (None: all that have arrived).

    `elapsed` is the campaign's active wall time in seconds over all its terms. `heard`: how many of the texts by which
    the campaign is steered it knows, which other processes write and it hears of late; None: all before it.
    """

    number: int
    sees: int | None
    elapsed: float
    heard: int | None = None


class DirectionOpened(Struct, frozen=True, tag=True):
    direction: Direction


class DirectionRetired(Struct, frozen=True, tag=True):
    direction: str
    reason: str


class HypothesisProposed(Struct, frozen=True, tag=True):
    hypothesis: Hypothesis


class CandidateAdded(Struct, frozen=True, tag=True):
    candidate: Candidate


class ExperimentPlanned(Struct, frozen=True, tag=True):
    """The experiment is paid for from the budget from here on."""

    experiment: Experiment


class AttemptStarted(Struct, frozen=True, tag=True):
    """Attempt `attempt` ("EXPERIMENT.NUMBER") is about to be handed to the executor."""

    attempt: str
    experiment: str


class FindingRecorded(Struct, frozen=True, tag=True):
    finding: Finding


class EliteNamed(Struct, frozen=True, tag=True):
    """`candidate` is now the elite of archive cluster `cluster`."""

    cluster: int
    candidate: str


class ArchiveReclustered(Struct, frozen=True, tag=True):
    """The archive was clustered afresh over `size` candidates.

    `centroids[k]` is a point in standardised descriptor space, `(x - shift) / scale`; `elites[k]` its best candidate.
    """

    size: int
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    centroids: tuple[tuple[float, ...], ...]
    elites: tuple[str, ...]


class ClaimOpened(Struct, frozen=True, tag=True):
    claim: Claim


class ClaimDecided(Struct, frozen=True, tag=True):
    """A confirmed verdict makes the claim's candidate the champion."""

    decided: Decided


class AssignmentGiven(Struct, frozen=True, tag=True):
    """An agent may begin."""

    assignment: Assignment


class DirectionFunded(Struct, frozen=True, tag=True):
    """The planner would have a direction get `weight` times what it would get by itself."""

    direction: str
    weight: float


class AssignmentCutOff(Struct, frozen=True, tag=True):
    """An agent is to stop where it is, for `reason`; that it has is recorded as its assignment's end."""

    assignment: str
    reason: str


class AskAnswered(Struct, frozen=True, tag=True):
    """An agent's request for an experiment is granted as `experiment`; None: it is refused, for `reason`.

    `hypothesis`: what was recorded for it; None where the experiment was run before, for somebody else, or `own`: it
    was planned for this request, and tests no hypothesis.
    """

    ask: str
    experiment: str | None
    hypothesis: str | None = None
    reason: str = ""
    own: bool = False


class ResultTaken(Struct, frozen=True, tag=True):
    """What an assignment handed back has been acted upon, by the decisions before this one in the same step.

    `refused`: what in it could not be, in words. `fruitful`: whether anything came of it.
    """

    assignment: str
    refused: tuple[str, ...] = ()
    fruitful: bool = False


class CampaignEnded(Struct, frozen=True, tag=True):
    """Nothing more will be done in this term; `elapsed` as in DecisionTaken."""

    reason: str
    elapsed: float = 0.0


# --- facts -----------------------------------------------------------------------------------------------


class OutcomeRecorded(Struct, frozen=True, tag=True):
    outcome: Outcome


class AttemptLost(Struct, frozen=True, tag=True):
    """The attempt came to nothing through no fault of its candidate: its keeper died, its machine restarted."""

    attempt: str
    experiment: str
    reason: str


class MergeConflicted(Struct, frozen=True, tag=True):
    """These ideas do not merge; the same composition is not tried again."""

    ideas: tuple[str, ...]
    path: str


class Heartbeat(Struct, frozen=True, tag=True):
    """The campaign was alive at `elapsed` seconds of active wall time, in term `term`; these model calls waited."""

    term: int
    elapsed: float
    waiting: tuple[Waiting, ...] = ()


class StopRequested(Struct, frozen=True, tag=True):
    """Somebody asked the campaign to end; `request` tells one asking from another."""

    request: str
    reason: str


class CallReserved(Struct, frozen=True, tag=True):
    """A model call is about to be made; its worst cost counts as spent until it is settled."""

    call: Call


class CallSettled(Struct, frozen=True, tag=True):
    settled: Settled


class StepRecorded(Struct, frozen=True, tag=True):
    """What a step of an agent that reaches beyond its own head came to; `key` is "AGENT/TURN/CALL", `result` a blob.

    An agent that is run again takes it from here.
    """

    key: str
    result: str


class ExperimentAsked(Struct, frozen=True, tag=True):
    ask: Ask


class AssignmentEnded(Struct, frozen=True, tag=True):
    """An agent is through; `result` is there if it is done. `reason`: why not, in words."""

    assignment: str
    ending: Ending
    result: Handed | None = None
    reason: str = ""


class ModelCutOff(Struct, frozen=True, tag=True):
    """A model is asked no more: in this term, or (`for_good`: it is not to be trusted) in this campaign."""

    model: str
    reason: str
    for_good: bool = False
    term: int = 0


class SteeringGiven(Struct, frozen=True, tag=True):
    """A person tells the planner something; `request` tells one time from another."""

    request: str
    text: str


Decision = (
    CampaignOpened
    | TermStarted
    | DecisionTaken
    | DirectionOpened
    | DirectionRetired
    | HypothesisProposed
    | CandidateAdded
    | ExperimentPlanned
    | AttemptStarted
    | FindingRecorded
    | EliteNamed
    | ArchiveReclustered
    | ClaimOpened
    | ClaimDecided
    | AssignmentGiven
    | AssignmentCutOff
    | DirectionFunded
    | AskAnswered
    | ResultTaken
    | CampaignEnded
)
Fact = (
    OutcomeRecorded
    | AttemptLost
    | MergeConflicted
    | Heartbeat
    | StopRequested
    | CallReserved
    | CallSettled
    | StepRecorded
    | ExperimentAsked
    | AssignmentEnded
    | ModelCutOff
    | SteeringGiven
)
Event = Decision | Fact

FACTS = get_args(Fact)
FORMAT = 1
"""The version written beside every event; a ledger with a higher one was written by a newer Aster."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder(order="deterministic")


class Entry(Struct, frozen=True):
    """An event with its place: `position` counts from 1 without gaps, `time` is Unix seconds, `term` its decider's."""

    position: int
    term: int
    time: float
    event: Event


def encode(event: Event) -> bytes:
    """Return the event as canonical JSON."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """Return the event held in `data`.

    Raises:
        msgspec.ValidationError: the bytes are not an event of this format.
    """
    return _decoder.decode(data)


def natural_key(event: Event) -> str | None:
    """Return the key under which a fact is recorded once, or None for a decision."""
    match event:
        case OutcomeRecorded(outcome=outcome):
            return f"attempt:{outcome.attempt}"
        case AttemptLost(attempt=attempt):
            return f"attempt:{attempt}"  # shared with outcomes: an attempt ends once
        case MergeConflicted(ideas=ideas):
            return "conflict:" + " ".join(ideas)  # names hold no spaces, but a resolution's holds "+"
        case Heartbeat(term=term, elapsed=elapsed):
            return f"beat:{term}:{elapsed:.1f}"
        case StopRequested(request=request):
            return f"stop:{request}"
        case CallReserved(call=call):
            return f"reserve:{call.id}"
        case CallSettled(settled=settled):
            return f"settle:{settled.call}"
        case StepRecorded(key=key):
            return f"step:{key}"
        case ExperimentAsked(ask=ask):
            return f"ask:{ask.id}"
        case AssignmentEnded(assignment=assignment):
            return f"assignment:{assignment}"
        case ModelCutOff(model=model, for_good=for_good, term=term):
            return f"cut-off:{model}" + (f":{term}" if term else "") + (":for good" if for_good else "")
        case SteeringGiven(request=request):
            return f"steer:{request}"
        case _:
            return None
