"""Folding any legal history gives the same board as folding its stored copy."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.boards import BASELINE, Book, recipe, setup

from aster.board import Board
from aster.domain import events as ev
from aster.domain.constraints import Verdict
from aster.domain.records import Cancelled, Decided, Failed, Invalid, Knob, Result, TimedOut
from aster.testing.proposers import deep

RESULTS: st.SearchStrategy[Result | float] = st.one_of(
    st.floats(-10, 10),
    st.sampled_from([Failed("é\n"), TimedOut("solve", 1.5), Invalid("rule"), Cancelled("late")]),
)

KNOBS: list[Knob] = [1, 2.5, "x", True, [1, 2]]
VERDICTS: list[Verdict] = ["confirmed", "refuted", "undecided"]

Step = Callable[[Book, st.DataObject], None]


def plan(book: Book, data: st.DataObject) -> None:
    candidate = data.draw(st.sampled_from(list(book.board.candidates)))
    book.plan(candidate, data.draw(st.integers(0, 2)), "baseline" if candidate == BASELINE else "search")


def start(book: Book, data: st.DataObject) -> None:
    if book.board.experiments:
        book.start(data.draw(st.sampled_from(list(book.board.experiments))))


def end(book: Book, data: st.DataObject) -> None:
    if book.board.running:
        attempt = data.draw(st.sampled_from(list(book.board.running)))
        kind = data.draw(st.sampled_from(["cpu: test", "gpu: other"]))
        book.end(book.board.running[attempt], data.draw(RESULTS), attempt=attempt, hardware=kind, seconds=0.1)


def lose(book: Book, data: st.DataObject) -> None:
    if book.board.running:
        book.lose(data.draw(st.sampled_from(list(book.board.running))))


def decide(book: Book, data: st.DataObject) -> None:
    book.decide(data.draw(st.one_of(st.none(), st.integers(-1, book.board.decision))), data.draw(st.floats(0, 1e3)))


def add(book: Book, data: st.DataObject) -> None:
    open_ones = [d for d, state in book.board.directions.items() if state.retired is None]
    direction = data.draw(st.sampled_from([*open_ones, None]))
    parent = data.draw(st.sampled_from(list(book.board.candidates)))
    value: Knob = data.draw(st.sampled_from(KNOBS))
    made_of = recipe("a", b={"f.py::N": value})
    book.candidate(f"c-{len(book.board.candidates)}", direction, parent, made_of, (data.draw(st.floats(0, 5)),))


def direct(book: Book, data: st.DataObject) -> None:
    open_ones = [d for d, state in book.board.directions.items() if state.retired is None]
    chosen = data.draw(st.sampled_from([*open_ones, None]))
    if chosen is not None:
        book.retire(chosen, "dry")
    else:
        book.direction(data.draw(st.sampled_from(["a", "b"])))


def learn(book: Book, data: st.DataObject) -> None:
    states = [s for s in book.board.experiments.values() if s.seen and s.record.hypothesis is not None]
    if states:
        state = data.draw(st.sampled_from(states))
        book.learn(state.record.id, data.draw(st.one_of(st.none(), st.floats(-1, 1))))


def archive(book: Book, data: st.DataObject) -> None:
    candidate = data.draw(st.sampled_from(list(book.board.candidates)))
    if data.draw(st.booleans()):
        book.say(ev.EliteNamed(data.draw(st.integers(0, 3)), candidate))
    else:
        book.say(ev.ArchiveReclustered(4, (0.1,), (0.3,), ((1 / 3,),), (candidate,)))


def claim(book: Book, data: st.DataObject) -> None:
    opened = book.board.open_claim()
    if opened is None:
        book.claim(data.draw(st.sampled_from(list(book.board.candidates))), (101,), power=0.8)
    elif data.draw(st.booleans()):
        book.plan(opened.record.candidate, 101, "confirm", claim=opened.record.id)
    else:
        verdict = data.draw(st.sampled_from(VERDICTS))
        book.say(ev.ClaimDecided(Decided(opened.record.id, verdict, 1 / 3, None, 2.0, 1)))


STEERING: list[ev.Event] = [
    ev.StopRequested("1.0", "enough"),
    ev.CampaignEnded("stopped"),
    ev.TermStarted(2, "gpu: other", "host", 2, "0", "landlock"),
    ev.Heartbeat(1, 0.1 + 0.2),
    ev.MergeConflicted(("a", "b"), "f.py"),
]


def steer(book: Book, data: st.DataObject) -> None:
    book.say(data.draw(st.sampled_from(STEERING)))


STEPS: list[Step] = [plan, start, end, lose, decide, add, direct, learn, archive, claim, steer]


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    data=st.data(), steps=st.lists(st.sampled_from([*STEPS, plan, start, end, end, decide]), min_size=5, max_size=60)
)
def test_a_stored_history_gives_the_same_board(data: st.DataObject, steps: list[Step]) -> None:
    book = Book(setup(search_seeds=data.draw(st.integers(1, 2))))
    for step in steps:
        step(book, data)
    copy = Board()
    for event in book.events:
        copy.apply(ev.decode(ev.encode(event)))
    assert deep(copy) == deep(book.board)
    check(book.board)


def check(board: Board) -> None:
    """The books agree with each other."""
    states = board.experiments
    waiting, unseen = set(board.waiting), set(board.unseen)
    assert waiting == {x for x, s in states.items() if s.outcome is None and s.attempt is None}
    assert unseen == {x for x, s in states.items() if s.outcome is not None and not s.seen}
    assert sorted(board.seen) == sorted(x for x, s in states.items() if s.seen)
    assert sum(board.tally.values()) == sum(s.outcome is not None for s in states.values())
    assert all(s.attempt is None or board.running[s.attempt] == x for x, s in states.items())
    assert board.spend.experiments == len(states)
    losses = {c: -score.mean for c in board.ranking if (score := board.score(c)) is not None}
    assert [losses[c] for c in board.ranking] == sorted(losses.values())
