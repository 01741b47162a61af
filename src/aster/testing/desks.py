"""A desk in memory: models are functions, experiments are answered by one, and all that was done can be looked at."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aster.agents.protocol import Granted, Spent
from aster.board import Board
from aster.domain.records import Candidate, Outcome
from aster.domain.research import Ask, Assignment, Role
from aster.llm.chain import Chain
from aster.llm.protocol import Prompt, Said, ToolCall


@dataclass(frozen=True)
class Asked:
    """A model call as the desk saw it."""

    agent: str
    turn: int
    role: Role
    prompt: Prompt
    head: str


Answer = Callable[[Asked], Said]
"""What the model says. It may raise what a desk raises."""

Grant = Callable[[Ask], Granted]


def says(*calls: tuple[str, Mapping[str, object] | str], text: str = "") -> Said:
    """Return a reply that calls tools: (name, arguments), the arguments as a mapping or as raw text."""
    made = [
        ToolCall(f"call-{number}", name, given if isinstance(given, str) else json.dumps(given))
        for number, (name, given) in enumerate(calls, 1)
    ]
    return Said(text, tuple(made))


def scripted(*replies: Said) -> Answer:
    """Return an answer that gives these replies one after the other, whoever asks."""
    left = list(replies)

    def answer(asked: Asked) -> Said:
        assert left, f"{asked.agent} asks a {asked.turn}th time; the script is over"
        return left.pop(0)

    return answer


def by_agent(scripts: Mapping[str, Sequence[Said]]) -> Answer:
    """Return an answer with a script for each agent; the reply to turn n is the n-th."""
    return lambda asked: scripts[asked.agent][asked.turn - 1]


class FakeDesk:
    """Carries out an assignment's wishes at once, and remembers them.

    Args:
        answer: makes up replies.
        grant: answers requests for experiments; without one, all are refused.
        board: what `look` gives; without one, looking is an error.
        files: the editable files of candidates, by candidate id.
        logs: by attempt.
        left: how many experiments search has left; None: no limit tells. 0: it is over.

    Attributes:
        calls, asks, steps: what was done; a step's key is (agent, turn, call).
        blobs: of all trees that were handed in.
    """

    def __init__(
        self,
        assignment: Assignment,
        answer: Answer,
        *,
        instructions: str = "Do your work.",
        brief: str = "This is the brief.",
        grant: Grant | None = None,
        board: Board | None = None,
        files: Mapping[str, dict[str, bytes]] | None = None,
        logs: Mapping[str, str] | None = None,
        left: int | None = None,
    ) -> None:
        self._assignment, self._answer, self._grant, self._board = assignment, answer, grant, board
        self._instructions, self._brief = instructions, brief
        self._files, self._logs = dict(files or {}), dict(logs or {})
        self._in_step = False
        self.left = left
        self._said: dict[tuple[str, int], tuple[str, Said]] = {}
        self._granted: dict[str, Granted] = {}
        self.calls: list[Asked] = []
        self.asks: list[Ask] = []
        self.steps: dict[tuple[str, int, int], str] = {}
        self.blobs: dict[str, bytes] = {}

    @property
    def assignment(self) -> Assignment:
        """What is to be done."""
        return self._assignment

    @property
    def instructions(self) -> str:
        """The role's prompt."""
        return self._instructions

    @property
    def brief(self) -> str:
        """What the agent is told."""
        return self._brief

    async def call(self, agent: str, turn: int, chain: Chain, *, role: Role, max_output: int, must_call: bool) -> Said:
        """Let the answer function reply; a call that was made before gets the same reply."""
        asked = Asked(agent, turn, role, chain.prompt(max_output, must_call), chain.head)
        if (agent, turn) in self._said:
            head, said = self._said[agent, turn]
            assert head == asked.head, f"{agent}/{turn} asks something else than the first time"
        else:
            limit = self._assignment.allowance.requests
            if len(self.calls) >= limit:
                raise Spent(f"its {limit} requests are used up")
            self.calls.append(asked)
            said = self._answer(asked)
            self._said[agent, turn] = asked.head, said
        chain.add(said)
        return said

    async def step(self, agent: str, turn: int, call: int, make: Callable[[], Awaitable[str]]) -> str:
        """Return what `make` returns, as it was the first time."""
        key = agent, turn, call
        if key not in self.steps:
            self._in_step = True
            try:
                self.steps[key] = await make()
            finally:
                self._in_step = False
        return self.steps[key]

    async def experiment(self, ask: Ask, blobs: Mapping[str, bytes]) -> Granted:
        """Answer at once, as the grant function says."""
        if ask.id not in self._granted:
            used = sum(not each.quick for each in self.asks)
            if not ask.quick and used >= self._assignment.allowance.experiments:
                raise Spent(f"its {used} experiments are used up")
            self.asks.append(ask)
            self.blobs.update(blobs)
            self._granted[ask.id] = self._grant(ask) if self._grant is not None else Granted(reason="nothing is run")
        return self._granted[ask.id]

    def search_left(self) -> int | None:
        """Return what was given."""
        return self.left

    async def over(self, agent: str, turn: int) -> str:
        """Say that search is over where nothing is left of it."""

        async def make() -> str:
            return "search is over"

        known = (agent, turn, 0) in self.steps
        return await self.step(agent, turn, 0, make) if known or self.left == 0 else ""

    def look(self) -> Board:
        """Return the board; an error outside a step."""
        assert self._in_step, "the board is looked at outside a step"
        assert self._board is not None, "this desk was given no board"
        return self._board

    def files(self, candidate: Candidate) -> dict[str, bytes]:
        """Return the files given for a candidate."""
        return dict(self._files[candidate.id])

    def log_of(self, outcome: Outcome) -> str:
        """Return the log given for an attempt."""
        return self._logs.get(outcome.attempt, "")

    def told(self) -> list[str]:
        """Return what the model was told last, call by call: the texts of the messages since its last reply."""
        return ["\n".join(_since_reply(asked.prompt)) for asked in self.calls]


def _since_reply(prompt: Prompt) -> Iterable[str]:
    texts: list[str] = []
    for message in prompt.messages:
        texts = [] if isinstance(message, Said) else [*texts, message.text]
    return texts


__all__ = ["Answer", "Asked", "FakeDesk", "Grant", "by_agent", "says", "scripted"]
