"""Hypotheses as models write them down: the arguments of tools, and the records that they become."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field, FiniteFloat

from aster.agents.reading import no_candidate
from aster.board import Board
from aster.domain.research import Draft


class Hypothesis(BaseModel):
    """A hypothesis, as an argument."""

    change: str = Field(min_length=3, max_length=200, description="what is changed, in a few words")
    text: str = Field(
        min_length=20,
        max_length=2400,
        description="what is claimed and why it should hold, how to carry it out, and what would prove it wrong",
    )
    predicts: FiniteFloat | None = Field(
        default=None, description="the gain that you expect, a positive number in the metric's units"
    )
    parent: str | None = Field(
        default=None, description="id of the candidate to start from; left out: the best that is known by then"
    )

    def draft(self) -> Draft:
        """Return it as a record."""
        return Draft(self.change.strip(), self.text.strip(), self.predicts, self.parent or None)


def unknown_parents(board: Board, drafts: Sequence[Draft]) -> list[str]:
    """Return what is wrong with the parents that drafts name, in words."""
    named = [each.parent for each in drafts if each.parent]
    for_nobody = [each for each in named if each in board.candidates and board.candidates[each].diagnosis]
    return [
        *(no_candidate(each) for each in named if each not in board.candidates),
        *(f"{each} was made for a diagnosis: nothing starts from it. Name another." for each in for_nobody),
    ]
