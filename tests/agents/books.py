"""Ledgers by hand of campaigns with agents."""

from __future__ import annotations

from typing import Any

from tests.boards import BASELINE, Book, setup

from aster.domain import events as ev
from aster.domain.records import Candidate, Direction, Failed, Finding, Hypothesis, Setup
from aster.domain.research import Allowance, Assignment, Handoff, Note, Plan, Role
from aster.problems.problem import Problem, problem_from_files

TOML = """
[problem]
name = "toy"
title = "Make the score large"

[solution]
root = "solution"
editable = ["**/*.py"]
{surfaces}
[[stage]]
name = "run"
command = ["python", "solution/run.py", "--seed", "{{seed}}"]
timeout = "60s"

[[stage]]
name = "score"
command = ["python", "evaluate.py"]
trusted = true
timeout = "20s"

[[metric]]
name = "score"
goal = "maximize"
"""

RUN = b'"""Runs it."""\n\nSTEPS = 10\n\n\ndef run(seed):\n    """All of it."""\n    return search(seed) + STEPS\n'
SEARCH = (
    b"def search(seed):\n    best = seed\n    for at in range(3):\n        best = max(best, at)\n    return best\n\n\n"
    b"class Walk:\n    def step(self):\n        return 1\n"
)
FILES = {"solution/run.py": RUN, "solution/search.py": SEARCH}


def problem(
    surfaces: str = "",
    files: dict[str, bytes] = FILES,
    statement: bytes = b"# Toy\n\nDo it.\n",
    ideas: dict[str, bytes] | None = None,
) -> Problem:
    """Return a problem in memory; `surfaces` is a line of its [solution], `ideas` are pages by path."""
    own = {"problem.toml": TOML.format(surfaces=surfaces).encode(), "README.md": statement, "evaluate.py": b""}
    return problem_from_files({**files, **own, **(ideas or {})}, "toy")


class AgentsBook(Book):
    """A ledger with directions of agents."""

    def __init__(self, of: Setup | None = None) -> None:
        super().__init__(of or setup(mode="arrival"))
        self.assigned = 0

    def line(
        self, surface: str, paths: tuple[str, ...] = (), rationale: str = "It may well be slow.", **more: Any
    ) -> str:
        """Open a direction of agents."""
        name = f"d-{len(self.board.directions)}"
        self.say(ev.DirectionOpened(Direction(name, surface, rationale, "agents", paths, **more)))
        return name

    def draft(
        self,
        direction: str,
        change: str,
        text: str = "It should help, because it is new.",
        parent: str = BASELINE,
        **more: Any,
    ) -> str:
        """Propose a hypothesis that no subagent has."""
        name = f"h-{len(self.board.hypotheses)}"
        self.say(ev.HypothesisProposed(Hypothesis(name, direction, parent, change, text, **more)))
        return name

    def assign(self, role: Role, direction: str | None = None, **more: Any) -> Assignment:
        """Give an assignment."""
        self.assigned += 1
        record = Assignment(
            f"a-{self.assigned}", role, "fake:m", Allowance(20, 100_000, 4), "i", "b", direction, **more
        )
        self.say(ev.AssignmentGiven(record))
        return record

    def back(self, of: Assignment, result: Plan | Handoff | Note) -> None:
        """Record what an assignment handed back."""
        self.say(ev.AssignmentEnded(of.id, "done", result))

    def note(self, direction: str, text: str, **more: Any) -> str:
        """Let a subagent hand back a note; returns its assignment."""
        of = self.assign(
            "subagent", direction, hypothesis=self.draft(direction, f"change {self.assigned}"), parent=BASELINE
        )
        self.back(of, Note(text, **more))
        return of.id

    def tried(
        self,
        direction: str,
        change: str,
        gain: float | None,
        text: str = "A text of some length.",
        of: str | None = None,
    ) -> str:
        """Try a change on the baseline, which scores 1; returns the candidate."""
        name = f"c-{len(self.board.candidates):012x}"
        hypothesis = f"h-{len(self.board.hypotheses)}"
        self.say(ev.HypothesisProposed(Hypothesis(hypothesis, direction, BASELINE, change, text, of=of)))
        self.say(
            ev.CandidateAdded(Candidate(name, "tree", (BASELINE,), "agents", hypothesis, label=change, traits=(1.0,)))
        )
        experiment = self.run(name, Failed("boom") if gain is None else 1.0 + gain)
        moved = "failed" if gain is None else f"score 1 -> {1 + gain:.7g}"
        self.say(ev.FindingRecorded(Finding(hypothesis, experiment, f"{change}: {moved}", (gain or 0) > 0, gain)))
        return name


__all__ = ["FILES", "RUN", "SEARCH", "AgentsBook", "problem"]
