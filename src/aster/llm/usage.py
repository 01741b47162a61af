"""What a provider says that a call used, made credible.

Providers, and servers that imitate them, leave usage out, send text, negative or absurd numbers. Nothing of that may
lose an answer that was paid for, or let a call seem cheaper than it was: a number that cannot be read counts as the
most that it can be. Large numbers are kept as they are, up to a bound that storage can take, because a provider that
charges more than was agreed is to be seen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from aster.domain.research import Tokens

MOST = 10**12
"""Tokens that a call can have used, in any provider's count."""

_HOLDERS = ("usage", "usageMetadata")
_INPUT = frozenset({*_HOLDERS, "prompt_tokens", "input_tokens", "promptTokenCount"})
_OUTPUT = frozenset({*_HOLDERS, "completion_tokens", "output_tokens", "candidatesTokenCount"})
_NEEDED = ("prompt_tokens", "completion_tokens", "total_tokens")


class Reported(Struct, frozen=True):
    """Counts as a provider gave them; None: not, or not as a number that can be."""

    input: int | None
    output: int | None
    cache_read: int = 0
    cache_write: int = 0


def credible(reported: Reported, worst: Tokens, said_something: bool) -> tuple[Tokens, str]:
    """Return what to count as used, and what was odd in the report ("" if nothing).

    Args:
        worst: the most input and output that the call can have used, for what was not reported.
        said_something: whether there was any output.
    """
    odd = []
    given, made = reported.input, reported.output
    if not given:
        odd.append("no usable number of input tokens")
        given = worst.input
    if made is None or (made == 0 and said_something):
        odd.append("no usable number of output tokens")
        made = worst.output
    read, write = max(0, reported.cache_read), max(0, reported.cache_write)
    if read + write > given:  # it counts them apart
        given += read + write
    why = f"The provider gave {' and '.join(odd)}: the most it can be is counted." if odd else ""
    return Tokens(min(given, MOST), min(made, MOST), min(read, MOST), min(write, MOST)), why


def clean_usage(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a response's body with usage that can be read, and the names of the counts that could not be.

    What is not a JSON object comes back as it is.
    """
    if b"usage" not in body:
        return body, ()
    try:
        answer = json.loads(body)
    except ValueError:
        return body, ()
    holder = next((name for name in _HOLDERS if isinstance(answer, dict) and name in answer), None)
    if holder is None:
        return body, ()
    bad: list[str] = []
    usage = answer[holder]
    if not isinstance(usage, dict):
        del answer[holder]
        return json.dumps(answer).encode(), (holder,)
    changed = _clean(usage, bad)
    if "choices" in answer:
        changed |= _fill(usage, bad)
    return (json.dumps(answer).encode() if changed else body), tuple(bad)


def _clean(usage: dict[str, Any], bad: list[str]) -> bool:
    """Make the counts of a report whole numbers, 0 where they cannot be; return whether any was changed."""
    changed = False
    for name, value in usage.items():
        if isinstance(value, dict):
            changed |= _clean(value, bad)
        elif value is None or isinstance(value, list):
            continue
        elif name.lower().endswith("details"):
            usage[name], changed = None, True
        elif "token" in name.lower():
            count = whole(value)
            if count is None:
                bad.append(name)
            if type(value) is not int or value != (count or 0):
                usage[name], changed = count or 0, True
    return changed


def _fill(usage: dict[str, Any], bad: list[str]) -> bool:
    """Give a chat completion's report the counts that it lacks; return whether it lacked any."""
    missing = [name for name in _NEEDED if usage.get(name) is None]
    for name in missing:
        usage[name] = 0
    bad.extend(name for name in missing if name != "total_tokens")
    return bool(missing)


def whole(value: object) -> int | None:
    """Return a count that was given as a number, or as text that is one; None if it is none, or below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return min(int(number), MOST) if math.isfinite(number) and number >= 0 else None


def reported(usage: Mapping[str, int], bad: tuple[str, ...]) -> Reported:
    """Return counts by our names from those by pydantic-ai's.

    Args:
        bad: provider's names of counts that could not be read.
    """
    lost = set(bad)
    return Reported(
        None if lost & _INPUT else usage["input_tokens"],
        None if lost & _OUTPUT else usage["output_tokens"],
        usage["cache_read_tokens"],
        usage["cache_write_tokens"],
    )
