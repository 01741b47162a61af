"""Judging what a trusted stage reported, and what was read from a candidate's output: both may be a hostile text."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from aster.domain.records import Failed, Invalid, Measured, Result, Said
from aster.problems.model import Metric, Spec
from aster.problems.tables import show

MAX_SCORE = 64 * 1024
MAX_REASON = 500
LARGEST = 1e100
"""Larger numbers are refused: their squares overflow."""

_HINT = 'the evaluator must write one JSON object, such as {{"{name}": 1.5}}, to $ASTER_SCORE'


class _NotANumber(Exception):
    """The score holds NaN, Infinity or -Infinity, which JSON does not know and no metric can be."""


class _Malformed(Exception):
    """The score is not one strict JSON object."""


_NOTHING = Said()


class Judge(Protocol):
    """From what an attempt reported to Measured, Invalid or Failed; never raises."""

    def __call__(self, text: str, said: Said = _NOTHING) -> Result:
        """Args:
        text: what the trusted stages wrote; "" where there are none.
        said: what was read from the output of the untrusted ones.
        """
        ...


def make_judge(spec: Spec) -> Judge:
    """Return the judge of a problem's attempts.

    Each metric has one source: the output of untrusted stages if it has a pattern, else the trusted stage's score.
    Measured holds declared metrics only: all finite and in their valid range, the objective and those that a
    constraint is on among them. Invalid: the evaluator said so ({"invalid": "why"}), or a number is not finite or out
    of range. Failed: what must be reported is missing, malformed, or not made of numbers.
    """
    scored = {metric.name: metric for metric in spec.metrics if metric.pattern is None}
    printed = {metric.name: metric for metric in spec.metrics if metric.pattern is not None}
    needed = [spec.metrics[0].name, *(each.metric for each in spec.constraints)]
    hint = _HINT.format(name=next(iter(scored), "score"))

    def judge(text: str, said: Said = _NOTHING) -> Result:
        reported = _read_score(text, hint) if scored or text.strip() else {}
        if not isinstance(reported, dict):
            return reported
        if "invalid" in reported:
            return _verdict(reported["invalid"])
        first = _measured(reported, scored, [name for name in needed if name in scored])
        if not isinstance(first, Measured):
            return first
        second = _read_output(said, printed, [name for name in needed if name in printed])
        return Measured({**first.metrics, **second.metrics}) if isinstance(second, Measured) else second

    return judge


def judge_check(text: str) -> Result:
    """Return what a check came to whose stages all ended well; `text` is what the trusted ones wrote, if any did.

    Measured without a number, because checks do not score; or, as in an experiment, Invalid where the evaluator says
    so, and Failed where it wrote no strict JSON.
    """
    reported = _read_score(text, _HINT.format(name="invalid")) if text.strip() else {}
    if not isinstance(reported, dict):
        return reported
    return _verdict(reported["invalid"]) if "invalid" in reported else Measured({})


def _read_score(text: str, hint: str) -> dict[str, object] | Result:
    """Return the score as an object, or what the attempt came to without one."""
    if not text.strip():
        return Failed("the trusted stage wrote no score to $ASTER_SCORE")
    if len(text) > MAX_SCORE or len(text.encode("utf-8", "surrogatepass")) > MAX_SCORE:
        return Failed(f"the score is longer than {MAX_SCORE >> 10} KiB; {hint}")
    try:
        return _parse(text)
    except _NotANumber as error:
        return Invalid(f"the score holds {error}, which is not a number")
    except _Malformed as error:
        return Failed(f"the score is not strict JSON ({error}); {hint}")


def _read_output(said: Said, printed: Mapping[str, Metric], needed: Sequence[str]) -> Result:
    """Judge what the candidate's code printed."""
    metrics: dict[str, float] = {}
    for name, metric in printed.items():
        text = said.metrics.get(name)
        if text is None and name in needed:
            last = f'its last line was "{clean(said.last_line, 200)}"' if said.last_line else "it printed nothing"
            return Failed(f"no line of the output matched the pattern of {name}, {show(metric.pattern)}; {last}")
        if text is None:
            continue
        try:
            value = float(text)
        except ValueError:
            return Failed(f'what the pattern of {name} found is not a number: "{clean(text, 60)}"')
        if math.isnan(value):
            return Invalid(f"{name} is NaN, which is not a number")
        if (rule := _broken(metric, value)) is not None:
            return Invalid(rule)
        metrics[name] = value
    return Measured(metrics)


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


def _measured(score: Mapping[str, object], declared: Mapping[str, Metric], needed: Sequence[str]) -> Result:
    for name in needed:
        if name not in score:
            names = ", ".join(clean(name, 40) for name in list(score)[:10]) or "nothing"
            return Failed(f"the evaluator reported no {name}; it reported {names}")
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
