"""What may still be promised to model calls: below the campaign's ceilings, and within each assignment's allowance."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aster.agents.protocol import Spent
from aster.board.research import CEILING
from aster.campaign.clock import Clock
from aster.domain.research import Assignment, Call, Waiting

if TYPE_CHECKING:
    from aster.campaign.crew import Crew


class Purse:
    """Promises room to calls that are not in the ledger yet; what is there counts as the board has it.

    A call that has no room, but will have if those under way come to less than the most that they can, waits for them.
    Used in one thread.
    """

    def __init__(self, crew: Crew, clock: Clock) -> None:
        self._crew, self._clock = crew, clock
        self._waiting: dict[str, float] = {}  # call -> since when
        self._promised: dict[str, dict[str, Call]] = {}  # by assignment
        self._usd, self._tokens = 0.0, 0
        self._door = asyncio.Lock()  # first come, first served: only the first looks again when something was settled
        self._settled = asyncio.Event()

    async def take(self, assignment: Assignment, call: Call) -> float:
        """Promise room to a call, as soon as there is some; returns the seconds that it waited.

        Raises:
            Spent: there will be none, or none for this assignment.
        """
        if self._is_free(call):
            await self._promise(assignment, call)
            return 0.0
        began = self._waiting[call.id] = self._clock.monotonic()
        try:
            async with self._door:
                while not self._fits(call):
                    self._check_hope(call)
                    self._settled.clear()
                    await self._settled.wait()
                await self._promise(assignment, call)
        finally:
            del self._waiting[call.id]
        return self._clock.monotonic() - began

    def waiting(self) -> tuple[Waiting, ...]:
        """Return who waits for room."""
        if not self._waiting:
            return ()
        limits = self._crew.board.setup.limits
        longest = self._clock.monotonic() - next(iter(self._waiting.values()))
        why = f"room below {_named(limits.usd, limits.tokens)}"
        return (Waiting("", len(self._waiting), longest, why, "room"),)

    def noted(self, call: Call) -> None:
        """A promise is kept: the board counts the call from here on; or nobody wants it any more."""
        own = self._promised.get(_owner(call), {})
        if own.pop(call.id, None) is None:
            return
        if not own:
            del self._promised[_owner(call)]
        self._usd = self._usd - call.usd if self._promised else 0.0
        self._tokens -= call.tokens
        self._settled.set()

    def room_made(self) -> None:
        """A call under way was settled, so there may be room."""
        self._settled.set()

    async def _promise(self, assignment: Assignment, call: Call) -> None:
        if self._crew.halted:
            await asyncio.Event().wait()  # until it is cancelled: the campaign is ending
        self._check_allowance(assignment, call)
        self._promised.setdefault(assignment.id, {})[call.id] = call
        self._usd += call.usd
        self._tokens += call.tokens

    def _is_free(self, call: Call) -> bool:
        limits = self._crew.board.setup.limits
        return limits.tokens is None and (limits.usd is None or not call.usd)

    def _fits(self, call: Call) -> bool:
        limits = self._crew.board.setup.limits
        usd, tokens = self._usd + call.usd, self._tokens + call.tokens
        return self._crew.board.research.fits(limits.usd, limits.tokens, usd, tokens)

    def _check_hope(self, call: Call) -> None:
        """Give up on a call that has no room even if all those under way turn out to cost nothing."""
        limits, research = self._crew.board.setup.limits, self._crew.board.research
        bill = research.bill
        dear = limits.usd is not None and bill.usd + call.usd > limits.usd
        long = limits.tokens is not None and bill.tokens + call.tokens > limits.tokens
        if dear or long or not (self._promised or research.calls):
            most = f"a call of up to ${call.usd:.4f} and {call.tokens} tokens"
            raise Spent(f"{CEILING}{_named(limits.usd, limits.tokens)} has no room for {most}")

    def _check_allowance(self, assignment: Assignment, call: Call) -> None:
        state, allowed = self._crew.board.research.assignments[assignment.id], assignment.allowance
        own = self._promised.get(assignment.id, {}).values()
        if state.requests + len(own) >= allowed.requests:
            raise Spent(f"all {allowed.requests} model calls of this assignment are used")
        tokens = state.tokens + state.open_tokens + sum(each.tokens for each in own)
        if tokens + call.tokens > allowed.tokens:
            raise Spent(f"the {allowed.tokens} tokens of this assignment have no room for a call of {call.tokens}")
        usd = state.usd + state.open_usd + sum(each.usd for each in own)
        if allowed.usd is not None and usd + call.usd > allowed.usd:
            most = f"a call of up to ${call.usd:.4f}"
            raise Spent(f"the ${allowed.usd:.2f} of this assignment have no room for {most}")


def _owner(call: Call) -> str:
    """Return the assignment that a call counts for; a critic's counts for its worker's."""
    return call.agent.partition(".")[0]


def _named(usd: float | None, tokens: int | None) -> str:
    parts = [f"${usd:g}" if usd is not None else "", f"{tokens} tokens" if tokens is not None else ""]
    return "the campaign's " + " and ".join(filter(None, parts))
