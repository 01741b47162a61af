"""Deciding again: the ledger's facts are folded, every decision is made anew, and its events are compared.

What the loop put in (when it decided, what it had heard, that it was to end) is read from the record; all else has to
come out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from aster.board import Board
from aster.campaign.decide import Minds, conclude, decide, must_end
from aster.campaign.step import Step
from aster.domain import events as ev

_OUTSIDE = (ev.CampaignOpened, ev.TermStarted, ev.AttemptStarted, ev.DecisionTaken)
"""Decisions that are not part of a step, or begin one."""

_WITHIN = (ev.MergeConflicted,)
"""Facts that a step may hold."""

MakeMinds = Callable[[Board], Minds]
"""Returns the policies of a campaign that was opened."""


class Divergence(Struct, frozen=True):
    """The first place where what is made again differs from the record.

    Attributes:
        position: in the ledger.
        decision: the number of the decision that it belongs to.
        expected: what the ledger has there; None: the step was over.
        came: what was decided this time; None: nothing more.
    """

    position: int
    decision: int
    expected: ev.Event | None
    came: ev.Event | None

    @property
    def text(self) -> str:
        """Where it is and what differs, in one line."""
        where = f"position {self.position}, decision {self.decision}"
        if self.expected is None or self.came is None:
            return f"{where}: expected {_kind(self.expected)}, and {_kind(self.came)} came"
        if type(self.expected) is not type(self.came):
            return f"{where}: expected {_shown(self.expected)}, and {_shown(self.came)} came"
        path, old, new = first_difference(msgspec.to_builtins(self.expected), msgspec.to_builtins(self.came))
        return f"{where}: {_kind(self.expected)}, {path}: expected {_cut(old)}, and {_cut(new)} came"


class Replayed(Struct):
    """What became of a replay.

    Attributes:
        decisions, events: how many decisions were made again, and how many events they made, all as the ledger has
            them; of the step that diverges only the events before it do.
        facts: how many entries of the ledger were taken as they are.
        board: the fold of all that was gone through.
        versions: of Aster, of each term.
    """

    board: Board
    decisions: int = 0
    events: int = 0
    facts: int = 0
    divergence: Divergence | None = None
    versions: tuple[str, ...] = ()


def replay(entries: Iterable[ev.Entry], make_minds: MakeMinds) -> Replayed:
    """Decide a campaign again, and return what that came to, at the latest at the first divergence.

    Args:
        entries: of a ledger, from its first on.
        make_minds: is called once, before the first decision.
    """
    return _Replay(entries, make_minds).run()


class _Replay:
    def __init__(self, entries: Iterable[ev.Entry], make_minds: MakeMinds) -> None:
        self._entries, self._make_minds = _Ahead(entries), make_minds
        self._minds: Minds | None = None
        self.done = Replayed(Board())

    def run(self) -> Replayed:
        while self.done.divergence is None and (entry := self._entries.peek()) is not None:
            if isinstance(entry.event, ev.DecisionTaken | ev.CampaignEnded):
                self._again(entry)
            else:
                self._take(self._entries.take())
        return self.done

    def _take(self, entry: ev.Entry) -> None:
        """Fold what nobody decides."""
        event, board = entry.event, self.done.board
        if isinstance(event, ev.TermStarted):
            self.done.versions += (event.version,)
        if _part_of_step(event) and board.term:
            self._diverged(entry.position, event, None)
            return
        if isinstance(event, ev.AttemptStarted):
            came = self._start(event)
            if came != event:
                self._diverged(entry.position, event, came)
                return
        board.apply(event)
        self.done.facts += 1

    def _start(self, event: ev.AttemptStarted) -> ev.AttemptStarted | None:
        """Return the attempt that could be started where the ledger has `event`."""
        if event.experiment not in self.done.board.waiting:
            return None
        number = self.done.board.experiments[event.experiment].attempts + 1
        return ev.AttemptStarted(f"{event.experiment}.{number}", event.experiment)

    def _again(self, first: ev.Entry) -> None:
        """Make a step again and compare it event by event."""
        recorded = self._entries.step()
        conflicts = set(self.done.board.conflicts)
        step = self._make(first.event, recorded[-1].event)
        came = [_as_old(each, first.event) for each in step.events if not _known(each, conflicts)]
        for entry, event in zip(recorded, came, strict=False):
            if ev.encode(entry.event) != ev.encode(event):  # 1 and 1.0 are equal, and written differently
                return self._diverged(entry.position, entry.event, event)
            self.done.events += 1
        if len(recorded) > len(came):
            return self._diverged(recorded[len(came)].position, recorded[len(came)].event, None)
        if len(came) > len(recorded):
            return self._diverged(recorded[-1].position + 1, None, came[len(recorded)])
        self.done.decisions += isinstance(first.event, ev.DecisionTaken)
        return None

    def _make(self, first: ev.Event, last: ev.Event) -> Step:
        """Make the step that begins with `first`: as the loop did, which may have ended the campaign with it."""
        assert isinstance(first, ev.DecisionTaken | ev.CampaignEnded)
        board, heard = self.done.board, None if isinstance(first, ev.CampaignEnded) else first.heard
        if isinstance(last, ev.CampaignEnded) and _ended_by_loop(board, last, first.elapsed):
            return conclude(board, first.elapsed, last.reason, heard)
        if self._minds is None:
            self._minds = self._make_minds(board)
        return decide(board, self._minds, first.elapsed, heard)

    def _diverged(self, position: int, expected: ev.Event | None, came: ev.Event | None) -> None:
        self.done.divergence = Divergence(position, self.done.board.decision, expected, came)


def _as_old(event: ev.Event, first: ev.Event) -> ev.Event:
    """Return a decision's own event as an older Aster wrote it, if one did."""
    old = isinstance(first, ev.DecisionTaken) and first.heard is None
    return msgspec.structs.replace(event, heard=None) if old and isinstance(event, ev.DecisionTaken) else event


def _ended_by_loop(board: Board, last: ev.CampaignEnded, elapsed: float) -> bool:
    """Whether the loop ended the campaign, which it says with the time, and not a decision.

    The loop may have known of an earlier reason than the ledger has by then: requests to stop reach it late.
    """
    reason = must_end(board, elapsed)
    return reason is not None and last.elapsed == elapsed and (elapsed > 0 or last.reason == reason)


class _Ahead:
    """Entries, with a look at the next one."""

    def __init__(self, entries: Iterable[ev.Entry]) -> None:
        self._rest: Iterator[ev.Entry] = iter(entries)
        self._next = next(self._rest, None)

    def peek(self) -> ev.Entry | None:
        return self._next

    def take(self) -> ev.Entry:
        entry = self._next
        assert entry is not None
        self._next = next(self._rest, None)
        return entry

    def step(self) -> list[ev.Entry]:
        """Take the entries of the step that begins here; a step is appended as one, so nothing stands in between."""
        step = [self.take()]
        while self._next is not None and _part_of_step(self._next.event):
            step.append(self.take())
            if isinstance(step[-1].event, ev.CampaignEnded):
                break
        return step


def _part_of_step(event: ev.Event) -> bool:
    if isinstance(event, _WITHIN):
        return True
    return ev.natural_key(event) is None and not isinstance(event, _OUTSIDE)


def _known(event: ev.Event, conflicts: set[tuple[str, ...]]) -> bool:
    """Whether the ledger had the fact already, and so did not take it again."""
    return isinstance(event, ev.MergeConflicted) and event.ideas in conflicts


def first_difference(old: Any, new: Any, path: str = "") -> tuple[str, Any, Any]:
    """Return where two JSON-like values that differ first do: "experiment.seed", with what both have there."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(each for each in new if each not in old)]:
            if old.get(key) != new.get(key) or (key in old) != (key in new):
                return first_difference(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    if isinstance(old, list) and isinstance(new, list):
        for place, (one, other) in enumerate(zip(old, new, strict=False)):
            if one != other:
                return first_difference(one, other, f"{path}[{place}]")
    return path, old, new


def _kind(event: ev.Event | None) -> str:
    return "nothing more" if event is None else type(event).__name__


def _shown(event: ev.Event) -> str:
    return _cut(ev.encode(event).decode())


def _cut(value: Any, limit: int = 160) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= limit else text[: limit - 3] + "..."
