"""Estimates of input err on the dear side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aster.domain.research import Tokens
from aster.llm.estimate import text_tokens, worst_tokens
from aster.llm.protocol import Message, Prompt, Returned, Said, Told, ToolCall, ToolSpec

TOOL = ToolSpec("look", "Look at a place.", {"type": "object", "properties": {"at": {"type": "string"}}})


def size(prompt: Prompt) -> int:
    return len(prompt.instructions.encode()) + sum(len(each.text.encode()) for each in prompt.messages)


def test_prose_is_a_quarter_token_a_byte_with_a_margin() -> None:
    assert text_tokens("word word " * 40) == 400 / 4 * 1.25


def test_digits_signs_and_other_scripts_count_more() -> None:
    assert text_tokens("0123456789") > 2 * text_tokens("abcdefghij") - 1
    assert text_tokens("数字数字") >= 4
    assert text_tokens("bWljcm9zY29waWNhbGx5dGlueXBpZWNlc29m" * 10) > 0.75 * 360


def test_tools_and_instructions_count() -> None:
    bare = worst_tokens(Prompt("", (Told("hi"),)))
    assert worst_tokens(Prompt("x" * 4000, (Told("hi"),))) > bare + 1000
    assert worst_tokens(Prompt("", (Told("hi"),), (TOOL,))) > bare + 64


def test_a_later_request_is_what_the_last_one_used_and_what_came_since() -> None:
    said = Said("ok", (ToolCall("1", "look", "{}"),))
    prompt = Prompt("short", (Told("hi"), said, Returned("1", "look", "word " * 800)))
    estimate = worst_tokens(prompt, Tokens(input=50_000, output=700, cache_read=40_000))
    assert 50_700 + 1000 < estimate < 50_700 + 1500


def test_a_report_that_is_too_low_is_not_believed() -> None:
    prompt = Prompt("word " * 8000, (Told("hi"), Said("ok"), Told("go on")))
    assert worst_tokens(prompt, Tokens(input=1, output=1)) >= 40_000 / 4 * 1.25


texts = st.text(max_size=200)
messages = st.lists(
    st.one_of(texts.map(Told), texts.map(Said), texts.map(lambda text: Returned("1", "look", text))), min_size=1
)


@given(texts, messages, st.integers(0, 10_000), st.integers(0, 10_000))
def test_never_less_than_a_quarter_token_a_byte(
    instructions: str, told: list[Message], given_in: int, made: int
) -> None:
    prompt = Prompt(instructions, tuple(told))
    least = size(prompt) / 4 * 1.25
    assert worst_tokens(prompt) >= size(prompt) / 3
    assert worst_tokens(prompt, Tokens(given_in, made)) >= max(least, given_in + made)


@given(messages, texts)
def test_more_text_never_makes_it_less(told: list[Message], more: str) -> None:
    last = Tokens(1000, 100)
    assert worst_tokens(Prompt("", (*told, Told(more))), last) >= worst_tokens(Prompt("", tuple(told)), last)
