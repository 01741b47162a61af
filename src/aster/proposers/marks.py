"""Marks: comments that say how a constant is to be tuned, such as `# tune: 1e-4..1e-1 log`. Pure."""

from __future__ import annotations

import ast
import math
import re

from aster.domain.records import Knob
from aster.proposers.axes import Axis, Choice, Span
from aster.proposers.knobs import is_knob, same_value

_MARK = re.compile(r"#\s*tune\s*:(?P<said>[^#]*)")
_RANGE = re.compile(r"(\S+?)\s*\.\.\s*(\S+)(\s+log)?")
_HELP = "write `# tune: 1e-4..1e-1 log`, `# tune: 1..8`, `# tune: a | b | c` or `# tune: no`"


def find_mark(comment: str) -> str | None:
    """Return what the mark in a comment says, such as "1..8"; None if the comment is no mark."""
    found = _MARK.match(comment)
    return found["said"].strip() if found else None


def read_mark(said: str, value: Knob) -> Axis | None:
    """Return how a mark wants a value tuned: the value itself, or each number if it is a list; None for "no".

    Args:
        said: as from `find_mark`.
        value: what the constant is now.

    Raises:
        ValueError: the mark cannot be read, or does not go with the value; the text says what to write.
    """
    if said == "no":
        return None
    if "|" in said:
        return _choice(said, value)
    found = _RANGE.fullmatch(said)
    if found is None:
        raise ValueError(f"cannot be read; {_HELP}")
    return _span(found, value)


def _span(found: re.Match[str], value: Knob) -> Span:
    try:
        low, high = float(found[1]), float(found[2])
    except ValueError:
        raise ValueError(f"has an end that is no number; {_HELP}") from None
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise ValueError("is a range, but the constant is not a number; list its values instead: `# tune: a | b | c`")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError("must be a range from a lower to a higher finite number")
    if found[3] and low <= 0:
        raise ValueError("is a range by ratio (log), which must begin above 0")
    whole = low == round(low) and high == round(high) and all(isinstance(n, int) for n in numbers)
    return Span(low, high, log=bool(found[3]), whole=whole)


def _choice(said: str, value: Knob) -> Choice:
    values: list[Knob] = []
    for part in (part.strip() for part in said.split("|")):
        one = _literal(part, value)
        if any(same_value(one, other) for other in values):
            raise ValueError(f"names {part} twice")
        values.append(one)
    if not any(same_value(value, other) for other in values):
        values.append(value)
    if not isinstance(value, list | str) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    ):
        values.sort(key=lambda v: v if isinstance(v, int | float) else 0)
    return Choice(tuple(values))


def _literal(part: str, value: Knob) -> Knob:
    """Return a choice as a value; a bare word is a text where the constant is one."""
    if isinstance(value, str) and re.fullmatch(r"[^\W\d][\w.+-]*", part):
        return part
    try:
        one = ast.literal_eval(part)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"has a choice that is no literal: {part or 'an empty one'}; put texts in quotes") from None
    one = list(one) if isinstance(one, tuple) else one
    if not is_knob(one):
        raise ValueError(f"has a choice that no constant can be set to: {part}")
    return one
