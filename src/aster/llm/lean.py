"""A quicker way from pydantic-ai's chat completions to a server.

Imported late: it loads openai. Its `create` walks through every value of a request by the types of its parameters,
makes headers and addresses anew, and builds what came back field by field: two thirds of a call's cost.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import httpx2
import msgspec
from openai import APIConnectionError, APITimeoutError, AsyncOpenAI, NotGiven, Omit
from openai._models import construct_type
from openai.resources.chat.completions import AsyncCompletions
from openai.types.chat import ChatCompletion
from pydantic import ValidationError

from aster.llm.wire import Answer, Headers, Wire

_ASIDE = ("extra_headers", "extra_query", "extra_body", "timeout")


class LeanCompletions(AsyncCompletions):
    """Sends a chat completion's parameters as they are, straight to the wire."""

    def __init__(self, client: AsyncOpenAI, wire: Wire) -> None:
        super().__init__(client)
        self._wire = wire
        self._place = httpx2.URL(f"{str(client.base_url).rstrip('/')}/chat/completions")
        self._headers = lru_cache(maxsize=64)(self._make_headers)

    async def create(self, **given: Any) -> Any:
        """Return the completion. Parameters are those of `AsyncCompletions.create`.

        Raises:
            openai.APIError: as there. ValueError: the answer is no JSON.
        """
        if given.get("stream") or given.get("extra_query"):
            return await super().create(**given)
        body = {name: value for name, value in given.items() if not isinstance(value, Omit | NotGiven)}
        aside = {name: body.pop(name, None) for name in _ASIDE}
        body.update(aside["extra_body"] or {})
        headers = self._headers(tuple((aside["extra_headers"] or {}).items()))
        answer = await self._ask(headers, msgspec.json.encode(body), aside["timeout"])
        if answer.status >= 300:
            raise self._client._make_status_error_from_response(_as_response(answer, self._request(headers)))
        return _completion(answer.body)

    async def _ask(self, headers: Headers, body: bytes, limit_s: float | None) -> Answer:
        try:
            return await self._wire.post(self._place, headers, body, limit_s)
        except httpx2.TimeoutException as error:
            raise APITimeoutError(request=self._request(headers)) from error
        except httpx2.TransportError as error:
            raise APIConnectionError(request=self._request(headers)) from error

    def _make_headers(self, extra: tuple[tuple[str, Any], ...]) -> Headers:
        own = {**self._client.default_headers, **self._client.auth_headers, "Content-Type": "application/json"}
        named = {name.lower(): (name, value) for name, value in (*own.items(), *extra)}
        return [(name, value) for name, value in named.values() if isinstance(value, str)]

    def _request(self, headers: Headers) -> httpx2.Request:
        return httpx2.Request("POST", self._place, headers=headers)


def _as_response(answer: Answer, request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(answer.status, headers=answer.headers, content=answer.body, request=request)


def _completion(body: bytes) -> ChatCompletion:
    """Return an answer as a completion; one that is not quite what it should be, as far as it goes."""
    try:
        return ChatCompletion.model_validate_json(body)
    except ValidationError:
        made: ChatCompletion = construct_type(type_=ChatCompletion, value=msgspec.json.decode(body))  # type: ignore[assignment]
        return made


def lean_openai(base_url: str, key: str, http: httpx2.AsyncClient, wire: Wire) -> AsyncOpenAI:
    """Return a client whose chat completions are lean. `wire`: what `http` sends by."""
    client = AsyncOpenAI(base_url=base_url, api_key=key, http_client=http, max_retries=0)
    client.chat.completions = LeanCompletions(client, wire)  # type: ignore[misc]  # cached: this takes its place
    return client
