"""Numbers read from what an untrusted stage prints: a metric's last line, intermediate values, and the bars on them.

The text is a hostile candidate's. A line is cut before it is matched, a chunk of output has a second of CPU time for
matching, and what is kept is bounded. All that is decided here depends on the text alone, never on when it came:
once a bar is broken nothing more is read, so that the same output always comes to the same outcome.
"""

from __future__ import annotations

import re
import signal
from types import FrameType
from typing import NoReturn

from .spec import Reading

MOST_POINTS = 200
MOST_LINE = 1000
MOST_TEXT = 100
MATCHING_S = 1.0
"""CPU seconds in which the lines of one chunk must be matched."""
LARGEST = 1e100
"""Intermediate values beyond this are left out, like those that are not finite."""
LARGEST_STEP = 1 << 53

_CUT = 4 * MOST_LINE
"""Bytes that hold the first `MOST_LINE` characters of any line."""
_ENDS = re.compile(r"[\r\n]+")
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class TooSlow(Exception):
    """A pattern takes too long on what the stage printed."""


class Reader:
    """Reads the output of an attempt's untrusted stages, one after another.

    Attributes:
        found: metric -> the text that its pattern's group matched last.
        points: (step, value), steps growing; thinned by halves so that there are never more than `MOST_POINTS`.
        hopeless: why the attempt is to be stopped early, or "".
    """

    def __init__(self, reading: Reading) -> None:
        self.found: dict[str, str] = {}
        self.points: list[tuple[int, float]] = []
        self.hopeless = ""
        self._metrics = {name: re.compile(pattern) for name, pattern in reading.metrics.items()}
        self._progress = re.compile(reading.progress) if reading.progress else None
        self._sign = 1.0 if reading.goal == "minimize" else -1.0
        self._bars = sorted(reading.bars)
        self._rest = b""
        self._last_step = -1
        self._stride = self._skipped = 1

    @property
    def idle(self) -> bool:
        """Whether there is nothing to read for."""
        return bool(self.hopeless) or not (self._metrics or self._progress)

    def add(self, data: bytes) -> None:
        r"""Take in output as it comes; "\r" ends a line as "\n" does.

        Raises:
            TooSlow: matching its lines took more than `MATCHING_S` of CPU time.
        """
        if self.idle or not data:
            return
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end:
            self._read(self._rest + data[:end])
            self._rest = b""
        if len(self._rest) < _CUT:
            self._rest += data[end : end + _CUT]

    def end(self) -> None:
        """Take what came last as a line: the stage is over.

        Raises:
            TooSlow: as for `add`.
        """
        rest, self._rest = self._rest, b""
        if rest and not self.idle:
            self._read(rest)

    def _read(self, data: bytes) -> None:
        before = signal.signal(signal.SIGVTALRM, _too_slow)
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, MATCHING_S)
            for line in _ENDS.split(data.decode(errors="replace")):
                if line and not self.hopeless:
                    self._line(line[:MOST_LINE])
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    def _line(self, line: str) -> None:
        if "\x1b" in line:
            line = _COLOURS.sub("", line)
        if self._progress is not None and (point := self._progress.search(line)):
            self._point(point[1] or "", point[2] or "")
        for name, pattern in self._metrics.items():
            if (found := pattern.search(line)) and found[1] is not None:
                self.found[name] = found[1][:MOST_TEXT]

    def _point(self, at: str, number: str) -> None:
        """Take an intermediate value in; steps that do not grow, and values that are no numbers, are left out."""
        try:
            step, value = int(float(at)), float(number)
        except (ValueError, OverflowError):
            return
        if not (self._last_step < step <= LARGEST_STEP and abs(value) <= LARGEST):  # which NaN is not
            return
        self._last_step = step
        while self._bars and step >= self._bars[0][0]:
            _, bar = self._bars.pop(0)
            if self._sign * (value - bar) > 0:
                self.hopeless = f"stopped early at step {step}: {value:.6g} is worse than {bar:.6g}"
                break
        self._keep(step, value)

    def _keep(self, step: int, value: float) -> None:
        """Keep every `_stride`-th point, and the one that broke a bar."""
        self._skipped += 1
        if self._skipped < self._stride and not self.hopeless:
            return
        self._skipped = 0
        if len(self.points) == MOST_POINTS:
            del self.points[1::2]
            self._stride *= 2
        self.points.append((step, value))


def _too_slow(_: int, __: FrameType | None) -> NoReturn:
    raise TooSlow
