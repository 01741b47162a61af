"""How long a line of agents has waited, by cause. Pure: it is told what time it is."""

from __future__ import annotations

from collections.abc import Mapping

from aster.domain.research import WaitCause

LEAST_S = 0.001
"""Waits below this are none worth telling."""

Seconds = Mapping[WaitCause, float]


class Meter:
    """Adds up the seconds for which each cause held up the head of a line, and with it all who stand behind."""

    def __init__(self, now: float) -> None:
        self._totals: dict[WaitCause, float] = {}
        self._cause: WaitCause | None = None
        self._since = now

    def turn_to(self, cause: WaitCause | None, now: float) -> None:
        """Note what holds the line up from now on; None: nothing does."""
        self._totals = self.read(now)
        self._cause, self._since = cause, now

    def read(self, now: float) -> dict[WaitCause, float]:
        """Return the seconds so far. Who comes and who goes reads it; the difference is their wait."""
        if self._cause is None:
            return dict(self._totals)
        held = self._totals.get(self._cause, 0.0) + now - self._since
        return {**self._totals, self._cause: held}


def between(before: Seconds, after: Seconds) -> dict[WaitCause, float]:
    """Return what came to a meter between two readings."""
    return {cause: seconds - before.get(cause, 0.0) for cause, seconds in after.items()}


def told(*parts: Seconds) -> dict[WaitCause, float]:
    """Return the sum of several waits, in thousandths of a second, without those too short to tell."""
    total: dict[WaitCause, float] = {}
    for part in parts:
        for cause, seconds in part.items():
            total[cause] = total.get(cause, 0.0) + seconds
    return {cause: round(seconds, 3) for cause, seconds in sorted(total.items()) if seconds >= LEAST_S}
