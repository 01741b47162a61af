"""Model calls of a campaign: reserved before they are made, settled after, tried again where that may help."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from aster.agents.protocol import Unanswered
from aster.board.research import CRITIC
from aster.campaign.clock import Clock
from aster.campaign.purse import Purse
from aster.campaign.turnstile import Turnstile
from aster.domain import events as ev
from aster.domain.ids import seeded
from aster.domain.research import (
    Assignment,
    Call,
    CallStatus,
    ModelChoice,
    Price,
    Role,
    Settled,
    Tokens,
    WaitCause,
    Waiting,
)
from aster.llm.chain import Chain, read_link
from aster.llm.estimate import worst_tokens
from aster.llm.limits import Gate, Turn
from aster.llm.protocol import Client, ModelError, Prompt, Refusal, Reply, Said
from aster.llm.waits import Seconds, told
from aster.planning.models import choose_model

if TYPE_CHECKING:
    from aster.campaign.crew import Crew

TRIES = 6
"""Calls that one turn may take, over all terms, before its agent gives up."""

DOUBTED = 100_000
"""Tokens of a request from which on it is looked at whether it can come to so many."""

DEAREST = 4
"""Times the first estimate of a request, which is a third of a token a byte at least: no token is less than a byte."""

FREE = Price(0.0, 0.0)

PAUSE = "a pause after a failure"

Pause = Callable[[ModelError, int, float], float]
"""Returns the seconds to wait after a try failed, by its number (from 1); the last argument, in [0, 1), spreads it."""


class CutOff(Exception):
    """An agent is to stop where it is; the text says why."""


class Parted(Exception):
    """An agent that is run again does not do what it did before, so what is recorded of it does not fit."""


class Asking:
    """The campaign's model calls. Used in one thread."""

    def __init__(self, crew: Crew, client: Client, pause: Pause, clock: Clock, gate: Gate) -> None:
        self._crew, self._client, self._pause, self._clock = crew, client, pause, clock
        self.gate, self._turnstile = gate, Turnstile()
        self._purse = Purse(crew, clock)
        self._last: dict[str, Tokens] = {}
        self._resting: dict[str, tuple[str, float]] = {}  # call that failed -> (model, since when)
        self.under_way = 0
        """Calls that a provider works on now."""
        self.paying: Counter[str] = Counter()
        """By assignment, calls from when they are to be reserved until they are settled: these come to their end."""

    def known(self, agent: str, turn: int, chain: Chain) -> Said | None:
        """Return what the model answered to this very request before, or None if it was not asked.

        Raises:
            Parted: it was asked something else.
        """
        settled = self._crew.board.research.path(agent).answers.get(turn)
        if settled is None or settled.response is None:
            return None
        link = read_link(settled.response, self._crew.get_blob)
        if link.before != chain.head or not isinstance(link.message, Said):
            raise Parted(f"another version of Aster began it, which asked otherwise in turn {turn}")
        self._last[agent] = settled.tokens
        return link.message

    async def ask(
        self, assignment: Assignment, agent: str, turn: int, chain: Chain, prompt: Prompt, role: Role
    ) -> Said:
        """Return the model's answer; the chain is left as it is.

        Raises:
            Spent, Unanswered: as `Desk.call`. CutOff: it is to stop.
        """
        research = self._crew.board.research
        waited: dict[WaitCause, float] = {}  # since the last try
        while True:
            self._crew.check_cut(assignment.id)
            number = research.path(agent).tries.get(turn, 0) + 1
            model = self._model(assignment, agent, turn, role)
            if number > TRIES:
                trouble = research.model(model.name).last_error
                raise Unanswered(f"{model.name} did not answer in {TRIES} tries: {trouble}")
            name = f"{agent}/{turn}/{number}"
            most_in = _most_in(prompt, self._last.get(agent))
            async with self.gate.turn(model, most_in) as way:
                call = _worst(name, model, most_in, prompt.max_output, chain)
                waited = told(waited, way.waited)
                came = await self._carry(assignment, call, model, chain, prompt, way, waited)
            if came is None:
                continue
            if isinstance(came, ModelError):
                waited = {"pause": await self._rest(call, self._pause(came, number, seeded(call.id).random()))}
                continue
            return came.said

    async def _carry(
        self,
        assignment: Assignment,
        call: Call,
        model: ModelChoice,
        chain: Chain,
        prompt: Prompt,
        way: Turn,
        waited: Seconds,
    ) -> Reply | ModelError | None:
        """Reserve, make and settle a call; None if it was not made, because its model was cut off meanwhile."""
        self.paying[assignment.id] += 1
        try:
            if not await self._reserve(assignment, call, chain, waited):
                return None
            began = self._clock.monotonic()
            came, opened = await self._make(way, model, prompt)
            seconds = self._clock.monotonic() - began
            if isinstance(came, ModelError):
                await self._fail(call, model, came, seconds, opened)
            else:
                self._last[call.agent] = await self._settle(call, model, chain, came, seconds)
            return came
        finally:
            self.paying[assignment.id] -= 1

    def note(self, event: ev.CallReserved | ev.CallSettled | ev.AssignmentEnded) -> None:
        """Take in what is durable and folded."""
        match event:
            case ev.CallReserved(call=call):
                self._purse.noted(call)
            case ev.CallSettled():
                self._purse.room_made()
            case ev.AssignmentEnded(assignment=name):
                self.paying.pop(name, None)
                for agent in (name, f"{name}{CRITIC}"):
                    self._last.pop(agent, None)

    def waiting(self) -> tuple[Waiting, ...]:
        """Return whose calls wait, and for what."""
        now = self._clock.monotonic()
        resting: dict[str, list[float]] = {}
        for model, since in self._resting.values():
            resting.setdefault(model, []).append(now - since)
        pauses = [Waiting(name, len(all_s), max(all_s), PAUSE, "pause") for name, all_s in resting.items()]
        return (*self.gate.waiting(), *self._purse.waiting(), *pauses)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    def _model(self, assignment: Assignment, agent: str, turn: int, role: Role) -> ModelChoice:
        board = self._crew.board
        by_name = {each.name: each for each in board.setup.models}
        own = role == assignment.role and not board.research.model(assignment.model).cut_off
        name = assignment.model if own else choose_model(board, role, seeded(board.setup.seed, agent, turn))
        if name is None:
            raise Unanswered("no model is left to ask: " + board.research.model(assignment.model).cut_off)
        return by_name[name]

    async def _rest(self, call: Call, seconds: float) -> float:
        """Pause after a call that came to nothing; returns how long."""
        began = self._clock.monotonic()
        self._resting[call.id] = call.model, began
        try:
            await asyncio.sleep(seconds)
        finally:
            del self._resting[call.id]
        return self._clock.monotonic() - began

    async def _reserve(self, assignment: Assignment, call: Call, chain: Chain, waited: Seconds) -> bool:
        """Make the worst cost of a call durable before it is made; False if its model was cut off meanwhile.

        Args:
            waited: what it waited for until now.

        Raises:
            Spent: there is no room for it.
        """
        room_s = await self._purse.take(assignment, call)
        try:
            self._crew.check_cut(assignment.id)
            if self._crew.board.research.model(call.model).cut_off:
                return False
            of_all = replace(call, waited=told(waited, {"room": room_s}))
            await self._crew.post(ev.CallReserved(of_all), chain.take_blobs())
            return True
        finally:
            self._purse.noted(call)

    async def _make(self, way: Turn, model: ModelChoice, prompt: Prompt) -> tuple[Reply | ModelError, bool]:
        """Return what came of a call, and whether the model is left alone for a while because of it."""
        self.under_way += 1
        try:
            await self._turnstile.go()
            reply = await self._client.ask(model, prompt)
            way.worked(reply.tokens.total)
            return reply, False
        except ModelError as error:
            return error, way.failed(error)
        finally:
            self.under_way -= 1

    async def _settle(self, call: Call, model: ModelChoice, chain: Chain, reply: Reply, seconds: float) -> Tokens:
        """Record an answer and what it cost: never more than was reserved, whatever the provider reports.

        Counts that could not be read are taken to be as large as was reserved, and are not held against the model.
        """
        price = model.price or FREE
        tokens = _within(call, reply.tokens) if reply.odd else reply.tokens
        cost = price.of(tokens)
        over = 0.0 if reply.odd else max(0.0, cost - call.usd)
        link, blobs = chain.linked(reply.said)
        settled = Settled(call.id, "answered", min(cost, call.usd), tokens, over, link, reply.odd, seconds)
        await self._crew.post(ev.CallSettled(settled), blobs)
        if over > 1e-9 or tokens.total > call.tokens:
            why = f"it reported {tokens.total} tokens for a call that could use {call.tokens} at most"
            await self._cut_off(model, why, for_good=True)
        return tokens

    async def _fail(self, call: Call, model: ModelChoice, error: ModelError, seconds: float, opened: bool) -> None:
        refused = isinstance(error, Refusal)
        status: CallStatus = "refused" if refused else "unknown"
        usd = 0.0 if refused else call.usd
        settled = Settled(call.id, status, usd, Tokens(), 0.0, None, str(error), seconds, opened)
        await self._crew.post(ev.CallSettled(settled))
        if self.gate.given_up(model) or (isinstance(error, Refusal) and error.unusable):
            await self._cut_off(model, str(error))
        elif isinstance(error, Refusal) and error.fatal:
            raise Unanswered(str(error))

    async def _cut_off(self, model: ModelChoice, why: str, for_good: bool = False) -> None:
        await self._crew.post(ev.ModelCutOff(model.name, why, for_good, self._crew.board.term))


def _most_in(prompt: Prompt, last: Tokens | None) -> int:
    """Return how many input tokens a request can come to; what the provider counted last is believed within bounds."""
    most = worst_tokens(prompt, last)
    return most if last is None or most < DOUBTED else min(most, DEAREST * worst_tokens(prompt))


def _worst(name: str, model: ModelChoice, most_in: int, most_out: int, chain: Chain) -> Call:
    """Return a call at the most that it can cost."""
    usd = (model.price or FREE).most(most_in, most_out)
    return Call(name, name.partition("/")[0], model.name, usd, most_in + most_out, chain.head)


def _within(call: Call, tokens: Tokens) -> Tokens:
    """Return counts that come to no more than was reserved."""
    made = min(tokens.output, call.tokens)
    given = min(tokens.input, call.tokens - made)
    return Tokens(given, made, min(tokens.cache_read, given), min(tokens.cache_write, given))
