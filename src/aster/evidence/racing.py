"""Who stays in the race for search seeds. Pure."""

from __future__ import annotations

from aster.board import Board

SHARE = 0.25
"""The best of a rung, by this share, run on to the next, which doubles their seeds (`benchmarks/racing.py`)."""


def in_race(board: Board, candidate: str) -> bool:
    """Whether a candidate has earned the runs of the rung above the one that it stands on.

    The standing one always has, because whoever would follow it is compared with it on all seeds, and so has the one
    that would be claimed next, because a claim waits for all its seeds.
    """
    race = board.race
    rung = race.rung(candidate)
    if rung is None or rung == len(race.rungs) - 1:
        return False
    standing = race.standings[rung]
    return candidate in (board.standing, board.unclaimed()) or standing.position(candidate) < SHARE * len(standing)


def next_run(board: Board) -> tuple[str, int] | None:
    """Return (candidate, number of the search seed) of the run that the race wants next, or None.

    A rung that was begun is run to its end; then the highest rung with a candidate that has earned more goes first.
    """
    race = board.race
    if race.begun is not None:
        return race.begun, race.planned(race.begun)
    for leader in (board.standing, board.unclaimed()):
        if leader is not None and in_race(board, leader) and race.planned(leader) <= race.reached(leader):
            return leader, race.planned(leader)
    for rung in reversed(range(len(race.rungs) - 1)):
        candidate = race.waiting(rung)
        if candidate is not None and in_race(board, candidate):
            return candidate, race.planned(candidate)
    return None


def concluded(board: Board, candidate: str) -> bool:
    """Whether search has measured a candidate as often as it means to, for now."""
    if board.setup.racing:
        return board.race.rung(candidate) is not None and not in_race(board, candidate)
    score = board.score(candidate)
    return score is not None and score.n >= board.setup.search_seeds
