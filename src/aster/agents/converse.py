"""One conversation with a model that has tools, from the brief to the tool call that ends it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from aster.agents.protocol import Desk, Spent, Unanswered
from aster.agents.quoting import bounded
from aster.domain.research import Role
from aster.llm.chain import Chain
from aster.llm.protocol import Returned, Said, Told, ToolCall, ToolSpec

MOST_CALLS = 16
"""Tool calls of one reply that are carried out."""

MOST_SILENT = 3
"""Replies in a row without a tool call after which a model counts as not answering."""

MOST_RESULT = 24_000
"""Characters of a tool's result that go back: about 8,000 tokens."""

LAST_TURNS = 3
"""Replies that an agent has once it was told that search is over."""

WARN_TURNS = 3
"""The model is told how many turns it has left from here on."""

CHARS_A_TOKEN, OUTPUT_A_REPLY = 3.5, 800
"""What a token is taken for, and how many a reply is taken to have, when the room that is left is guessed."""

A = TypeVar("A", bound=BaseModel)


class Misuse(Exception):
    """A tool cannot do what is asked; its text goes to the model and says what would work."""


class OutOfTurns(Spent):
    """A conversation had all of its turns, and nothing was submitted."""


@dataclass(frozen=True)
class Place:
    """Where a tool call stands: the key of what it does beyond the agent's head. Turns and calls count from 1."""

    agent: str
    turn: int
    call: int


@dataclass(frozen=True)
class Tool(Generic[A]):
    """What a model may do.

    Attributes:
        description: for the model: what it does, and when to use it.
        args: its arguments; the fields' descriptions are for the model too.
        run: does it, and returns what the model is told. Raises Misuse where it cannot.
        outside: it looks at what goes on changing, such as the board, so that its result is recorded. Others compute
            the same again from what the agent has.
    """

    name: str
    description: str
    args: type[A]
    run: Callable[[A, Place], Awaitable[str]]
    outside: bool = False


@dataclass(frozen=True)
class Submit(Generic[A]):
    """The tool that ends a conversation; its arguments are what came of it.

    Attributes:
        check: raises Misuse where they are not accepted, and the conversation goes on. It may use the desk.
    """

    name: str
    description: str
    args: type[A]
    check: Callable[[A, Place], Awaitable[None]] | None = None


async def converse(
    desk: Desk,
    agent: str,
    role: Role,
    instructions: str,
    brief: str,
    tools: Sequence[Tool[Any]],
    submit: Submit[A],
    *,
    most_turns: int,
    max_output: int,
    first_turn: int = 1,
    seen: Callable[[str, str], None] | None = None,
) -> A:
    """Let a model work with tools until it calls `submit`, and return that call's arguments.

    Args:
        agent: whose conversation it is; the assignment's id, perhaps with a suffix.
        most_turns: model calls, at most; near the end the model is told to submit.
        max_output: tokens of one answer.
        first_turn: the number of its first turn, where an agent has several conversations one beside the other.
        seen: takes a tool's name and each answer of it that is no error, also where an agent is run again.

    Raises:
        OutOfTurns: nothing was submitted in so many turns. Spent: the desk says so.
        Unanswered: the model goes on answering without calling a tool, or the provider fails.
    """
    talk = _Talk(desk, agent, tools, submit, seen)
    chain = Chain(instructions, (*(spec_of(each) for each in tools), spec_of(submit)))
    chain.add(Told(brief))
    room = _Room(most_turns, desk.assignment.allowance.tokens, max_output)
    silent = 0
    last: int | None = None  # known once search is over
    for turn in range(first_turn, first_turn + most_turns):
        must_call = silent > 0 or not tools
        said = await desk.call(agent, turn, chain, role=role, max_output=max_output, must_call=must_call)
        if said.calls:
            silent = 0
            submitted, results = await talk.carry_out(said, turn)
            if submitted is not None:
                return submitted
            chain.add(*results)
        else:
            silent += 1
            if silent == MOST_SILENT:
                raise Unanswered(f"the model answered {silent} times in a row without calling a tool")
            chain.add(Told(_reminder(submit.name)))
        left = room.left(chain, turn - first_turn + 1)
        if last is None and agent == desk.assignment.id and (over := await desk.over(agent, turn)):
            last = turn + LAST_TURNS
            chain.add(Told(f"{over}: call {submit.name}."))
        if last is not None:
            left = min(left, last - turn)
            if left <= 0:
                raise OutOfTurns(f"nothing was submitted in {LAST_TURNS} turns after search was over")
        if 0 < left <= WARN_TURNS:
            chain.add(Told(_warning(left, submit.name)))
    raise OutOfTurns(f"nothing was submitted in {most_turns} turns")


class _Room:
    """How many more replies a conversation has room for: by its turns, and by the tokens of its allowance.

    Tokens are guessed from what was sent, so that an agent does the same when it is run again.
    """

    def __init__(self, most_turns: int, tokens: int, max_output: int) -> None:
        self._turns, self._tokens, self._max_output = most_turns, tokens, max_output
        self._chars = self._counted = 0

    def left(self, chain: Chain, turn: int) -> int:
        """Return how many more replies there is room for after turn number `turn`; at least 1 but for the last."""
        if not self._counted:
            tools = sum(len(tool.description) + len(str(tool.schema)) for tool in chain.tools)
            self._chars = len(chain.instructions) + tools
        for message in chain.messages[self._counted :]:
            self._chars += len(message.text) if not isinstance(message, Said) else _length(message)
        self._counted = len(chain.messages)
        a_reply = self._chars / CHARS_A_TOKEN + OUTPUT_A_REPLY
        self._tokens -= round(a_reply)
        by_tokens = int((self._tokens - self._max_output) // a_reply)
        by_turns = self._turns - turn
        return min(by_turns, max(1, by_tokens))


def _length(said: Said) -> int:
    return max(len(said.raw), len(said.text) + sum(len(call.arguments) for call in said.calls))


class _Talk(Generic[A]):
    """Carries out the tool calls of a conversation."""

    def __init__(
        self,
        desk: Desk,
        agent: str,
        tools: Sequence[Tool[Any]],
        submit: Submit[A],
        seen: Callable[[str, str], None] | None,
    ) -> None:
        self._desk, self._agent, self._submit, self._seen = desk, agent, submit, seen
        self._tools = {tool.name: tool for tool in tools}

    async def carry_out(self, said: Said, turn: int) -> tuple[A | None, list[Returned]]:
        """Return what was submitted, or None and what each call came to, in the order of the calls."""
        results: list[Returned] = []
        for number, call in enumerate(said.calls, 1):
            place = Place(self._agent, turn, number)
            try:
                if number > MOST_CALLS:
                    raise Misuse(f"Not done: only the first {MOST_CALLS} calls of a reply are. Call it again.")
                if call.name == self._submit.name:
                    return await self._accept(call, place), []
                text = await self._use(call, place)
                if self._seen is not None and not text.startswith("Error: "):
                    self._seen(call.name, text)
            except Misuse as misuse:
                text = f"Error: {misuse}"
            whole = text.encode("utf-8", "replace").decode()  # half a character cannot be stored
            results.append(Returned(call.id, call.name, bounded(whole, MOST_RESULT)))
        return None, results

    async def _accept(self, call: ToolCall, place: Place) -> A:
        arguments = read_arguments(self._submit.args, call.arguments)
        if self._submit.check is not None:
            await self._submit.check(arguments, place)
        return arguments

    async def _use(self, call: ToolCall, place: Place) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            names = ", ".join([*self._tools, self._submit.name])
            raise Misuse(f"There is no tool {call.name[:60]!r}. The tools are: {names}.")
        arguments = read_arguments(tool.args, call.arguments)
        if not tool.outside:
            return await tool.run(arguments, place)

        async def make() -> str:
            try:
                return await tool.run(arguments, place)
            except Misuse as misuse:
                return f"Error: {misuse}"

        return await self._desk.step(place.agent, place.turn, place.call, make)


def read_arguments(model: type[A], text: str) -> A:
    """Return the arguments of a tool call.

    Raises:
        Misuse: they are no JSON, or not what the tool takes; says what is wrong, field by field.
    """
    try:
        return model.model_validate_json(text.strip() or "{}")
    except ValidationError as error:
        try:
            return model.model_validate_json(_mended(text, error))
        except ValidationError:
            raise Misuse(_troubles(error)) from None


def _mended(text: str, error: ValidationError) -> str:
    """Return arguments without two habits of models: lists and objects written as text, and null for "not given"."""
    found = error.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid" or not text.strip().startswith("{"):
        return text
    given = json.loads(text)
    for name in {str(each["loc"][0]) for each in found if len(each["loc"]) == 1} & given.keys():
        value = given[name]
        if value is None:
            del given[name]
        elif isinstance(value, str) and value.strip()[:1] in ("[", "{"):
            with suppress(ValueError):
                given[name] = json.loads(value)
    return json.dumps(given)


def _troubles(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return (
            f"The arguments are not valid JSON ({bounded(found[0]['msg'], 200)}). If they were cut off at the limit on "
            "an answer's length, send less at once. Call the tool again."
        )
    lines = []
    for each in found[:8]:
        where = ".".join(str(part) for part in each["loc"]) or "arguments"
        got = "" if each["type"] == "missing" else f" (got {bounded(repr(each['input']), 80)})"
        lines.append(f"- {bounded(where, 100)}: {bounded(each['msg'], 300)}{got}")
    return "The arguments are not what the tool takes:\n" + "\n".join(lines) + "\nCall the tool again."


def spec_of(tool: Tool[Any] | Submit[Any]) -> ToolSpec:
    """Return a tool as the model sees it."""
    return ToolSpec(tool.name, tool.description, schema_of(tool.args))


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of arguments, without references and titles: not every provider takes them."""
    return _schema(model)


@lru_cache(maxsize=256)
def _schema(model: Hashable) -> dict[str, Any]:
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    plain: dict[str, Any] = _inlined(schema, definitions)
    plain.setdefault("properties", {})
    return plain


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return {
        key: {name: _inlined(each, definitions) for name, each in value.items()}
        if key == "properties"
        else _inlined(value, definitions)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }


def _reminder(last: str) -> str:
    return f"Your reply called no tool, so nothing happened. Go on by calling a tool; end your work by calling {last}."


def _warning(left: int, last: str) -> str:
    if left == 1:
        return f"Your next reply is the last one that you have: call {last} in it, with what you have."
    return f"You have {left} replies left, the one with {last} included."
