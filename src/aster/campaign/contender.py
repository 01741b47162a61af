"""Who stands before a claim. Pure."""

from __future__ import annotations

from aster.board import Board


def contender(board: Board, last_chance: bool = False) -> str | None:
    """Return the best candidate that beats the standing one and has not been claimed against it, or None.

    Where candidates race for seeds, one that has not run on all of them stands there only at the last chance.
    """
    standing, candidate = board.standing, board.unclaimed()
    if standing is None or candidate is None:
        return None
    if board.setup.racing and not last_chance and not board.race.complete(candidate):
        return None
    found = board.gain(candidate, standing)
    return candidate if found is not None and found[0] > board.setup.objective.resolution else None
