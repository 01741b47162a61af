"""When it is worth telling which calls wait. Pure: it is told what time it is."""

from __future__ import annotations

from collections.abc import Iterable

from aster.domain.research import Waiting

LOOK_S = 0.5
"""How often those who wait are looked at."""

LEAST_S = 1.0
"""A shorter wait is told to nobody."""

CHANGE_S = 5.0
"""How often a change is told, at most: lines before a provider grow and shrink all the time."""

AGAIN_S = 15.0
"""How often it is told that the same wait goes on."""


class Lookout:
    """Keeps what was told of waiting calls, and says when to tell it again.

    Attributes:
        told: who waits, as it is to be told now.
    """

    def __init__(self) -> None:
        self.told: tuple[Waiting, ...] = ()
        self._looked = self._told_at = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time to look; if so, it counts as done."""
        if now - self._looked < LOOK_S:
            return False
        self._looked = now
        return True

    def tells(self, waiting: Iterable[Waiting], now: float) -> bool:
        """Take in who waits; returns whether that is to be told now."""
        found = tuple(each for each in waiting if each.longest_s >= LEAST_S)
        after = CHANGE_S if _kinds(found) != _kinds(self.told) else AGAIN_S
        if not (found or self.told) or now - self._told_at < after:
            return False
        self.told, self._told_at = found, now
        return True


def _kinds(waiting: Iterable[Waiting]) -> list[tuple[str, str, int]]:
    return [(each.cause, each.model, each.agents) for each in waiting]
