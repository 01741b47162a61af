"""Who stands before a claim. Pure."""

from __future__ import annotations

from aster.board import Board


def contender(board: Board) -> str | None:
    """Return the best candidate that beats the standing one and has not been claimed against it, or None."""
    standing, candidate = board.standing, board.unclaimed()
    if standing is None or candidate is None:
        return None
    old, new = board.score(standing), board.score(candidate)
    if old is None or new is None or not board.setup.objective.better(new.mean, old.mean):
        return None
    return candidate
