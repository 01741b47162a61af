"""Hypotheses before they cost anything: held against all that was tried, then read by the critic."""

from __future__ import annotations

from collections.abc import Sequence

from aster.agents.critic import review
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line
from aster.agents.similar import repeats_one_of, tried_before
from aster.board import Board
from aster.domain.research import Draft, Veto

LOOKED_AT = 64
"""Latest vetoes that a draft is compared with."""


def tried_already(board: Board, drafts: Sequence[Draft], direction: str | None) -> list[str | None]:
    """Return for each draft why it is turned down for what was tried, or None.

    Args:
        direction: whose vetoes count; None: those of all.
    """
    return [
        _tried(board, draft) or _twice(board, direction, draft, drafts[:place]) for place, draft in enumerate(drafts)
    ]


def _tried(board: Board, draft: Draft) -> str | None:
    before = tried_before(board, draft)
    if before is None:
        return None
    return f"tried before as {before.hypothesis} {in_line(before.change, 120)}: {in_line(before.came_to, 200)}"


def _twice(board: Board, direction: str | None, draft: Draft, others: Sequence[Draft]) -> str | None:
    """Return that a draft says the same as one beside it, or as one that a critic turned down lately."""
    if repeats_one_of(draft, others) is not None:
        return "it says the same as another one that you hand over"
    latest = [veto for where, veto in board.research.vetoes[-LOOKED_AT:] if direction in (None, where)]
    vetoes = [veto for veto in latest if veto.by == "critic"]
    same = repeats_one_of(draft, [veto.draft for veto in vetoes])
    why = next((veto.reason for veto in vetoes if veto.draft is same), "")
    return f"it was turned down before: {in_line(why, 240)}" if same is not None else None


class Sieve:
    """Takes drafts, and keeps those that nothing speaks against.

    Attributes:
        vetoed: all that were turned down.
    """

    def __init__(self, desk: Desk, critics_instructions: str) -> None:
        self._desk, self._instructions = desk, critics_instructions
        self._reviewed = 0
        self.vetoed: list[Veto] = []

    async def sift(self, drafts: Sequence[Draft], tried: Sequence[str | None], brief: str) -> list[Draft | None]:
        """Return the drafts, None in the place of those that are turned down.

        Args:
            tried: for each draft, as `tried_already` returned it.
            brief: what the critic is told of the others; not looked at where there are none.

        Raises:
            Spent, Unanswered: the critic gives no verdict.
        """
        left = [draft for draft, why in zip(drafts, tried, strict=True) if why is None]
        verdicts: list[str | None] = []
        if left:
            self._reviewed += 1
            verdicts = await review(self._desk, self._instructions, brief, len(left), self._reviewed)
        given = iter(verdicts)
        kept: list[Draft | None] = []
        for draft, known in zip(drafts, tried, strict=True):
            why = known if known is not None else next(given)
            if why is not None:
                self.vetoed.append(Veto(draft, "critic" if known is None else "history", why))
            kept.append(draft if why is None else None)
        return kept
