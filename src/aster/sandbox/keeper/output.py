"""Output of untrusted programs: always drained, never more than a bound kept, never believed."""

from __future__ import annotations

import os
import signal

HEAD = 8 << 10
TAIL = 56 << 10
SCORE = 64 << 10
REASON = 300
_CHUNK = 64 << 10
_RECENT = 4 << 10
_HINTS = {
    signal.SIGXCPU: " (more CPU time than its cpus and timeout allow)",
    signal.SIGXFSZ: " (a file larger than allowed)",
}


class Log:
    """The first `HEAD` and the last `TAIL` bytes of all that was added, and how many between were dropped."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._recent = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Add output of the running stage."""
        self._recent = (self._recent + data)[-_RECENT:]
        room = HEAD - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 4 * TAIL:  # trimmed now and then, so that adding stays cheap
            self._trim()

    def note(self, text: str) -> None:
        """Add a line of the keeper's own."""
        recent = self._recent
        self.add(f"[aster] {text}\n".encode())
        self._recent = recent

    def quote(self, title: str, other: Log) -> None:
        """Add what another log kept, as no part of the running stage's output."""
        recent = self._recent
        self.note(title)
        self.add(other.content())
        self._recent = recent

    def begin(self, title: str) -> None:
        """Start a stage: `last_line` forgets what came before."""
        self.note(title)
        self._recent = bytearray()

    def last_line(self) -> str:
        """Return the running stage's last line that is not blank, without control characters."""
        lines = (clean(line) for line in reversed(self._recent.decode(errors="replace").splitlines()))
        return next((line for line in lines if line), "")

    def content(self) -> bytes:
        """Return what is kept, with a line in place of what was dropped."""
        self._trim()
        gap = b"\n[aster] %d bytes left out\n" % self._dropped if self._dropped else b""
        return bytes(self._head + gap + self._tail)

    def _trim(self) -> None:
        surplus = max(0, len(self._tail) - TAIL)
        self._dropped += surplus
        del self._tail[:surplus]


class Pipe:
    """A pipe whose reading end never blocks us. Writers see an ordinary blocking pipe."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.open = True

    def read(self) -> bytes:
        """Return what is there now, at most a chunk; b"" when nothing is, or when every writer is gone."""
        try:
            data = os.read(self.reader, _CHUNK)
        except BlockingIOError:
            return b""
        self.open = bool(data)
        return data

    def close_writer(self) -> None:
        """Close our copy of the writing end, so that the reader sees the end when the stage's are closed."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        self.close_writer()
        os.close(self.reader)


class Streams:
    """What comes out of a running stage: `output` of both kinds, `score` of a trusted one, `service` of its service."""

    def __init__(self, trusted: bool, service: bool) -> None:
        self.output = Pipe()
        self.score = Pipe() if trusted else None
        self.service = Pipe() if service else None

    @property
    def pipes(self) -> list[Pipe]:
        return [pipe for pipe in (self.output, self.score, self.service) if pipe]

    def close_writers(self) -> None:
        for pipe in self.pipes:
            pipe.close_writer()

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()


def clean(text: str) -> str:
    """Return `text` as one line without control characters, at most `REASON` characters."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:REASON]


def ending(code: int) -> str:
    """Return how a process ended in words, from its exit code (negative: minus the signal's number)."""
    if code >= 0:
        return f"exit code {code}"
    try:
        number = signal.Signals(-code)
        return f"killed by {number.name}{_HINTS.get(number, '')}"
    except ValueError:
        return f"killed by signal {-code}"
