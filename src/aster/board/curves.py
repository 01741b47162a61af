"""The latest intermediate values of a campaign, by what ran: what hopeless experiments are told from."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from aster.domain.records import Purpose

MOST_BASELINES, MOST_SEARCHED = 50, 200


class Curve(Struct, frozen=True):
    """(step, value) of one experiment, by step. `whole`: it was not stopped on its way."""

    points: tuple[tuple[int, float], ...]
    whole: bool


class Curves:
    """The curves of experiments that ended well or were stopped early on one kind of hardware, oldest first.

    Only so many of the latest are kept, so that looking at them costs the same however long the history.
    """

    __slots__ = ("baseline", "searched")

    def __init__(self) -> None:
        self.baseline: deque[Curve] = deque(maxlen=MOST_BASELINES)
        self.searched: deque[Curve] = deque(maxlen=MOST_SEARCHED)

    def take(self, purpose: Purpose, status: str | None, points: tuple[tuple[int, float], ...]) -> None:
        """Keep the curve of a baseline or search experiment, unless it broke on its way."""
        if purpose in ("baseline", "search") and status in ("measured", "infeasible", "stopped_early"):
            kept = self.baseline if purpose == "baseline" else self.searched
            kept.append(Curve(points, status != "stopped_early"))
