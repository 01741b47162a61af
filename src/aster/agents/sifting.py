"""Hypotheses before they cost anything: held against all that was tried, then read by the critic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from aster.agents.converse import Tool
from aster.agents.critic import review
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line
from aster.agents.similar import repeats_one_of, tried_before
from aster.board import Board
from aster.domain.research import Draft, Handoff, Plan, Veto

LOOKED_AT = 64
"""Latest vetoes that a draft is compared with."""


def tried_already(board: Board, drafts: Sequence[Draft], direction: str | None) -> list[str | None]:
    """Return for each draft why it is turned down for what was tried, or None.

    Tried is also what is being tried, waits for a subagent, or was handed over and is not acted upon yet.

    Args:
        direction: whose vetoes count; None: those of all.
    """
    flying = handed_over(board)
    return [
        _tried(board, draft) or _flying(draft, flying) or _twice(board, direction, draft, drafts[:place])
        for place, draft in enumerate(drafts)
    ]


def handed_over(board: Board) -> list[Draft]:
    """Return what is under way and is no hypothesis on the board yet: handed back, or asked for by a subagent."""
    found: list[Draft] = []
    for name in board.research.untaken:
        match board.research.assignments[name].result:
            case Plan() as plan:
                found += [draft for opened in plan.open for draft in opened.drafts]
            case Handoff() as handoff:
                found += handoff.drafts
    asks = (board.research.asks[name].record for name in board.research.open_asks)
    return [*found, *(Draft(ask.change, ask.text, parent=ask.parent) for ask in asks if not ask.quick)]


def _flying(draft: Draft, flying: Sequence[Draft]) -> str | None:
    same = repeats_one_of(draft, flying)
    return f"it is under way already, as {in_line(same.change, 120)}" if same is not None else None


def _tried(board: Board, draft: Draft) -> str | None:
    before = tried_before(board, draft)
    if before is None:
        return None
    return f"tried before as {before.hypothesis} {in_line(before.change, 120)}: {in_line(before.came_to, 200)}"


def _twice(board: Board, direction: str | None, draft: Draft, others: Sequence[Draft]) -> str | None:
    """Return that a draft says the same as one beside it, or as one that a critic turned down lately."""
    start = next(iter(board.ranking), board.baseline)  # where whoever names no parent begins
    if repeats_one_of(_from(draft, start), [_from(other, start) for other in others]) is not None:
        return "it says the same as another one that you hand over"
    latest = [veto for where, veto in board.research.vetoes[-LOOKED_AT:] if direction in (None, where)]
    vetoes = [veto for veto in latest if veto.by == "critic" and veto.kind != "later"]
    same = repeats_one_of(draft, [veto.draft for veto in vetoes])
    why = next((veto.reason for veto in vetoes if veto.draft is same), "")
    return f"it was turned down before: {in_line(why, 240)}" if same is not None else None


def _from(draft: Draft, start: str | None) -> Draft:
    return draft if draft.parent is not None else replace(draft, parent=start)


class Sieve:
    """Takes drafts, and keeps those that nothing speaks against.

    Args:
        tools: with which the critic may look things up.

    Attributes:
        vetoed: all that were turned down.
    """

    def __init__(self, desk: Desk, critics_instructions: str, tools: Sequence[Tool[Any]]) -> None:
        self._desk, self._instructions, self._tools = desk, critics_instructions, tools
        self._reviewed = 0
        self.vetoed: list[Veto] = []

    async def sift(
        self, drafts: Sequence[Draft], tried: Sequence[str | None], brief: str, surfaces: Sequence[str] = ()
    ) -> list[Draft | None]:
        """Return the drafts with the critic's advice, None in the place of those that are turned down.

        Args:
            tried: for each draft, as `tried_already` returned it.
            brief: what the critic is told of the others; not looked at where there are none.
            surfaces: for each draft, of the direction that is to be opened with it; none: the direction is there.

        Raises:
            Spent, Unanswered: the critic gives no verdict.
        """
        left = [draft for draft, why in zip(drafts, tried, strict=True) if why is None]
        verdicts: list[Veto | str] = []
        if left:
            self._reviewed += 1
            verdicts = await review(self._desk, self._tools, self._instructions, brief, left, self._reviewed)
        given = iter(verdicts)
        kept: list[Draft | None] = []
        for draft, known, surface in zip(drafts, tried, surfaces or [""] * len(drafts), strict=True):
            verdict = Veto(draft, "history", known) if known is not None else next(given)
            if isinstance(verdict, Veto):
                self.vetoed.append(replace(verdict, surface=surface))
                kept.append(None)
            else:
                kept.append(replace(draft, advice=verdict))
        return kept
