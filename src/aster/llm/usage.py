"""What a provider says that a call used, made credible.

Providers, and servers that imitate them, leave usage out, send text, negative or absurd numbers. Nothing of that may
lose an answer that was paid for, or let a call seem cheaper than it was: a number that cannot be read counts as the
most that it can be. Large numbers are kept as they are, up to a bound that storage can take, because a provider that
charges more than was agreed is to be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from aster.domain.research import Tokens

MOST = 10**12
"""Tokens that a call can have used, in any provider's count."""

_HOLDERS = ("usage", "usageMetadata")
_INPUT = frozenset({*_HOLDERS, "prompt_tokens", "input_tokens", "promptTokenCount"})
_OUTPUT = frozenset({*_HOLDERS, "completion_tokens", "output_tokens", "candidatesTokenCount"})
_NEEDED = {
    "choices": ("prompt_tokens", "completion_tokens", "total_tokens"),
    "output": ("input_tokens", "output_tokens", "total_tokens"),
    "content": ("input_tokens", "output_tokens"),
}
"""The counts that a report must have, by a key that tells what it is of: a chat completion, a Response or a Message."""


class Reported(Struct, frozen=True):
    """Counts as a provider gave them; None: not, or not as a number that can be."""

    input: int | None
    output: int | None
    cache_read: int = 0
    cache_write: int = 0


def credible(
    reported: Reported, worst_input: Callable[[], int], worst_output: int, said_something: bool
) -> tuple[Tokens, str]:
    """Return what to count as used, and what was odd in the report ("" if nothing).

    Args:
        worst_input, worst_output: the most that the call can have used, for what was not reported.
        said_something: whether there was any output.
    """
    odd = []
    given, made = reported.input, reported.output
    if not given:
        odd.append("no usable number of input tokens")
        given = worst_input()
    if made is None or (made == 0 and said_something):
        odd.append("no usable number of output tokens")
        made = worst_output
    read, write = max(0, reported.cache_read), max(0, reported.cache_write)
    if read + write > given:  # it counts them apart
        given += read + write
    why = f"The provider gave {' and '.join(odd)}: the most it can be is counted." if odd else ""
    return Tokens(min(given, MOST), min(made, MOST), min(read, MOST), min(write, MOST)), why


def clean_usage(answer: dict[str, Any]) -> tuple[bool, tuple[str, ...]]:
    """Make a response's report of usage readable, in place.

    Returns:
        Whether anything was changed, and the provider's names of the counts that could not be read.
    """
    bad: list[str] = []
    changed = False
    for holder in _HOLDERS:
        if holder in answer and not isinstance(answer[holder], dict):
            del answer[holder]
            bad.append(holder)
            changed = True
        elif holder in answer:
            changed |= _clean(answer[holder], bad)
    needed = next((names for mark, names in _NEEDED.items() if mark in answer), ())
    if needed and "usage" not in answer and "choices" not in answer:  # a chat completion may do without
        answer["usage"] = {}
    if needed and "usage" in answer:
        changed |= _fill(answer["usage"], needed, bad)
    return changed, tuple(bad)


def _clean(usage: dict[str, Any], bad: list[str]) -> bool:
    """Make the counts of a report whole numbers, 0 where they cannot be; return whether any was changed."""
    changed = False
    for name, value in usage.items():
        needed = name in _INPUT or name in _OUTPUT
        if isinstance(value, dict) and not needed:
            changed |= _clean(value, bad)
        elif name.endswith("_details"):
            usage[name], changed = None, changed or value is not None
        elif name.endswith("Details"):  # Google's are lists
            if not isinstance(value, list | None):
                usage[name], changed = None, True
        elif needed or ("token" in name.lower() and value is not None):
            count = whole(value)
            if count is None:
                bad.append(name)
            if type(value) is not int or value != (count or 0):
                usage[name], changed = count or 0, True
    return changed


def _fill(usage: dict[str, Any], needed: tuple[str, ...], bad: list[str]) -> bool:
    """Give a report the counts that it must have; return whether it lacked any."""
    missing = [name for name in needed if not isinstance(usage.get(name), int)]
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
