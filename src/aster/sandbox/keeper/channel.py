"""The channel between an evaluator and the candidate's service: messages through shared memory, one at a time.

Aster lays this file into both sandboxes as the module `aster_channel`; it needs the standard library alone. The
memory cannot be resized by either side, and what comes back is a copy: a service can change the original whenever
it likes. A message has a number, and an answer that of its request, so that nothing late, repeated or rung for
nothing is taken for the answer.

    # the evaluator, a trusted stage with `service = "serve"`       # the candidate's service
    from aster_channel import connect                               from aster_channel import connect
    with connect() as channel:                                      connect().serve(lambda request: answer)
        answer = channel.call(request, timeout_s=5)

`ask` and `take` are the two halves of a call, for a caller that works meanwhile, or has memory for the answer.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
import time
from collections.abc import Callable
from contextlib import suppress

VARIABLE = "ASTER_CHANNEL"
"""Names three descriptors: the memory, a pipe to read bells from and one to ring them in."""
MOST = 64 << 20
"""Bytes that a request, or an answer, may have."""
_HEADER = struct.Struct("<QQ")  # the message's number, its length
_HALF = MOST + mmap.PAGESIZE
_BELLS = 1 << 16
_LOOK_S = 60.0


class ServiceError(Exception):
    """The service is at fault."""


class ServiceGone(ServiceError):
    """The service ended, or hung up."""


class AnswerTooLarge(ServiceError):
    """The service says that its answer is longer than may be."""


class Channel:
    """One end. `caller`: this is the evaluator's, whose requests lie in the first half of the memory."""

    def __init__(self, memory: int, bells: int, ring: int, caller: bool) -> None:
        self._bells, self._ring = bells, ring
        # The other side may fill one pipe, and take bells back out of the other: neither may make us wait.
        for fd in (bells, ring):
            os.set_blocking(fd, False)
        self._memory = mmap.mmap(memory, 2 * _HALF)
        self._out, self._in = (0, _HALF) if caller else (_HALF, 0)
        self._number = 0

    def call(self, request: bytes | memoryview, timeout_s: float, most: int = MOST) -> bytes:
        """Send a request and return the answer, at most `most` bytes, copied.

        After an error the next call works again, if the service does; an answer that comes late is dropped.

        Raises:
            ValueError: the request is too large.
            TimeoutError: no answer within `timeout_s` seconds.
            ServiceGone: there is nobody to answer.
            AnswerTooLarge: the answer has more than `most` bytes.
        """
        self.ask(request)
        return self._get(self._answered(timeout_s, most))

    def ask(self, request: bytes | memoryview) -> None:
        """Send a request, whose answer `take` waits for; an answer to an earlier one is lost.

        Raises:
            ValueError: the request is too large.
            ServiceGone: there is nobody to answer.
        """
        self._number += 1
        self._put(self._number, request)

    def take(self, timeout_s: float, into: memoryview) -> int:
        """Copy the answer to what was asked last into `into`, memory of bytes that can be written; return its length.

        So a large answer needs no new memory, and the caller can work between asking and taking.

        Raises:
            TimeoutError, ServiceGone: as `call`.
            AnswerTooLarge: the answer does not fit.
        """
        length = self._answered(timeout_s, len(into))
        start = self._in + _HEADER.size
        with memoryview(self._memory) as memory:
            into[:length] = memory[start : start + length]
        return length

    def _answered(self, timeout_s: float, most: int) -> int:
        """Wait for the answer to the last request; return its length, once looked at and found at most `most`."""
        until = time.monotonic() + timeout_s
        while True:
            self._wait(until)
            number, length = self._header()
            if number == self._number:
                return _at_most(length, min(most, MOST))

    def serve(self, answer: Callable[[bytes], bytes | memoryview]) -> None:
        """Answer requests until the evaluator hangs up.

        Raises:
            ValueError: an answer is too large.
        """
        with suppress(ServiceGone):
            while True:
                self._wait(None)
                number, length = self._header()
                if number != self._number:  # else a bell for a request that was answered with an earlier one
                    self._number = number
                    self._put(number, answer(self._get(_at_most(length, MOST))))

    def close(self) -> None:
        """Hang up."""
        self._memory.close()
        os.close(self._bells)
        os.close(self._ring)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, number: int, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B")
        if len(view) > MOST:
            raise ValueError(f"a message of {len(view)} bytes is larger than the channel's {MOST}")
        start = self._out + _HEADER.size
        self._memory[start : start + len(view)] = view
        self._memory[self._out : start] = _HEADER.pack(number, len(view))
        try:
            os.write(self._ring, b"!")
        except BrokenPipeError:
            raise ServiceGone("the other end of the channel is closed") from None
        except BlockingIOError:  # full of bells that nobody took: whoever looks finds this message too
            return

    def _header(self) -> tuple[int, int]:
        number, length = _HEADER.unpack(self._memory[self._in : self._in + _HEADER.size])
        return number, length

    def _get(self, length: int) -> bytes:
        start = self._in + _HEADER.size
        return self._memory[start : start + length]

    def _wait(self, until: float | None) -> None:
        """Return once a bell has rung since the last time, with all bells taken."""
        waiter = select.poll()  # a `select` knows no descriptor from 1024 on
        waiter.register(self._bells, select.POLLIN)
        while True:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("the service did not answer in time")
            if waiter.poll(None if left is None else 1000 * min(left, _LOOK_S)):
                with suppress(BlockingIOError):  # somebody took the bell from under us
                    if os.read(self._bells, _BELLS):
                        return
                    raise ServiceGone("the other end of the channel is closed")


def _at_most(length: int, most: int) -> int:
    if length > most:
        raise AnswerTooLarge(f"the other end says that its message has {length} bytes, more than {most}")
    return length


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
