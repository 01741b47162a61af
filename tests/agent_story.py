"""A campaign with agents, told by hand: three directions, a planner, a worker, subagents, and a model in trouble."""

from __future__ import annotations

from typing import Any

from aster.domain import events as ev
from aster.domain.records import Candidate, Direction, Experiment, Finding, Hypothesis, Measured, Outcome, Usage
from aster.domain.research import (
    Allowance,
    Ask,
    Assignment,
    Call,
    Draft,
    Handoff,
    ModelChoice,
    Note,
    Plan,
    Price,
    Role,
    Settled,
    Tokens,
    Veto,
)

BIG = ModelChoice("openai:big", Price(1.0, 10.0), ("planner", "worker", "critic"))
SMALL = ModelChoice("openai:small", Price(0.1, 1.0))
MODELS = (BIG, SMALL)

EVIL = "bold \x1b[31m[bold]<script>alert(1)</script>"
"""What a model may write: control characters, markup of terminals and of pages."""


class Story:
    """Writes events one after the other. `measured` values are of the metric."""

    def __init__(self, baseline: str, metric: str, decision: int, tree: str = "t" * 64) -> None:
        self.events: list[ev.Event] = []
        self._baseline, self._metric, self._decision, self._calls = baseline, metric, decision, 0
        self._tree = tree

    def say(self, *events: ev.Event) -> None:
        self.events += events

    def decide(self) -> None:
        """Take a decision, which has heard and seen all that came before."""
        self._decision += 1
        self.say(ev.DecisionTaken(self._decision, None, 2.0 * self._decision))

    def give(self, name: str, role: Role, direction: str | None = None, hypothesis: str | None = None) -> None:
        model = SMALL if role == "subagent" else BIG
        given = Assignment(name, role, model.name, Allowance(9, 10**6, 4), "i" * 64, "b" * 64, direction=direction,
                           hypothesis=hypothesis, parent=self._baseline if hypothesis else None)  # fmt: skip
        self.say(ev.AssignmentGiven(given))

    def call(self, agent: str, model: str, usd: float, tokens: int, **settled: Any) -> None:
        """Have a call reserved at twice what it comes to, and settled unless `settled` is {"status": None}."""
        self._calls += 1
        name = f"{agent}/{self._calls}/1"
        self.say(ev.CallReserved(Call(name, agent, model, 2 * usd, 2 * tokens, "r" * 64)))
        fields: dict[str, Any] = {"status": "answered", "response": "s" * 64} | settled
        if fields["status"] is None:
            return
        if fields["status"] != "answered":
            fields |= {"response": None}
            tokens, usd = 0, 0.0
        used = Tokens(tokens - tokens // 5, tokens // 5)
        self.say(ev.CallSettled(Settled(name, fields.pop("status"), usd, used, **fields)))

    def ask(self, agent: str, direction: str, value: float) -> str:
        """Have a subagent's experiment asked for, granted, run and seen; returns the experiment."""
        number = len(self.events)
        candidate, hypothesis, name, parent = f"c-{number}", f"h-{number}", f"x-{number}", self._baseline
        change = f"wider {direction}"
        self._decision += 1
        self.say(
            ev.ExperimentAsked(Ask(f"{agent}.{number}", agent, candidate, self._tree, parent, change)),
            ev.DecisionTaken(self._decision, None, 2.0 * self._decision),
            ev.HypothesisProposed(Hypothesis(hypothesis, direction, parent, change, "It may help.", of="h-0")),
            ev.CandidateAdded(Candidate(candidate, self._tree, (parent,), "agents", hypothesis, label=change)),
            ev.AskAnswered(f"{agent}.{number}", name, hypothesis),
            ev.ExperimentPlanned(Experiment(name, self._decision, candidate, 7, "search", "cpu: test", hypothesis)),
            ev.AttemptStarted(f"{name}.1", name),
            ev.OutcomeRecorded(
                Outcome(f"{name}.1", name, Measured({self._metric: value}), "cpu: test", Usage(1.0), 0.0, 1.0)
            ),
        )  # fmt: skip
        self.decide()
        gain = 14.0 - value
        self.say(ev.FindingRecorded(Finding(hypothesis, name, f"{change}: found", gain > 0.5, gain)))
        return name


def story(baseline: str = "c-baseline", metric: str = "score", decision: int = 0, tree: str = "t" * 64) -> Story:
    """Return what happened: two directions went well or badly, the third has just been opened; calls are under way."""
    told = Story(baseline, metric, decision, tree)
    told.say(ev.SteeringGiven("start", "begin with the layout"))
    told.decide()
    told.give("a-plan", "planner")
    told.call("a-plan", BIG.name, 0.05, 5_000)
    told.say(ev.AssignmentEnded("a-plan", "done", Plan()), ev.ResultTaken("a-plan"))
    for name, why in (("layout", "Corners are loose."), ("polish", EVIL), ("order", "Untried.")):
        told.say(
            ev.DirectionOpened(
                Direction(f"d-{name}", name, why, "agents", ("solution/a.py",), "half a point", "nobody did", 0.5, 6)
            )
        )
    told.say(ev.DirectionFunded("d-layout", 2.0))
    told.give("a-work", "worker", "d-layout")
    told.call("a-work", BIG.name, 0.02, 2_000)
    told.call("a-work.critic", BIG.name, 0.01, 1_000)
    veto = Veto(Draft("a grid", "It was tried."), "critic", f"tried before {EVIL}")
    handoff = Handoff("six circles moved", "corners matter", "noise is large", (Draft("wider", "w"),), (veto,))
    told.say(ev.AssignmentEnded("a-work", "done", handoff), ev.ResultTaken("a-work"))
    for name, direction, value in (("a-1", "d-layout", 12.0), ("a-2", "d-polish", 14.2)):
        told.give(name, "subagent", direction)
        told.call(name, SMALL.name, 0.004, 4_000)
        told.call(name, SMALL.name, 0.004, 4_000)
        experiment = told.ask(name, direction, value)
        good = Note("wider corners gain 2", (experiment,))
        bad = Note("polish gains 37.5 always", (experiment,), dead_end=True, unbacked=("37.5",), concerns="the seed")
        told.say(ev.AssignmentEnded(name, "done", good if name == "a-1" else bad), ev.ResultTaken(name))
    told.say(ev.DirectionRetired("d-polish", "dry: nothing in it"), ev.SteeringGiven("two", "look at b"))
    told.give("a-3", "subagent", "d-layout")
    told.give("a-4", "subagent", "d-layout")
    for _ in range(3):
        told.call("a-3", SMALL.name, 0.004, 4_000, status="refused", error="429: too many requests")
    told.call("a-3", SMALL.name, 0.004, 4_000, status=None)
    told.call("a-4", SMALL.name, 0.004, 4_000, status=None)
    return told
