"""The worker: turns what is known of one direction into hypotheses, and folds what came back into a handoff."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from pydantic import BaseModel, Field

from aster.agents.combining import FilesOf
from aster.agents.converse import Misuse, Place, Submit, converse
from aster.agents.critic import BOUNDARY, MOST_TURNS
from aster.agents.critique import Group, critic_brief
from aster.agents.drafts import Hypothesis, unknown_parents
from aster.agents.memory import memories_of
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line
from aster.agents.reading import reading_tools
from aster.agents.sifting import Sieve, tried_already
from aster.board import Board
from aster.domain.research import Draft, Handoff, Veto
from aster.evidence.backing import MOST_EVIDENCE, unbacked
from aster.problems.problem import Problem

MOST_DRAFTS = 6
"""Hypotheses that are handed over at once."""

MOST_ROUNDS = 2
"""How often hypotheses are judged in one assignment: once more where none was left."""

SPARE = MOST_TURNS + 1
"""Calls of the allowance that are kept for the critic."""

MAX_OUTPUT = 8192
LEFT_OUT = "(Left out: sentences with numbers that no experiment gave.)"


class HandoffArguments(BaseModel):
    """Arguments of submit_handoff."""

    done: str = Field(max_length=1500, description="what was done since the last handoff")
    learnt: str = Field(max_length=2000, description="what was learnt; numbers only as they were measured")
    concerns: str = Field(max_length=1500, description="what is doubtful, and what others should know")
    hypotheses: list[Hypothesis] = Field(default=[], max_length=MOST_DRAFTS, description="what to try next")
    retire: str = Field(default="", max_length=400, description="why the direction should end; empty: it goes on")


class Judged(Struct, frozen=True):
    """What the board says of a handoff, as it is recorded.

    Attributes:
        troubles: why it cannot be taken as it is.
        tried: for each hypothesis, why it is turned down for what was tried, or None.
        brief: what the critic is told of the others.
        unbacked: numbers in the text that no experiment gave.
    """

    troubles: tuple[str, ...]
    tried: tuple[str | None, ...]
    brief: str
    unbacked: tuple[str, ...]


class _Filter:
    """Judges what a worker submits: by history, then by the critic. Remembers what got through, and what did not."""

    def __init__(self, desk: Desk, instructions: str, problem: Problem) -> None:
        self._desk, self._root = desk, problem.spec.solution.root
        self._sieve = Sieve(desk, instructions, reading_tools(desk, problem))
        self._rounds = 0
        self._warned = False
        self.accepted: list[Draft] = []
        self.unbacked: tuple[str, ...] = ()

    @property
    def vetoed(self) -> list[Veto]:
        """What was turned down, in all rounds."""
        return self._sieve.vetoed

    async def check(self, args: HandoffArguments, place: Place) -> None:
        drafts = [each.draft() for each in args.hypotheses]
        judged = await self._judge(args, drafts, place)
        if judged.troubles:
            raise Misuse("The handoff cannot be taken:\n" + "\n".join(f"- {each}" for each in judged.troubles))
        self.unbacked = judged.unbacked
        if judged.unbacked and not self._warned:
            self._warned = True
            numbers = ", ".join(judged.unbacked[:8])
            raise Misuse(
                f"No experiment of this direction gave these numbers: {numbers}. Say what was measured, as it was "
                "measured, or leave the numbers out, and submit again; sentences that keep them will be left out."
            )
        self._rounds += 1
        before = len(self.vetoed)
        kept = await self._sieve.sift(drafts, judged.tried, judged.brief)
        self.accepted += [draft for draft in kept if draft is not None]
        fresh = self.vetoed[before:]
        if drafts and not (self.accepted or args.retire) and self._rounds < MOST_ROUNDS:
            reasons = "\n".join(
                f"- {in_line(each.draft.change)}: by {each.by}, {in_line(each.reason, 400)}" for each in fresh
            )
            raise Misuse(
                f"None of your hypotheses is left:\n{reasons}\nSubmit again, with others that these reasons do not "
                "meet, or with none."
            )

    async def _judge(self, args: HandoffArguments, drafts: list[Draft], place: Place) -> Judged:
        direction = self._desk.assignment.direction or ""

        async def judge() -> str:
            board = self._desk.look()
            text = "\n".join((args.done, args.learnt, args.concerns))
            told = (self._desk.brief, self._desk.instructions)
            found = judged(board, direction, drafts, text, told, root=self._root, files_of=self._desk.files)
            return msgspec.json.encode(found).decode()

        return msgspec.json.decode(await self._desk.step(place.agent, place.turn, place.call, judge), type=Judged)


async def run_worker(desk: Desk, problem: Problem) -> Handoff:
    """Carry out a worker's assignment.

    Raises:
        Spent, Unanswered: it came to no handoff.
    """
    own, _, critics = desk.instructions.partition(BOUNDARY)
    assignment, chosen = desk.assignment, _Filter(desk, critics or own, problem)
    found = await converse(
        desk,
        assignment.id,
        "worker",
        own,
        desk.brief,
        reading_tools(desk, problem),
        Submit("submit_handoff", "Hand back to the planner; this ends your work.", HandoffArguments, chosen.check),
        most_turns=max(1, assignment.allowance.requests - SPARE),
        max_output=MAX_OUTPUT,
    )
    return Handoff(
        done=backed_only(found.done, chosen.unbacked),
        learnt=backed_only(found.learnt, chosen.unbacked),
        concerns=backed_only(found.concerns, chosen.unbacked),
        drafts=tuple(chosen.accepted),
        vetoed=tuple(chosen.vetoed),
        retire=found.retire.strip(),
    )


def judged(
    board: Board, direction: str, drafts: list[Draft], text: str, told: Sequence[str], *, root: str, files_of: FilesOf
) -> Judged:
    """Return what the board says of a handoff with these drafts and this text.

    Args:
        told: what its worker was told.
        root, files_of: as for `critic_brief`.
    """
    troubles = unknown_parents(board, drafts)
    tried = tried_already(board, drafts, direction)
    left = [draft for draft, why in zip(drafts, tried, strict=True) if why is None]
    record = board.directions[direction].record
    brief = critic_brief(board, [Group(record, record.paths, left)], root, files_of) if left and not troubles else ""
    return Judged(tuple(troubles), tuple(tried), brief, _unbacked(board, direction, text, told))


def _unbacked(board: Board, direction: str, text: str, told: Sequence[str]) -> tuple[str, ...]:
    """Return the numbers in a text that neither a recent experiment on the direction's surface nor `told` gave."""
    known, surface = memories_of(board), board.directions[direction].record.surface
    recent = [*known.latest(surface, "gain", 16), *known.latest(surface, "no gain", 16), *known.gains(surface, 8)]
    evidence = list(dict.fromkeys(each for memory in recent for each in memory.evidence))[:MOST_EVIDENCE]
    changes = [board.hypotheses[memory.key].change for memory in recent]
    return unbacked(board, text, evidence, given=[*changes, *told])


def backed_only(text: str, numbers: tuple[str, ...]) -> str:
    """Return a text without the sentences that hold one of these numbers, and a word on it where there were any."""
    sentences = re.split(r"(?<=[.!?;])\s+|\n+", text.strip())
    kept = [each for each in sentences if not any(number in each for number in numbers)]
    return " ".join(kept if len(kept) == len(sentences) else [*kept, LEFT_OUT])
