"""A campaign as lines of text or JSON, for pipes, files and logs."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TextIO

import msgspec

from aster.board import Board
from aster.cli.ending import closing, summary_line
from aster.cli.words import claim_text, clean, name_of, noise_text, number, places, verdict_text
from aster.domain import events as ev
from aster.domain.research import Settled, Waiting
from aster.handle import Campaign
from aster.report.agents import TROUBLED
from aster.report.waiting import waiting_lines
from aster.report.wording import amount, count, dollars, duration

STATUS_EVERY = 10
"""Ended experiments from one status line to the next."""


class LineWriter:
    """Writes and flushes lines in a thread of its own, so that a slow reader holds nobody up.

    When nobody reads any more (`| head`, a closed terminal, a full disk), what is still to be said is dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="aster-lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written; returns at once."""
        self._lines.put(line)

    def close(self) -> None:
        """Wait until all lines are written or dropped."""
        self._lines.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # ValueError: the stream was closed
                _give_up(self._stream)


def _give_up(stream: TextIO) -> None:
    """Point a stream that cannot be written at nothing, so that Python's own flush at exit finds no fault either."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):  # not a file at all: there is nothing to flush at exit
        return


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._writer = LineWriter(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()


class JsonLines(_Lines):
    """Every event as a JSON line with its kind under "event", and the summary as the last line.

    A new campaign's stream begins with its opening, so that it is the whole ledger but for positions and times.
    """

    _begun = False

    def note(self, board: Board, events: Sequence[ev.Event]) -> None:
        """Print the events."""
        if not self._begun and board.decision == 0:
            events = [*_opening(board), *events]
        self._begun = True
        for event in events:
            fields = msgspec.to_builtins(event)
            self._put({"event": fields.pop("type"), **fields})

    def finish(self, campaign: Campaign) -> None:
        """Print the summary, in one line."""
        self._put(summary_line(campaign))

    def _put(self, record: dict[str, Any]) -> None:
        self._writer.put(msgspec.json.encode(record).decode())  # numbers that JSON does not know become null


def _opening(board: Board) -> list[ev.Event]:
    """Return the events that opened the campaign, which no observer was there to see."""
    opened: list[ev.Event] = [ev.CampaignOpened(board.campaign, board.setup, board.snapshot)]
    opened += [ev.CandidateAdded(board.candidates[b]) for b in (board.baseline,) if b is not None]
    return opened + [ev.SteeringGiven("start", text) for text in board.research.steering[:1]]


class PlainLines(_Lines):
    """A line for each notable event, and a status now and then."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._best: str | None = None
        self._reported = 0
        self._knows_baseline = False
        self._troubled: set[str] = set()
        """Models whose trouble was told, and that have not answered since."""
        self._waits: set[tuple[str, str]] = set()
        """What calls waited for when it was last told: causes, and models."""

    def note(self, board: Board, events: Sequence[ev.Event]) -> None:
        """Print what is notable."""
        for event in events:
            line = self._line(board, event)
            if line:
                self._writer.put(f"{_elapsed(board)}  {line}")
        self._note_best(board)
        self._note_status(board)

    def finish(self, campaign: Campaign) -> None:
        """Print the closing words."""
        self._writer.put("")
        for line in closing(campaign):
            self._writer.put(line)

    def _line(self, board: Board, event: ev.Event) -> str:
        match event:
            case ev.TermStarted():
                self._best = next(iter(board.ranking), None)
                self._reported = _ended(board) // STATUS_EVERY
                title, verb = clean(board.setup.title), "resumed" if board.decision else "started"
                sandbox = f", in {event.sandbox}" if event.sandbox else ""
                return f"{verb} {board.campaign}: {title}, {board.setup.slots} slots, {event.hardware}{sandbox}"
            case ev.DirectionOpened(direction=direction):
                return f"direction opened: {clean(direction.surface)}: {clean(direction.rationale)}"
            case ev.DirectionRetired(direction=key, reason=reason):
                return f"direction retired: {clean(board.directions[key].record.surface)}: {clean(reason)}"
            case ev.FindingRecorded(finding=finding) if finding.success:
                return f"finding: {clean(finding.text)}"
            case ev.ClaimOpened(claim=claim):
                design = "artifacts scored again" if claim.exact else f"{len(claim.seeds)} pairs of fresh seeds"
                return f"testing {claim_text(board, claim)}: {design}"
            case ev.ClaimDecided(decided=decided):
                claim = board.claims[decided.claim].record
                return f"claim {claim.number} {verdict_text(claim, decided, places(board))}"
            case ev.SteeringGiven(text=text):
                return f"steering: {clean(text)}"
            case ev.ModelCutOff(model=model, reason=reason):
                return f"{clean(model)} is asked no more: {clean(reason)}"
            case ev.CallSettled(settled=settled) if settled.status != "answered":
                return self._trouble(board, settled)
            case ev.Heartbeat(waiting=waiting):
                return self._waiting(waiting)
            case ev.AssignmentEnded(ending="failed", assignment=name, reason=reason):
                return f"a {board.research.assignments[name].record.role} came to nothing: {clean(reason)}"
            case ev.StopRequested(reason=reason):
                return f"asked to end: {clean(reason)}"
            case ev.CampaignEnded(reason=reason):
                return f"ended: {clean(reason)}"
            case _:
                return ""

    def _trouble(self, board: Board, settled: Settled) -> str:
        """Return what a model's trouble is, once until it answers again."""
        troubles = {name: state.troubles for name, state in board.research.models.items()}
        self._troubled = {name for name in self._troubled if troubles[name] >= TROUBLED}
        new = [name for name, times in troubles.items() if times >= TROUBLED and name not in self._troubled]
        self._troubled.update(new)
        return "; ".join(f"{clean(name)} does not answer: {clean(settled.error)}" for name in new)

    def _waiting(self, waiting: tuple[Waiting, ...]) -> str:
        """Return what calls wait for, once for each cause and model until nobody waits for that any more."""
        new = [each for each in waiting if (each.cause, each.model) not in self._waits]
        over = self._waits and not waiting
        self._waits = {(each.cause, each.model) for each in waiting}
        return "; ".join(waiting_lines(new)) or ("no call waits any more" if over else "")

    def _note_best(self, board: Board) -> None:
        best = next(iter(board.ranking), None)
        score = board.score(best) if best is not None else None
        if best is None or score is None or best == self._best:
            return
        self._best = best
        metric, value = board.setup.objective.shown, number(score.mean, places(board))
        if best == board.baseline:
            return
        state = "champion" if best == board.champion else "unconfirmed"
        self._writer.put(f"{_elapsed(board)}  new best: {metric} {value}, {name_of(board, best)}, {state}")

    def _note_status(self, board: Board) -> None:
        known = board.baseline_score
        if known is not None and not self._knows_baseline and board.directions:
            self._knows_baseline = True
            decimals = places(board)
            value = f"{board.setup.objective.shown} {number(known.mean, decimals)}"
            self._writer.put(f"{_elapsed(board)}  baseline: {value} {noise_text(known.sd, known.n, decimals)}")
        ended = _ended(board)
        if ended // STATUS_EVERY > self._reported:
            self._reported = ended // STATUS_EVERY
            self._writer.put(f"{_elapsed(board)}  status: {_counts(board)}")


def _ended(board: Board) -> int:
    return sum(board.tally.values())


def _elapsed(board: Board) -> str:
    seconds = int(board.spend.wall_s)
    return f"{seconds // 3600:d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def _counts(board: Board) -> str:
    kinds = [f"{n} {kind.replace('_', ' ')}" for kind, n in board.tally.items()]
    limit = board.setup.limits
    ceiling = [f"{board.spend.experiments} of {limit.experiments} experiments planned"] if limit.experiments else []
    ceiling += [f"{duration(board.spend.wall_s)} of {duration(limit.wall_s)} spent"] if limit.wall_s else []
    ceiling += _agents(board) if board.setup.models else []
    return ", ".join([*kinds, f"{len(board.running)} running", *ceiling])


def _agents(board: Board) -> list[str]:
    """Return who is at work, and what models came to."""
    bill, usd = board.research.bill, board.setup.limits.usd
    spent = dollars(bill.usd) + (f" of {dollars(usd)}" if usd is not None else "")
    working = f"{count(len(board.research.live), 'agent')} at work"
    return [working, f"{spent} and {amount(bill.tokens)} tokens for models"]
