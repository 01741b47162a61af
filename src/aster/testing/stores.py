"""The contract of a `Store`, as a pytest class.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            ...  # yield a function without arguments that opens the same, at first empty ledger at every call

The fixture closes what it opened; a test may have closed it already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import islice

import pytest

from aster.domain.events import (
    AttemptLost,
    Event,
    FindingRecorded,
    Heartbeat,
    OutcomeRecorded,
    StopRequested,
    TermStarted,
)
from aster.domain.ids import blob_id
from aster.domain.records import Finding, Measured, Outcome, Usage
from aster.errors import StaleTerm, StoreError
from aster.ledger.protocol import Batch, BlobMissing, Store

OpenStore = Callable[[], Store]


def outcome(number: int, value: float = 0.5, log: str | None = None) -> OutcomeRecorded:
    """Return a fact: the first attempt at experiment `number` measured `value`."""
    experiment = f"x-{number:06d}"
    result = Measured({"score": value})
    return OutcomeRecorded(
        Outcome(f"{experiment}.1", experiment, result, "cpu: test", Usage(wall_s=1.0), 10.0, 11.0, log)
    )


def started(term: int) -> TermStarted:
    """Return a decision."""
    return TermStarted(term, "cpu: test", "host", 1, "0")


def stop(request: str) -> StopRequested:
    """Return a fact that a command of another process appends."""
    return StopRequested(request, "enough")


class StoreContract:
    """What every store promises. A subclass has the fixture `open_store`."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Store:
        return open_store()

    # --- order and positions ---------------------------------------------------------------------------------

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.last_position() == 0
        assert list(store.read()) == []

    def test_entries_come_back_as_they_were_appended(self, store: Store) -> None:
        term = store.begin_term(1.0)
        events: list[Event] = [started(term), outcome(1, 0.1 + 0.2), stop("a")]
        appended = store.append(events, term=term, time=1700000000.123456)
        assert [entry.event for entry in appended] == events
        assert [entry.position for entry in appended] == [1, 2, 3]
        assert {(entry.term, entry.time) for entry in appended} == {(term, 1700000000.123456)}
        assert list(store.read()) == appended
        assert store.last_position() == 3

    def test_read_starts_after_a_position_and_keeps_to_its_limit(self, store: Store) -> None:
        store.append([outcome(n) for n in range(10)], time=1.0)
        assert [entry.position for entry in store.read(after=4)] == [5, 6, 7, 8, 9, 10]
        assert [entry.position for entry in store.read(after=4, limit=2)] == [5, 6]
        assert list(store.read(limit=0)) == []
        assert list(store.read(after=10)) == []

    def test_entries_survive_closing(self, open_store: OpenStore) -> None:
        store = open_store()
        appended = store.append([outcome(1), outcome(2)], time=1.0)
        store.close()
        store.close()
        assert list(open_store().read()) == appended

    def test_thousands_of_events_in_one_append(self, store: Store) -> None:
        events = [outcome(n, n / 7) for n in range(5000)]
        assert len(store.append(events, time=1.0)) == 5000
        assert [entry.event for entry in store.read()] == events
        assert [entry.position for entry in store.read()] == list(range(1, 5001))

    def test_a_reader_stops_no_writer(self, store: Store) -> None:
        store.append([outcome(n) for n in range(2000)], time=1.0)
        reading = store.read()
        first = list(islice(reading, 3))
        store.append([outcome(n) for n in range(2000, 2100)], time=2.0)
        assert [entry.position for entry in [*first, *reading]] == list(range(1, 2101))

    # --- facts -----------------------------------------------------------------------------------------------

    def test_a_known_fact_is_skipped(self, store: Store) -> None:
        assert len(store.append([outcome(1, 0.5)], time=1.0)) == 1
        again = store.append([outcome(2), outcome(1, 0.9), outcome(3)], time=2.0)
        assert [(entry.position, entry.event) for entry in again] == [(2, outcome(2)), (3, outcome(3))]
        assert [entry.event for entry in store.read()] == [outcome(1, 0.5), outcome(2), outcome(3)]

    def test_a_fact_twice_in_one_append_counts_once(self, store: Store) -> None:
        assert [entry.position for entry in store.append([stop("a"), stop("a"), stop("b")], time=1.0)] == [1, 2]

    def test_an_attempt_ends_once(self, store: Store) -> None:
        store.append([outcome(1)], time=1.0)
        assert store.append([AttemptLost("x-000001.1", "x-000001", "late")], time=2.0) == []

    def test_a_fact_needs_no_term(self, store: Store) -> None:
        store.begin_term(1.0)
        term = store.begin_term(2.0)
        for number, given in enumerate((0, term - 1, term, term + 7)):
            assert [entry.term for entry in store.append([outcome(number)], term=given, time=3.0)] == [given]

    # --- decisions -------------------------------------------------------------------------------------------

    def test_terms_count_from_one(self, open_store: OpenStore) -> None:
        store = open_store()
        assert [store.begin_term(1.0), store.begin_term(2.0)] == [1, 2]
        store.close()
        assert open_store().begin_term(3.0) == 3

    def test_a_stale_decider_is_refused(self, open_store: OpenStore) -> None:
        old, new = open_store(), open_store()
        stale = old.begin_term(1.0)
        old.append([started(stale)], term=stale, time=1.0)
        current = new.begin_term(2.0)
        with pytest.raises(StaleTerm):
            old.append([started(stale)], term=stale, time=3.0)
        assert len(new.append([started(current)], term=current, time=3.0)) == 1

    @pytest.mark.parametrize("wrong", [0, 1, 3])
    def test_a_decision_needs_the_current_term(self, store: Store, wrong: int) -> None:
        store.begin_term(1.0)
        store.begin_term(2.0)
        with pytest.raises(StaleTerm):
            store.append([started(2)], term=wrong, time=3.0)

    def test_a_refused_append_leaves_nothing(self, store: Store) -> None:
        store.begin_term(1.0)
        data = b"log of a stale decider"
        with pytest.raises(StaleTerm):
            store.append([outcome(1), started(0)], term=0, time=1.0, blobs={blob_id(data): data})
        assert list(store.read()) == []
        assert not store.has_blob(blob_id(data))

    # --- what cannot be stored -------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "event",
        [
            outcome(1, float("nan")),
            outcome(1, float("inf")),
            FindingRecorded(Finding("h", "x", "text", True, float("nan"))),
            stop("\ud800"),
        ],
        ids=["nan", "inf", "nan where none is allowed", "half a character"],
    )
    def test_an_event_that_would_read_back_otherwise_is_refused(self, store: Store, event: Event) -> None:
        with pytest.raises(ValueError):
            store.append([outcome(2), event], time=1.0)
        assert list(store.read()) == []

    def test_a_time_that_is_none_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError):
            store.append([outcome(1)], time=float("nan"))
        assert store.last_position() == 0

    # --- groups ----------------------------------------------------------------------------------------------

    def test_a_group_keeps_its_order(self, store: Store) -> None:
        results = store.append_group([Batch([outcome(n), outcome(n + 100)], time=float(n)) for n in range(5)])
        entries = [entry for result in results if isinstance(result, list) for entry in result]
        assert entries == list(store.read())
        assert [entry.time for entry in entries] == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]

    def test_a_bad_batch_fails_alone(self, store: Store) -> None:
        term = store.begin_term(1.0)
        results = store.append_group(
            [
                Batch([outcome(1)], 1.0),
                Batch([outcome(2), started(0)], 1.0, term=term - 1),
                Batch([outcome(3, float("nan"))], 1.0),
                Batch([outcome(4)], 1.0, blobs={blob_id(b"a"): b"b"}),
                Batch([outcome(1), started(term)], 1.0, term=term),
                Batch([], 1.0),
            ]
        )
        assert [type(result) for result in results] == [list, StaleTerm, ValueError, ValueError, list, list]
        assert [entry.event for entry in store.read()] == [outcome(1), started(term)]
        assert [entry.position for entry in store.read()] == [1, 2]

    def test_an_empty_group_is_nothing(self, store: Store) -> None:
        assert store.append_group([]) == []
        assert store.append([], time=1.0) == []
        assert store.last_position() == 0

    # --- blobs -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("data", [b"", b"\x00", b"log line\n" * 10_000, bytes(range(256)) * 3])
    def test_a_blob_comes_back(self, open_store: OpenStore, data: bytes) -> None:
        store = open_store()
        blob = store.put_blob(data)
        assert blob == blob_id(data)
        assert store.put_blob(data) == blob
        assert store.has_blob(blob)
        store.close()
        assert open_store().get_blob(blob) == data

    def test_a_missing_blob_says_so(self, store: Store) -> None:
        missing = blob_id(b"never stored")
        assert not store.has_blob(missing)
        with pytest.raises(BlobMissing, match=missing) as caught:
            store.get_blob(missing)
        assert isinstance(caught.value, KeyError)
        assert isinstance(caught.value, StoreError)

    def test_blobs_come_with_their_events(self, store: Store) -> None:
        data = b"output of the attempt"
        store.append([outcome(1, log=blob_id(data))], time=1.0, blobs={blob_id(data): data})
        assert store.get_blob(blob_id(data)) == data

    def test_a_blob_under_a_wrong_id_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError):
            store.append([outcome(1)], time=1.0, blobs={blob_id(b"a"): b"b"})
        assert store.last_position() == 0

    # --- several at once -------------------------------------------------------------------------------------

    def test_two_stores_share_one_ledger(self, open_store: OpenStore) -> None:
        one, two = open_store(), open_store()
        one.append([outcome(1)], time=1.0)
        assert [entry.position for entry in two.append([outcome(1), outcome(2)], time=2.0)] == [2]
        assert [entry.position for entry in one.append([outcome(3)], time=3.0)] == [3]
        assert list(one.read()) == list(two.read())

    def test_changed_tells_of_others_appends(self, open_store: OpenStore) -> None:
        campaign, command = open_store(), open_store()
        campaign.append([Heartbeat(1, 1.0)], time=1.0)
        assert not campaign.changed()
        command.append([stop("a")], time=2.0)
        assert campaign.changed()
        assert not campaign.changed()

    def test_changed_misses_nothing_behind_an_own_append(self, open_store: OpenStore) -> None:
        campaign, command = open_store(), open_store()
        command.append([stop("a")], time=1.0)
        campaign.append([Heartbeat(1, 1.0)], time=2.0)
        assert campaign.changed()
        assert not campaign.changed()

    def test_many_threads_append_without_gaps(self, open_store: OpenStore) -> None:
        stores = [open_store(), open_store()]

        def append(worker: int) -> None:
            for step in range(20):
                stores[worker % 2].append([outcome(worker * 100 + step)], time=1.0)

        threads = [threading.Thread(target=append, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        entries = list(stores[0].read())
        assert [entry.position for entry in entries] == list(range(1, 81))
        seen = {entry.event.outcome.experiment for entry in entries if isinstance(entry.event, OutcomeRecorded)}
        assert len(seen) == 80
