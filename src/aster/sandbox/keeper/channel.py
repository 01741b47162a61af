"""The channel between an evaluator and the candidate's service: messages through shared memory, one at a time.

Aster lays this file into both sandboxes as the module `aster_channel`; it needs the standard library alone. The
memory cannot be resized by either side, and what comes back is a copy: a service can change the original whenever
it likes.

    # the evaluator, a trusted stage with `service = "serve"`       # the candidate's service
    from aster_channel import connect                               from aster_channel import connect
    with connect() as channel:                                      connect().serve(lambda request: answer)
        answer = channel.call(request, timeout_s=5)
"""

from __future__ import annotations

import mmap
import os
import select
import time
from collections.abc import Callable

VARIABLE = "ASTER_CHANNEL"
"""Names three descriptors: the memory, a pipe to read bells from and one to ring them in."""
MOST = 64 << 20
"""Bytes that a request, or an answer, may have."""
_HEADER = 8
_HALF = MOST + mmap.PAGESIZE


class ServiceGone(Exception):
    """The service ended, or hung up."""


class Channel:
    """One end. `caller`: this is the evaluator's, whose requests lie in the first half of the memory."""

    def __init__(self, memory: int, bells: int, ring: int, caller: bool) -> None:
        self._bells, self._ring = bells, ring
        self._memory = mmap.mmap(memory, 2 * _HALF)
        self._out, self._in = (0, _HALF) if caller else (_HALF, 0)

    def call(self, request: bytes | memoryview, timeout_s: float) -> bytes:
        """Send a request and return the answer, at most `MOST` bytes, copied.

        Raises:
            ValueError: the request is too large.
            TimeoutError: no answer within `timeout_s` seconds. Nothing that comes later can be told from an answer
                to the next request: end the attempt.
            ServiceGone: there is nobody to answer.
        """
        self._put(request)
        self._wait(time.monotonic() + timeout_s)
        return self._get()

    def serve(self, answer: Callable[[bytes], bytes | memoryview]) -> None:
        """Answer requests until the evaluator hangs up.

        Raises:
            ValueError: an answer is too large.
        """
        while True:
            try:
                self._wait(None)
                self._put(answer(self._get()))
            except ServiceGone:
                return

    def close(self) -> None:
        """Hang up."""
        self._memory.close()
        os.close(self._bells)
        os.close(self._ring)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B")
        if len(view) > MOST:
            raise ValueError(f"a message of {len(view)} bytes is larger than the channel's {MOST}")
        start = self._out + _HEADER
        self._memory[start : start + len(view)] = view
        self._memory[self._out : start] = len(view).to_bytes(_HEADER, "little")
        try:
            os.write(self._ring, b"!")
        except BrokenPipeError:
            raise ServiceGone("the other end of the channel is closed") from None

    def _get(self) -> bytes:
        start = self._in + _HEADER
        length = min(int.from_bytes(self._memory[self._in : start], "little"), MOST)
        return self._memory[start : start + length]

    def _wait(self, until: float | None) -> None:
        left = None if until is None else max(0.0, until - time.monotonic())
        ready, _, _ = select.select([self._bells], [], [], left)
        if not ready:
            raise TimeoutError("the service did not answer in time")
        if not os.read(self._bells, 1):
            raise ServiceGone("the other end of the channel is closed")


def connect() -> Channel:
    """Return this process's end of the channel.

    Raises:
        KeyError: this stage has no channel: it is neither a service nor has one.
    """
    memory, bells, ring, caller = os.environ[VARIABLE].split(",")
    return Channel(int(memory), int(bells), int(ring), caller == "caller")


class Ends:
    """Both ends of a new channel, for a keeper to pass on: (descriptors, value of `VARIABLE`) each."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("channel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._memory, 2 * _HALF)
        _seal(self._memory)
        heard_by_service, rung_by_caller = os.pipe()
        heard_by_caller, rung_by_service = os.pipe()
        self.caller = self._end(heard_by_caller, rung_by_caller, "caller")
        self.service = self._end(heard_by_service, rung_by_service, "service")

    def _end(self, bells: int, ring: int, name: str) -> tuple[tuple[int, ...], str]:
        return (self._memory, bells, ring), f"{self._memory},{bells},{ring},{name}"

    def close(self) -> None:
        """Close the keeper's copies, so that each side sees when the other is gone."""
        for fd in {*self.caller[0], *self.service[0]}:
            os.close(fd)


def _seal(memory: int) -> None:
    """Fix the memory's size: a side that shrank it could kill the other by a fault."""
    import fcntl

    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
