"""A circuit breaker: a model that cannot answer is left alone for a while, not asked by a thousand agents in turn.

Pure: it is told what happened and when, and looks at no clock.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

State = Literal["closed", "open", "trying"]


class Breaker(Struct, frozen=True):
    """Whether a model may be asked.

    Closed: all may ask. Open: nobody may before `until`. Trying: one asks, and what becomes of it decides.

    Attributes:
        failures: in a row.
        until: from when one may try.
        pause_s: how long it was opened last; it doubles each time that the one who tries fails.
        why: the last failure.
    """

    state: State = "closed"
    failures: int = 0
    until: float = 0.0
    pause_s: float = 0.0
    why: str = ""

    def allows(self, now: float) -> bool:
        """Whether a request may be made at this time."""
        return self.state == "closed" or (self.state == "open" and now >= self.until)

    def asked(self) -> Breaker:
        """Return what follows from a request that is made; it must be allowed."""
        return self if self.state == "closed" else self._with("trying", self.until)

    def dropped(self) -> Breaker:
        """Return what follows from a request that was given up: the next may try in its stead."""
        return self._with("open", self.until) if self.state == "trying" else self

    def worked(self, now: float) -> Breaker:
        """Return what follows from an answer. One to a request from before it opened does not close it early."""
        if self.state == "open" and now < self.until:
            return Breaker("open", 0, self.until, 0.0, self.why)
        return CLOSED

    def failed(self, now: float, why: str, retry_after_s: float | None = None) -> Breaker:
        """Return what follows from a failure that says something of the model, not of the request.

        Args:
            retry_after_s: what the provider asked for: it opens at once, and for no less.
        """
        failures = self.failures + 1
        asked_for = now + (retry_after_s or 0.0)
        if self.state == "open":  # a request that was under way when it opened
            return Breaker("open", failures, max(self.until, asked_for), self.pause_s, why)
        if self.state == "closed" and failures < MOST_FAILURES:
            if retry_after_s is None:
                return Breaker("closed", failures, why=why)
            return Breaker("open", failures, asked_for, 0.0, why)
        pause = min(LONGEST_S, max(FIRST_S, self.pause_s * 2))
        return Breaker("open", failures, max(now + pause, asked_for), pause, why)

    def _with(self, state: State, until: float) -> Breaker:
        return Breaker(state, self.failures, until, self.pause_s, self.why)


CLOSED = Breaker()
MOST_FAILURES = 8
"""In a row, before a closed breaker opens."""
FIRST_S = 5.0
LONGEST_S = 300.0
