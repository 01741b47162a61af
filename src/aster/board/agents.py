"""What the board keeps for each assignment, request, model and direction of agents; only the fold changes it."""

from __future__ import annotations

from collections import deque

from aster.domain.records import Direction
from aster.domain.research import Ask, Assignment, Call, Ending, Handoff, Result, Settled, WaitCause, Waiting


class AskState:
    """A request for an experiment and its answer."""

    __slots__ = ("answered", "experiment", "own", "reason", "record")

    def __init__(self, record: Ask) -> None:
        self.record = record
        self.answered = False
        self.experiment: str | None = None
        self.own = False
        """Whether the experiment was planned for this request alone, and tests no hypothesis."""
        self.reason = ""


class AssignmentState:
    """An assignment, what it has used so far, and what it came to.

    Attributes:
        gain: the sum of its successes' gains, in the metric's units.
        usd, tokens: settled, its critic's included; `open_usd`, `open_tokens`: reserved by calls under way. `requests`:
            tries.
        cut_off: why it is to stop where it is; "" unless it is.
        taken: its result was acted upon.
    """

    __slots__ = (
        "asks", "cut_off", "ending", "experiments", "gain", "open_tokens", "open_usd", "reason", "record", "refused",
        "requests", "result", "taken", "tokens", "usd",
    )  # fmt: skip

    def __init__(self, record: Assignment) -> None:
        self.record = record
        self.ending: Ending | None = None
        self.result: Result | None = None
        self.reason = self.cut_off = ""
        self.taken = False
        self.refused: tuple[str, ...] = ()
        self.asks: list[str] = []
        self.experiments = 0
        self.requests = 0
        self.usd = 0.0
        self.tokens = 0
        self.open_usd = 0.0
        self.open_tokens = 0
        self.gain = 0.0


class ModelState:
    """How a model has done.

    Attributes:
        yields: (gain, dollars) of each assignment to a subagent that it ended; gains in the metric's units, 0 or more.
        troubles: refused and unknown calls since the last answer.
        cut_off: why it is asked no more, "" while it is. `for_good`: a new term does not change that.
    """

    __slots__ = (
        "answered", "cut_off", "for_good", "last_error", "refused", "tokens", "troubles", "unknown", "usd", "yields",
    )  # fmt: skip

    def __init__(self) -> None:
        self.answered = self.refused = self.unknown = self.troubles = 0
        self.tokens = 0
        self.usd = 0.0
        self.yields: list[tuple[float, float]] = []
        self.cut_off = ""
        self.for_good = False
        self.last_error = ""


class Line:
    """A direction that agents work in, beyond what the board keeps of every direction.

    Attributes:
        drafts: hypotheses that no subagent has, oldest first.
        weight: how much more or less than others the planner would give it.
        busy: assignments under way. `worker`: the worker's, while it is under way.
        back: how many subagents have come back since the worker last handed off.
        barren: how many times in a row the worker had nothing to propose.
    """

    __slots__ = ("back", "barren", "busy", "drafts", "handoff", "record", "usd", "weight", "worker")

    def __init__(self, record: Direction) -> None:
        self.record = record
        self.drafts: deque[str] = deque()
        self.weight = 1.0
        self.busy: set[str] = set()
        self.worker: str | None = None
        self.back = 0
        self.barren = 0
        self.handoff: Handoff | None = None
        self.usd = 0.0


class Path:
    """What an agent went through so far, as far as it is needed to bring another run of it to the same place.

    Attributes:
        answers: its answered calls, by turn. `tries`: calls that were reserved for a turn, over all terms.
        steps: its recorded steps, key -> blob.
    """

    __slots__ = ("answers", "steps", "tries")

    def __init__(self) -> None:
        self.answers: dict[int, Settled] = {}
        self.tries: dict[int, int] = {}
        self.steps: dict[str, str] = {}


class Waits:
    """How long calls waited, and who waits now.

    Attributes:
        now: who waits, as it was last told; the end of a campaign, and a new term, begin with nobody.
        seconds: that calls waited before they were made, by cause; of calls that wait still, nothing.
        retries: calls that were made because the one before came to nothing. `openings`: of breakers.
    """

    __slots__ = ("now", "openings", "retries", "seconds")

    def __init__(self) -> None:
        self.now: tuple[Waiting, ...] = ()
        self.seconds: dict[WaitCause, float] = {}
        self.retries = self.openings = 0

    def add(self, call: Call) -> None:
        """Take in a call that is made now."""
        self.retries += not call.id.endswith("/1")
        for cause, seconds in call.waited.items():
            self.seconds[cause] = self.seconds.get(cause, 0.0) + seconds


class Bill:
    """Money and tokens: settled, and reserved by calls that are under way."""

    __slots__ = ("over_usd", "reserved_tokens", "reserved_usd", "tokens", "usd")

    def __init__(self) -> None:
        self.usd = self.reserved_usd = self.over_usd = 0.0
        self.tokens = self.reserved_tokens = 0
