"""Boards made by hand, one event at a time, for tests of the pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aster.board import Board
from aster.domain import events as ev
from aster.domain.ids import search_seed
from aster.domain.records import (
    Candidate,
    Change,
    Claim,
    Direction,
    Experiment,
    Failed,
    Finding,
    Goal,
    Hypothesis,
    Knob,
    Limits,
    Measured,
    Objective,
    Outcome,
    Purpose,
    Result,
    Setup,
    Usage,
)

CPU = "cpu: test"
BASELINE = "c-baseline"


def setup(goal: Goal = "maximize", *, resolution: float = 0.0, exact: bool = False, **more: Any) -> Setup:
    """Return a campaign's setup; `more` overrides any of its other fields."""
    fields: dict[str, Any] = {
        "problem": "toy",
        "title": "A toy",
        "objective": Objective("score", goal, resolution, exact),
        "limits": Limits(experiments=100),
        "mode": "ordered",
        "slots": 2,
        "seed": 5,
    }
    return Setup(**fields | more)


def recipe(*ideas: str, **knobs: dict[str, Knob]) -> tuple[Change, ...]:
    """Return a recipe of ideas, each with the knobs given under its name."""
    return tuple(Change(name, knobs.get(name, {})) for name in sorted({*ideas, *knobs}))


class Book:
    """A ledger that is written by hand, with its board. `events` is all that was said, in order.

    Every experiment is planned by a decision of its own, as in real campaigns.
    """

    def __init__(self, of: Setup | None = None, hardware: str = CPU) -> None:
        self.board = Board()
        self.events: list[ev.Event] = []
        self.say(
            ev.CampaignOpened("toy-1", of or setup(), "snapshot"),
            ev.CandidateAdded(Candidate(BASELINE, "tree", (), "baseline", None, traits=(0.0,))),
        )
        self.term(hardware)

    def say(self, *events: ev.Event) -> None:
        for event in events:
            self.board.apply(event)
            self.events.append(event)

    def term(self, hardware: str = CPU) -> None:
        self.say(ev.TermStarted(self.board.term + 1, hardware, "host", 1, "0"))

    def decide(self, sees: int | None = None, elapsed: float = 0.0) -> int:
        """Begin the next decision; returns its number."""
        number = self.board.decision + 1
        self.say(ev.DecisionTaken(number, sees, elapsed))
        return number

    def direction(self, surface: str) -> str:
        number = len(self.board.directions)
        self.say(ev.DirectionOpened(Direction(f"d-{number}", surface, "why not")))
        return f"d-{number}"

    def retire(self, direction: str, reason: str = "dry") -> None:
        self.say(ev.DirectionRetired(direction, reason))

    def candidate(
        self,
        name: str,
        direction: str | None = None,
        parent: str = BASELINE,
        made_of: tuple[Change, ...] = (),
        traits: tuple[float, ...] = (0.0,),
    ) -> str:
        """Add a candidate, with a hypothesis if it belongs to a direction."""
        hypothesis = None
        if direction is not None:
            hypothesis = f"h-{name}"
            self.say(ev.HypothesisProposed(Hypothesis(hypothesis, direction, parent, f"+ {name}", "It may help.")))
        self.say(ev.CandidateAdded(Candidate(name, "tree", (parent,), "test", hypothesis, made_of, name, traits)))
        return name

    def plan(
        self, candidate: str, seed: int = 0, purpose: Purpose = "search", *, claim: str | None = None,
        artifact: str | None = None, alone: bool = True,
    ) -> str:  # fmt: skip
        """Plan an experiment on search seed number `seed` (or on that very seed, to confirm).

        alone: by a decision of its own that sees nothing new.
        """
        if alone:
            self.decide(sees=-1)
        board = self.board
        value = seed if purpose == "confirm" else search_seed(board.setup.seed, seed)
        name = f"x-{len(board.experiments)}"
        hypothesis = board.candidates[candidate].hypothesis if purpose == "search" else None
        self.say(
            ev.ExperimentPlanned(
                Experiment(name, board.decision, candidate, value, purpose, board.hardware, hypothesis, claim, artifact)
            )
        )
        return name

    def start(self, experiment: str) -> str:
        attempt = f"{experiment}.{self.board.experiments[experiment].attempts + 1}"
        self.say(ev.AttemptStarted(attempt, experiment))
        return attempt

    def lose(self, attempt: str) -> None:
        self.say(ev.AttemptLost(attempt, attempt.partition(".")[0], "power cut"))

    def end(
        self, experiment: str, result: Result | float, *, attempt: str | None = None, hardware: str | None = None,
        seconds: float = 1.0, progress: tuple[tuple[int, float], ...] = (), **metrics: Any,
    ) -> None:  # fmt: skip
        """Start an attempt (unless one is given) and record what it came to; a number is a measured score."""
        attempt = attempt or self.start(experiment)
        if isinstance(result, int | float):
            result = Measured({"score": float(result), **metrics})
        used = Usage(seconds, seconds, 100.0, gpu_s=0.5)
        where = hardware or self.board.hardware
        outcome = Outcome(attempt, experiment, result, where, used, 0.0, seconds, progress=progress)
        self.say(ev.OutcomeRecorded(outcome))

    def run(
        self, candidate: str, *results: Result | float, purpose: Purpose = "search", seconds: float = 1.0,
        hardware: str | None = None, **metrics: Any,
    ) -> str:  # fmt: skip
        """Run one experiment a search seed and have them all seen; returns the last."""
        for seed, result in enumerate(results):
            experiment = self.plan(candidate, seed, purpose)
            self.end(experiment, result, seconds=seconds, hardware=hardware, **metrics)
        self.decide()
        return experiment

    def baseline(self, *values: float, **metrics: Any) -> str:
        return self.run(BASELINE, *values, purpose="baseline", **metrics)

    def learn(self, experiment: str, gain: float | None, success: bool | None = None) -> None:
        """Record the finding of an experiment's hypothesis."""
        hypothesis = self.board.experiments[experiment].record.hypothesis
        assert hypothesis is not None
        won = success if success is not None else (gain or 0.0) > 0
        self.say(ev.FindingRecorded(Finding(hypothesis, experiment, "found", won, gain)))

    def attempt(self, direction: str, gain: float | None, seconds: float = 1.0, success: bool | None = None) -> str:
        """Try one hypothesis of a direction; `gain` over a baseline of 1, or None for a failure."""
        name = self.candidate(f"c-{len(self.board.candidates)}", direction)
        self.learn(self.run(name, Failed("boom") if gain is None else 1.0 + gain, seconds=seconds), gain, success)
        return name

    def claim(self, candidate: str, seeds: Sequence[int] = (101, 102, 103), *, alpha: float = 0.05, **more: Any) -> str:
        objective, number = self.board.setup.objective, len(self.board.claims) + 1
        fields: dict[str, Any] = {
            "against": self.board.standing, "least": objective.resolution, "seen": 0.1, "sd": 0.1,
            "paired": self.board.setup.paired, "exact": objective.exact, "seeds": tuple(seeds),
        }  # fmt: skip
        record = Claim(f"k-{number}", number, candidate, alpha=alpha, **fields | more)
        self.say(ev.ClaimOpened(record))
        return record.id

    def confirm(
        self, claim: str, new: Sequence[Result | float], old: Sequence[Result | float],
        hardware: Sequence[tuple[str, str]] | None = None,
    ) -> None:  # fmt: skip
        """Run the pairs of a claim and have them seen; re-scores of an exact metric name the first artifact."""
        record = self.board.claims[claim].record
        kinds = hardware or [(CPU, CPU)] * len(new)
        for seed, a, b, (on, off) in zip(record.seeds, new, old, kinds, strict=True):
            for candidate, value, kind in ((record.candidate, a, on), (record.against, b, off)):
                artifact = self.board.experiments_of[candidate][0] if record.exact else None
                planned = self.plan(candidate, seed, "confirm", claim=claim, artifact=artifact)
                self.end(planned, value, hardware=kind)
        self.decide()
