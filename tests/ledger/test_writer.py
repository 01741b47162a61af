"""The writer thread: order, grouping, failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from aster.domain.events import Entry
from aster.domain.ids import blob_id
from aster.errors import StaleTerm, StoreError
from aster.ledger.protocol import Batch
from aster.ledger.sqlite import SqliteStore
from aster.ledger.writer import Writer
from aster.testing.stores import outcome, started


class Gated(SqliteStore):
    """Stops at the gate before each commit, and remembers the size of each group."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, create=True)
        self.gate, self.reached = threading.Event(), threading.Event()
        self.groups: list[int] = []
        self.trouble: Exception | None = None

    def append_group(self, batches: Sequence[Batch]) -> list[list[Entry] | Exception]:
        self.groups.append(len(batches))
        self.reached.set()
        assert self.gate.wait(30)
        if self.trouble is not None:
            raise self.trouble
        return super().append_group(batches)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gated]:
    gated = Gated(tmp_path / "ledger.db")
    yield gated
    gated.close()


def ticks() -> Callable[[], float]:
    numbers = count(1)
    return lambda: float(next(numbers))


def test_the_future_brings_the_entries(store: Gated) -> None:
    store.gate.set()
    with Writer(store, ticks()) as writer:
        first = writer.submit([outcome(1), outcome(2)]).result(30)
        assert list(store.read()) == first  # durable as soon as it is told
        second = writer.submit([outcome(2)]).result(30)
    assert [(entry.position, entry.time) for entry in first] == [(1, 1.0), (2, 1.0)]
    assert second == []


def test_what_waits_becomes_one_commit_in_order(store: Gated) -> None:
    with Writer(store, ticks()) as writer:
        futures = [writer.submit([outcome(0)])]
        assert store.reached.wait(30)
        futures += [writer.submit([outcome(n)]) for n in range(1, 5000)]
        store.gate.set()
        entries = [entry for future in futures for entry in future.result(30)]
    assert store.groups == [1, 4999]
    assert [entry.event for entry in entries] == [outcome(n) for n in range(5000)]
    assert [entry.position for entry in entries] == list(range(1, 5001))
    assert [entry.time for entry in entries] == [float(n) for n in range(1, 5001)]


def test_a_bad_batch_fails_alone(store: Gated) -> None:
    term = store.begin_term(1.0)
    with Writer(store, ticks()) as writer:
        writer.submit([])
        assert store.reached.wait(30)
        good = writer.submit([started(term)], term)
        stale = writer.submit([started(0)], term - 1)
        wrong = writer.submit([outcome(1)], blobs={blob_id(b"a"): b"b"})
        later = writer.submit([outcome(2)])
        store.gate.set()
        assert [entry.position for entry in good.result(30)] == [1]
        assert isinstance(stale.exception(30), StaleTerm)
        assert isinstance(wrong.exception(30), ValueError)
        assert [entry.position for entry in later.result(30)] == [2]
    assert store.groups == [1, 4]


@pytest.mark.parametrize("trouble", [StoreError("the disk is full"), ZeroDivisionError("a bug")])
def test_trouble_fails_the_group_and_all_that_follows(store: Gated, trouble: Exception) -> None:
    with Writer(store, ticks()) as writer:
        before = writer.submit([outcome(1)])
        store.gate.set()
        before.result(30)
        store.gate.clear()
        store.reached.clear()
        store.trouble = trouble
        lost = [writer.submit([outcome(2)])]
        assert store.reached.wait(30)
        lost += [writer.submit([outcome(n)]) for n in (3, 4)]
        store.gate.set()
        errors = [future.exception(30) for future in lost]
        store.trouble = None
        errors.append(writer.submit([outcome(5)]).exception(30))
    assert errors[0] is trouble
    assert all(isinstance(error, StoreError) and str(trouble) in str(error) for error in errors[1:])
    assert [entry.event for entry in store.read()] == [outcome(1)]


def test_close_writes_what_is_queued(store: Gated) -> None:
    writer = Writer(store, ticks())
    futures = [writer.submit([outcome(n)]) for n in range(10)]
    store.gate.set()
    writer.close()
    writer.close()
    assert all(future.done() for future in futures)
    assert store.last_position() == 10
    with pytest.raises(RuntimeError):
        writer.submit([outcome(11)])


def test_a_submitted_batch_cannot_be_cancelled(store: Gated) -> None:
    with Writer(store, ticks()) as writer:

        async def campaign() -> list[Entry]:
            given_up = asyncio.wrap_future(writer.submit([outcome(1)]))
            given_up.cancel()
            store.gate.set()
            return await asyncio.wrap_future(writer.submit([outcome(2)]))

        entries = asyncio.run(campaign())
    assert [entry.position for entry in entries] == [2]
    assert [entry.event for entry in store.read()] == [outcome(1), outcome(2)]


def test_later_changes_to_what_was_submitted_do_not_count(store: Gated) -> None:
    with Writer(store, ticks()) as writer:
        events = [outcome(1)]
        future = writer.submit(events)
        events.clear()
        store.gate.set()
        assert len(future.result(30)) == 1
