"""`aster show ID --agent A`: what an agent was sent, what it said, and what that cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aster.agents.record import Record, Try
    from aster.agents.transcript import Sum, Transcript, Turn
    from aster.board import Board
    from aster.domain.research import Tokens
    from aster.handle import Campaign

MOST_NAMED = 20
"""Agents that an error names, the latest."""

INDENT = "    "

WIDEST = 100_000
"""Characters of a line that are shown: all of it, but for what no person wrote."""


def print_agent(campaign: Campaign, wanted: str, as_json: bool) -> None:
    """Print the transcript of the agent that `wanted` names: the id of its assignment, or a beginning of it.

    Raises:
        UserError: no agent has that name, or more than one does.
        StoreError: the ledger cannot be read.
    """
    import msgspec

    from aster.agents.record import read_records
    from aster.agents.transcript import read_transcript

    name = find_agent(campaign.board, wanted)
    with closing(campaign.open_store()) as store:
        record = read_records(store.read(), {name})[name]
        transcript = read_transcript(record, store.get_blob)
    if as_json:
        rest = {"ended": record.ended, "taken": record.taken}
        typer.echo(msgspec.json.encode({**msgspec.structs.asdict(transcript), **rest}).decode())
        return
    for line in _lines(campaign.board, record, transcript):
        typer.echo(line)


def find_agent(board: Board, wanted: str) -> str:
    """Return the assignment that `wanted` names or begins, with or without what stands behind a dot in an agent's name.

    Raises:
        UserError: there is none, or more than one; the text names some.
    """
    from aster.errors import UserError

    known = board.research.assignments
    if not known:
        raise UserError("No language model worked in this campaign, so it has no agents (`aster run --model ...`).")
    name = wanted.partition(".")[0]
    fits = [name] if name in known else [each for each in known if name and each.startswith(name)]
    if len(fits) == 1:
        return fits[0]
    some = ", ".join(f"{each} ({known[each].record.role})" for each in (fits or list(known))[-MOST_NAMED:])
    if fits:
        raise UserError(f"{wanted!r} fits {len(fits)} agents; type more of one: {some}.")
    raise UserError(f"This campaign has no agent {wanted!r}. Its latest agents: {some}.")


def _lines(board: Board, record: Record, transcript: Transcript) -> Iterator[str]:
    """Yield the page, line by line."""
    yield from _head(board, record)
    yield from _sum(transcript.total)
    if not _was_sent(transcript):
        yield from _section("Brief, not sent yet", transcript.brief)
    for turn in transcript.turns:
        yield from _turn(record, turn)
    yield from _requests(board, transcript)
    yield from _end(record)


def _was_sent(transcript: Transcript) -> bool:
    """Whether the brief stands in a message, as it does from the first call on."""
    from aster.agents.transcript import message_text

    return any(transcript.brief in message_text(message)[1] for turn in transcript.turns for message in turn.sent)


def _head(board: Board, record: Record) -> Iterator[str]:
    from aster.cli.words import clean

    given = record.assignment
    yield f"{given.id}: {given.role}, {given.model}; prompt {given.instructions[:8]}, brief {given.brief[:8]}"
    if given.direction is not None and given.direction in board.directions:
        yield f"Direction: {clean(board.directions[given.direction].record.surface)} ({given.direction})"
    if given.hypothesis is not None and given.hypothesis in board.hypotheses:
        yield f"Hypothesis: {clean(board.hypotheses[given.hypothesis].change)} ({given.hypothesis})"
    for what, candidate in (("Parent", given.parent), ("Other", given.other)):
        if candidate is not None:
            yield f"{what}: {candidate}"
    allowed = given.allowance
    dollars = f", ${allowed.usd:.2f}" if allowed.usd is not None else ""
    yield f"Allowance: {allowed.requests} calls, {allowed.tokens} tokens, {allowed.experiments} experiments{dollars}"


def _sum(total: Sum) -> Iterator[str]:
    again = total.tries - total.turns
    tries = f" and {again} without an answer" if again else ""
    reserved = f"; ${total.reserved_usd:.4f} reserved for calls under way" if total.reserved_usd else ""
    yield f"Used: {total.turns} calls answered{tries}, {_tokens(total.tokens)}, ${total.usd:.4f}{reserved}"


def _turn(record: Record, turn: Turn) -> Iterator[str]:
    from aster.agents.transcript import message_text

    own = turn.agent == record.assignment.id
    name = f"Turn {turn.turn}" if own else f"{turn.agent.removeprefix(record.assignment.id)} turn {turn.turn}"
    if turn.fresh:
        tools = ", ".join(tool.name for tool in turn.tools) or "none"
        yield from _section(f"{name}: instructions; tools: {tools}", turn.instructions)
    for message in turn.sent:
        kind, text = message_text(message)
        yield from _section(f"{name}: {kind}", text)
    for each in turn.tries:
        yield f"\n== {name}: {_try(each)}"
    if turn.said is not None:
        yield from _indented(message_text(turn.said)[1])


def _try(each: Try) -> str:
    from aster.cli.words import clean
    from aster.report.wording import duration

    settled, name = each.settled, each.call.model
    if settled is None:
        return f"{name}: under way, ${each.call.usd:.4f} reserved"
    took = duration(settled.seconds)
    if settled.status != "answered":
        charged = f"${settled.usd:.4f} charged" if settled.usd else "nothing charged"
        return f"{name}: {settled.status} after {took}, {charged}: {clean(settled.error)}"
    over = f", ${settled.over_usd:.4f} more than reserved" if settled.over_usd else ""
    return f"{name} said ({_tokens(settled.tokens)}, ${settled.usd:.4f}{over}, {took})"


def _tokens(tokens: Tokens) -> str:
    cached = f", {tokens.cache_read} of them cached" if tokens.cache_read else ""
    return f"{tokens.input} tokens in{cached}, {tokens.output} out"


def _requests(board: Board, transcript: Transcript) -> Iterator[str]:
    from aster.cli.words import clean
    from aster.report.claims import status_of

    for request in transcript.requests:
        ask, answer = request.ask, request.answer
        if answer is None:
            became = "not answered"
        elif answer.experiment is None:
            became = f"refused: {clean(answer.reason)}"
        else:
            became = f"{answer.experiment}, {status_of(board.experiments[answer.experiment])}"
        yield f"\n== Request {ask.id}, {'quick check' if ask.quick else 'experiment'} on {ask.candidate}: {became}"
        yield from _indented(ask.change)


def _end(record: Record) -> Iterator[str]:
    import msgspec

    from aster.cli.words import clean

    ended, taken = record.ended, record.taken
    if ended is None:
        yield "\n== Under way"
        return
    yield f"\n== {ended.ending.capitalize()}{': ' + clean(ended.reason) if ended.reason else ''}"
    if ended.result is not None:
        yield from _indented(msgspec.json.format(msgspec.json.encode(ended.result), indent=2).decode())
    for each in taken.refused if taken is not None else ():
        yield f"Refused: {clean(each)}"


def _section(title: str, text: str) -> Iterator[str]:
    yield f"\n== {title}"
    yield from _indented(text)


def _indented(text: str) -> Iterator[str]:
    """Yield foreign text line by line, without control characters; nothing in it can pass for a heading."""
    from aster.report.wording import clean_line

    for line in text.split("\n"):
        yield f"{INDENT}{clean_line(line, WIDEST)}".rstrip()
