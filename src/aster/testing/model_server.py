"""A server on this machine that speaks as OpenAI-compatible ones do, says what a script says, and misbehaves on demand.

async with ModelServer(lambda prompt: says(prompt, "hello")) as server:
    ...  # ask "openai:anything" at server.base_url

with serving(answer) as server:  # in a thread of its own, where the test has no loop
    ...

python -m aster.testing.model_server --delay 10  # prints its address, until it is killed
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from msgspec import UNSET, Struct, UnsetType

from aster.llm.protocol import Message, Prompt, Reply, Returned, Said, Told, ToolCall, ToolSpec
from aster.testing.clients import Answer, calls, says

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"


class Fault(Struct, frozen=True):
    """How an answer goes wrong.

    Attributes:
        status, headers, body: sent instead of the answer, where `body` is given.
        usage: sent instead of the answer's; None: no usage at all.
        truncate: only so many bytes are sent, and the answer ends as if that were all.
        cut: only so many bytes are sent, and the connection breaks.
        wait_s: before the answer.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | None = None
    usage: Any | UnsetType = UNSET
    truncate: int | None = None
    cut: int | None = None
    wait_s: float = 0.0


def refusing(status: int, words: str = "no", retry_after_s: float | None = None, code: str | None = None) -> Fault:
    """Return an error as a provider makes it, such as 429 with Retry-After."""
    body = json.dumps({"error": {"message": words, "type": "error", "code": code}}).encode()
    headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
    return Fault(status, {"Content-Type": "application/json", **headers}, body)


def gateway_page(status: int = 502) -> Fault:
    """Return an error that some machine on the way makes: nobody knows what became of the request."""
    return Fault(status, {"Content-Type": "text/html"}, b"<html><h1>Bad Gateway</h1></html>")


class ModelServer:
    """Answers chat completions by a script.

    Args:
        answer: makes up the replies; the same scripts do for `ScriptedClient`.
        fault: what goes wrong with a request, by its number from 1 and its prompt; None: nothing.
        delay_s: how long each reply takes.
        port: 0: any that is free.

    Attributes:
        asked: the prompts, in order. `bodies`: as they came.
        headers: of the last request, names in small letters.
        answered: replies that were sent whole.
        in_flight, most_in_flight: requests that wait for their reply, now and at most so far.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        fault: Callable[[int, Prompt], Fault | None] = lambda _number, _prompt: None,
        delay_s: float = 0.0,
        port: int = 0,
        keep: bool = True,
    ) -> None:
        self._answer, self._fault, self._delay_s, self._port, self._keep = answer, fault, delay_s, port, keep
        self.asked: list[Prompt] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.count = self.answered = self.in_flight = self.most_in_flight = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where it is, as `--base-url` takes it."""
        return f"http://{HOST}:{self._port}/v1"

    async def __aenter__(self) -> Self:
        from aiohttp import web

        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port, backlog=16384)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = prompt_of(body)
        self.count += 1
        number = self.count
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        if self._keep:
            self.asked.append(prompt)
            self.bodies.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            fault = self._fault(number, prompt) or Fault()
            await asyncio.sleep(self._delay_s + fault.wait_s)
            return await self._send(request, await self._make(body, prompt, number, fault), fault)
        finally:
            self.in_flight -= 1

    async def _make(self, body: dict[str, Any], prompt: Prompt, number: int, fault: Fault) -> bytes:
        if fault.body is not None:
            return fault.body
        made = self._answer(prompt)
        reply = await made if inspect.isawaitable(made) else made
        completion = completion_of(reply, str(body.get("model")), number)
        if fault.usage is None:
            del completion["usage"]
        elif fault.usage is not UNSET:
            completion["usage"] = fault.usage
        return json.dumps(completion).encode()

    async def _send(self, request: web.Request, data: bytes, fault: Fault) -> web.StreamResponse:
        from aiohttp import web

        headers = {"Content-Type": "application/json", **fault.headers}
        if fault.cut is not None:
            response = web.StreamResponse(status=fault.status, headers={**headers, "Content-Length": str(len(data))})
            with contextlib.suppress(ConnectionResetError):  # the client did not wait for it
                await response.prepare(request)
                await response.write(data[: fault.cut])
            assert request.transport is not None
            request.transport.abort()
            return response
        if fault.body is None and fault.truncate is None:
            self.answered += 1
        return web.Response(status=fault.status, headers=headers, body=data[: fault.truncate])


@contextlib.contextmanager
def serving(answer: Answer, **more: Any) -> Iterator[ModelServer]:
    """Run a server in a thread of its own. Arguments are those of `ModelServer`."""
    server = ModelServer(answer, **more)
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with server:
            ready.set()
            await done.wait()

    async def give_up() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}  # requests whose client is gone
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def work() -> None:
        loop.run_until_complete(run())
        loop.run_until_complete(give_up())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    if not ready.wait(20):
        raise RuntimeError("the server does not start")
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        loop.close()


def prompt_of(body: dict[str, Any]) -> Prompt:
    """Return a chat completion's request as a prompt."""
    said: list[Message] = []
    instructions: list[str] = []
    tools = {call["id"]: call["function"]["name"] for each in body["messages"] for call in each.get("tool_calls") or ()}
    for message in body["messages"]:
        text = _text(message.get("content"))
        if message["role"] in ("system", "developer"):
            instructions.append(text)
        elif message["role"] == "tool":
            said.append(Returned(message["tool_call_id"], tools.get(message["tool_call_id"], ""), text))
        elif message["role"] == "assistant":
            made = (ToolCall(each["id"], **_named(each)) for each in message.get("tool_calls") or ())
            said.append(Said(text, tuple(made)))
        else:
            said.append(Told(text))
    specs = (each["function"] for each in body.get("tools") or ())
    return Prompt(
        "\n\n".join(instructions),
        tuple(said),
        tuple(ToolSpec(each["name"], each.get("description", ""), each.get("parameters", {})) for each in specs),
        body.get("max_completion_tokens") or body.get("max_tokens") or 0,
        body.get("tool_choice") == "required",
    )


def completion_of(reply: Reply, model: str, number: int) -> dict[str, Any]:
    """Return a reply as the body of a chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.said.text or None}
    if reply.said.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.said.calls
        ]
    used = reply.tokens
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(reply)}],
        "usage": {
            "prompt_tokens": used.input,
            "completion_tokens": used.output,
            "total_tokens": used.total,
            "prompt_tokens_details": {"cached_tokens": used.cache_read},
        },
    }


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.finish == "tool_call" else reply.finish


def _named(call: dict[str, Any]) -> dict[str, str]:
    return {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def obliging(prompt: Prompt) -> Reply:
    """Answer anything: call the first tool with arguments that fit its schema roughly, or say a word."""
    if not prompt.tools:
        return says(prompt, "ok")
    tool = prompt.tools[0]
    return calls(prompt, (tool.name, _example(tool.schema)))


def _example(schema: dict[str, Any]) -> Any:
    """Return a value of a JSON schema."""
    if schema.get("enum"):
        return schema["enum"][0]
    simple: dict[str, Any] = {"string": "ok", "integer": 1, "number": 1.0, "boolean": True, "array": [], "null": None}
    if schema.get("type") in simple:
        return simple[schema["type"]]
    needed = schema.get("required", ())
    return {name: _example(each) for name, each in schema.get("properties", {}).items() if name in needed}


async def _serve(delay_s: float, port: int) -> None:
    from aster.llm.wire import CONNECTIONS, room_for

    room_for(CONNECTIONS)
    async with ModelServer(obliging, delay_s=delay_s, port=port, keep=False) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="Answers chat completions on this machine: any tool call that fits.")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each answer takes")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free; it is printed")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.delay, given.port))


if __name__ == "__main__":
    main()
