"""Prompts and replies in pydantic-ai's terms, and back. Imported late: it loads pydantic-ai."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from aster.llm.protocol import Prompt, Returned, Said, ToolCall, ToolSpec

_UNSENT = {"usage", "timestamp", "run_id", "conversation_id", "metadata", "provider_response_id"}
"""What a response says of itself that is not sent back; the response's id would be the provider's, not ours."""

BROKEN = "broken_json"
"""The key under which a model sees arguments that were no JSON object again: servers refuse histories with such."""

_responses = TypeAdapter(ModelResponse)


class Toolbox:
    """Tools in pydantic-ai's terms, made once for each tuple of tools.

    Args:
        most: tuples that are remembered.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._known: OrderedDict[int, tuple[tuple[ToolSpec, ...], list[ToolDefinition]]] = OrderedDict()

    def definitions(self, tools: tuple[ToolSpec, ...]) -> list[ToolDefinition]:
        """Return the tools as definitions."""
        key = id(tools)
        if key not in self._known:
            made = [_definition(each) for each in tools]
            self._known[key] = tools, made
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return self._known[key][1]

    def parameters(self, prompt: Prompt) -> ModelRequestParameters:
        """Return what a request may do besides talking."""
        return ModelRequestParameters(function_tools=self.definitions(prompt.tools))


def _definition(tool: ToolSpec) -> ToolDefinition:
    return ToolDefinition(
        name=tool.name, parameters_json_schema=tool.schema, description=tool.description, strict=False
    )


def messages_of(prompt: Prompt) -> list[ModelMessage]:
    """Return a prompt's messages. What the model is told between two replies is one request."""
    out: list[ModelMessage] = []
    parts: list[ModelRequestPart] = []
    for message in prompt.messages:
        if isinstance(message, Said):
            if parts:
                out.append(ModelRequest(parts, instructions=prompt.instructions))
                parts = []
            out.append(_response(message))
        elif isinstance(message, Returned):
            parts.append(ToolReturnPart(message.tool, message.text, message.call))
        else:
            parts.append(UserPromptPart(message.text))
    out.append(ModelRequest(parts, instructions=prompt.instructions))
    return out


def said_of(response: ModelResponse) -> Said:
    """Return what a model said; its tool calls get ids that are unique in it."""
    _number_calls(response)
    calls = tuple(
        ToolCall(part.tool_call_id, part.tool_name, _as_text(part.args))
        for part in response.parts
        if isinstance(part, ToolCallPart)
    )
    text = "\n\n".join(part.content for part in response.parts if isinstance(part, TextPart) and part.content)
    raw = _responses.dump_json(response, exclude=_UNSENT, exclude_none=True)
    return Said(text, calls, raw.decode())


def _as_text(args: Any) -> str:
    """Return a call's arguments as they came; providers that hand over objects sent JSON."""
    if isinstance(args, str):
        return args or "{}"
    return json.dumps(args or {}, ensure_ascii=False)


def _number_calls(response: ModelResponse) -> None:
    """Give calls names and ids that are text, and ids of their own: libraries pass on whatever came."""
    seen: set[str] = set()
    for number, part in enumerate(response.parts, 1):
        if isinstance(part, ToolCallPart):
            if not isinstance(part.tool_call_id, str) or not part.tool_call_id or part.tool_call_id in seen:
                part.tool_call_id = f"{part.tool_call_id or 'call'}-{number}"
            seen.add(part.tool_call_id)
            if not isinstance(part.tool_name, str):
                part.tool_name = ""


def _response(said: Said) -> ModelResponse:
    """Return a reply as pydantic-ai gave it; one that another client gave is made from its words and calls."""
    try:
        response = _responses.validate_json(said.raw) if said.raw else _made(said)
    except ValidationError:
        response = _made(said)
    for part in response.parts:
        if isinstance(part, ToolCallPart) and not _is_object(part.args):
            part.args = {BROKEN: part.args if isinstance(part.args, str) else json.dumps(part.args)}
    return response


def _made(said: Said) -> ModelResponse:
    calls = [ToolCallPart(call.name, call.arguments, tool_call_id=call.id) for call in said.calls]
    text = [TextPart(said.text)] if said.text or not calls else []
    return ModelResponse([*text, *calls])


def _is_object(args: Any) -> bool:
    if not isinstance(args, str):
        return args is None or isinstance(args, dict)
    try:
        return not args or isinstance(json.loads(args), dict)
    except ValueError:
        return False
