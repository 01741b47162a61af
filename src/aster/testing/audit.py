"""The audit of a ledger: whatever happened to a campaign's processes, its books must balance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from aster.board import Board
from aster.domain import events as ev
from aster.domain.records import Candidate, Outcome
from aster.ledger.protocol import Store


def audit(store: Store) -> Board:
    """Check a campaign's ledger from its first event to its last, and return its fold.

    Positions have no gaps; terms, decisions and elapsed time only grow; every attempt was started before it ended,
    and ended once; no experiment was counted twice or planned beyond the budget; what was spent is what was planned;
    every blob that an event names is there. If the campaign has ended by itself, every planned experiment has an
    outcome.

    Raises:
        AssertionError: one of these does not hold.
        StoreError: the ledger cannot be read.
    """
    entries = list(store.read())
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1)), "positions have gaps"
    events = [entry.event for entry in entries]
    _check_order(entries)
    _check_attempts(events)
    missing = [blob for event in events for blob in _blobs(event, store) if not store.has_blob(blob)]
    assert not missing, f"{len(missing)} blobs that events name are missing"
    board = Board().fold(entries)
    planned = [event.experiment.id for event in events if isinstance(event, ev.ExperimentPlanned)]
    most = board.setup.limits.experiments
    assert len(set(planned)) == len(planned) == len(board.experiments)
    counted = sum(1 for _ in board.counted)
    assert counted == board.spend.experiments
    assert most is None or counted <= most, f"{counted} experiments under a budget of {most}"
    if board.ended is not None and not board.ended.startswith("stopped"):
        open_ones = [name for name, state in board.experiments.items() if state.outcome is None]
        assert not open_ones, f"ended without an outcome of {open_ones}"
        assert not board.running
    return board


def _check_order(entries: Iterable[ev.Entry]) -> None:
    """Check that terms, decisions and elapsed time only grow, and that each decision was made in its own term."""
    term, number, elapsed = 0, 0, 0.0
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.TermStarted):
            assert event.term > term, f"term {event.term} began after term {term}"
            term = event.term
        elif isinstance(event, ev.DecisionTaken):
            assert event.number == number + 1, f"decision {event.number} came after {number}"
            number = event.number
        if isinstance(event, ev.DecisionTaken | ev.Heartbeat) or (
            isinstance(event, ev.CampaignEnded) and event.elapsed
        ):
            assert event.elapsed >= elapsed, f"{event.elapsed} s of wall time after {elapsed} s"
            elapsed = event.elapsed
        assert isinstance(event, ev.FACTS) or term == 0 or entry.term == term, f"{entry.position} is of an old term"


def _check_attempts(events: Iterable[ev.Event]) -> None:
    started: dict[str, str] = {}
    ended: set[str] = set()
    counted: set[str] = set()
    for event in events:
        if isinstance(event, ev.AttemptStarted):
            assert event.attempt not in started, f"{event.attempt} was started twice"
            started[event.attempt] = event.experiment
        elif isinstance(event, ev.OutcomeRecorded | ev.AttemptLost):
            end: Outcome | ev.AttemptLost = event.outcome if isinstance(event, ev.OutcomeRecorded) else event
            assert started.get(end.attempt) == end.experiment, f"{end.attempt} ended and was never started"
            assert end.attempt not in ended, f"{end.attempt} ended twice"
            ended.add(end.attempt)
            if isinstance(event, ev.OutcomeRecorded):
                assert end.experiment not in counted, f"{end.experiment} was counted twice"
                counted.add(end.experiment)


def _blobs(event: ev.Event, store: Store) -> Iterator[str]:
    """Yield every blob that an event names, the files of its trees included."""
    match event:
        case ev.CampaignOpened(snapshot=tree) | ev.CandidateAdded(candidate=Candidate(tree=tree)):
            yield tree
            if store.has_blob(tree):
                yield from msgspec.json.decode(store.get_blob(tree), type=dict[str, str]).values()
        case ev.OutcomeRecorded(outcome=outcome):
            yield from [outcome.log] if outcome.log else []
            yield from outcome.artifacts.values()
            yield from outcome.pictures.values()
