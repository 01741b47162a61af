"""Which direction of agents gets the next assignment: as the bandit does it, times what the planner thinks of it."""

from __future__ import annotations

import math
import random

from aster.board import Board, DirectionState
from aster.planning.bandit import draw_worth, recent_yields


def open_lines(board: Board) -> list[DirectionState]:
    """Return the open directions that agents work in, oldest first."""
    states = (board.directions[each] for each in board.research.lines)
    return [state for state in states if state.retired is None]


def fund_lines(board: Board, rng: random.Random) -> list[str]:
    """Return the open directions of agents by one draw of their gain per cost times their weight, highest first.

    What the planner expects of a direction is its prior. A direction of weight 0 comes last.
    """
    states = open_lines(board)
    expected = {s.record.id: _finite(s.record.expected) for s in states}
    top = max((each for each in expected.values() if each is not None), default=None)
    yields = {s.record.id: recent_yields(s, board.setup.mode == "ordered") for s in states}
    scale = max((y for rows in yields.values() for y in rows), default=0.0) or 1.0
    drawn = {d: draw_worth(expected[d], top, [row / scale for row in rows], rng) for d, rows in yields.items()}
    weights = {d: max(0.0, board.research.lines[d].weight) for d in drawn}
    worth = {d: max(0.0, draw) * weights[d] for d, draw in drawn.items()}
    return sorted(drawn, key=lambda d: (weights[d] == 0.0, -worth[d], -drawn[d], d))


def _finite(expected: float | None) -> float | None:
    """Return what a model expects, unless that is no number that could be reached."""
    return expected if expected is not None and math.isfinite(expected) else None
