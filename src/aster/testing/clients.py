"""A model for tests that answers by a function, and the contract of a `Client` as a pytest class.

class TestMyClient(ClientContract):
    @pytest.fixture
    def ask(self):
        ...  # return a function that asks a model whose answers the given function makes up
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aster.domain.research import ModelChoice, Tokens
from aster.llm.protocol import Prompt, Reply, Said, ToolCall

Answer = Callable[[Prompt], Reply | Awaitable[Reply]]
"""What a model says to a prompt; it may raise Refusal or Unknown, and may be a coroutine function that waits."""


class ScriptedClient:
    """A client without a network: what a model says is a function of what it was asked.

    Args:
        answer: makes up the replies.
        by_model: for the models named here, instead of `answer`.
        delay_s: how long each reply takes; or a function of the prompt that says so.

    Attributes:
        asked: what was asked, in order.
        in_flight, most_in_flight: requests that wait for their reply, now and at most so far.
        closed: whether it was closed.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        by_model: Mapping[str, Answer] | None = None,
        delay_s: float | Callable[[Prompt], float] = 0.0,
    ) -> None:
        self._answer, self._by_model, self._delay_s = answer, dict(by_model or {}), delay_s
        self.asked: list[tuple[ModelChoice, Prompt]] = []
        self.in_flight = self.most_in_flight = 0
        self.closed = False

    async def ask(self, model: ModelChoice, prompt: Prompt) -> Reply:
        """Return what the script says.

        Raises:
            Refusal, Unknown: as the script does.
        """
        self.asked.append((model, prompt))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            wait_s = self._delay_s(prompt) if callable(self._delay_s) else self._delay_s
            await asyncio.sleep(wait_s)
            reply = self._by_model.get(model.name, self._answer)(prompt)
            return await reply if inspect.isawaitable(reply) else reply
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        """Note that it is no longer needed."""
        self.closed = True


def count_tokens(prompt: Prompt, said: Said) -> Tokens:
    """Return what a fake says that a call used: a token for four characters, nothing cached."""
    sent = len(prompt.instructions) + sum(len(json.dumps(tool.schema)) + len(tool.description) for tool in prompt.tools)
    for message in prompt.messages:
        sent += _length(message) if isinstance(message, Said) else len(message.text)
    return Tokens(input=max(1, sent // 4), output=max(1, _length(said) // 4))


def says(prompt: Prompt, text: str, tokens: Tokens | None = None) -> Reply:
    """Return a reply in words, without a tool call."""
    said = Said(text)
    return Reply(said, tokens or count_tokens(prompt, said))


def calls(
    prompt: Prompt, *made: tuple[str, Mapping[str, Any] | str], text: str = "", tokens: Tokens | None = None
) -> Reply:
    """Return a reply that calls tools, each (its name, its arguments); arguments that are text go as they are."""
    turn = sum(isinstance(message, Said) for message in prompt.messages) + 1
    said = Said(
        text,
        tuple(
            ToolCall(f"call-{turn}-{number}", name, given if isinstance(given, str) else json.dumps(given))
            for number, (name, given) in enumerate(made, 1)
        ),
    )
    return Reply(said, tokens or count_tokens(prompt, said), "tool_call")


def _length(said: Said) -> int:
    return len(said.text) + sum(len(call.name) + len(call.arguments) for call in said.calls)
