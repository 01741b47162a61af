"""How many more agents the campaign has a place for, and how many experiments one of them is given. Pure."""

from __future__ import annotations

import math

from aster.board import Board, Line
from aster.campaign.budget import search_room


def promised(board: Board) -> int | None:
    """Return how many experiments another subagent may be promised; None: no limit tells.

    Those that were asked for are gone, and every subagent at work that has asked for none yet is owed one.
    """
    room = search_room(board)
    if room is None:
        return None
    return max(0, room - len(board.research.owed))


def share(board: Board, most: int) -> int:
    """Return how many experiments one more subagent is given, `most` at most.

    What search has left is shared alike among those at work and those that can begin now: each is told what it can
    count on. It is at least one, and no more than can be promised.
    """
    left, room = search_room(board), promised(board)
    if left is None or room is None:
        return most
    research = board.research
    working = sum(research.assignments[name].record.role == "subagent" for name in research.live)
    ready = sum(len(line.drafts) for line in open_lines(board))
    sharing = max(1, min(board.setup.agents, working + ready))
    return min(most, room, max(1, left // sharing))


def has_place(board: Board) -> bool:
    """Whether one more agent may be at work."""
    return len(board.research.live) < board.setup.agents


def places(board: Board) -> float:
    """Return how many more subagents the budget has something for: an experiment each, and what one came to so far.

    Those at work count as what they have not spent yet of what others came to. While nobody is at work money stops
    nobody: what is left may be enough.
    """
    research, limits = board.research, board.setup.limits
    states = [research.assignments[name] for name in research.live]
    working = [state for state in states if state.record.role == "subagent"]
    room = promised(board)
    left = most = math.inf if room is None else room
    ended = sum(len(model.yields) for model in research.models.values())
    for limit, spent, own in (
        (limits.usd, research.bill.usd, [state.usd for state in working]),
        (limits.tokens, research.bill.tokens, [state.tokens for state in working]),
    ):
        if limit is not None and ended and spent > 0:
            each = spent / ended  # with the share of those who planned it
            to_come = sum(max(0.0, each - used) for used in own)
            left = min(left, (limit - spent - to_come) // each)
    return left if working else max(min(1, most), left)


def open_lines(board: Board) -> list[Line]:
    """Return the directions of agents that were not ended."""
    return [line for name, line in board.research.lines.items() if board.directions[name].retired is None]
