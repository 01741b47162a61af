"""One line that says how a campaign stands while it runs, for scripts and notebooks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TextIO

from aster.board import Board
from aster.domain.events import Event
from aster.report.waiting import waiting_short
from aster.report.wording import amount, clean, dollars, duration, number, places_for

EVERY_S = 0.2
"""From one drawing to the next."""
WIDTH = 110

Observer = Callable[[Board, Sequence[Event]], None]


class Ticker:
    """Draws one line over and over, by a carriage return; terminals and notebooks both understand that."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._out, self._clock = out or sys.stderr, clock
        self._last: float | None = None
        self._board: Board | None = None

    def note(self, board: Board, _: Sequence[Event]) -> None:
        """Take in what happened; draws at most every EVERY_S seconds, and never fails for want of a reader."""
        now, self._board = self._clock(), board
        if self._last is None or now - self._last >= EVERY_S:
            self._last = now
            self._draw(board, "")

    def close(self) -> None:
        """Leave the last line standing."""
        if self._board is not None:
            self._draw(self._board, "\n")

    def _draw(self, board: Board, end: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads any more; ValueError: the stream is closed
            self._out.write(f"\r{line_of(board):<{WIDTH}}{end}")
            self._out.flush()


def line_of(board: Board) -> str:
    """Return how the campaign stands, in at most WIDTH characters."""
    setup, score, best = board.setup, board.baseline_score, next(iter(board.ranking), None)
    done, most = sum(board.tally.values()), setup.limits.experiments
    parts = [f"{done}/{most} experiments" if most is not None else f"{done} experiments"]
    if setup.limits.wall_s is not None:
        parts.append(f"{duration(board.spend.wall_s)} of {duration(setup.limits.wall_s)}")
    if setup.models:
        parts.append(f"{len(board.research.live)} agents, {_paid(board)}")
        parts += [waiting] if (waiting := waiting_short(board.research.waits.now)) else []
    if score is not None:
        known = board.score(best) if best else None
        size = known.mean if known is not None else score.mean
        places = places_for(size, None if setup.objective.exact else score.sd, setup.objective.resolution)
        parts.append(f"{clean(setup.objective.shown, 40)}: baseline {number(score.mean, places)}")
        if known is not None:
            parts.append(f"best {number(known.mean, places)}")
    decided = [state.decided.verdict for state in board.claims.values() if state.decided is not None]
    if decided:
        parts.append(f"{decided.count('confirmed')} of {len(decided)} claims confirmed")
    if board.ended is not None:
        parts.append("ended")
    return clean(", ".join(parts), WIDTH)


def _paid(board: Board) -> str:
    """Return what models came to: dollars under a ceiling of dollars, else tokens."""
    limits, bill = board.setup.limits, board.research.bill
    if limits.usd is not None:
        return f"{dollars(bill.usd)} of {dollars(limits.usd)}"
    return f"{amount(bill.tokens)} tokens"


@contextmanager
def observing(on_event: Observer | None, progress: bool) -> Iterator[list[Observer]]:
    """Yield the observers of a campaign: the user's own, and a ticker on stderr if progress is to be shown."""
    ticker = Ticker() if progress else None
    try:
        yield [*([on_event] if on_event is not None else []), *([ticker.note] if ticker is not None else [])]
    finally:
        if ticker is not None:
            ticker.close()
