"""How many tokens a request can come to, before it is sent: an estimate that errs on the dear side.

A token is seldom less than four bytes of prose, but digits, signs, other scripts than Latin and encoded data take more.
"""

from __future__ import annotations

import math
import re
import string
from typing import Any, NamedTuple

import msgspec

from aster.domain.research import Tokens
from aster.llm.protocol import Message, Prompt, Said, ToolSpec

PROSE = 0.25 * 1.25
"""Tokens a byte of letters and spaces: a quarter, with a margin."""
SIGNS = 0.625
FOREIGN = 0.75
FIRST = 1 / 3
"""Tokens a byte of a conversation's first request, at least: nothing is known of how the model counts yet."""

MESSAGE_OVERHEAD = 12
TOOL_OVERHEAD = 64
OVERHEAD = 512
"""What providers add of their own to a request with tools."""

_DENSE = re.compile(rb"[A-Za-z0-9+=_-]{32,}")
"""Hashes and encoded data: letters that make no words."""

MOST_KNOWN = 4096


class _Known(NamedTuple):
    """A tool's worst tokens and its bytes. It holds the schema, whose address it is known by."""

    schema: dict[str, Any]
    tokens: float
    size: int


_known: dict[tuple[int, str, str], _Known] = {}

_SIGNS = (string.digits + string.punctuation).encode()
_ASCII = bytes(range(128))


def worst_tokens(prompt: Prompt, last: Tokens | None = None) -> int:
    """Return how many input tokens a request can come to.

    Args:
        last: what the conversation's last answered call used; None: this is the first.
    """
    if last is None:
        whole = _first_part(prompt) + sum(map(_message_tokens, prompt.messages))
        return math.ceil(max(whole, FIRST * _size(prompt)))
    answered = max((at for at, message in enumerate(prompt.messages) if isinstance(message, Said)), default=-1)
    added = sum(map(_message_tokens, prompt.messages[answered + 1 :]))
    return math.ceil(max(last.input + last.output + added, PROSE * _size(prompt)))


def text_tokens(text: str) -> float:
    """Return how many tokens a text can come to, at most."""
    data = text.encode("utf-8", "surrogatepass")
    plain = data.translate(None, _SIGNS)
    foreign = len(plain.translate(None, _ASCII))
    signs = len(data) - len(plain)
    dense = sum(map(len, _DENSE.findall(data)))
    return PROSE * (len(plain) - foreign) + SIGNS * signs + FOREIGN * (foreign + dense)


def _first_part(prompt: Prompt) -> float:
    return OVERHEAD + text_tokens(prompt.instructions) + sum(_tool(each).tokens for each in prompt.tools)


def _tool(tool: ToolSpec) -> _Known:
    """Return what is known of a tool. All agents of a role have the same ones, and say so at each call."""
    key = id(tool.schema), tool.name, tool.description
    if key not in _known:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        schema = msgspec.json.encode(tool.schema).decode()
        tokens = TOOL_OVERHEAD + text_tokens(tool.name + tool.description + schema)
        _known[key] = _Known(tool.schema, tokens, _bytes(tool.description) + _bytes(schema))
    return _known[key]


def _message_tokens(message: Message) -> float:
    return MESSAGE_OVERHEAD + text_tokens(_text(message))


def _text(message: Message) -> str:
    if isinstance(message, Said):
        return message.raw or message.text + "".join(call.name + call.arguments for call in message.calls)
    return message.text


def _size(prompt: Prompt) -> int:
    """Return the bytes of a request's texts."""
    tools = sum(_tool(each).size for each in prompt.tools)
    return tools + _bytes(prompt.instructions) + sum(_bytes(_text(each)) for each in prompt.messages)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
