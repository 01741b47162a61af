"""The planner's seam."""

from __future__ import annotations

import random
from typing import Protocol

from aster.board import Board
from aster.domain.events import DirectionOpened, DirectionRetired


class Planner(Protocol):
    """Given a board, opens, funds and retires directions. Pure: randomness comes from `rng` alone."""

    def plan(self, board: Board) -> list[DirectionOpened | DirectionRetired]:
        """Return the directions to open and to retire now."""
        ...

    def fund(self, board: Board, rng: random.Random) -> list[str]:
        """Return the open directions' ids, the one that should have the next experiment first."""
        ...
