"""How an attempt ends before its last stage has ended well."""

from __future__ import annotations

from .spec import Status


class Ended(Exception):
    """The attempt is over; nothing of its last stage runs any more."""

    def __init__(
        self, status: Status, reason: str = "", stage: str = "", limit_s: float = 0.0, early: bool = False
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.stage, self.limit_s, self.early = status, reason, stage, limit_s, early


def early(reason: str, stage: str) -> Ended:
    """Return the end of an attempt that broke one of its bars."""
    return Ended("cancelled", reason, stage, early=True)


def unreadable(stage: str) -> Ended:
    """Return the end of an attempt whose output cannot be matched in time."""
    return Ended("failed", f"{stage}: matching its output with the problem's patterns takes too long", stage)
