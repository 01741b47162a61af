"""What the board keeps of research by language models: who does what, what was said, what it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aster.board.agents import AskState, AssignmentState, Bill, Line, ModelState, Path, Waits
from aster.domain import events as ev
from aster.domain.records import Candidate, Direction, Experiment, Finding, Hypothesis
from aster.domain.research import Call, Handoff, Note, Plan, Settled, Veto

CEILING = "ceiling: "
"""How the reason of an assignment begins that ended because the campaign's money or tokens for models did."""

CRITIC = ".critic"
"""Behind an assignment's id: the agent that is its critic."""

MOST_HANDED = 2
"""Subagents that may have the same hypothesis, one after the other, where the first came to nothing."""


class Research:
    """The fold of all events of agents. Reading and folding one costs O(1)."""

    def __init__(self) -> None:
        self.assignments: dict[str, AssignmentState] = {}
        self.live: dict[str, None] = {}
        """Assignments under way, oldest first."""
        self.untaken: dict[str, None] = {}
        """Assignments that have ended and were not acted upon, oldest first."""
        self.asks: dict[str, AskState] = {}
        self.open_asks: dict[str, None] = {}
        """Requests without an answer, oldest first."""
        self.open_runs = 0
        """How many of them are for experiments, not for checks."""
        self.owed: set[str] = set()
        """Subagents at work that have asked for no experiment yet."""
        self.calls: dict[str, Call] = {}
        """Calls that are reserved and not settled."""
        self.paths: dict[str, Path] = {}
        """By agent, what it is to be run again with; of live assignments."""
        self.bill = Bill()
        self.waits = Waits()
        self.models: dict[str, ModelState] = {}
        self.lines: dict[str, Line] = {}
        """By direction, those that agents work in."""
        self.notes: list[tuple[str, Note]] = []
        """(assignment, what its subagent handed back), oldest first."""
        self.vetoes: list[tuple[str, Veto]] = []
        """(direction, draft that was turned down), oldest first; "": it was the first of a direction to be opened."""
        self.plans: list[tuple[str, Plan]] = []
        """(assignment, plan), oldest first."""
        self.planner: str | None = None
        """The planner's assignment, while it is under way."""
        self.planned_at = 0
        """How many notes there were when the planner last handed back."""
        self.barren = 0
        """Plans in a row that nothing came of."""
        self.failures = 0
        """Assignments in a row that came to nothing, by the provider's or the model's doing."""
        self.last_failure = ""
        self.ceiling = ""
        """Which ceiling on models has no room for another call; "" while none is known to be reached."""
        self.granted = 0
        """Search experiments that were planned for agents, or for combinations of what they made."""
        self.merged: dict[str, None] = {}
        """Combinations that merged by themselves and have no experiment yet, oldest first."""
        self.handed: dict[str, int] = {}
        """Drafted hypothesis -> how many subagents have had it."""
        self.steering: list[str] = []
        self.heard = 0
        """How many of these decisions know. Other processes write them, so the ledger has them before they are heard,
        and decisions that do not know them yet behind them."""
        self.steered = 0
        """How many of these the planner was told."""
        self.hypothesis_of: dict[str, str] = {}
        """Hypothesis of an asked experiment -> its assignment."""
        self.news = False
        """Whether anything has come since the last decision that could change what is decided."""

    # --- reading -----------------------------------------------------------------------------------------

    def fits(self, limit_usd: float | None, limit_tokens: int | None, usd: float, tokens: int) -> bool:
        """Whether a call that costs at most so much has room below the ceilings (None: no ceiling)."""
        bill = self.bill
        return (limit_usd is None or bill.usd + bill.reserved_usd + usd <= limit_usd) and (
            limit_tokens is None or bill.tokens + bill.reserved_tokens + tokens <= limit_tokens
        )

    def model(self, name: str) -> ModelState:
        """Return how a model has done."""
        return self.models.setdefault(name, ModelState())

    def path(self, agent: str) -> Path:
        """Return what an agent went through; empty for one that is through, or has not begun."""
        return self.paths.get(agent) or Path()

    # --- folding -----------------------------------------------------------------------------------------

    def term_started(self) -> None:
        """Somebody runs the campaign again, and may have mended what kept models from answering."""
        self.failures, self.waits.now = 0, ()
        for model in self.models.values():
            if not model.for_good:
                model.cut_off = ""

    def decision_taken(self, heard: int | None) -> None:
        """A decision looks at everything that has come; `heard` as in its event."""
        self.heard = len(self.steering) if heard is None else heard
        self.news = self.heard < len(self.steering)

    def direction_opened(self, direction: Direction) -> None:
        """Take in a direction, if agents work in it."""
        if direction.by:
            self.lines[direction.id] = Line(direction)

    def hypothesis(self, hypothesis: Hypothesis) -> None:
        """Take in a drafted hypothesis; versions of one (`of`) are a subagent's own."""
        line = self.lines.get(hypothesis.direction)
        if line is not None and hypothesis.of is None:
            line.drafts.append(hypothesis.id)

    def candidate(self, candidate: Candidate) -> None:
        """Take in a candidate that waits for its first experiment."""
        if candidate.author == "merge":
            self.merged[candidate.id] = None

    def planned(self, experiment: Experiment) -> None:
        """Take in a search experiment."""
        if experiment.candidate in self.merged:
            del self.merged[experiment.candidate]
            self.granted += 1

    def finding(self, finding: Finding) -> None:
        """Credit whoever asked for the experiment."""
        assignment = self.hypothesis_of.get(finding.hypothesis)
        if assignment is not None and finding.success and finding.gain is not None:
            self.assignments[assignment].gain += finding.gain

    def _given(self, event: ev.AssignmentGiven) -> None:
        record = event.assignment
        self.assignments[record.id] = AssignmentState(record)
        self.live[record.id] = None
        if record.role == "subagent":
            self.owed.add(record.id)
        if record.role == "planner":
            self.planner = record.id
            self.steered = self.heard
        line = self.lines.get(record.direction or "")
        if line is None:
            return
        line.busy.add(record.id)
        if record.role == "worker":
            line.worker, line.back = record.id, 0
        elif record.hypothesis is not None:
            self.handed[record.hypothesis] = self.handed.get(record.hypothesis, 0) + 1
            if record.hypothesis in line.drafts:
                line.drafts.remove(record.hypothesis)

    def _funded(self, event: ev.DirectionFunded) -> None:
        self.lines[event.direction].weight = event.weight

    def _asked(self, event: ev.ExperimentAsked) -> None:
        self.asks[event.ask.id] = AskState(event.ask)
        self.open_asks[event.ask.id] = None
        if not event.ask.quick:
            self.open_runs += 1
            self.owed.discard(event.ask.assignment)
        self.assignments[event.ask.assignment].asks.append(event.ask.id)
        self.news = True

    def _answered(self, event: ev.AskAnswered) -> None:
        state = self.asks[event.ask]
        state.answered, state.experiment, state.reason = True, event.experiment, event.reason
        state.own = event.own
        self._close(event.ask)
        if event.hypothesis is not None:
            self.hypothesis_of.setdefault(event.hypothesis, state.record.assignment)
        if event.hypothesis is not None or event.own:
            self.assignments[state.record.assignment].experiments += 1
            self.granted += 1

    def _close(self, ask: str) -> None:
        if ask in self.open_asks:
            del self.open_asks[ask]
            self.open_runs -= not self.asks[ask].record.quick

    def _cut(self, event: ev.AssignmentCutOff) -> None:
        self.assignments[event.assignment].cut_off = event.reason

    def _ended(self, event: ev.AssignmentEnded) -> None:
        state = self.assignments[event.assignment]
        if state.ending is not None:
            return
        state.ending, state.result, state.reason = event.ending, event.result, event.reason
        self.live.pop(event.assignment, None)
        self.owed.discard(event.assignment)
        self.untaken[event.assignment] = None
        self.news = True
        for ask in state.asks:
            self._close(ask)
        for agent in (event.assignment, f"{event.assignment}{CRITIC}"):
            self.paths.pop(agent, None)
        fruitless = event.ending in ("failed", "spent") and not state.experiments
        self.failures = self.failures + 1 if fruitless else 0
        self.last_failure = event.reason
        if event.ending == "spent" and event.reason.startswith(CEILING):
            self.ceiling = event.reason
        record = state.record
        if record.role == "subagent" and event.ending != "cancelled":
            self.model(record.model).yields.append((state.gain, state.usd))
        if record.role == "planner":
            self.planner, self.planned_at = None, len(self.notes)
        self._hand_back(state)

    def _hand_back(self, state: AssignmentState) -> None:
        record, result = state.record, state.result
        line = self.lines.get(record.direction or "")
        if line is not None:
            line.busy.discard(record.id)
            line.back += record.role == "subagent"
            if line.worker == record.id:
                line.worker = None
                line.barren += result is None
            lacking = state.ending in ("failed", "cancelled") and not state.experiments
            if record.hypothesis is not None and lacking and self.handed[record.hypothesis] < MOST_HANDED:
                line.drafts.append(record.hypothesis)
        match result:
            case Plan():
                self.plans.append((record.id, result))
                self.vetoes += [("", veto) for veto in result.vetoed]
            case Handoff() if line is not None:
                line.handoff = result
                line.barren = 0 if result.drafts else line.barren + 1
                self.vetoes += [(line.record.id, veto) for veto in result.vetoed]
            case Note():
                self.notes.append((record.id, result))

    def _taken(self, event: ev.ResultTaken) -> None:
        state = self.assignments[event.assignment]
        state.taken, state.refused = True, event.refused
        if state.record.role == "planner":
            self.barren = 0 if event.fruitful else self.barren + 1
        self.untaken.pop(event.assignment, None)

    def _reserved(self, event: ev.CallReserved) -> None:
        call = event.call
        self.calls[call.id] = call
        self.waits.add(call)
        self.bill.reserved_usd += call.usd
        self.bill.reserved_tokens += call.tokens
        agent, turn, _ = call.id.split("/")
        state = self.assignments[agent.partition(".")[0]]
        state.requests += 1
        state.open_usd += call.usd
        state.open_tokens += call.tokens
        if state.ending is None:
            tries = self.paths.setdefault(agent, Path()).tries
            tries[int(turn)] = tries.get(int(turn), 0) + 1

    def _settle(self, event: ev.CallSettled) -> None:
        settled = event.settled
        call = self.calls.pop(settled.call, None)
        if call is None:
            return
        bill = self.bill
        bill.reserved_usd = max(0.0, bill.reserved_usd - call.usd) if self.calls else 0.0
        bill.reserved_tokens -= call.tokens
        bill.usd += settled.usd
        bill.over_usd += settled.over_usd
        self.waits.openings += settled.opened
        # As with dollars, no more than was reserved is charged, whatever is reported.
        tokens = min(settled.tokens.total, call.tokens) if settled.status != "unknown" else call.tokens
        bill.tokens += tokens
        agent, turn, _ = call.id.split("/")
        state = self.assignments[agent.partition(".")[0]]
        state.usd += settled.usd
        state.tokens += tokens
        state.open_tokens -= call.tokens
        state.open_usd = state.open_usd - call.usd if state.open_tokens else 0.0
        line = self.lines.get(state.record.direction or "")
        if line is not None:
            line.usd += settled.usd
        if settled.status == "answered" and state.ending is None:
            self.paths.setdefault(agent, Path()).answers[int(turn)] = settled
        self._judge(call.model, settled, tokens)

    def _judge(self, name: str, settled: Settled, tokens: int) -> None:
        model = self.model(name)
        model.usd += settled.usd
        model.tokens += tokens
        if settled.status == "answered":
            model.answered += 1
            model.troubles = 0
            return
        model.refused += settled.status == "refused"
        model.unknown += settled.status == "unknown"
        model.troubles += 1
        model.last_error = settled.error

    def _step(self, event: ev.StepRecorded) -> None:
        agent = event.key.partition("/")[0]
        if agent.partition(".")[0] in self.live:
            self.paths.setdefault(agent, Path()).steps[event.key] = event.result

    def _cut_off(self, event: ev.ModelCutOff) -> None:
        model = self.model(event.model)
        model.cut_off, model.for_good = event.reason, model.for_good or event.for_good
        self.news = True

    def _steer(self, event: ev.SteeringGiven) -> None:
        self.steering.append(event.text)
        self.news = True


RESEARCH_FOLDS: dict[type, Callable[[Research, Any], None]] = {
    ev.AskAnswered: Research._answered,
    ev.AssignmentCutOff: Research._cut,
    ev.AssignmentGiven: Research._given,
    ev.DirectionFunded: Research._funded,
    ev.ResultTaken: Research._taken,
    ev.CallReserved: Research._reserved,
    ev.CallSettled: Research._settle,
    ev.StepRecorded: Research._step,
    ev.ExperimentAsked: Research._asked,
    ev.AssignmentEnded: Research._ended,
    ev.ModelCutOff: Research._cut_off,
    ev.SteeringGiven: Research._steer,
}

__all__ = ["RESEARCH_FOLDS", "AskState", "AssignmentState", "Bill", "Line", "ModelState", "Path", "Research"]
