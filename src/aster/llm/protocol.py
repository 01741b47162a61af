"""The model's seam: a prompt goes in, a reply comes out; and what a conversation consists of."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from aster.domain.research import ModelChoice, Tokens


class ToolSpec(Struct, frozen=True):
    """A tool as a model sees it. `schema`: JSON schema of an object, without references."""

    name: str
    description: str
    schema: dict[str, Any]


class ToolCall(Struct, frozen=True):
    """A model calls a tool. `arguments`: JSON as it came, perhaps broken. `id` is unique in the reply."""

    id: str
    name: str
    arguments: str


class Told(Struct, frozen=True, tag="told"):
    """What the model is told: the brief, or a correction."""

    text: str


class Returned(Struct, frozen=True, tag="returned"):
    """What a tool call came to."""

    call: str
    tool: str
    text: str


class Said(Struct, frozen=True, tag="said"):
    """A reply, as it goes back to the model in the next request.

    `raw`: the client's own form of it (text), with what the provider wants back, such as signed reasoning.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    raw: str = ""


Message = Told | Returned | Said


class Prompt(Struct, frozen=True):
    """One request.

    Attributes:
        instructions: the system prompt; with `tools` it is what the provider may cache.
        max_output: tokens that the answer may have, reasoning included.
        must_call: the model has to call one of the tools.
    """

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output: int = 8192
    must_call: bool = False


class Reply(Struct, frozen=True):
    """What a model answered, what it used, and why it stopped ("stop", "length", "tool_call", ...).

    `odd`: what cannot be right in the provider's count of tokens, in a sentence; `tokens` are then the most it can be.
    """

    said: Said
    tokens: Tokens
    finish: str = "stop"
    odd: str = ""


class ModelError(Exception):
    """A call did not come to a reply; the text is for people and holds no secret."""


class Refusal(ModelError):
    """The provider said no before it did any work, so it charges nothing.

    Args:
        retry_after_s: seconds after which it may be asked again, as it says; None: it does not say.
        fatal: asking the same again is no use.
        unusable: nor is asking the model anything (no such model, a bad key, no money left); it is fatal then.
    """

    def __init__(
        self, text: str, retry_after_s: float | None = None, fatal: bool = False, unusable: bool = False
    ) -> None:
        super().__init__(text)
        self.retry_after_s, self.fatal, self.unusable = retry_after_s, fatal or unusable, unusable


class Unknown(ModelError):
    """Nobody knows whether the provider did the work: a timeout, a broken connection, an answer that cannot be read."""


class Client(Protocol):
    """Asks models. One for all agents of a process; used in one event loop.

    The contract suite is `aster.testing.clients`.
    """

    async def ask(self, model: ModelChoice, prompt: Prompt) -> Reply:
        """Return the model's reply. It never tries twice.

        Raises:
            Refusal, Unknown: it did not come to one. A cancelled call counts as unknown to whoever cancels it.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
