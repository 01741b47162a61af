"""The critic: reads hypotheses before they cost compute, and turns down those that should not be tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from aster.agents.converse import Misuse, Place, Submit, Tool, converse
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line
from aster.domain.research import Draft, Veto

MOST_TURNS = 4
"""Calls for one set of hypotheses: to look something up, and to submit what can be read."""

MAX_OUTPUT = 8192

BOUNDARY = "\n\n<!-- what follows is the prompt of this agent's critic -->\n\n"
"""Between the two prompts in a planner's and a worker's instructions: their critic has no assignment of its own."""


class Review(BaseModel):
    """A verdict on one hypothesis."""

    number: int = Field(ge=1, description="the hypothesis's number")
    verdict: Literal["accept", "veto", "later", "merge"] = Field(
        description="accept: try it; veto: do not; later: not before something else is there, which `reason` names; "
        "merge: it is the same as another one, which `same_as` names"
    )
    reason: str = Field(min_length=3, max_length=600, description="one or two sentences that its author can act upon")
    same_as: str = Field(
        default="",
        max_length=60,
        description="for merge only: the id of a hypothesis, such as h-0123456789ab, or the number of one that you "
        "accept here",
    )
    advice: str = Field(
        default="",
        max_length=600,
        description="for accept only: what whoever carries it out should look at; empty where you have none",
    )


class Reviews(BaseModel):
    """Arguments of submit_reviews."""

    reviews: list[Review] = Field(description="one for each hypothesis")


async def review(
    desk: Desk,
    tools: Sequence[Tool[Any]],
    instructions: str,
    brief: str,
    drafts: Sequence[Draft],
    round_number: int,
) -> list[Veto | str]:
    """Return for each draft why it gets no experiment, or the advice with which it does ("": none).

    Args:
        tools: with which the critic may look things up.
        brief: what it is told of these drafts, in this order.
        round_number: how many times the critic is asked in this assignment, from 1.

    Raises:
        Spent, Unanswered: there are no reviews.
    """

    async def check(args: Reviews, place: Place) -> None:
        given = sorted(each.number for each in args.reviews)
        if given != list(range(1, len(drafts) + 1)):
            raise Misuse(f"There must be one review for each hypothesis, 1 to {len(drafts)}; you gave: {given}.")
        await _check_mergers(desk, args.reviews, place)

    found = await converse(
        desk,
        f"{desk.assignment.id}.critic",
        "critic",
        instructions,
        brief,
        tools,
        Submit(
            "submit_reviews", "Hand back your verdicts, one for each hypothesis; this ends your work.", Reviews, check
        ),
        most_turns=MOST_TURNS,
        max_output=MAX_OUTPUT,
        first_turn=1 + (round_number - 1) * MOST_TURNS,
    )
    by_number = {each.number: each for each in found.reviews}
    return [_verdict(by_number[number], drafts) for number in range(1, len(drafts) + 1)]


async def _check_mergers(desk: Desk, reviews: Sequence[Review], place: Place) -> None:
    """Raise Misuse where a merger names nothing that the hypothesis could be the same as."""
    accepted = {str(each.number) for each in reviews if each.verdict == "accept"}
    named = {each.number: each.same_as.strip() for each in reviews if each.verdict == "merge"}
    ids = sorted(set(named.values()) - accepted)

    async def make() -> str:
        board = desk.look()
        return msgspec.json.encode([each for each in ids if each not in board.hypotheses]).decode()

    unknown = msgspec.json.decode(await desk.step(place.agent, place.turn, place.call, make)) if ids else []
    wrong = [f"{number} (you gave {in_line(name, 60)})" for number, name in named.items() if name in unknown]
    if wrong:
        raise Misuse(
            "A merger names in `same_as` the id of a hypothesis that there is, or the number of one that you accept "
            f"here. These do not: {', '.join(wrong)}. Use veto where there is none."
        )


def _verdict(of: Review, drafts: Sequence[Draft]) -> Veto | str:
    draft, reason, same = drafts[of.number - 1], of.reason.strip(), of.same_as.strip()
    match of.verdict:
        case "accept":
            return of.advice.strip()
        case "veto":
            return Veto(draft, "critic", reason)
        case "later":
            return Veto(draft, "critic", f"Not now: {reason}", "later")
        case "merge" if same.isdigit():
            return Veto(draft, "critic", f"The same as {in_line(drafts[int(same) - 1].change)}: {reason}", "merge")
        case _:
            return Veto(draft, "critic", f"The same as {same}: {reason}", "merge", same)
