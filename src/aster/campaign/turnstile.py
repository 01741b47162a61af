"""A turnstile: when a thousand agents can go on at once, a few do in each turn of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque

AT_ONCE = 16


class Turnstile:
    """Lets `most` go through in each turn of the event loop, whoever came first before the others.

    Making a request takes about a millisecond, and it is sent in the loop's next turn. If a thousand agents made theirs
    in one turn, the first would be sent a second late; then all answers would come late and together, and so on.
    """

    def __init__(self, most: int = AT_ONCE) -> None:
        self._most = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passed = 0
        self._turning = False

    async def go(self) -> None:
        """Return when it is one's turn: at once, unless many others want to go too."""
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)
        if self._passed < self._most and not self._waiting:
            self._passed += 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine

    def _turn(self) -> None:
        """Begin the loop's next turn; the last one, with nobody to let through, ends the turning."""
        self._turning = bool(self._waiting) or self._passed > 0
        self._passed = 0
        while self._waiting and self._passed < self._most:
            next_one = self._waiting.popleft()
            if not next_one.done():  # it was cancelled
                next_one.set_result(None)
                self._passed += 1
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
