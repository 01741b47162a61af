"""The gate before providers, by a clock that the tests turn."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from aster.domain.research import ModelChoice
from aster.llm.breaker import MOST_FAILURES
from aster.llm.limits import MOST_REFUSED, Bucket, Gate, Rates, Turn
from aster.llm.protocol import Refusal, Unknown

MODEL = ModelChoice("openai:a")
OTHER = ModelChoice("openai:b")


class FakeTimer:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = count()
        self.calls: list[tuple[float, int, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        heapq.heappush(self.calls, (self.now + delay, next(self._numbers), callback))
        return None

    async def pass_to(self, when: float) -> None:
        """Let time pass, and whoever wakes by it run."""
        await settle()
        while self.calls and self.calls[0][0] <= when:
            self.now, _, callback = heapq.heappop(self.calls)
            callback()
            await settle()
        self.now = when


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Lab:
    """Agents before a gate: when each was let out, and how its turn is to end."""

    def __init__(self, rates: Rates) -> None:
        self.timer = FakeTimer()
        self.gate = Gate({"openai": rates}, self.timer)
        self.out: list[tuple[str, float]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def agent(
        self,
        name: str,
        end: Callable[[Turn], Awaitable[None]] | None = None,
        model: ModelChoice = MODEL,
        tokens: int = 10,
    ) -> asyncio.Task[None]:
        async def run() -> None:
            async with self.gate.turn(model, tokens) as turn:
                self.out.append((name, round(self.timer.now, 1)))
                await (end or works)(turn)

        task = asyncio.create_task(run())
        self.tasks.append(task)
        return task

    @property
    def names(self) -> str:
        return "".join(name for name, _ in self.out)


async def works(turn: Turn) -> None:
    turn.worked(turn.tokens)


async def breaks(turn: Turn) -> None:
    turn.failed(Unknown("broken"))


def lab_of(rates: Rates, play: Callable[[Lab], Awaitable[None]]) -> None:
    async def run() -> None:
        lab = Lab(rates)
        await play(lab)
        for task in lab.tasks:
            task.cancel()
        await asyncio.gather(*lab.tasks, return_exceptions=True)

    asyncio.run(run())


def test_without_rates_all_go_at_once() -> None:
    async def play(lab: Lab) -> None:
        for name in "abcdef":
            lab.agent(name)
        await settle()
        assert lab.names == "abcdef"
        assert lab.gate.waiting() == ()

    lab_of(Rates(), play)


def test_requests_a_minute_are_kept_in_the_order_of_coming() -> None:
    async def play(lab: Lab) -> None:
        for name in "abcd":
            lab.agent(name)
        await settle()
        assert lab.names == "a"
        await lab.timer.pass_to(31.0)
        assert lab.out == [("a", 0.0), ("b", 10.0), ("c", 20.0), ("d", 30.0)]

    lab_of(Rates(requests=6), play)


def test_tokens_a_minute_are_taken_before_and_what_was_not_used_comes_back() -> None:
    async def used_little(turn: Turn) -> None:
        turn.worked(0)

    async def play(lab: Lab) -> None:
        lab.agent("a", used_little, tokens=100)
        lab.agent("b", tokens=100)
        lab.agent("c", tokens=100)
        await settle()
        assert lab.names == "ab"
        await lab.timer.pass_to(10.5)
        assert lab.names == "abc"

    lab_of(Rates(tokens=600), play)


def test_a_request_beyond_a_burst_goes_out_alone_and_is_paid_for_after() -> None:
    bucket = Bucket(600, 0.0)
    assert bucket.wait_s(5000, 0.0) == 0.0
    bucket.take(5000, 0.0)
    assert bucket.wait_s(100, 0.0) == 500.0


def test_at_once_means_under_way() -> None:
    async def play(lab: Lab) -> None:
        done = asyncio.Event()

        async def slow(turn: Turn) -> None:
            await done.wait()
            turn.worked(1)

        for name in "abc":
            lab.agent(name, slow)
        await settle()
        assert lab.names == "ab"
        (waiting,) = lab.gate.waiting()
        assert (waiting.model, waiting.agents) == ("openai:a", 1)
        assert (waiting.cause, waiting.why) == ("limit", "limit 2 at once")
        done.set()
        await settle()
        assert lab.names == "abc"

    lab_of(Rates(at_once=2), play)


def test_a_model_that_fails_in_a_row_is_left_alone_and_others_are_not() -> None:
    async def play(lab: Lab) -> None:
        for _ in range(MOST_FAILURES):
            lab.agent("x", breaks)
        await settle()
        lab.agent("a")
        lab.agent("b")
        lab.agent("o", model=OTHER)
        await settle()
        assert lab.names == "x" * MOST_FAILURES + "o"
        (waiting,) = lab.gate.waiting()
        assert "left alone for 5 s: broken" in waiting.why
        await lab.timer.pass_to(6.0)
        assert lab.names.endswith("oab")

    lab_of(Rates(), play)


def test_while_one_tries_the_others_wait() -> None:
    async def play(lab: Lab) -> None:
        done = asyncio.Event()

        async def slow(turn: Turn) -> None:
            await done.wait()
            turn.worked(1)

        lab.agent("x", refused)
        await settle()
        lab.agent("a", slow)
        lab.agent("b")
        await lab.timer.pass_to(31.0)
        assert lab.names == "xa"
        assert "one request tries" in lab.gate.waiting()[0].why
        done.set()
        await settle()
        assert lab.names == "xab"

    lab_of(Rates(), play)


async def refused(turn: Turn) -> None:
    turn.failed(Refusal("429: slow down", 30.0))


def test_retry_after_holds_all_agents_of_the_model() -> None:
    async def play(lab: Lab) -> None:
        lab.agent("x", refused)
        await settle()
        lab.agent("a")
        await lab.timer.pass_to(29.0)
        assert lab.names == "x"
        assert lab.gate.waiting()[0].longest_s == 29.0
        await lab.timer.pass_to(31.0)
        assert lab.names == "xa"

    lab_of(Rates(), play)


def test_each_wait_is_told_by_its_causes() -> None:
    """Two a minute are let out, and after 20 s the model is left alone for 5 s, while an agent is in the line."""
    waits: dict[str, dict[str, float]] = {}

    def noting(name: str) -> Callable[[Turn], Awaitable[None]]:
        async def note(turn: Turn) -> None:
            waits[name] = {cause: round(seconds, 1) for cause, seconds in turn.waited.items()}
            turn.worked(1)

        return note

    async def play(lab: Lab) -> None:
        late = asyncio.Event()

        async def fails_late(turn: Turn) -> None:
            await late.wait()
            turn.failed(Refusal("500", 25.0))

        lab.agent("x", fails_late)
        await settle()
        lab.agent("a", noting("a"))
        await lab.timer.pass_to(20.0)
        assert [each.cause for each in lab.gate.waiting()] == ["limit"]
        late.set()
        await settle()
        assert [each.cause for each in lab.gate.waiting()] == ["pause"]
        await lab.timer.pass_to(21.0)
        lab.agent("b", noting("b"))
        await lab.timer.pass_to(100.0)
        assert waits == {"a": {"limit": 20.0, "pause": 25.0}, "b": {"limit": 30.0, "pause": 24.0}}

    lab_of(Rates(requests=2), play)


def test_a_failure_says_whether_it_opened_the_breaker() -> None:
    opened: list[bool] = []

    async def failing(turn: Turn) -> None:
        opened.append(turn.failed(Unknown("broken")))

    async def play(lab: Lab) -> None:
        for _ in range(MOST_FAILURES + 2):
            lab.agent("x", failing)
        await settle()
        lab.agent("r", refused, OTHER)  # to be asked to wait is no breaker's opening
        await lab.timer.pass_to(6.0)
        assert opened == [False] * (MOST_FAILURES - 1) + [True, True]
        (waiting,) = lab.gate.waiting()
        assert (waiting.cause, waiting.agents) == ("breaker", 1)

    lab_of(Rates(), play)


def test_a_fatal_refusal_says_nothing_of_the_model_until_nothing_else_comes() -> None:
    async def too_long(turn: Turn) -> None:
        turn.failed(Refusal("too long", fatal=True))

    async def play(lab: Lab) -> None:
        for _ in range(MOST_REFUSED - 1):
            lab.agent("x", too_long)
        await settle()
        assert not lab.gate.given_up(MODEL)
        lab.agent("x", too_long)
        await settle()
        assert lab.gate.given_up(MODEL)
        assert not lab.gate.given_up(OTHER)
        lab.agent("a")
        await settle()
        assert lab.names.endswith("xa")
        assert not lab.gate.given_up(MODEL)

    lab_of(Rates(), play)


@pytest.mark.parametrize("when", ["waiting", "trying", "under way"])
def test_whoever_gives_up_makes_room(when: str) -> None:
    async def forever(turn: Turn) -> None:
        await asyncio.Event().wait()

    async def play(lab: Lab) -> None:
        if when == "trying":
            lab.agent("x", refused)
            await settle()
        first = lab.agent("a", forever)
        second = lab.agent("b", forever)
        third = lab.agent("c")
        await lab.timer.pass_to(31.0)
        assert lab.names[-1] == "a"
        (second if when == "waiting" else first).cancel()
        await settle()
        if when == "waiting":
            first.cancel()
        else:
            assert lab.names[-1] == "b"
            second.cancel()
        await settle()
        assert lab.names[-1] == "c"
        assert third.done()

    lab_of(Rates(at_once=1), play)


def test_a_thousand_who_wait_do_not_wake_each_other_in_vain() -> None:
    async def play(lab: Lab) -> None:
        for _ in range(1000):
            lab.agent("a")
        await settle()
        assert len(lab.timer.calls) < 5
        await lab.timer.pass_to(120.0)
        assert 110 <= len(lab.out) <= 140

    lab_of(Rates(requests=60), play)
