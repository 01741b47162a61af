from __future__ import annotations

import pytest

from aster.agents.record import read_records
from aster.agents.transcript import message_text, read_transcript
from aster.domain.research import Tokens
from aster.llm.protocol import Returned, Said, Told

from .recorded import LOOK, Agent, RecordingDesk, work


def test_a_transcript_has_each_message_once_and_every_try() -> None:
    desk = work(RecordingDesk(refuse=(2,)), Agent(looks=2))
    record = read_records(desk.entries())["a-1"]
    transcript = read_transcript(record, desk.blobs.__getitem__)
    assert (transcript.instructions, transcript.brief) == ("Work.", "Brief.")
    assert [(turn.agent, turn.turn) for turn in transcript.turns] == [
        ("a-1", 1),
        ("a-1", 2),
        ("a-1.critic", 1),
        ("a-1", 3),
    ]
    first, second, critic, last = transcript.turns
    assert (first.fresh, first.instructions, first.tools, first.sent) == (True, "Work.", (LOOK,), (Told("Brief."),))
    assert (second.fresh, second.tools) == (False, ())
    assert second.sent == (Returned("1", "look", "the board as it is now"),)
    assert (critic.fresh, critic.instructions, critic.sent) == (True, "Doubt.", (Told("Is A worth it?"),))
    assert last.said is not None
    assert last.said.text == "said a-1/3/1"
    assert first.steps == {1: "the board as it is now"}
    assert [each.settled.status for each in second.tries if each.settled is not None] == ["refused", "answered"]
    assert [request.ask.id for request in transcript.requests] == ["a-1.1"]


def test_sums_count_what_was_settled_and_what_is_reserved() -> None:
    desk = work(RecordingDesk(refuse=(1,)))
    reserved = desk.entries()
    reserved = reserved[:-2]  # the last call was never settled, and the end never recorded
    total = read_transcript(read_records(reserved)["a-1"], desk.blobs.__getitem__).total
    assert (total.turns, total.tries) == (2, 4)
    assert total.tokens == Tokens(180, 20, 120)
    assert total.usd == pytest.approx(0.02)
    assert total.reserved_usd == pytest.approx(0.05)


def test_a_call_without_an_answer_is_shown_as_sent() -> None:
    desk = work(RecordingDesk(silent=1))
    [turn] = read_transcript(read_records(desk.entries())["a-1"], desk.blobs.__getitem__).turns
    assert turn.said is None
    assert turn.sent == (Told("Brief."),)


def test_only_wanted_assignments_are_gathered() -> None:
    entries = work(RecordingDesk()).entries()
    assert read_records(entries, {"a-2"}) == {}
    assert list(read_records(entries, {"a-1"})) == ["a-1"]


def test_messages_as_text() -> None:
    assert message_text(Returned("1", "look", "here")) == ("look returned", "here")
    desk = work(RecordingDesk())
    said = read_transcript(read_records(desk.entries())["a-1"], desk.blobs.__getitem__).turns[0].said
    assert isinstance(said, Said)
    assert message_text(said) == ("said", "said a-1/1/1\n-> look {}")
