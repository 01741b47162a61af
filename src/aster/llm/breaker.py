"""A circuit breaker: a provider that is down is left alone for a while, instead of by each of a thousand agents in turn.

Pure: it is told what happened and when, and looks at no clock.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["closed", "open", "trying"]


class Breaker(Struct, frozen=True):
    """Whether a provider may be asked.

    Closed: all may ask. Open: nobody may before `until`. Trying: one may, and what it hears decides.

    Attributes:
        failures: in a row.
        until: when one may try again.
        pause_s: how long it was opened last; it doubles each time that the one who tries fails.
        tried: when the one who tries began; it counts as lost after `LOST_S`.
    """

    state: State = "closed"
    failures: int = 0
    until: float = 0.0
    pause_s: float = 0.0
    tried: float = 0.0

    def allows(self, now: float) -> bool:
        """Whether a request may be made at this time."""
        if self.state == "closed":
            return True
        if self.state == "open":
            return now >= self.until
        return now >= self.tried + LOST_S

    def asked(self, now: float) -> Breaker:
        """Return what follows from a request that is made now; it must be allowed."""
        return self if self.state == "closed" else Breaker("trying", self.failures, self.until, self.pause_s, now)

    def worked(self) -> Breaker:
        """Return what follows from an answer."""
        return self if self == CLOSED else CLOSED

    def failed(self, now: float, retry_after_s: float | None = None) -> Breaker:
        """Return what follows from a failure that says something of the provider, not of the request.

        Args:
            retry_after_s: what the provider asked for: it opens at once, and for no less.
        """
        failures = self.failures + 1
        if self.state == "open":  # a request that was under way when it opened
            return Breaker("open", failures, max(self.until, now + (retry_after_s or 0.0)), self.pause_s)
        if self.state == "closed" and failures < MOST_FAILURES:
            return Breaker("closed", failures)
        pause = min(LONGEST_S, self.pause_s * 2 if self.state == "trying" else FIRST_S)
        return Breaker("open", failures, now + max(pause, retry_after_s or 0.0), pause)


CLOSED = Breaker()
MOST_FAILURES = 8
"""In a row, before a closed breaker opens."""
FIRST_S = 5.0
LONGEST_S = 300.0
LOST_S = 900.0
