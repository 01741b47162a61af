"""Answers that part from the form are mended, and others go through to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.llm.mending import mended

GOOD: dict[str, Any] = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [
        {
            "index": 0, "finish_reason": "tool_calls",
            "message": {
                "role": "assistant", "content": None, "reasoning_content": "hm",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
}  # fmt: skip


def mend(answer: Any) -> Any:
    return json.loads(mended(json.dumps(answer).encode())[0])


def with_message(**changes: Any) -> dict[str, Any]:
    message = {**GOOD["choices"][0]["message"], **changes}
    return {**GOOD, "choices": [{**GOOD["choices"][0], "message": message}]}


def test_what_is_right_goes_through_to_the_byte() -> None:
    for answer in (GOOD, {"usage": {"input_tokens": 5, "output_tokens": 6, "service_tier": "standard"}}):
        body = json.dumps(answer, indent=3).encode()
        assert mended(body) == (body, ())


@pytest.mark.parametrize("body", [b"", b"usage", b'{"usage', b'["usage"]', b'"usage"', b"\xffusage", b"[" * 100_000])
def test_what_is_no_answer_goes_through_as_it_is(body: bytes) -> None:
    assert mended(body) == (body, ())


def test_arguments_that_came_as_an_object_become_text() -> None:
    call = {"function": {"name": "look", "arguments": {"at": "x"}}}
    (made,) = mend(with_message(tool_calls=[call]))["choices"][0]["message"]["tool_calls"]
    whole = {"id": "call-1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
    assert made == whole


def test_names_that_nobody_needs_are_made_up() -> None:
    bare = {"choices": [{"message": {"content": "hi"}}]}
    made = mend(bare)
    assert made["id"] == made["model"] == ""
    assert made["choices"][0]["message"]["role"] == "assistant"


def test_only_the_first_choice_counts() -> None:
    assert len(mend({**GOOD, "choices": GOOD["choices"] * 3})["choices"]) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
places = st.sampled_from(["id", "created", "choices", "usage", "service_tier"])
parts = st.sampled_from(["role", "content", "tool_calls", "refusal", "reasoning_content", "annotations"])


@given(places, parts, json_values, json_values)
def test_whatever_stands_where_mending_comes_to_an_end_and_twice_is_once(
    place: str, part: str, one: Any, other: Any
) -> None:
    once = mend({**with_message(**{part: other}), place: one})
    assert mend(once) == once
    assert isinstance(once["id"], str)
