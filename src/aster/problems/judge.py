"""Judging what a trusted stage reported. Its text may hold what a hostile candidate made it say."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import NoReturn

from aster.domain.records import Failed, Invalid, Measured, Result
from aster.problems.model import Metric, Spec

MAX_SCORE = 64 * 1024
MAX_REASON = 500
LARGEST = 1e100
"""Larger numbers are refused: their squares overflow."""

_HINT = 'the evaluator must write one JSON object, such as {{"{name}": 1.5}}, to $ASTER_SCORE'


class _NotANumber(Exception):
    """The score holds NaN, Infinity or -Infinity, which JSON does not know and no metric can be."""


class _Malformed(Exception):
    """The score is not one strict JSON object."""


def make_judge(spec: Spec) -> Callable[[str], Result]:
    """Return the function from a trusted stage's raw score text to Measured, Invalid or Failed.

    It never raises. Measured holds declared metrics only: all finite and in their valid range,
    the objective among them. Invalid: the evaluator said so ({"invalid": "why"}), or a number is not finite or out of
    range. Failed: the score is missing, malformed, or not made of numbers.
    """
    declared = {metric.name: metric for metric in spec.metrics}
    objective = spec.metrics[0].name
    hint = _HINT.format(name=objective)

    def judge(text: str) -> Result:
        if not text.strip():
            return Failed("the trusted stage wrote no score to $ASTER_SCORE")
        if len(text) > MAX_SCORE or len(text.encode("utf-8", "surrogatepass")) > MAX_SCORE:
            return Failed(f"the score is longer than {MAX_SCORE >> 10} KiB; {hint}")
        try:
            score = _parse(text)
        except _NotANumber as error:
            return Invalid(f"the score holds {error}, which is not a number")
        except _Malformed as error:
            return Failed(f"the score is not strict JSON ({error}); {hint}")
        if "invalid" in score:
            return _verdict(score["invalid"])
        return _measured(score, declared, objective)

    return judge


def clean(text: str, limit: int = MAX_REASON) -> str:
    """Return `text` on one line without control, format or surrogate characters, at most `limit` characters."""
    shown = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[: 4 * limit])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _parse(text: str) -> dict[str, object]:
    try:
        score = json.loads(text, parse_constant=_refuse, parse_int=float, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _Malformed(clean(str(error), 120)) from None
    if not isinstance(score, dict):
        raise _Malformed("it is not an object")
    return score


def _refuse(token: str) -> NoReturn:
    raise _NotANumber(token)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise _Malformed("a key stands twice")
    return keys


def _verdict(why: object) -> Result:
    if isinstance(why, str) and clean(why):
        return Invalid(clean(why))
    return Failed('the evaluator reported "invalid" without a text that says why')


def _measured(score: Mapping[str, object], declared: Mapping[str, Metric], objective: str) -> Result:
    if objective not in score:
        names = ", ".join(clean(name, 40) for name in list(score)[:10]) or "nothing"
        return Failed(f"the evaluator reported no {objective}; it reported {names}")
    metrics: dict[str, float] = {}
    for name, metric in declared.items():
        if name not in score:
            continue
        value = score[name]
        if not isinstance(value, float):  # integers were read as floats; a bool is no float
            return Failed(f"the evaluator reported {name} as {_kind(value)}, not as a number")
        if (rule := _broken(metric, value)) is not None:
            return Invalid(rule)
        metrics[name] = value
    return Measured(metrics)


def _broken(metric: Metric, value: float) -> str | None:
    if not math.isfinite(value):
        return f"{metric.name} is too large to be a finite number"
    if abs(value) > LARGEST:
        return f"{metric.name} is {value!r}, larger than {LARGEST:g}: no statistics can be made of it"
    if metric.valid is not None and not metric.valid[0] <= value <= metric.valid[1]:
        return f"{metric.name} is {value!r}, outside its valid range {metric.valid[0]!r} to {metric.valid[1]!r}"
    return None


def _kind(value: object) -> str:
    names = {bool: "true or false", str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "something else")
