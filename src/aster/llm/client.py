"""Asking models through pydantic-ai: one client, and one pool of connections, for all agents of a process.

Imported late: it loads pydantic-ai.
"""

from __future__ import annotations

import asyncio
import os
import re
from inspect import signature
from typing import Any

import httpx2
from pydantic_ai import exceptions as wrong
from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model, get_user_agent, infer_model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from aster.domain.research import ModelChoice
from aster.errors import UserError
from aster.llm.estimate import worst_tokens
from aster.llm.lean import lean_openai
from aster.llm.protocol import ModelError, Prompt, Refusal, Reply, Unknown
from aster.llm.refusing import cause_of, error_of
from aster.llm.scrub import scrub
from aster.llm.turns import Toolbox, messages_of, said_of
from aster.llm.usage import credible, reported
from aster.llm.wire import CONNECTIONS, Trip, Wire, a_trip

TIMEOUT_S = 600.0

GENERIC = ("openai", "openai-chat", "openai-responses")
"""Providers that stand for any OpenAI-compatible server where an address is given."""

_NEWER = re.compile(r"(^|/)(gpt-[5-9]|o\d)")
"""Models whose output is limited by `max_completion_tokens`; all other servers know `max_tokens`."""


class PydanticClient:
    """Asks models of any provider that pydantic-ai knows, and OpenAI-compatible servers.

    Args:
        connections: open at the same time, at most.
        timeout_s: for a whole request; past it the request counts as unknown.
    """

    def __init__(self, *, connections: int = CONNECTIONS, timeout_s: float = TIMEOUT_S) -> None:
        self._wire = Wire(connections)
        self._http = httpx2.AsyncClient(
            transport=self._wire,
            timeout=httpx2.Timeout(timeout_s),
            headers={"User-Agent": get_user_agent()},
        )
        self._timeout_s = timeout_s
        self._models: dict[tuple[str, str], Model[Any]] = {}
        self._tools = Toolbox()

    def check(self, model: ModelChoice) -> None:
        """Make sure that a model can be asked, as far as that is known without asking it.

        Raises:
            UserError: no such provider, or no key for it.
        """
        self._model(model)

    async def ask(self, model: ModelChoice, prompt: Prompt) -> Reply:
        """Return the model's reply. It never tries twice.

        Raises:
            Refusal, Unknown: it did not come to one.
        """
        try:
            known = self._model(model)
        except UserError as error:
            raise Refusal(str(error), unusable=True) from error
        with a_trip() as trip:
            response = await self._request(known, prompt, trip)
        try:
            said = said_of(response)
        except Exception as error:  # whatever is odd in an answer, it was paid for: it ends as unknown
            raise Unknown(scrub(f"The answer cannot be read: {cause_of(error)}")) from error
        counts = reported(_counts(response), trip.bad_counts)
        tokens, odd = credible(counts, lambda: worst_tokens(prompt), prompt.max_output, bool(said.text or said.calls))
        return Reply(said, tokens, "tool_call" if said.calls else response.finish_reason or "stop", odd)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _request(self, model: Model[Any], prompt: Prompt, trip: Trip) -> ModelResponse:
        settings, messages, tools = self._settings(model, prompt), messages_of(prompt), self._tools.parameters(prompt)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await model_request(model, messages, model_settings=settings, model_request_parameters=tools)
        except TimeoutError as error:
            raise Unknown(f"No answer within {self._timeout_s:g} s.") from error
        except Exception as error:  # libraries raise what they will on odd answers, and money was spent
            raise _mended(error_of(error, trip.sent)) from error

    def _settings(self, model: Model[Any], prompt: Prompt) -> Any:
        settings: dict[str, Any] = {"max_tokens": prompt.max_output, "timeout": self._timeout_s, "cache": True}
        if prompt.tools:
            settings["tool_choice"] = "required" if prompt.must_call else "auto"
        if isinstance(model, OpenAIResponsesModel):
            settings["openai_store"] = False
        return settings

    def _model(self, choice: ModelChoice) -> Model[Any]:
        key = choice.name, choice.base_url
        if key not in self._models:
            try:
                self._models[key] = _make_model(choice, self._http, self._wire)
            except (wrong.UserError, ValueError, ImportError) as error:
                raise UserError(_why_not(choice, error)) from error
        return self._models[key]


def _why_not(choice: ModelChoice, error: Exception) -> str:
    """Return what keeps a model from being asked, and what to do."""
    provider = choice.name.partition(":")[0]
    if key := re.search(r"Set the `(\w+_API_KEY)`", str(error)):
        return (
            f"There is no key for {provider}: set {key[1]} in the environment, "
            "or give --base-url if you mean a server of your own that speaks as OpenAI's does."
        )
    return scrub(f"The model {choice.name} cannot be asked: {error}")


def _make_model(choice: ModelChoice, http: httpx2.AsyncClient, wire: Wire) -> Model[Any]:
    """Return pydantic-ai's model for a choice.

    Raises:
        pydantic_ai.exceptions.UserError, ValueError, ImportError: there is none, or no key for it.
    """
    provider, _, name = choice.name.partition(":")
    if choice.base_url and not _has_its_own(provider):
        compatible = _compatible(provider, choice.base_url, name, http, wire)
        return _without_retries(OpenAIChatModel(name, provider=compatible))
    where = {"base_url": choice.base_url} if choice.base_url else {}

    def make(provider_name: str) -> Provider[Any]:
        kind: Any = infer_provider_class(provider_name)
        made: Provider[Any] = kind(http_client=http, **where)
        return made

    return _without_retries(infer_model(choice.name, make))


def _has_its_own(provider: str) -> bool:
    """Whether a provider at another address than its usual one still is spoken to in its own way."""
    if provider in GENERIC:
        return False
    try:
        return "base_url" in signature(infer_provider_class(provider).__init__).parameters
    except ValueError:  # pydantic-ai knows no such provider: the name is the user's own
        return False


def _compatible(
    provider: str, base_url: str, name: str, http: httpx2.AsyncClient, wire: Wire
) -> OpenAICompatibleProvider:
    """Return a server that speaks as OpenAI does. Its key is PROVIDER_API_KEY, if there is one.

    Tools' schemas go as they are: the servers take any, and pydantic-ai would prepare them anew for each request.
    """
    key = os.environ.get(f"{provider.upper().replace('-', '_')}_API_KEY") or "none"
    profile = OpenAIModelProfile(
        openai_chat_supports_max_completion_tokens=bool(_NEWER.search(name)),
        json_schema_transformer=None,
    )
    client = lean_openai(base_url, key, http, wire)
    return OpenAICompatibleProvider("openai-compatible", openai_client=client, profile=profile)


def _without_retries(model: Model[Any]) -> Model[Any]:
    """Keep a provider's library from trying again by itself: each try is reserved and settled here."""
    client = getattr(model, "client", None)
    if hasattr(client, "max_retries"):
        client.max_retries = 0  # type: ignore[union-attr]
    return model


def _counts(response: ModelResponse) -> dict[str, int]:
    usage = response.usage
    lost = bool(usage.unmeasured_requests)
    return {
        "input_tokens": 0 if lost else usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }


def _mended(error: ModelError) -> ModelError:
    error.args = (scrub(str(error)),)
    return error
