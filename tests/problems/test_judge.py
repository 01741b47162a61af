from __future__ import annotations

import json
import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.records import Failed, Invalid, Measured, Result, Said
from aster.problems.judge import judge_check, make_judge
from aster.problems.model import About, Archive, Constraint, Metric, Resources, Seeds, Solution, Spec, Stage

SPEC = Spec(
    About(name="p", title="P"),
    Solution(root="solution", editable=("*.py",)),
    (Stage(name="s", command=("ls",), timeout=1), Stage(name="t", command=("ls",), timeout=1, trusted=True)),
    (Metric(name="total", goal="maximize", valid=(0.0, 10.0)), Metric(name="spread")),
    Archive(),
    Resources(),
    Seeds(),
    (),
)
judge = make_judge(SPEC)


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ('{"total": 1.5}', {"total": 1.5}),
        (' {"total": 10, "spread": -3e5, "extra": 7, "note": "x"}\n', {"total": 10.0, "spread": -3e5}),
        ('{"total": 0}', {"total": 0.0}),
        ('{"total": 1, "extra": {"deep": [1, {"er": null}]}}', {"total": 1.0}),
    ],
)
def test_measured_holds_declared_metrics_only(text: str, metrics: dict[str, float]) -> None:
    result = judge(text)
    assert result == Measured(metrics)
    assert isinstance(result, Measured)
    assert all(type(value) is float for value in result.metrics.values())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the trusted stage wrote no score to $ASTER_SCORE"),
        (" \n\t", "the trusted stage wrote no score to $ASTER_SCORE"),
        ("{", "not strict JSON"),
        ('{"total": 1} {"total": 2}', "not strict JSON"),
        ('{"total": 1, "total": 2}', "a key stands twice"),
        ('{"total": 1, "x": {"y": 1, "y": 2}}', "a key stands twice"),
        ("[1]", "not an object"),
        ("1.5", "not an object"),
        ("{'total': 1}", "not strict JSON"),
        ('{"total": 1,}', "not strict JSON"),
        ('{"total": 0x10}', "not strict JSON"),
        ("[" * 60_000, "not strict JSON"),
        ('{"total":' * 6_000, "not strict JSON"),
        ('{"a": "' + "x" * 70_000 + '"}', "longer than 64 KiB"),
        ('{"a": "' + "é" * 40_000 + '"}', "longer than 64 KiB"),
        ("{}", "reported no total; it reported nothing"),
        ('{"spread": 1, "b\\u001b[31m": 2}', "reported no total; it reported spread, b [31m"),
        ('{"total": true}', "total as true or false"),
        ('{"total": "1.5"}', "total as a text"),
        ('{"total": null}', "total as null"),
        ('{"total": [1]}', "total as a list"),
        ('{"total": 1, "spread": false}', "spread as true or false"),
        ('{"invalid": true}', "without a text"),
        ('{"invalid": "", "total": 1}', "without a text"),
    ],
)
def test_failed(text: str, why: str) -> None:
    result = judge(text)
    assert isinstance(result, Failed), result
    assert why in result.reason
    assert len(result.reason) < 700


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"invalid": "circles 3 and 7 overlap"}', "circles 3 and 7 overlap"),
        ('{"invalid": "overlap", "total": 9}', "overlap"),
        ('{"total": NaN}', "NaN"),
        ('{"total": 1, "extra": [-Infinity]}', "-Infinity"),
        ('{"total": 1e999}', "too large"),
        ('{"total": ' + "9" * 5_000 + "}", "too large"),
        ('{"total": 10.000001}', "total is 10.000001, outside its valid range 0.0 to 10.0"),
        ('{"total": -1e-300}', "outside its valid range"),
        ('{"total": 1, "spread": -1e999}', "spread is too large"),
    ],
)
def test_invalid(text: str, why: str) -> None:
    result = judge(text)
    assert isinstance(result, Invalid), result
    assert why in result.rule


def test_a_reason_is_bounded_and_harmless() -> None:
    hostile = "a\x1b[31m\n\u202eevil\ud800\x00" + "x" * 5_000
    result = judge(json.dumps({"invalid": hostile}))
    assert isinstance(result, Invalid)
    assert result.rule.startswith("a [31m evil x")
    assert len(result.rule) == 500
    assert result.rule.isprintable()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["total", "spread", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.text() | st.text(st.sampled_from('{}[]",:total1e9.-NaI \\u')) | ANYTHING.map(json.dumps))
def test_any_text_is_judged_and_what_is_measured_is_sound(text: str) -> None:
    result: Result = judge(text)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Measured | Failed | Invalid) == result
    if isinstance(result, Measured):
        assert set(result.metrics) <= {"total", "spread"}
        assert 0.0 <= result.metrics["total"] <= 10.0
        assert all(math.isfinite(value) for value in result.metrics.values())


@pytest.mark.parametrize("value", ["1e200", "-1e200", "1e101"])
def test_numbers_whose_squares_overflow_are_invalid(value: str) -> None:
    assert isinstance(judge(f'{{"total": 1, "spread": {value}}}'), Invalid)


# --- what was read from the candidate's output ---------------------------------------------------------------

LOSS = Metric(name="loss", goal="minimize", valid=(0.0, 10.0), pattern=r"^loss: (\S+)")
PEAK = Metric(name="peak", pattern=r"^peak: (\S+)")
printed = make_judge(replace(SPEC, metrics=(LOSS, PEAK)))
both = make_judge(
    replace(SPEC, metrics=(LOSS, Metric(name="spread")), constraints=(Constraint(metric="spread", max=1),))
)


def test_printed_metrics_need_no_score() -> None:
    assert printed("", Said({"loss": "2.5", "peak": " 7 "})) == Measured({"loss": 2.5, "peak": 7.0})
    assert printed("", Said({"loss": "2.5"})) == Measured({"loss": 2.5})


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (Said({"loss": "nan"}), Invalid("loss is NaN, which is not a number")),
        (Said({"loss": "inf"}), Invalid("loss is too large to be a finite number")),
        (Said({"loss": "11"}), Invalid("loss is 11.0, outside its valid range 0.0 to 10.0")),
        (
            Said({"loss": "1", "peak": "1e200"}),
            Invalid("peak is 1e+200, larger than 1e+100: no statistics can be made of it"),
        ),
        (Said({"loss": "low\u202e"}), Failed('what the pattern of loss found is not a number: "low"')),
        (Said(), Failed(r"""no line of the output matched the pattern of loss, "^loss: (\S+)"; it printed nothing""")),
    ],
)  # fmt: skip
def test_what_was_printed_is_judged_like_a_score(said: Said, result: Result) -> None:
    assert printed("", said) == result


def test_a_pattern_that_matched_nothing_quotes_the_last_line() -> None:
    result = printed("", Said({}, "Killed\x07 " + "x" * 400))
    assert isinstance(result, Failed)
    assert 'its last line was "Killed xxx' in result.reason
    assert len(result.reason) < 320


def test_a_trusted_stage_may_still_call_a_printed_score_invalid() -> None:
    assert printed('{"invalid": "why"}', Said({"loss": "1"})) == Invalid("why")


def test_each_metric_has_one_source() -> None:
    assert both('{"spread": 2, "loss": 0}', Said({"loss": "3", "spread": "9"})) == Measured(
        {"spread": 2.0, "loss": 3.0}
    )
    assert both('{"loss": 0, "spread": 2}', Said()) == Failed(
        r"""no line of the output matched the pattern of loss, "^loss: (\S+)"; it printed nothing"""
    )
    assert both("", Said({"loss": "3"})) == Failed("the trusted stage wrote no score to $ASTER_SCORE")


def test_a_constrained_metric_must_be_reported() -> None:
    assert both("{}", Said({"loss": "3"})) == Failed("the evaluator reported no spread; it reported nothing")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", Measured({})),
        ('{"total": 3.5, "anything": null}', Measured({})),
        ('{"invalid": "too \\u001b large", "total": 1}', Invalid("too large")),
        ('{"total": NaN}', Invalid("the score holds NaN, which is not a number")),
    ],
)
def test_a_check_has_no_numbers(text: str, result: Result) -> None:
    assert judge_check(text) == result


def test_a_check_that_writes_nonsense_has_failed() -> None:
    assert isinstance(judge_check('{"a": 1}{"a": 2}'), Failed)
