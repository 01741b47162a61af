"""Answers of servers that imitate OpenAI's, mended where they part from its form.

An answer that was paid for is not lost because a name is missing that nobody needs, or because arguments came as an
object and not as text.
"""

from __future__ import annotations

import json
from typing import Any

from aster.llm.usage import clean_usage


def mended(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a response's body so that providers' libraries can read it, and the names of the counts that nobody can.

    What is not a JSON object, or is in order, comes back as it is.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return body, ()
    if not isinstance(answer, dict):
        return body, ()
    changed, bad = clean_usage(answer)
    if "choices" in answer:
        changed |= _mend_completion(answer)
    return (json.dumps(answer).encode() if changed else body), bad


def _mend_completion(answer: dict[str, Any]) -> bool:
    """Give a chat completion the form that it must have; return whether it lacked it."""
    changed = _set(answer, id="", object="chat.completion", created=0, model="")
    changed |= _drop(answer, str, "service_tier", "system_fingerprint")
    choices = answer["choices"]
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(message, dict):
        return changed
    if len(choices) > 1:
        answer["choices"], changed = [first], True
    changed |= _set(first, index=0)
    changed |= _drop(first, str, "finish_reason") | _drop(first, dict, "logprobs")
    return _mend_message(message) or changed


def _mend_message(message: dict[str, Any]) -> bool:
    changed = _drop(message, str | list, "content") | _drop(message, str, "refusal", "reasoning", "reasoning_content")
    changed |= _drop(message, list, "annotations", "tool_calls") | _drop(message, dict, "audio", "function_call")
    if message.get("role") != "assistant":
        message["role"], changed = "assistant", True
    calls = message.get("tool_calls") or ()
    if not all(isinstance(call, dict) for call in calls):
        calls = message["tool_calls"] = [call for call in calls if isinstance(call, dict)]
        changed = True
    for number, call in enumerate(calls, 1):
        changed |= _mend_call(call, number)
    return changed


def _mend_call(call: dict[str, Any], number: int) -> bool:
    changed = _set(call, id=f"call-{number}", function={})
    function = call["function"]
    if call.get("type") != "function":
        call["type"], changed = "function", True
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        function["arguments"], changed = "{}" if arguments is None else json.dumps(arguments), True
    return _set(function, name="") or changed


def _set(holder: dict[str, Any], **given: Any) -> bool:
    """Put these in place of what is missing or of another kind; return whether any was."""
    changed = False
    for name, value in given.items():
        if type(holder.get(name)) is not type(value):
            holder[name], changed = value, True
    return changed


def _drop(holder: dict[str, Any], kind: Any, *names: str) -> bool:
    """Take away what is of another kind; return whether anything was."""
    wrong = [name for name in names if holder.get(name) is not None and not isinstance(holder[name], kind)]
    for name in wrong:
        holder[name] = None
    return bool(wrong)
