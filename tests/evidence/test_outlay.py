from __future__ import annotations

from typing import Any

import pytest
from tests.boards import BASELINE, Book, setup

from aster.domain import events as ev
from aster.domain.records import Direction
from aster.domain.research import Allowance, Ask, Assignment, Call, Role, Settled, Tokens
from aster.evidence.outlay import outlay


class Agents:
    """A book with a direction of agents."""

    def __init__(self, **more: Any) -> None:
        self.book = Book(setup(**more))
        self.book.baseline(1.0)
        self.book.say(ev.DirectionOpened(Direction("d-0", "gains", "why not", "agents")))

    def give(self, name: str, role: Role, tokens: int) -> None:
        self.book.say(
            ev.AssignmentGiven(Assignment(name, role, "fake:one", Allowance(9, 9, 9), "i", "b", "d-0")),
            ev.CallReserved(Call(f"{name}/1/1", name, "fake:one", 1.0, 2 * tokens, "head")),
            ev.CallSettled(Settled(f"{name}/1/1", "answered", tokens / 1e4, Tokens(tokens - 100, 100))),
        )

    def ask(self, by: str, number: int, candidate: str, score: float, quick: bool = False) -> str:
        book, name, hypothesis = self.book, f"{by}.{number}", f"h-{candidate}"
        book.say(ev.ExperimentAsked(Ask(name, by, candidate, "tree", BASELINE, "a change", quick=quick)))
        if candidate not in book.board.candidates:
            book.candidate(candidate, "d-0")
        experiment = book.plan(candidate, 0, "check" if quick else "search")
        book.say(ev.AskAnswered(name, experiment, None if quick else hypothesis))
        book.end(experiment, score)
        book.decide()
        return experiment

    def know(self, by: str, number: int, candidate: str, experiment: str) -> None:
        name = f"{by}.{number}"
        self.book.say(
            ev.ExperimentAsked(Ask(name, by, candidate, "tree", BASELINE, "a change")), ev.AskAnswered(name, experiment)
        )


def test_tokens_are_shared_out_over_the_candidates_that_were_measured() -> None:
    agents = Agents()
    agents.give("a-w", "worker", 3000)
    agents.give("a-1", "subagent", 4000)
    agents.give("a-2", "subagent", 2000)
    agents.ask("a-1", 1, "c-1", 1.0, quick=True)
    first = agents.ask("a-1", 2, "c-1", 3.0)
    agents.ask("a-1", 3, "c-2", 0.5)
    agents.know("a-2", 1, "c-1", first)
    agents.book.learn(first, 2.0)
    found = outlay(agents.book.board)
    assert (found.way, found.subagents, found.candidates, found.measured, found.gained) == ("tools", 2, 2, 2, 1)
    assert (found.tokens, found.other_tokens) == (6000, 3000)
    assert (found.tokens_each, found.all_tokens_each, found.usd_each) == pytest.approx((3000, 4500, 0.3))


def test_without_a_candidate_there_is_no_figure() -> None:
    agents = Agents(one_shot=True)
    agents.give("a-1", "subagent", 500)
    found = outlay(agents.book.board)
    assert (found.way, found.candidates) == ("one-shot", 0)
    assert found.tokens_each is found.usd_each is found.all_tokens_each is None


def test_a_candidate_that_somebody_else_had_measured_is_none_of_theirs() -> None:
    agents = Agents()
    agents.give("a-1", "subagent", 500)
    agents.book.candidate("c-tuned")
    agents.know("a-1", 1, "c-tuned", agents.book.run("c-tuned", 2.0))
    assert outlay(agents.book.board).candidates == 0
