"""The ways of speaking to paid providers, against canned answers on this machine: what is sent, and what is read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from aster.domain.research import ModelChoice, Tokens
from aster.llm.client import PydanticClient
from aster.llm.protocol import Message, Prompt, Refusal, Reply, Returned, Said, Told, ToolSpec

TOOL = ToolSpec(
    "look", "Look at a place.", {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
)
FIRST = Prompt("You are brief. " * 50, (Told("hello"),), (TOOL,), 500, must_call=True)


class Canned:
    """Answers every request with the same, and keeps what was asked."""

    def __init__(self, answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer, self.status, self.headers = answer, status, headers
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.sent_headers: dict[str, str] = {}

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.paths.append(request.path)
        self.sent_headers = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response(self.answer, status=self.status, headers=self.headers)

    def talk(self, name: str, suffix: str = "") -> list[Reply]:
        """Ask, and go on from what was said; return both replies."""

        async def run() -> list[Reply]:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self.handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            client = PydanticClient(timeout_s=60)
            try:
                model = ModelChoice(name, base_url=f"http://127.0.0.1:{runner.addresses[0][1]}{suffix}")
                first = await client.ask(model, FIRST)
                back: list[Message] = [Returned(call.id, call.name, "nothing") for call in first.said.calls]
                second = replace(FIRST, messages=(Told("hello"), first.said, *back), must_call=False)
                return [first, await client.ask(model, second)]
            finally:
                await client.close()
                await runner.cleanup()

        return asyncio.run(run())


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC", "GOOGLE"):
        monkeypatch.setenv(f"{name}_API_KEY", "a-key-for-tests")


ANTHROPIC = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_reason": "tool_use",
    "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "signed"},
        {"type": "text", "text": "let me see"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "x"}},
    ],
    "usage": {
        "input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 40,
        "service_tier": "standard",
    },
}  # fmt: skip


def test_anthropic_is_asked_to_cache_and_says_what_it_cached() -> None:
    canned = Canned(ANTHROPIC)
    first, second = canned.talk("anthropic:claude-sonnet-5")
    assert first.tokens == Tokens(350, 20, 300, 40)
    assert first.odd == ""
    assert first.said.text == "let me see"
    assert [(call.id, call.name, json.loads(call.arguments)) for call in first.said.calls] == [
        ("toolu_1", "look", {"at": "x"})
    ]
    body = canned.bodies[0]
    assert "cache_control" in json.dumps(body["tools"])
    assert "cache_control" in json.dumps(body["system"])
    assert body["max_tokens"] == 500
    assert body["tool_choice"]["type"] == "any"
    assert "a-key-for-tests" in " ".join(canned.sent_headers.values())
    assert canned.paths[0] == "/v1/messages"
    assert second.said.calls


def test_anthropics_signed_reasoning_goes_back() -> None:
    canned = Canned(ANTHROPIC)
    canned.talk("anthropic:claude-sonnet-5")
    said = canned.bodies[1]["messages"][1]
    assert said["role"] == "assistant"
    assert said["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "signed"}


def test_anthropics_overload_charges_nothing() -> None:
    canned = Canned({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529)
    with pytest.raises(Refusal, match="529: Overloaded") as caught:
        canned.talk("anthropic:claude-sonnet-5")
    assert not caught.value.fatal
    assert len(canned.bodies) == 1


GEMINI = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"functionCall": {"name": "look", "args": {"at": "x"}}, "thoughtSignature": "c2lnbmVk"}],
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 300, "candidatesTokenCount": 12, "thoughtsTokenCount": 30, "totalTokenCount": 342,
        "cachedContentTokenCount": 200,
    },
    "modelVersion": "gemini-2.5-pro",
}  # fmt: skip


def test_google_counts_reasoning_as_output() -> None:
    canned = Canned(GEMINI)
    first, _ = canned.talk("google:gemini-2.5-pro")
    assert first.tokens == Tokens(300, 42, 200)
    assert [(call.name, json.loads(call.arguments)) for call in first.said.calls] == [("look", {"at": "x"})]
    body = canned.bodies[0]
    assert body["generationConfig"]["maxOutputTokens"] == 500
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
    assert "c2lnbmVk" in json.dumps(canned.bodies[1])


def test_google_says_when_to_come_back() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
    error = {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED", "details": [info]}
    canned = Canned({"error": error}, 429)
    with pytest.raises(Refusal, match="429: Resource exhausted") as caught:
        canned.talk("google:gemini-2.5-pro")
    assert (caught.value.retry_after_s, caught.value.fatal) == (17.0, False)
    assert len(canned.bodies) == 1


RESPONSES = {
    "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "gpt-5-mini", "status": "completed",
    "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
    "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "locked"},
        {
            "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": '{"at": "x"}',
            "status": "completed",
        },
    ],
    "usage": {
        "input_tokens": 300, "output_tokens": 50, "total_tokens": 350,
        "input_tokens_details": {"cached_tokens": 128}, "output_tokens_details": {"reasoning_tokens": 30},
    },
}  # fmt: skip


def test_openais_own_reasoning_goes_back_encrypted_and_nothing_is_stored_there(monkeypatch: pytest.MonkeyPatch) -> None:
    canned = Canned(RESPONSES)
    monkeypatch.setattr("aster.llm.client.GENERIC", ())  # OpenAI's own way of speaking, at an address of the test's
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-tests")
    first, _ = canned.talk("openai:gpt-5-mini", "/v1")
    assert canned.paths[0] == "/v1/responses"
    assert first.tokens == Tokens(300, 50, 128)
    assert [(call.id, json.loads(call.arguments)) for call in first.said.calls] == [("call_1", {"at": "x"})]
    assert canned.bodies[0]["store"] is False
    assert canned.bodies[0]["max_output_tokens"] == 500
    assert "locked" in json.dumps(canned.bodies[1])


def test_odd_counts_of_other_providers_lose_no_answer() -> None:
    broken: dict[str, Any] = {
        **ANTHROPIC,
        "usage": {"input_tokens": None, "output_tokens": [], "cache_read_input_tokens": "many"},
    }
    first, _ = Canned(broken).talk("anthropic:claude-sonnet-5")
    assert isinstance(first.said, Said)
    assert first.odd
    assert first.tokens.output == 500
    bad: dict[str, Any] = {**GEMINI, "usageMetadata": "none"}
    assert Canned(bad).talk("google:gemini-2.5-pro")[0].odd
