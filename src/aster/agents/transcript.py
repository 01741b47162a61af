"""An agent's conversations as the ledger has them: what it was sent, what it said, what that cost."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from aster.agents.record import Record, Request, Try
from aster.domain.research import Assignment, Tokens
from aster.llm.chain import Head, Link
from aster.llm.protocol import Message, Returned, Said, Told, ToolSpec

GetBlob = Callable[[str], bytes]

_decoder: msgspec.json.Decoder[Head | Link] = msgspec.json.Decoder(Head | Link)


class Turn(Struct, frozen=True):
    """One model call with its tries.

    Attributes:
        agent: the assignment's id, or that with a suffix, such as ".critic".
        fresh: nothing of what was sent had been sent before, so `instructions` and `tools` stand here; else they are
            "" and empty.
        sent: the messages that this request added to the conversation.
        said: the answer; None: there is none.
        steps: what its tool calls came to that reach beyond the agent's head, by the call's number from 1.
    """

    agent: str
    turn: int
    fresh: bool
    instructions: str
    tools: tuple[ToolSpec, ...]
    sent: tuple[Message, ...]
    said: Said | None
    tries: tuple[Try, ...]
    steps: dict[int, str]


class Sum(Struct, frozen=True):
    """What calls used: answered turns, tries, tokens and dollars that were settled, dollars that are reserved."""

    turns: int
    tries: int
    tokens: Tokens
    usd: float
    reserved_usd: float


class Transcript(Struct, frozen=True):
    """All that an agent was sent and said. `instructions` and `brief`: the texts that its assignment names."""

    assignment: Assignment
    instructions: str
    brief: str
    turns: tuple[Turn, ...]
    requests: tuple[Request, ...]
    total: Sum


def read_transcript(record: Record, get_blob: GetBlob) -> Transcript:
    """Return an assignment's conversations, the critic's and others' beside its own, in the order of the calls.

    Raises:
        StoreError: as `get_blob` does.
    """
    given = record.assignment
    known: set[str] = set()
    turns = tuple(_turn(record, agent, turn, known, get_blob) for agent, turn in record.turns)
    texts = (get_blob(given.instructions).decode(), get_blob(given.brief).decode())
    return Transcript(given, *texts, turns, tuple(record.requests.values()), sum_of(record))


def sum_of(record: Record) -> Sum:
    """Return what an assignment's calls used."""
    tries = [each for turn in record.turns.values() for each in turn]
    settled = [each.settled for each in tries if each.settled is not None]
    tokens = [each.tokens for each in settled]
    return Sum(
        turns=sum(each.status == "answered" for each in settled),
        tries=len(tries),
        tokens=Tokens(
            sum(each.input for each in tokens),
            sum(each.output for each in tokens),
            sum(each.cache_read for each in tokens),
            sum(each.cache_write for each in tokens),
        ),
        usd=sum(each.usd for each in settled),
        reserved_usd=sum(each.call.usd for each in tries if each.settled is None),
    )


def _turn(record: Record, agent: str, turn: int, known: set[str], get_blob: GetBlob) -> Turn:
    """Read a turn; `known`: the nodes of conversations that were read before, to which this one's are added."""
    tries = record.turns[agent, turn]
    answered = record.answered(agent, turn)
    shown = answered or tries[-1]
    head, sent = _unread(shown.call.request, known, get_blob)
    said: Said | None = None
    if answered is not None and answered.settled is not None and answered.settled.response is not None:
        link = _decoder.decode(get_blob(answered.settled.response))
        known.add(answered.settled.response)
        said = link.message if isinstance(link, Link) and isinstance(link.message, Said) else None
    prefix = f"{agent}/{turn}/"
    steps = {
        int(key.removeprefix(prefix)): get_blob(blob).decode()
        for key, blob in record.steps.items()
        if key.startswith(prefix)
    }
    begin = (head.instructions, head.tools) if head is not None else ("", ())
    return Turn(agent, turn, head is not None, *begin, tuple(sent), said, tuple(tries), steps)


def _unread(node: str, known: set[str], get_blob: GetBlob) -> tuple[Head | None, list[Message]]:
    """Return what of the chain that ends with `node` is not known: its beginning, if that is not, and messages."""
    messages: list[Message] = []
    while node not in known:
        known.add(node)
        link = _decoder.decode(get_blob(node))
        if isinstance(link, Head):
            return link, messages[::-1]
        messages.append(link.message)
        node = link.before
    return None, messages[::-1]


def message_text(message: Message) -> tuple[str, str]:
    """Return what kind of message it is, such as "read_file returned", and its text; tool calls stand below that."""
    match message:
        case Told(text=text):
            return "told", text
        case Returned(tool=tool, text=text):
            return f"{tool} returned", text
        case Said(text=text, calls=calls):
            lines = [text] if text else []
            return "said", "\n".join([*lines, *(f"-> {call.name} {call.arguments}" for call in calls)])
