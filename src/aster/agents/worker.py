"""The worker: turns what is known of one direction into hypotheses, and folds what came back into a handoff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct
from pydantic import BaseModel, Field

from aster.agents.combining import FilesOf
from aster.agents.converse import Misuse, Place, Submit, converse
from aster.agents.critic import BOUNDARY, MOST_TURNS
from aster.agents.critique import Group, critic_brief
from aster.agents.drafts import Hypothesis, unknown_parents
from aster.agents.measuring import LOG_MOST
from aster.agents.memory import memories_of
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line, unnumbered
from aster.agents.reading import reading_tools
from aster.agents.sifting import Sieve, tried_already
from aster.board import Board
from aster.domain.research import Draft, Handoff, Veto
from aster.evidence.backing import MOST_EVIDENCE, Sources, Weighed, weighed
from aster.evidence.said import marked, numbers, sentences
from aster.problems.problem import Problem

MOST_DRAFTS = 6
"""Hypotheses that are handed over at once."""

MOST_ROUNDS = 2
"""How often hypotheses are judged in one assignment: once more where none was left."""

SPARE = MOST_TURNS + 1
"""Calls of the allowance that are kept for the critic."""

MAX_OUTPUT = 8192
MOST_NOTED = 12
"""Experiments of its subagents' latest notes that a worker may speak of, those for diagnosis too."""

LEFT_OUT = "(Left out: sentences with numbers that no experiment gave.)"


class HandoffArguments(BaseModel):
    """Arguments of submit_handoff."""

    done: str = Field(max_length=1500, description="what was done since the last handoff")
    learnt: str = Field(max_length=2000, description="what was learnt; numbers only as they were measured")
    concerns: str = Field(
        max_length=1500,
        description="what is doubtful, and what others should know; a guess at a number is said to be one directly "
        "before it (perhaps, about, expected)",
    )
    hypotheses: list[Hypothesis] = Field(default=[], max_length=MOST_DRAFTS, description="what to try next")
    retire: str = Field(default="", max_length=400, description="why the direction should end; empty: it goes on")


class Judged(Struct, frozen=True):
    """What the board says of a handoff, as it is recorded.

    Attributes:
        troubles: why it cannot be taken as it is.
        tried: for each hypothesis, why it is turned down for what was tried, or None.
        brief: what the critic is told of the others.
        unbacked, logged, estimates: numbers in the text, as in `Weighed`.
    """

    troubles: tuple[str, ...]
    tried: tuple[str | None, ...]
    brief: str
    unbacked: tuple[str, ...]
    logged: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()


class _Filter:
    """Judges what a worker submits: by history, then by the critic. Remembers what got through, and what did not."""

    def __init__(self, desk: Desk, instructions: str, problem: Problem) -> None:
        self._desk, self._root = desk, problem.spec.solution.root
        self._sieve = Sieve(desk, instructions, reading_tools(desk, problem))
        self._rounds = 0
        self._warned = False
        self.accepted: list[Draft] = []
        self._told: list[str] = []
        self._code: list[str] = []
        self.worth = Weighed()

    @property
    def vetoed(self) -> list[Veto]:
        """What was turned down, in all rounds."""
        return self._sieve.vetoed

    async def check(self, args: HandoffArguments, place: Place) -> None:
        drafts = [each.draft() for each in args.hypotheses]
        judged = await self._judge(args, drafts, place)
        if judged.troubles:
            raise Misuse("The handoff cannot be taken:\n" + "\n".join(f"- {each}" for each in judged.troubles))
        self.worth = Weighed(judged.unbacked, judged.logged, judged.estimates)
        if judged.unbacked and not self._warned:
            self._warned = True
            missing = ", ".join(judged.unbacked[:8])
            raise Misuse(
                f"No experiment of this direction gave these numbers, no log of one, and nothing that you were shown: "
                f"{missing}. Say what was measured, as it was measured, or leave the numbers out, and submit again; "
                "sentences that keep them will be left out. In `concerns` you may guess, if you say so directly before "
                "the number."
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
            worth = self._weighed(board, direction, args)
            left = self._desk.search_left()
            found = judged(board, direction, drafts, worth, root=self._root, files_of=self._desk.files, left=left)
            return msgspec.json.encode(found).decode()

        return msgspec.json.decode(await self._desk.step(place.agent, place.turn, place.call, judge), type=Judged)

    def see(self, tool: str, answer: str) -> None:
        """Keep what a tool showed: its numbers may be said, those of code as constants."""
        (self._code if tool in ("read_file", "show_idea") else self._told).append(unnumbered(answer))

    def _weighed(self, board: Board, direction: str, args: HandoffArguments) -> Weighed:
        """Hold the numbers of a handoff against recent experiments and what the worker was shown."""
        evidence, changes = known_to(board, direction)

        def logs() -> Iterator[str]:
            for name in evidence:
                outcome = board.experiments[name].outcome if name in board.experiments else None
                if outcome is not None:
                    yield self._desk.log_of(outcome)[-LOG_MOST:]

        seen = Sources([*changes, self._desk.brief, self._desk.instructions, *self._told], self._code, logs())
        return weighed(board, f"{args.done}\n{args.learnt}", evidence, seen, args.concerns)


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
        seen=chosen.see,
    )
    worth = chosen.worth
    return Handoff(
        done=backed_only(found.done, worth.unbacked, worth.logged),
        learnt=backed_only(found.learnt, worth.unbacked, worth.logged),
        concerns=backed_only(found.concerns, worth.unbacked, worth.logged, worth.estimates),
        drafts=tuple(chosen.accepted),
        vetoed=tuple(chosen.vetoed),
        retire=found.retire.strip(),
    )


def judged(
    board: Board,
    direction: str,
    drafts: list[Draft],
    worth: Weighed,
    *,
    root: str,
    files_of: FilesOf,
    left: int | None = None,
) -> Judged:
    """Return what the board says of a handoff with these drafts.

    Args:
        worth: what the numbers of its text are worth.
        root, files_of, left: as for `critic_brief`.
    """
    troubles = unknown_parents(board, drafts)
    tried = tried_already(board, drafts, direction)
    kept = [draft for draft, why in zip(drafts, tried, strict=True) if why is None]
    record = board.directions[direction].record
    group, brief = Group(record, record.paths, kept), ""
    if kept and not troubles:
        brief = critic_brief(board, [group], root, files_of, left)
    return Judged(tuple(troubles), tuple(tried), brief, worth.unbacked, worth.logged, worth.estimates)


def known_to(board: Board, direction: str) -> tuple[list[str], list[str]]:
    """Return the experiments that a worker may speak of, the latest on its surface and in its subagents' notes, and
    the changes that were made in them."""
    known, surface = memories_of(board), board.directions[direction].record.surface
    recent = [*known.latest(surface, "gain", 16), *known.latest(surface, "no gain", 16), *known.gains(surface, 8)]
    notes = [*known.latest(surface, "note", 8), *known.latest(surface, "dead end", 8)]
    found = [each for memory in recent for each in memory.evidence]
    noted = dict.fromkeys(each for memory in notes for each in memory.evidence if each not in found)
    evidence = list(dict.fromkeys([*list(noted)[:MOST_NOTED], *found]))[:MOST_EVIDENCE]
    return evidence, [board.hypotheses[memory.key].change for memory in recent]


def backed_only(text: str, unbacked: Sequence[str], logged: Sequence[str] = (), estimates: Sequence[str] = ()) -> str:
    """Return a text without the sentences that hold one of the unbacked numbers, and a word on it where there were
    any; the others are marked."""
    text = text.strip()
    bad = {each.sentence for each in numbers(text) if each.text in unbacked}
    found = [text[first:last] for first, last in sentences(text)]
    kept = [marked(each, (), logged, estimates) for place, each in enumerate(found) if place not in bad]
    return " ".join(kept if not bad else [*kept, LEFT_OUT])
