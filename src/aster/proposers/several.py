"""Several proposers as one. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from aster.board import Board
from aster.domain.events import MergeConflicted
from aster.domain.records import COMBINATION
from aster.proposers.protocol import Proposed, Proposer


class Several:
    """Works on the surfaces of all its parts; where two share one, chance says who is asked first."""

    def __init__(self, parts: Sequence[Proposer]) -> None:
        self._parts = tuple(parts)

    def surfaces(self) -> Mapping[str, float | None]:
        """Return the surfaces of all parts, each with the largest gain that one predicts there."""
        merged: dict[str, float | None] = {}
        for part in self._parts:
            for surface, gain in part.surfaces().items():
                known = merged.get(surface)
                merged[surface] = gain if known is None else known if gain is None else max(gain, known)
        return merged

    def propose(self, board: Board, surface: str, rng: random.Random) -> Proposed:
        """Return the proposal of one part, and the conflicts that any part met on the way."""
        serving = [part for part in self._parts if surface == COMBINATION or surface in part.surfaces()]
        if len(serving) > 1:
            rng.shuffle(serving)
        conflicts: dict[tuple[str, ...], MergeConflicted] = {}
        for part in serving:
            proposed = part.propose(board, surface, rng)
            conflicts.update({conflict.ideas: conflict for conflict in proposed.conflicts})
            if proposed.proposal is not None:
                return Proposed(proposed.proposal, (*conflicts.values(),))
        return Proposed(None, (*conflicts.values(),))
