"""Patterns over the output of a candidate's code: what may stand in one, since the text that it meets is hostile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # what a pattern means is told nowhere else
from typing import Any

PROGRESS = r"^aster\.progress (\d+) (\S+)$"
"""What `aster.progress(step, value)` prints."""

MOST_CHARACTERS = 300

_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)


def metric_pattern(pattern: str) -> str:
    """Return a pattern that finds a number.

    Raises:
        ValueError: it does not compile, has not exactly one group, or repeats a repetition without bound.
    """
    return _checked(pattern, 1, r"one group, around the number, as in '^val_loss: (\S+)'")


def progress_pattern(pattern: str) -> str:
    """Return a pattern that finds a step and a value.

    Raises:
        ValueError: it does not compile, has not exactly two groups, or repeats a repetition without bound.
    """
    return _checked(pattern, 2, r"two groups, the step and the value, as in '^step (\d+) loss (\S+)'")


def _checked(pattern: str, groups: int, wanted: str) -> str:
    if len(pattern) > MOST_CHARACTERS:
        raise ValueError(f"must have at most {MOST_CHARACTERS} characters, not {len(pattern)}")
    try:
        compiled = re.compile(pattern)
        parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression that Python knows: {error}") from None
    if compiled.groups != groups:
        raise ValueError(f"must have exactly {wanted}; write (?:...) for others; it has {compiled.groups}")
    if any(_repeats_without_bound(inside) for inside in _bodies(parsed)):
        raise ValueError(
            "repeats a repetition without bound, as in (a+)+, so that a hostile line could take hours to match; "
            "write it without one inside the other"
        )
    return pattern


def _bodies(parsed: Any) -> Iterator[Any]:
    """Yield what stands below a repetition without bound, anywhere in a parsed pattern."""
    for operator, argument in parsed:
        if operator in _REPEATS and argument[1] == _constants.MAXREPEAT:
            yield argument[2]
        for inside in _parts(argument):
            yield from _bodies(inside)


def _repeats_without_bound(parsed: Any) -> bool:
    return any(
        (operator in _REPEATS and argument[1] == _constants.MAXREPEAT)
        or any(_repeats_without_bound(inside) for inside in _parts(argument))
        for operator, argument in parsed
    )


def _parts(argument: Any) -> Iterator[Any]:
    """Yield the patterns inside an operator's argument, however deep it nests them in tuples and lists."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for each in argument:
            yield from _parts(each)
