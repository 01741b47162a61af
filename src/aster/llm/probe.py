"""Whether a model can do what a campaign asks of it: each kind of call is made once, by the campaign's own client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

from aster.domain.research import ModelChoice, Tokens
from aster.llm.protocol import Client, Message, ModelError, Prompt, Refusal, Reply, Returned, Said, Told, ToolSpec

Verdict = Literal["works", "weak", "fails"]

CONTEXT = 32_000
"""Tokens of a prompt that agents may come to in a long conversation."""

SIDE_BY_SIDE = 8
MAX_OUTPUT = 4096
WORD = "heliotrope"

WORK = "You are being tried out. Do exactly what is asked, with the tools where there are some."


class Probed(Struct, frozen=True):
    """What one kind of call came to.

    Attributes:
        what: the kind. `detail`: what happened.
        why: why it matters and what to do; "" where it works.
    """

    what: str
    verdict: Verdict
    detail: str
    why: str = ""


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_TEXT: dict[str, Any] = {"type": "string"}
READ = ToolSpec("read_file", "Read a file of the workspace.", _object(path=_TEXT))
_PART = _object(name=_TEXT, expected={"type": "number"})
SUBMIT = ToolSpec(
    "submit", "Hand in the plan. This ends the work.", _object(title=_TEXT, parts={"type": "array", "items": _PART})
)


class _Failed(Exception):
    """A call was answered, but not as it must be."""


class _Weak(Exception):
    """It can be lived with."""


class Probe:
    """Tries one model.

    Attributes:
        tokens: used by all of it. `calls`: made.
    """

    def __init__(self, client: Client, model: ModelChoice) -> None:
        self._client, self._model = client, model
        self.tokens = Tokens()
        self.calls = 0
        self._odd = ""

    async def run(self, told: Callable[[Probed], None]) -> list[Probed]:
        """Make each kind of call; the rest is left out where none at all gets through.

        Args:
            told: hears each result as it comes.
        """
        found: list[Probed] = []
        for what, why, make in self._kinds():
            found.append(await self._try(what, why, make))
            told(found[-1])
            if len(found) == 1 and found[0].verdict == "fails":
                break
        return found

    def _kinds(self) -> list[tuple[str, str, Callable[[], Awaitable[str]]]]:
        return [
            ("words", "Nothing can be asked of this model as it is.", self._words),
            (
                "tools",
                "Agents read, edit and run experiments by calling tools: this model cannot be a subagent, worker or "
                "planner. vLLM needs --enable-auto-tool-choice and the model's --tool-call-parser, llama.cpp needs "
                "--jinja; else take a model that is made for tools.",
                self._tools,
            ),
            (
                "results",
                "Conversations go on with what tools returned: agents end after their first call.",
                self._results,
            ),
            (
                "typed",
                "Plans, handoffs and notes come as a tool's arguments: agents spend turns on being corrected, or end "
                "without a result.",
                self._typed,
            ),
            (
                "parallel",
                "Agents that make one call a reply need more replies, and so more tokens, for the same work.",
                self._parallel,
            ),
            (
                "mended",
                "An agent whose arguments were broken once cannot go on: every further request of its is refused.",
                self._mended,
            ),
            (
                "together",
                "Many agents ask at the same time: set a limit such as ASTER_RATES=openai=at-once:2, or give fewer "
                "--agents.",
                self._together,
            ),
            (
                "length",
                "Agents' conversations get this long, and this one lost its beginning or was refused. With Ollama set "
                "OLLAMA_CONTEXT_LENGTH=65536, with llama.cpp --ctx-size, with vLLM --max-model-len.",
                self._length,
            ),
            (
                "counts",
                "Without counts of tokens each call is charged at the most it can cost, so ceilings are reached early.",
                self._counts,
            ),
        ]

    async def _try(self, what: str, why: str, make: Callable[[], Awaitable[str]]) -> Probed:
        began = time.monotonic()
        try:
            detail = await make()
        except _Weak as error:
            return Probed(what, "weak", str(error), why)
        except (_Failed, ModelError) as error:
            return Probed(what, "fails", str(error), _mend(error) or why)
        return Probed(what, "works", f"{detail} ({time.monotonic() - began:.1f} s)")

    async def _ask(self, *messages: Message, tools: tuple[ToolSpec, ...] = (), must_call: bool = False) -> Reply:
        self.calls += 1
        reply = await self._client.ask(self._model, Prompt(WORK, messages, tools, MAX_OUTPUT, must_call))
        used = reply.tokens
        self.tokens = Tokens(
            self.tokens.input + used.input,
            self.tokens.output + used.output,
            self.tokens.cache_read + used.cache_read,
            self.tokens.cache_write + used.cache_write,
        )
        self._odd = self._odd or reply.odd
        return reply

    # --- the kinds of calls ----------------------------------------------------------------------------------

    async def _words(self) -> str:
        reply = await self._ask(Told("Answer with the single word: ready"))
        if not reply.said.text.strip():
            cut = " It stopped at its limit of output: it may have used all of it to reason." * (
                reply.finish == "length"
            )
            raise _Failed(f"It answered with no text.{cut}")
        return f"it answered {_quoted(reply.said.text)}"

    async def _tools(self) -> str:
        said = (await self._ask(Told("Read the file plan.md with the tool, and say nothing else."), tools=(READ,))).said
        path = _arguments(said, "read_file").get("path")
        if not isinstance(path, str) or "plan.md" not in path:
            raise _Failed(f"It called read_file with path {path!r} where plan.md was asked for.")
        return f"it called read_file with {said.calls[0].arguments}"

    async def _results(self) -> str:
        first = Told("Read plan.md with the tool, then say which word it holds.")
        said = (await self._ask(first, tools=(READ,), must_call=True)).said
        _arguments(said, "read_file")
        returned = tuple(Returned(call.id, call.name, f"The word is {WORD}.") for call in said.calls)
        text = (await self._ask(first, said, *returned, tools=(READ,))).said.text
        if WORD not in text.lower():
            raise _Failed(f"It was told a word by a tool, and answered {_quoted(text)}.")
        return "it went on from what a tool returned"

    async def _typed(self) -> str:
        task = Told('Submit a plan with the title "try" and two parts, each with a name and an expected number.')
        plan = _arguments((await self._ask(task, tools=(SUBMIT,), must_call=True)).said, "submit")
        parts = plan.get("parts")
        good = isinstance(plan.get("title"), str) and isinstance(parts, list) and len(parts) == 2
        good = good and all(
            isinstance(each, dict) and isinstance(each.get("expected"), int | float) for each in parts or ()
        )
        if not good:
            raise _Failed(f"Its arguments do not fit the tool's schema: {_quoted(json.dumps(plan))}")
        return "its arguments fit a nested schema"

    async def _parallel(self) -> str:
        task = Told("Read a.md and b.md: call the tool twice, both calls in this one reply.")
        calls = (await self._ask(task, tools=(READ,))).said.calls
        if len(calls) < 2:
            raise _Weak(f"It made {len(calls)} call{'s' * (len(calls) != 1)} in a reply where two were asked for.")
        return f"{len(calls)} calls in one reply"

    async def _mended(self) -> str:
        first = Told("Read plan.md with the tool.")
        said = (await self._ask(first, tools=(READ,), must_call=True)).said
        _arguments(said, "read_file")
        call = said.calls[0]
        broken = Said("", (type(call)(call.id, call.name, '{"path": "plan.md'),))
        back = Returned(call.id, call.name, "The arguments are not JSON. Call the tool again with whole arguments.")
        again = (await self._ask(first, broken, back, tools=(READ,))).said
        if not again.calls:
            raise _Weak("It did not call the tool again after it was told that its arguments were broken.")
        return "it called again after broken arguments"

    async def _together(self) -> str:
        ask = Told("Answer with the single word: ready")
        came = await asyncio.gather(*(self._ask(ask) for _ in range(SIDE_BY_SIDE)), return_exceptions=True)
        wrong = [each for each in came if isinstance(each, BaseException)]
        for each in wrong:
            if not isinstance(each, ModelError):
                raise each
        if wrong:
            raise _Weak(f"{len(wrong)} of {SIDE_BY_SIDE} requests at the same time did not get through: {wrong[0]}")
        return f"{SIDE_BY_SIDE} requests at the same time"

    async def _length(self) -> str:
        line = "Line {:05d}: nothing of interest is written here, go on reading.\n"
        lines = "".join(line.format(number) for number in range(CONTEXT * 4 // len(line.format(0))))
        text = f"Remember this word: {WORD}.\n\n{lines}\nWhich word were you to remember? Answer with it alone."
        reply = await self._ask(Told(text))
        if WORD not in reply.said.text.lower():
            raise _Failed(
                f"After about {CONTEXT:,} tokens it did not know what they began with: {_quoted(reply.said.text)}"
            )
        return f"a prompt of {reply.tokens.input:,} tokens was read from its beginning"

    async def _counts(self) -> str:
        if self._odd:
            raise _Weak(self._odd)
        cached = f", {self.tokens.cache_read:,} of them from its cache" if self.tokens.cache_read else ""
        return f"it reported {self.tokens.input:,} tokens read{cached}, {self.tokens.output:,} written"


def _arguments(said: Said, tool: str) -> dict[str, Any]:
    """Return the arguments of a reply's first call.

    Raises:
        _Failed: it made none of this tool, or its arguments are no JSON object.
    """
    if not said.calls:
        raise _Failed(f"It called no tool; it said {_quoted(said.text)}")
    call = said.calls[0]
    if call.name != tool:
        raise _Failed(f"It called {call.name!r}, which there is not.")
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise _Failed(f"The arguments of its call are not a JSON object: {_quoted(call.arguments)}")
    return arguments


def _mend(error: Exception) -> str:
    """Return what to do about an error that says it itself."""
    if isinstance(error, Refusal) and error.unusable:
        return "Mend the key, the name of the model or the account; nothing can be asked before."
    if isinstance(error, Refusal) and error.retry_after_s is not None:
        return f"Its limit of requests or tokens is reached: try again in {error.retry_after_s:.0f} s."
    return ""


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else line[:77] + "...")
