"""Being asked to end: Ctrl-C, a service manager's SIGTERM, a closed terminal's SIGHUP."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from aster.board import Board
from aster.domain.events import Event

POLITE = ("SIGTERM", "SIGHUP")
"""Signals that ask for an end, once; only Ctrl-C can make a campaign that is ending leave at once."""


class Interrupts:
    """Counts interrupts and says what each one does. A context manager: inside it, POLITE signals act like Ctrl-C.

    A signal that was ignored from outside (`nohup`) stays ignored. To be entered in the main thread.
    """

    def __init__(self, resume: str) -> None:
        """Args:
        resume: the command that goes on with the campaign.
        """
        self.times = 0
        self._resume = resume
        self._running = 0
        self._before: dict[int, Any] = {}

    def note(self, board: Board, _events: Sequence[Event]) -> None:
        """Observe the campaign, to know how much is running."""
        self._running = len(board.running)

    def told(self, times: int) -> None:
        """Say what interrupt number `times` does."""
        self.times = times
        if times == 1:
            what = f"{self._running} running experiment" + ("s" if self._running != 1 else "")
            say(f"Ending: waiting for {what} (Ctrl-C again to leave at once).")
        elif times == 2 and self._running:
            say(f"Leaving: running experiments are stopped; `{self._resume}` runs them again.")

    def __enter__(self) -> Self:
        for name in POLITE:
            number = getattr(signal, name)
            if signal.getsignal(number) == signal.SIG_DFL:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.times == 0:
            raise KeyboardInterrupt


def say(text: str, write: Callable[..., None] = print) -> None:
    """Print to stderr now; a terminal that is gone is no reason to stop."""
    with suppress(OSError):
        write(text, file=sys.stderr, flush=True)
