"""The critic: reads hypotheses before they cost compute, and turns down those that should not be tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from aster.agents import tellings as tell
from aster.agents.converse import Misuse, Place, Submit, converse
from aster.agents.memory import memories_of
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line, quoted
from aster.agents.reading import tried_lines
from aster.agents.sections import Section, written
from aster.agents.similar import wording
from aster.board import Board
from aster.domain.records import Direction
from aster.domain.research import DirectionDraft, Draft

MOST_TURNS = 3
"""Calls for one set of hypotheses: one is enough unless what comes back cannot be read."""

MAX_OUTPUT = 8192

BOUNDARY = "\n\n<!-- what follows is the prompt of this agent's critic -->\n\n"
"""Between the two prompts in a planner's and a worker's instructions: their critic has no assignment of its own."""


class Review(BaseModel):
    """A verdict on one hypothesis."""

    number: int = Field(ge=1, description="the hypothesis's number")
    verdict: Literal["try", "turn down"]
    reason: str = Field(min_length=3, max_length=600, description="one or two sentences that its author can act upon")


class Reviews(BaseModel):
    """Arguments of submit_reviews."""

    reviews: list[Review] = Field(description="one for each hypothesis")


async def review(desk: Desk, instructions: str, brief: str, count: int, round_number: int) -> list[str | None]:
    """Return for each of `count` hypotheses why it is turned down, or None where it may be tried.

    Args:
        brief: as `critic_brief` returned it.
        round_number: how many times the critic is asked in this assignment, from 1.

    Raises:
        Spent, Unanswered: there are no reviews.
    """

    async def check(args: Reviews, _: Place) -> None:
        given = sorted(each.number for each in args.reviews)
        if given != list(range(1, count + 1)):
            raise Misuse(f"There must be one review for each hypothesis, 1 to {count}; you gave: {given}.")

    found = await converse(
        desk,
        f"{desk.assignment.id}.critic",
        "critic",
        instructions,
        brief,
        [],
        Submit("submit_reviews", "Hand back your verdicts, one for each hypothesis.", Reviews, check),
        most_turns=MOST_TURNS,
        max_output=MAX_OUTPUT,
        first_turn=1 + (round_number - 1) * MOST_TURNS,
    )
    by_number = {each.number: each for each in found.reviews}
    return [_veto(by_number[number]) for number in range(1, count + 1)]


def _veto(of: Review) -> str | None:
    return of.reason.strip() if of.verdict == "turn down" else None


def about_direction(of: Direction | DirectionDraft) -> list[str]:
    """Return what the critic is told of a direction."""
    return [
        f"- surface: {in_line(of.surface, 80)}; what may be edited: {in_line(', '.join(of.paths) or 'all', 600)}",
        f"- rationale: {in_line(of.rationale, 600)}",
    ]


def critic_brief(board: Board, groups: Sequence[tuple[list[str], Sequence[Draft]]]) -> str:
    """Return what the critic is told of hypotheses and of what is like them: about 2,000 tokens each at most.

    Args:
        groups: what is told of a direction, as `about_direction` returned it, and its hypotheses.
    """
    sections = [Section("Where the campaign stands", tell.standing_lines(board), 600)]
    number = 0
    for about, drafts in groups:
        if drafts:
            sections.append(Section("The direction of what follows", about, 900))
        for draft in drafts:
            number += 1
            sections.append(Section(f"Hypothesis {number}", _hypothesis(board, draft), 4400))
    return written([*sections, Section("What to do", ["Review them all with submit_reviews."], 100)])


def _hypothesis(board: Board, draft: Draft) -> list[str]:
    text = wording(draft.change, draft.text)
    predicts = "" if draft.predicts is None else f"; predicts a gain of {draft.predicts:g}"
    lines = [
        quoted(f"{draft.change}\n\n{draft.text}", "as its author wrote it", 3000),
        f"- starts from: {draft.parent or 'the best candidate'}{predicts}",
    ]
    tried, known = tried_lines(board, text, 3), tell.memory_lines(memories_of(board).about(text, 4), 240)
    if tried:
        lines += ["- hypotheses like it that were proposed before:", *(f"  {each}" for each in tried)]
    if known:
        lines += ["- what is known that is like it:", *(f"  {each}" for each in known)]
    return lines
