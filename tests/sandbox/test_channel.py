"""The channel, both ends in this process; hostile services, each in its sandbox: tests/execution/test_service.py."""

from __future__ import annotations

import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aster.sandbox.keeper import channel
from aster.sandbox.keeper.channel import MOST, AnswerTooLarge, Channel, Ends, ServiceGone, connect

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs memfd_create")
PLENTY_S = 20.0


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """The evaluator's end and the service's, each with descriptors of its own."""
    made = Ends()
    both = _end(made.caller[0], True), _end(made.service[0], False)
    made.close()
    yield both
    for each in both:
        if not each._memory.closed:
            each.close()


def _end(fds: tuple[int, ...], caller: bool) -> Channel:
    memory, bells, ring = (os.dup(fd) for fd in fds)
    end = Channel(memory, bells, ring, caller)
    os.close(memory)
    return end


@contextmanager
def serving(service: Channel, answer: Callable[[bytes], bytes | memoryview]) -> Iterator[None]:
    thread = threading.Thread(target=service.serve, args=(answer,))
    thread.start()
    yield
    thread.join()


def pose(service: Channel, number: int, length: int, body: bytes = b"", bells: bytes = b"!") -> None:
    """Do by hand what a service does that obeys no rules."""
    start = service._out
    service._memory[start + 16 : start + 16 + len(body)] = body
    service._memory[start : start + 16] = struct.pack("<QQ", number, length)
    os.write(service._ring, bells)


def test_requests_are_answered_until_the_evaluator_hangs_up(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    with serving(service, lambda request: request[::-1]):
        with caller:
            assert caller.call(b"abc", PLENTY_S) == b"cba"
            assert caller.call(b"", PLENTY_S) == b""
            assert caller.call(memoryview(b"de"), PLENTY_S) == b"ed"


def test_the_largest_message(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    with serving(service, lambda request: request), caller:
        large = bytes(MOST - 1) + b"x"
        assert caller.call(large, PLENTY_S) == large
        with pytest.raises(ValueError, match="larger than the channel's"):
            caller.call(bytes(MOST + 1), PLENTY_S)


def test_a_call_in_two_halves_needs_no_new_memory(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    room = bytearray(b"........")
    with serving(service, lambda request: request[::-1]), caller:
        caller.ask(b"abc")
        assert caller.take(PLENTY_S, memoryview(room)) == 3
        assert room == b"cba....."
        caller.ask(b"lost")
        caller.ask(b"de")
        assert caller.take(PLENTY_S, memoryview(room)) == 2
        assert room == b"eda....."
        caller.ask(bytes(9))
        with pytest.raises(AnswerTooLarge):
            caller.take(PLENTY_S, memoryview(room))
        assert caller.call(b"on", PLENTY_S) == b"no"


def test_what_comes_back_is_a_copy(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    pose(service, 1, 4, b"good")
    answer = caller.call(b"", PLENTY_S)
    pose(service, 1, 4, b"evil")
    assert answer == b"good"


def test_a_late_answer_is_not_the_next_one_s(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    with pytest.raises(TimeoutError):
        caller.call(b"one", 0.01)
    with pytest.raises(TimeoutError):
        caller.call(b"two", 0.01)
    pose(service, 1, 4, b"late")
    with pytest.raises(TimeoutError):
        caller.call(b"three", 0.01)
    with serving(service, lambda request: request.upper()), caller:
        assert caller.call(b"four", PLENTY_S) == b"FOUR"


def test_a_service_that_was_slow_answers_the_newest_request_once(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    for request in (b"one", b"two"):
        with pytest.raises(TimeoutError):
            caller.call(request, 0.01)
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        return request

    with serving(service, answer), caller:
        assert caller.call(b"three", PLENTY_S) == b"three"
        assert caller.call(b"three", PLENTY_S) == b"three"  # the same words are another request
    assert seen[-2:] == [b"three", b"three"]
    assert len(seen) == len({*seen}) + 1


def test_bells_for_nothing(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    os.write(service._ring, b"!" * 10_000)
    with pytest.raises(TimeoutError):
        caller.call(b"", 0.02)
    pose(service, 2, 2, b"ok", bells=b"!" * 100)
    assert caller.call(b"", PLENTY_S) == b"ok"


@pytest.mark.parametrize("length", [5, MOST + 1, 2**63, 2**64 - 1])
def test_lengths_that_cannot_be(length: int, ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    pose(service, 1, length)
    with pytest.raises(AnswerTooLarge, match=f"has {length} bytes, more than 4"):
        caller.call(b"", PLENTY_S, most=4)


def test_a_bound_above_the_channel_s_is_the_channel_s(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    pose(service, 1, MOST + 1)
    with pytest.raises(AnswerTooLarge):
        caller.call(b"", PLENTY_S, most=1 << 40)


def test_a_service_that_never_listens_cannot_make_the_evaluator_wait(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    for number in range(1, 70_000):  # more than the pipe to it holds
        service._memory[service._out : service._out + 16] = struct.pack("<QQ", number, 0)
        os.write(service._ring, b"!")
        assert caller.call(b"", PLENTY_S) == b""


def test_a_service_that_takes_its_bells_back_cannot_make_the_evaluator_wait(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    back = os.open(f"/dev/fd/{service._ring}", os.O_RDONLY | os.O_NONBLOCK)
    taking = threading.Event()

    def play() -> None:
        while not taking.is_set():
            os.write(service._ring, b"!")
            try:
                os.read(back, 100)
            except BlockingIOError:  # the evaluator was faster
                continue

    thread = threading.Thread(target=play)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            caller.call(b"", 0.2)
    finally:
        taking.set()
        thread.join()
        os.close(back)


def test_hanging_up_is_seen_on_both_sides(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    service.close()
    with pytest.raises(ServiceGone):
        caller.call(b"", PLENTY_S)
    with pytest.raises(ServiceGone):
        caller.call(b"", PLENTY_S)


def test_an_answer_before_hanging_up_counts(ends: tuple[Channel, Channel]) -> None:
    caller, service = ends
    pose(service, 1, 4, b"last")
    os.close(service._ring)
    assert caller.call(b"", PLENTY_S) == b"last"
    with pytest.raises(ServiceGone):
        caller.call(b"", PLENTY_S)
    service._ring = os.open(os.devnull, os.O_WRONLY)


def test_the_memory_keeps_its_size() -> None:
    made = Ends()
    try:
        for size in (0, 4096, 1 << 30):
            with pytest.raises(PermissionError):
                os.ftruncate(made.service[0][0], size)
    finally:
        made.close()


def test_an_end_is_found_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Ends()
    for (fds, value), caller in ((made.caller, True), (made.service, False)):
        monkeypatch.setenv(channel.VARIABLE, value)
        end = connect()
        assert (end._bells, end._ring, end._out == 0) == (*fds[1:], caller)
        end._memory.close()
    made.close()
    monkeypatch.delenv(channel.VARIABLE)
    with pytest.raises(KeyError):
        connect()
