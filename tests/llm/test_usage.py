"""Counts that providers give, made credible."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.research import Tokens
from aster.llm.usage import MOST, Reported, clean_usage, credible, whole

WORST = Tokens(1000, 500)


def counted(given: Reported, said_something: bool = True) -> tuple[Tokens, str]:
    return credible(given, lambda: WORST.input, WORST.output, said_something)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (5, 5),
        (5.9, 5),
        ("12", 12),
        (" 7 ", 7),
        (0, 0),
        (-1, None),
        ("x", None),
        (True, None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
        (10**30, MOST),
        (None, None),
        ([], None),
    ],
)
def test_a_count_is_a_whole_number_however_it_is_written(value: object, count: int | None) -> None:
    assert whole(value) == count


def test_what_was_not_reported_counts_as_the_most_it_can_be() -> None:
    assert counted(Reported(None, None))[0] == WORST
    assert counted(Reported(0, 5))[0] == Tokens(1000, 5)
    assert counted(Reported(7, 0))[0] == Tokens(7, 500)
    tokens, odd = counted(Reported(7, 0), False)
    assert (tokens, odd) == (Tokens(7, 0), "")


def test_cached_tokens_beyond_the_input_were_counted_apart() -> None:
    assert counted(Reported(10, 5, 100, 20))[0] == Tokens(130, 5, 100, 20)


def test_each_providers_counts_are_mended() -> None:
    body = {
        "usageMetadata": {
            "promptTokenCount": -3,
            "candidatesTokenCount": "12",
            "promptTokensDetails": [{"tokenCount": 3}],
        }
    }
    answer = json.loads(json.dumps(body))
    changed, bad = clean_usage(answer)
    assert changed
    assert bad == ("promptTokenCount",)
    usage = answer["usageMetadata"]
    assert (usage["promptTokenCount"], usage["candidatesTokenCount"]) == (0, 12)
    assert usage["promptTokensDetails"] == [{"tokenCount": 3}]


def test_reports_that_must_be_there_are_made_up_of_nothing_and_said_to_be_bad() -> None:
    answer: dict[str, Any] = {"type": "message", "content": []}
    assert clean_usage(answer) == (True, ("input_tokens", "output_tokens"))
    assert answer["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert clean_usage({"choices": []}) == (False, ())


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["cached_tokens", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
names = st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "input_tokens"])


@given(st.dictionaries(names, odd_values) | odd_values)
def test_whatever_comes_the_three_counts_of_a_completion_are_whole_numbers(usage: Any) -> None:
    mended = {"choices": [], "usage": usage}
    clean_usage(mended)
    if "usage" in mended:
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            value = mended["usage"][name]
            assert type(value) is int
            assert 0 <= value <= MOST
