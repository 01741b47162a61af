"""A model for tests that answers by a function, and the contract of a `Client` as a pytest class.

class TestMyClient(ClientContract):
    @pytest.fixture
    def open_client(self):
        ...  # return a function that opens a client of a model whose answers the function that it is given makes up
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from aster.domain.research import ModelChoice, Tokens
from aster.llm.protocol import Client, Prompt, Reply, Returned, Said, Told, ToolCall, ToolSpec

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


Opened = AbstractAsyncContextManager[tuple[Client, ModelChoice]]
Open = Callable[[Answer], Opened]
"""Opens a client, and names a model of it whose answers the given function makes up; leaving it closes the client."""

AT = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
TOOL = ToolSpec("look", "Look at a place.", AT)
TOLD = Prompt("You are brief.", (Told("hello"),), (), 100)
FREE_TOOL = Prompt("You are brief.", (Told("hello"),), (TOOL,), 100)


class ClientContract:
    """What every client promises. A subclass has the fixture `open_client`."""

    def test_words_come_back_with_what_they_used(self, open_client: Open) -> None:
        reply = asked(open_client, lambda prompt: says(prompt, "hi", Tokens(11, 3, 2)), TOLD)
        assert (reply.said.text, reply.said.calls) == ("hi", ())
        assert (reply.tokens, reply.finish, reply.odd) == (Tokens(11, 3, 2), "stop", "")

    def test_the_model_is_sent_what_the_prompt_says(self, open_client: Open) -> None:
        seen: list[Prompt] = []

        def answer(prompt: Prompt) -> Reply:
            seen.append(prompt)
            return says(prompt, "hi")

        said = Said("on it", (ToolCall("c1", "look", '{"at":"x"}'),))
        messages = (Told("hello"), said, Returned("c1", "look", "nothing"), Told("look again"))
        sent = Prompt("You are brief.", messages, (TOOL,), 77, must_call=True)
        asked(open_client, answer, sent)
        (got,) = seen
        assert got == sent, f"{got} was seen where {sent} was sent"

    def test_a_call_of_a_tool_comes_back_with_its_arguments(self, open_client: Open) -> None:
        reply = asked(open_client, lambda prompt: calls(prompt, ("look", {"at": "é"}), text="let me see"), FREE_TOOL)
        (call,) = reply.said.calls
        assert (call.name, json.loads(call.arguments), reply.finish) == ("look", {"at": "é"}, "tool_call")
        assert reply.said.text == "let me see"

    def test_calls_side_by_side_keep_their_order_and_differ_in_id(self, open_client: Open) -> None:
        both = ("look", {"at": "a"}), ("look", {"at": "b"})
        reply = asked(open_client, lambda prompt: calls(prompt, *both), FREE_TOOL)
        assert [json.loads(call.arguments)["at"] for call in reply.said.calls] == ["a", "b"]
        assert len({call.id for call in reply.said.calls}) == 2

    def test_broken_arguments_are_passed_on_as_they_came(self, open_client: Open) -> None:
        reply = asked(open_client, lambda prompt: calls(prompt, ("look", '{"at": "x')), FREE_TOOL)
        assert reply.said.calls[0].arguments == '{"at": "x'

    def test_a_reply_can_go_back_in_the_next_prompt(self, open_client: Open) -> None:
        async def run() -> list[Prompt]:
            seen: list[Prompt] = []

            def answer(prompt: Prompt) -> Reply:
                seen.append(prompt)
                return calls(prompt, ("look", {"at": "a"}), ("look", {"at": "b"}), text="two")

            async with open_client(answer) as (client, model):
                said = (await client.ask(model, FREE_TOOL)).said
                returned = tuple(Returned(call.id, call.name, "nothing") for call in said.calls)
                await client.ask(model, Prompt("You are brief.", (Told("hello"), said, *returned), (TOOL,), 100))
            return seen

        told, said, *returned = asyncio.run(run())[1].messages
        assert told == Told("hello")
        assert isinstance(said, Said)
        assert [call.id for call in said.calls] == [each.call for each in returned if isinstance(each, Returned)]
        assert said.text == "two"

    def test_a_reply_without_anything_is_a_reply(self, open_client: Open) -> None:
        reply = asked(open_client, lambda prompt: says(prompt, "", Tokens(5, 1)), TOLD)
        assert (reply.said.text, reply.said.calls) == ("", ())

    def test_requests_go_side_by_side(self, open_client: Open) -> None:
        async def run() -> int:
            together, all_here = 0, asyncio.Event()

            async def answer(prompt: Prompt) -> Reply:
                nonlocal together
                together += 1
                if together == 150:
                    all_here.set()
                await asyncio.wait_for(all_here.wait(), 60)
                return says(prompt, "hi")

            async with open_client(answer) as (client, model):
                replies = await asyncio.gather(*(client.ask(model, TOLD) for _ in range(150)))
            return len(replies)

        assert asyncio.run(run()) == 150

    def test_a_request_can_be_given_up(self, open_client: Open) -> None:
        async def run() -> None:
            begun = asyncio.Event()

            async def answer(prompt: Prompt) -> Reply:
                begun.set()
                await asyncio.sleep(3600)
                return says(prompt, "late")

            async with open_client(answer) as (client, model):
                task = asyncio.create_task(client.ask(model, TOLD))
                await asyncio.wait_for(begun.wait(), 60)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(run())


def asked(open_client: Open, answer: Answer, prompt: Prompt) -> Reply:
    """Return what a client makes of the answer to a prompt."""

    async def run() -> Reply:
        async with open_client(answer) as (client, model):
            return await client.ask(model, prompt)

    return asyncio.run(run())
