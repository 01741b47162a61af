"""What a person or a program sees while a campaign runs. A view notes events and never makes the campaign wait."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from aster.board import Board
from aster.domain.events import Event
from aster.handle import Campaign


class View(Protocol):
    """Shows a campaign while the context is entered."""

    def note(self, board: Board, events: Sequence[Event]) -> None:
        """Take in new events, in the campaign's thread: quick, and never raises because nobody reads."""
        ...

    def finish(self, campaign: Campaign) -> None:
        """Say how it went."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def choose_view(as_json: bool) -> View:
    """Return JSON lines if asked for; else a live view on a terminal, and plain lines anywhere else."""
    if as_json:
        from aster.cli.lines import JsonLines

        return JsonLines(sys.stdout)
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from aster.cli.live import LiveView

        return LiveView()
    from aster.cli.lines import PlainLines

    return PlainLines(sys.stdout)
