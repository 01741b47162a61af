"""Which candidate the next hypothesis branches from."""

from __future__ import annotations

import math
import random

from aster.board import Board


def draw_parent(board: Board, rng: random.Random) -> str:
    """Return an elite, drawn by rank and neglect; the baseline while there is none.

    The weight is exp(-3 rank / n) / sqrt(1 + children) over the n elites that are ranked on the current hardware: the
    best is up to 20 times likelier than the last, and one that was branched from often gives way.
    """
    ranking = board.ranking
    elites = sorted({e for e in board.archive.elites.values() if e in ranking}, key=ranking.position)
    if not elites:
        assert board.baseline is not None
        return board.baseline
    weights = [
        math.exp(-3.0 * rank / len(elites)) / math.sqrt(1 + board.children.get(elite, 0))
        for rank, elite in enumerate(elites)
    ]
    return rng.choices(elites, weights)[0]
