from __future__ import annotations

import pytest

from aster.domain.ids import blob_id
from aster.llm.chain import Chain, read_chain
from aster.llm.protocol import Message, Returned, Said, Told, ToolCall

SECRET = 'q7"w8e9-not-to-be-seen'
MESSAGES: tuple[Message, ...] = (
    Told(f"The key is {SECRET}."),
    Said(f"I see {SECRET}", (ToolCall("1", "read", '{"path": "q7\\"w8e9-not-to-be-seen"}'),), raw=f"raw {SECRET}"),
    Returned("1", "read", f"KEY = {SECRET!r}"),
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)


def test_a_secret_is_neither_sent_nor_stored() -> None:
    chain = Chain(f"Be quick. {SECRET}", ())
    chain.add(*MESSAGES)
    head, linked = chain.linked(Said(f"again {SECRET}"))
    blobs = {**chain.take_blobs(), **linked}
    assert blobs
    for name, data in blobs.items():
        assert blob_id(data) == name
        assert b"not-to-be-seen" not in data
    assert "not-to-be-seen" not in repr(chain.prompt(100))
    start, messages = read_chain(head, blobs.__getitem__)
    assert start.instructions == chain.instructions == "Be quick. [secret]"
    assert messages[:-1] == chain.messages
    assert messages[-1] == Said("again [secret]")


def test_an_answer_stored_and_one_added_end_the_same_chain() -> None:
    chain = Chain("Work.", ())
    chain.add(MESSAGES[0])
    stored, _ = chain.linked(MESSAGES[1])
    chain.add(MESSAGES[1])
    assert chain.head == stored


def test_what_only_looks_like_a_secret_stays() -> None:
    text = "a basic implementation: headers['Authorization'] = 'Bearer abcdefghijkl'; sk-0123456789abcdef"
    chain = Chain("Work.", ())
    chain.add(Told(text))
    assert chain.messages == [Told(text)]
