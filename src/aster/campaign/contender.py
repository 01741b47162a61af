"""Who stands before a claim. Pure."""

from __future__ import annotations

from aster.board import Board


def contender(board: Board) -> str | None:
    """Return the best candidate that beats the standing one and has not been claimed against it, or None."""
    standing = board.standing
    old = board.score(standing) if standing is not None else None
    if old is None:
        return None
    claimed = {(c.record.candidate, c.record.against) for c in board.claims.values()}
    for candidate in board.ranking:
        score = board.score(candidate)
        assert score is not None
        if not board.setup.objective.better(score.mean, old.mean):
            return None
        if (candidate, standing) not in claimed:
            return candidate
    return None
