"""Models asked over a connection: the contract, and what becomes of all that servers do wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from aster.domain.research import ModelChoice, Tokens
from aster.errors import UserError
from aster.llm.client import PydanticClient
from aster.llm.estimate import worst_tokens
from aster.llm.parse import PROVIDERS, parse_model
from aster.llm.protocol import Client, ModelError, Prompt, Refusal, Reply, Returned, Said, Told, ToolCall, Unknown
from aster.llm.turns import BROKEN
from aster.testing.clients import FREE_TOOL, TOLD, TOOL, Answer, ClientContract, Open, calls, says
from aster.testing.model_server import Fault, ModelServer, gateway_page, refusing


@asynccontextmanager
async def over_a_connection(answer: Answer) -> AsyncIterator[tuple[Client, ModelChoice]]:
    async with ModelServer(answer) as server, closing() as client:
        yield client, ModelChoice("openai:fake", base_url=server.base_url)


@asynccontextmanager
async def closing(timeout_s: float = 60.0) -> AsyncIterator[PydanticClient]:
    client = PydanticClient(timeout_s=timeout_s)
    yield client
    await client.close()


class TestPydanticClient(ClientContract):
    @pytest.fixture
    def open_client(self) -> Open:
        return over_a_connection


def hello(prompt: Prompt) -> Reply:
    return says(prompt, "hello", Tokens(20, 5))


def ask(
    fault: Fault, answer: Answer = hello, prompt: Prompt = TOLD, timeout_s: float = 60.0, name: str = "openai:fake"
) -> Reply:
    """Return what one request to a server that misbehaves comes to."""

    async def run() -> Reply:
        async with ModelServer(answer, fault=lambda _, __: fault) as server, closing(timeout_s) as client:
            return await client.ask(ModelChoice(name, base_url=server.base_url), prompt)

    return asyncio.run(run())


def error_of(fault: Fault, timeout_s: float = 60.0) -> ModelError:
    with pytest.raises(ModelError) as caught:
        ask(fault, timeout_s=timeout_s)
    return caught.value


def test_a_refusal_says_when_to_come_back() -> None:
    error = error_of(refusing(429, "slow down", 7))
    assert isinstance(error, Refusal)
    assert (error.retry_after_s, error.fatal, error.unusable) == (7.0, False, False)
    assert "429" in str(error)
    assert "slow down" in str(error)


@pytest.mark.parametrize(("status", "unusable"), [(400, False), (413, False), (422, False), (401, True), (404, True)])
def test_what_asking_again_does_not_mend_is_fatal(status: int, unusable: bool) -> None:
    error = error_of(refusing(status))
    assert isinstance(error, Refusal)
    assert (error.fatal, error.unusable) == (True, unusable)


def test_a_spent_quota_is_no_matter_of_waiting() -> None:
    error = error_of(refusing(429, "You exceeded your current quota", 5, "insufficient_quota"))
    assert isinstance(error, Refusal)
    assert error.unusable


@pytest.mark.parametrize("status", [500, 503, 529])
def test_a_providers_own_failure_charges_nothing(status: int) -> None:
    error = error_of(refusing(status, "overloaded", 3))
    assert isinstance(error, Refusal)
    assert (error.fatal, error.retry_after_s) == (False, 3.0)


@pytest.mark.parametrize(
    "fault",
    [
        gateway_page(502),
        refusing(504, "upstream timed out"),
        Fault(truncate=40),
        Fault(truncate=0),
        Fault(cut=40),
        Fault(body=b"<html>welcome to this hotel</html>"),
        Fault(body=b'{"choices": null}'),
        Fault(body=b'{"choices": []}'),
        Fault(body=b"[]"),
        Fault(body=b'{"choices": [{"message": "hello"}]}'),
        Fault(body=b"\xff\xfe\x00"),
    ],
    ids=str,
)
def test_where_nobody_knows_what_was_done_the_call_is_unknown(fault: Fault) -> None:
    assert isinstance(error_of(fault), Unknown)


def test_no_answer_in_time_is_unknown() -> None:
    assert isinstance(error_of(Fault(wait_s=3600), timeout_s=0.2), Unknown)


def test_nobody_there_is_a_refusal_that_may_be_tried_again() -> None:
    async def run() -> None:
        async with ModelServer(hello) as server:
            gone = server.base_url
        async with closing() as client:
            await client.ask(ModelChoice("openai:fake", base_url=gone), TOLD)

    with pytest.raises(Refusal, match="cannot be reached") as caught:
        asyncio.run(run())
    assert not caught.value.fatal


WORST = Tokens(worst_tokens(TOLD), TOLD.max_output)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, WORST),
        ("many", WORST),
        ([], WORST),
        ({}, WORST),
        ({"prompt_tokens": -5, "completion_tokens": 4}, Tokens(WORST.input, 4)),
        ({"prompt_tokens": 30, "completion_tokens": "a few"}, Tokens(30, WORST.output)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, WORST),
        ({"prompt_tokens": None, "completion_tokens": True}, WORST),
    ],
    ids=str,
)
def test_usage_that_cannot_be_read_counts_as_the_most_it_can_be(usage: object, tokens: Tokens) -> None:
    reply = ask(Fault(usage=usage))
    assert reply.said.text == "hello"
    assert reply.tokens == tokens
    assert "usable" in reply.odd


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": "30", "completion_tokens": 4.0}, Tokens(30, 4)),
        ({"prompt_tokens": 10**9, "completion_tokens": 4}, Tokens(10**9, 4)),
        ({"prompt_tokens": 10**40, "completion_tokens": 4}, Tokens(10**12, 4)),
        (
            {"prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 25}},
            Tokens(30, 4, 25),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 25}},
            Tokens(30, 4, 25),
        ),
        ({"prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": "none"}, Tokens(30, 4)),
        ({"prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -1}}, Tokens(30, 4)),
    ],
    ids=str,
)
def test_usage_that_can_be_read_is_taken_as_it_is_however_large(usage: object, tokens: Tokens) -> None:
    reply = ask(Fault(usage=usage))
    assert (reply.tokens, reply.odd) == (tokens, "")


def test_calls_without_ids_or_with_one_for_all_get_ids_of_their_own() -> None:
    def answer(prompt: Prompt) -> Reply:
        same = tuple(ToolCall("x", "look", json.dumps({"at": at})) for at in "ab")
        return Reply(Said("", same), Tokens(9, 9), "tool_call")

    reply = ask(Fault(), answer, FREE_TOOL)
    assert len({call.id for call in reply.said.calls}) == 2


def test_broken_arguments_go_back_as_an_object_because_servers_refuse_them_otherwise() -> None:
    async def run() -> list[dict[str, object]]:
        async with ModelServer(lambda prompt: calls(prompt, ("look", '{"at": '))) as server, closing() as client:
            model = ModelChoice("openai:fake", base_url=server.base_url)
            said = (await client.ask(model, FREE_TOOL)).said
            back = Returned(said.calls[0].id, "look", "not JSON")
            await client.ask(model, Prompt("", (Told("hello"), said, back), (TOOL,), 100))
            return server.bodies[-1]["messages"]  # type: ignore[no-any-return]

    said = asyncio.run(run())[-2]
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {BROKEN: '{"at": '}  # type: ignore[index]


def test_reasoning_goes_back_to_the_server_that_gave_it() -> None:
    reasoned = {"role": "assistant", "content": "ok", "reasoning_content": "hm, well"}
    body = {
        "id": "1", "object": "chat.completion", "created": 1, "model": "fake",
        "choices": [{"index": 0, "message": reasoned, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
    }  # fmt: skip

    async def run() -> dict[str, object]:
        fault = Fault(body=json.dumps(body).encode())
        async with ModelServer(hello, fault=lambda _, __: fault) as server, closing() as client:
            model = ModelChoice("openai:fake", base_url=server.base_url)
            said = (await client.ask(model, TOLD)).said
            assert said.text == "ok"
            await client.ask(model, Prompt("", (Told("hello"), said, Told("go on")), (), 100))
            return server.bodies[-1]["messages"][-2]  # type: ignore[no-any-return]

    assert asyncio.run(run())["reasoning_content"] == "hm, well"


def test_every_try_is_made_once() -> None:
    async def run() -> int:
        async with ModelServer(hello, fault=lambda _, __: refusing(500, "oh")) as server, closing() as client:
            with pytest.raises(Refusal):
                await client.ask(ModelChoice("openai:fake", base_url=server.base_url), TOLD)
            return server.count

    assert asyncio.run(run()) == 1


def test_a_server_of_ones_own_needs_no_key_and_gets_none_that_is_not_its(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-itself")

    async def run() -> str:
        async with ModelServer(hello) as server, closing() as client:
            await client.ask(ModelChoice("vllm:fake", base_url=server.base_url), TOLD)
            return server.headers["authorization"]

    assert "of-openai-itself" not in asyncio.run(run())


def test_errors_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-key-of-mine")
    error = error_of(refusing(401, "Incorrect API key provided: very-secret-key-of-mine"))
    assert "very-secret" not in str(error)


def test_without_a_key_the_user_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with_client(lambda client: check(client, "anthropic:claude-sonnet-5", "set ANTHROPIC_API_KEY"))
    with_client(lambda client: check(client, "nobody:x", "cannot be asked"))


def check(client: PydanticClient, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        client.check(ModelChoice(name))


def with_client(use: Callable[[PydanticClient], None]) -> None:
    async def run() -> None:
        async with closing() as client:
            use(client)

    asyncio.run(run())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_on_the_list_can_be_asked_once_there_is_a_key(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = provider.upper().replace("-", "_")
    for name in (own, "OPENAI", "MODEL"):
        monkeypatch.setenv(f"{name}_API_KEY", "a-key-for-tests")
    with_client(lambda client: client.check(parse_model(f"{provider}:vendor/model")))
