"""A quicker way from pydantic-ai's chat completions to a server.

Imported late: it loads openai. Its `create` walks through every value of a request by the types of its parameters, to
find keys that go by another name in JSON: chat completions have none, and with ten tools that is half of a call's cost.
"""

from __future__ import annotations

from typing import Any

import httpx2
from openai import AsyncOpenAI, NotGiven, Omit
from openai.resources.chat.completions import AsyncCompletions
from openai.types.chat import ChatCompletion

ASIDE = {"extra_headers": "headers", "extra_query": "params", "extra_body": "extra_json", "timeout": "timeout"}
"""Parameters that are not part of the body, and what `post` calls them."""


class LeanCompletions(AsyncCompletions):
    """Sends a chat completion's parameters as they are."""

    async def create(self, **given: Any) -> Any:
        """Return the completion. Parameters are those of `AsyncCompletions.create`.

        Raises:
            openai.APIError: as there.
        """
        if given.get("stream"):
            return await super().create(**given)
        body = {name: value for name, value in given.items() if not isinstance(value, Omit | NotGiven)}
        aside = {kind: body.pop(name) for name, kind in ASIDE.items() if name in body}
        post: Any = self._client.post
        options = {"security": {"bearer_auth": True}, **aside}
        return await post("/chat/completions", cast_to=ChatCompletion, body=body, options=options)


def lean_openai(base_url: str, key: str, http: httpx2.AsyncClient) -> AsyncOpenAI:
    """Return a client whose chat completions are lean."""
    client = AsyncOpenAI(base_url=base_url, api_key=key, http_client=http, max_retries=0)
    vars(client.chat)["completions"] = LeanCompletions(client)  # in place of a cached property's value
    return client
