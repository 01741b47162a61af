"""Conversations as chains of hashed messages: what an agent was sent is stored once, however often it is sent again.

The secrets of this process's environment are taken out of messages before they are sent or stored.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from aster.domain.ids import blob_id
from aster.llm.protocol import Message, Prompt, Returned, Said, Told, ToolSpec
from aster.llm.scrub import Scrubber, scrubber


class Head(Struct, frozen=True, tag="head"):
    """Where a conversation begins: what is the same for every request in it."""

    instructions: str
    tools: tuple[ToolSpec, ...]


class Link(Struct, frozen=True, tag="link"):
    """One message, behind all that the blob `before` ends with."""

    before: str
    message: Message


_decoder: msgspec.json.Decoder[Head | Link] = msgspec.json.Decoder(Head | Link)
_encode = msgspec.json.Encoder(order="deterministic").encode


class Chain:
    """A conversation that grows, and the blobs that it is stored as.

    Attributes:
        head: id of the blob that ends it.
        messages: as they are sent and stored: without secrets.
    """

    def __init__(self, instructions: str, tools: tuple[ToolSpec, ...]) -> None:
        self._scrubber = scrubber()
        self.instructions, self.tools = self._scrubber.hide(instructions), tools
        self.messages: list[Message] = []
        self._fresh: dict[str, bytes] = {}
        self.head = self._put(Head(self.instructions, tools))

    def add(self, *messages: Message) -> None:
        """Put messages at the end."""
        for message in messages:
            clean = without_secrets(message, self._scrubber)
            self.head = self._put(Link(self.head, clean))
            self.messages.append(clean)

    def linked(self, message: Message) -> tuple[str, dict[str, bytes]]:
        """Return the head that the chain would have with one message more, and the blob of it; nothing is added."""
        data = _encode(Link(self.head, without_secrets(message, self._scrubber)))
        return blob_id(data), {blob_id(data): data}

    def take_blobs(self) -> dict[str, bytes]:
        """Return the blobs made since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def prompt(self, max_output: int, must_call: bool = False) -> Prompt:
        """Return the request that sends all of it."""
        return Prompt(self.instructions, tuple(self.messages), self.tools, max_output, must_call)

    def _put(self, node: Head | Link) -> str:
        data = _encode(node)
        name = blob_id(data)
        self._fresh[name] = data
        return name


def without_secrets(message: Message, known: Scrubber) -> Message:
    """Return a message without the secrets that are known; what merely has the shape of one stays: code may have it."""
    match message:
        case Told(text=text):
            return Told(known.hide(text))
        case Returned(call=call, tool=tool, text=text):
            return Returned(call, tool, known.hide(text))
        case Said(text=text, calls=calls, raw=raw):
            hidden = tuple(replace(call, arguments=known.hide(call.arguments)) for call in calls)
            return Said(known.hide(text), hidden, known.hide(raw))


def read_chain(head: str, get_blob: Callable[[str], bytes]) -> tuple[Head, list[Message]]:
    """Return what the blob `head` ends: the beginning and its messages, oldest first.

    Raises:
        StoreError: as `get_blob` does.
    """
    messages: list[Message] = []
    node = _decoder.decode(get_blob(head))
    while isinstance(node, Link):
        messages.append(node.message)
        node = _decoder.decode(get_blob(node.before))
    return node, messages[::-1]


def read_link(head: str, get_blob: Callable[[str], bytes]) -> Link:
    """Return the last message of the chain that the blob `head` ends, and what is before it.

    Raises:
        StoreError: as `get_blob` does.
    """
    node = _decoder.decode(get_blob(head))
    assert isinstance(node, Link), "a conversation without a message"
    return node
