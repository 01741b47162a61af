"""Which candidate the next hypothesis branches from."""

from __future__ import annotations

import math
import random

from aster.board import Board


def ranked_elites(board: Board) -> list[str]:
    """Return the archive's elites that are ranked on the current hardware, best first."""
    ranking = board.ranking
    return sorted({e for e in board.archive.elites.values() if e in ranking}, key=ranking.row)


def draw_parents(board: Board, rng: random.Random, count: int) -> list[str]:
    """Return `count` elites, drawn by rank and neglect, each as if alone; the baseline while there is none.

    The weight is exp(-3 rank / n) / sqrt(1 + children) over the n elites that are ranked on the current hardware: the
    best is up to 20 times likelier than the last, and one that was branched from often gives way.
    """
    elites = ranked_elites(board)
    if not elites:
        assert board.baseline is not None
        return [board.baseline] * count
    weights = [
        math.exp(-3.0 * rank / len(elites)) / math.sqrt(1 + board.children.get(elite, 0))
        for rank, elite in enumerate(elites)
    ]
    return rng.choices(elites, weights, k=count)
