"""The gate before providers: how many may ask at once and in a minute, and who waits for what.

Agents pass it before they reserve money for a call, so that those who wait hold none.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from msgspec import Struct

from aster.domain.research import ModelChoice, WaitCause, Waiting
from aster.llm.breaker import CLOSED, Breaker
from aster.llm.protocol import ModelError, Refusal
from aster.llm.waits import Meter, Seconds, between

BURST = 1 / 6
"""Of a minute's limit: what may go out at one moment."""


MOST_REFUSED = 16
"""Requests in a row that a model cannot take: then it is not about the requests."""

SLACK_S = 0.001
"""A timer that is this late is not woken again for the last millionth of a second."""


class Rates(Struct, frozen=True):
    """What a provider takes: requests and tokens a minute, requests at once; None: any number."""

    requests: float | None = None
    tokens: float | None = None
    at_once: int | None = None


class Bucket:
    """What may still go out in a minute. It fills as time goes by, and may go below 0: more was used than asked for."""

    def __init__(self, a_minute: float | None, now: float) -> None:
        self._rate = math.inf if a_minute is None else a_minute / 60
        self._most = math.inf if a_minute is None else max(1.0, a_minute * BURST)
        self._level, self._at = self._most, now

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until an amount may go out; one beyond a burst goes out when the bucket is full."""
        self._fill(now)
        missing = min(amount, self._most) - self._level if self._rate < math.inf else 0.0
        return max(0.0, missing / self._rate)

    def take(self, amount: float, now: float) -> None:
        """Note that an amount went out; a negative one comes back."""
        self._fill(now)
        self._level = min(self._most, self._level - amount)

    def _fill(self, now: float) -> None:
        if self._rate < math.inf:
            self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now


class Timer(Protocol):
    """What the gate knows of time; an event loop is one."""

    def time(self) -> float:
        """Return seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        """Call back after so many seconds."""
        ...


class Turn:
    """One agent's turn to ask: it says what became of it before it ends; else the request counts as given up.

    Attributes:
        waited: the seconds until it was let out, by cause.
    """

    def __init__(self, gate: Gate, model: ModelChoice, tokens: int) -> None:
        self._gate, self.model, self.tokens = gate, model, tokens
        self.waited: Seconds = {}
        self.said = False

    def worked(self, tokens: int) -> None:
        """There was an answer; it used so many tokens."""
        self.said = True
        self._gate.note_answer(self, tokens)

    def failed(self, error: ModelError) -> bool:
        """There was none; returns whether the model is left alone for a while because of it."""
        self.said = True
        return self._gate.note_failure(self, error)


class _Provider:
    """A provider's limits, and how much of them is used."""

    def __init__(self, limits: Rates, now: float) -> None:
        self.limits = limits
        self.requests, self.tokens = Bucket(limits.requests, now), Bucket(limits.tokens, now)
        self.under_way = 0
        self.lines: dict[str, deque[tuple[Turn, asyncio.Future[None], float]]] = {}
        self.meters: dict[str, Meter] = {}
        self.timed = math.inf

    def wait_s(self, tokens: int, now: float) -> tuple[float, str]:
        """Return the seconds until a request may go out, and for what it waits; infinite until another has ended."""
        if self.limits.at_once is not None and self.under_way >= self.limits.at_once:
            return math.inf, f"limit {self.limits.at_once} at once"
        requests, spent = self.requests.wait_s(1, now), self.tokens.wait_s(tokens, now)
        if spent > requests:
            return spent, f"limit {self.limits.tokens:g} tokens/min"
        return requests, f"limit {self.limits.requests or 0:g}/min" if requests else ""


class Gate:
    """Lets requests out as providers take them, first come, first served. Used in one event loop.

    Args:
        limits: by provider ("openai"), or by the address of a server; others have none.
        timer: None: the running event loop.
    """

    def __init__(self, limits: Mapping[str, Rates] | None = None, timer: Timer | None = None) -> None:
        self._limits, self._given_timer = dict(limits or {}), timer
        self._providers: dict[str, _Provider] = {}
        self._breakers: dict[str, Breaker] = {}
        self._refused: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, model: ModelChoice, tokens: int) -> AsyncIterator[Turn]:
        """Wait until a model may be asked; it is asked within.

        Args:
            tokens: that the request can come to.
        """
        turn = Turn(self, model, tokens)
        await self._admitted(turn)
        try:
            yield turn
        finally:
            if not turn.said:
                self._set(model, self._breaker(model).dropped())
            provider = self._provider(model)
            provider.under_way -= 1
            self._let_out(provider)

    def waiting(self) -> tuple[Waiting, ...]:
        """Return who waits, by model."""
        now, found = self._timer.time(), []
        for provider in self._providers.values():
            for line in provider.lines.values():
                alive = [(turn, since) for turn, future, since in line if not future.done()]
                if alive:
                    cause, why = self._why(provider, alive[0][0], now)
                    found.append(Waiting(alive[0][0].model.name, len(alive), now - alive[0][1], why, cause))
        return tuple(found)

    def given_up(self, model: ModelChoice) -> bool:
        """Whether a model took none of many requests in a row, so that it is no use to ask it anything."""
        return self._refused.get(_key(model), 0) >= MOST_REFUSED

    def breaker(self, model: ModelChoice) -> Breaker:
        """Return how a model does."""
        return self._breaker(model)

    # --- what turns say ------------------------------------------------------------------------------------

    def note_answer(self, turn: Turn, tokens: int) -> None:
        """A turn's request was answered, and used so many tokens."""
        self._refused.pop(_key(turn.model), None)
        self._set(turn.model, self._breaker(turn.model).worked(self._timer.time()))
        self._provider(turn.model).tokens.take(tokens - turn.tokens, self._timer.time())

    def note_failure(self, turn: Turn, error: ModelError) -> bool:
        """A turn's request was not answered; returns whether its model's breaker opened for that."""
        breaker = self._breaker(turn.model)
        if isinstance(error, Refusal) and error.fatal:  # about this request, or the model is cut off anyway
            self._refused[_key(turn.model)] = self._refused.get(_key(turn.model), 0) + 1
            self._set(turn.model, breaker.dropped())
        else:
            asked_for = error.retry_after_s if isinstance(error, Refusal) else None
            self._set(turn.model, breaker.failed(self._timer.time(), str(error), asked_for))
        if isinstance(error, Refusal):
            self._provider(turn.model).tokens.take(-turn.tokens, self._timer.time())
        after = self._breaker(turn.model)
        return after.state == "open" and after.pause_s > 0 and breaker.state != "open"

    # --- letting out ---------------------------------------------------------------------------------------

    async def _admitted(self, turn: Turn) -> None:
        provider, now = self._provider(turn.model), self._timer.time()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        provider.lines.setdefault(_key(turn.model), deque()).append((turn, future, now))
        meter = provider.meters.setdefault(_key(turn.model), Meter(now))
        turn.waited = meter.read(now)  # where it began; what follows is the wait
        self._let_out(provider)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # let out and cancelled in one breath
                provider.under_way -= 1
                self._set(turn.model, self._breaker(turn.model).dropped())
                self._let_out(provider)
            raise

    def _let_out(self, provider: _Provider) -> None:
        """Let out whoever may go, the longest waiting first, and come back when the next one may."""
        self._let_out_ready(provider)
        now = self._timer.time()
        for name, line in provider.lines.items():
            cause = self._why(provider, line[0][0], now)[0] if self._head(line) else None
            provider.meters[name].turn_to(cause, now)

    def _let_out_ready(self, provider: _Provider) -> None:
        while True:
            now = self._timer.time()
            heads = [line for line in provider.lines.values() if self._head(line)]
            ready = [line for line in heads if self._breaker(line[0][0].model).allows(now)]
            if not ready:
                self._come_back(
                    provider, min((self._opens_in(line[0][0].model, now) for line in heads), default=math.inf)
                )
                return
            line = min(ready, key=lambda each: each[0][2])
            turn, future, _ = line[0]
            wait, _ = provider.wait_s(turn.tokens, now)
            if wait > 0:
                self._come_back(provider, wait)
                return
            line.popleft()
            provider.requests.take(1, now)
            provider.tokens.take(turn.tokens, now)
            provider.under_way += 1
            self._set(turn.model, self._breaker(turn.model).asked())
            turn.waited = between(turn.waited, provider.meters[_key(turn.model)].read(now))
            future.set_result(None)

    def _head(self, line: deque[tuple[Turn, asyncio.Future[None], float]]) -> bool:
        """Drop those at the head of a line who gave up waiting; return whether anybody is left."""
        while line and line[0][1].done():
            line.popleft()
        return bool(line)

    def _opens_in(self, model: ModelChoice, now: float) -> float:
        breaker = self._breaker(model)
        return max(0.0, breaker.until - now) if breaker.state == "open" else math.inf

    def _come_back(self, provider: _Provider, wait_s: float) -> None:
        due = self._timer.time() + wait_s + SLACK_S
        if due < provider.timed:
            provider.timed = due
            self._timer.call_later(wait_s + SLACK_S, lambda: self._again(provider))

    def _again(self, provider: _Provider) -> None:
        provider.timed = math.inf
        self._let_out(provider)

    def _why(self, provider: _Provider, turn: Turn, now: float) -> tuple[WaitCause, str]:
        breaker = self._breaker(turn.model)
        cause: WaitCause = "breaker" if breaker.pause_s > 0 else "pause"
        if breaker.state == "trying":
            return cause, f"one request tries whether it answers again: {breaker.why}"
        if not breaker.allows(now):
            left_s = breaker.until - now
            asked = "left alone" if cause == "breaker" else "asked to wait"
            return cause, f"{asked} for {left_s:.0f} s: {breaker.why}"
        return "limit", provider.wait_s(turn.tokens, now)[1]

    @property
    def _timer(self) -> Timer:
        return self._given_timer or asyncio.get_running_loop()

    def _provider(self, model: ModelChoice) -> _Provider:
        name = model.base_url or model.name.partition(":")[0]
        if name not in self._providers:
            limits = self._limits.get(name) or self._limits.get(model.name.partition(":")[0]) or Rates()
            self._providers[name] = _Provider(limits, self._timer.time())
        return self._providers[name]

    def _breaker(self, model: ModelChoice) -> Breaker:
        return self._breakers.get(_key(model), CLOSED)

    def _set(self, model: ModelChoice, breaker: Breaker) -> None:
        self._breakers[_key(model)] = breaker


def _key(model: ModelChoice) -> str:
    return f"{model.name} {model.base_url}"
