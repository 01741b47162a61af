"""How long an agent waits before it asks a model again. Pure."""

from __future__ import annotations

from aster.llm.protocol import ModelError, Refusal

FIRST_S = 1.0
LONGEST_S = 60.0
LONGEST_ASKED_S = 600.0
"""A provider that asks for a longer wait than this gets this one."""


def wait_before(tries: int, draw: float, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait after a try that came to nothing.

    Without a word from the provider they double from try to try up to a minute, half of them by chance, so that
    agents that failed together do not come back together. With one, they are never fewer than it asks for.

    Args:
        tries: made so far, 1 or more.
        draw: a random number from 0 to 1.
        retry_after_s: what the provider asked for.
    """
    wait = min(LONGEST_S, FIRST_S * 2.0 ** min(tries - 1, 32))
    if retry_after_s is None:
        return wait * (0.5 + draw / 2)
    return min(max(0.0, retry_after_s), LONGEST_ASKED_S) + draw * wait / 2


def pause_s(error: ModelError, tries: int, draw: float) -> float:
    """Return the seconds to wait after an error, as `wait_before`."""
    return wait_before(tries, draw, error.retry_after_s if isinstance(error, Refusal) else None)
