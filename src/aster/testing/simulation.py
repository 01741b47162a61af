"""Whole campaigns in memory: the real decisions, with measurements made up by a function.

For tests and benchmarks of the rules: no process, no disk, no clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from aster.archive import traits
from aster.board import Board
from aster.campaign.decide import Minds, conclude, decide, must_end, ready
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Cancelled, Candidate, Experiment, Outcome, Result, Setup, Usage
from aster.domain.trees import pack_tree

Measure = Callable[[Candidate, Experiment], Result]
"""Makes up the result of an experiment."""

Curve = Callable[[Candidate, Experiment], tuple[tuple[int, float], ...]]
"""Makes up the intermediate values of an experiment, by step."""

Sink = Callable[[Sequence[ev.Event], Mapping[str, bytes]], None]
"""Told of events once they are folded, in the order of the ledger, with the blobs that they name."""

HARDWARE = "simulated"


class Simulated(Struct):
    """A campaign that ran in memory: its board, and every event in the order of the ledger unless a sink took them."""

    board: Board
    events: list[ev.Event]
    sink: Sink | None = None

    def take(self, *events: ev.Event) -> None:
        """Fold events and keep them."""
        for event in events:
            self.board.apply(event)
        self.keep(events, {})

    def keep(self, events: Sequence[ev.Event], blobs: Mapping[str, bytes]) -> None:
        """Keep events that are folded, or hand them on."""
        if self.sink is not None:
            self.sink(events, blobs)
        else:
            self.events += events


def begin(setup: Setup, minds: Minds, sink: Sink | None = None) -> Simulated:
    """Return a campaign that was opened and has done nothing yet."""
    campaign = Simulated(Board(), [], sink)
    files = dict(minds.baseline)
    tree, _ = pack_tree(files)
    campaign.take(
        ev.CampaignOpened("simulated", setup, "snapshot"),
        ev.CandidateAdded(Candidate(tree_id(files), tree, (), "baseline", None, (), "baseline", traits(files, files))),
        ev.TermStarted(1, HARDWARE, "nowhere", 0, "0"),
    )
    return campaign


def simulate(
    setup: Setup,
    minds: Minds,
    measure: Measure,
    *,
    order: random.Random | None = None,
    seconds: float = 1.0,
    stop_after: int | None = None,
    sink: Sink | None = None,
    curve: Curve = lambda *_: (),
) -> Simulated:
    """Run a campaign to its end.

    Args:
        setup: what to run; its slots are how many experiments are under way at once.
        measure: makes up results.
        order: which running experiment ends next; None: the oldest.
        seconds: wall time of one attempt; the campaign's own time passes at this rate over its slots.
        stop_after: outcomes after which a stop is requested; None: never.
        sink: takes the events, which are then not kept in memory.
        curve: makes up intermediate values; an experiment that breaks one of its bars ends there.
    """
    campaign = begin(setup, minds, sink)
    _run(campaign, minds, measure, order, seconds, stop_after, curve)
    return campaign


def resume(campaign: Simulated, minds: Minds, measure: Measure, hardware: str = HARDWARE) -> None:
    """Begin another term of a campaign that has ended, on this kind of hardware, and run it to its end."""
    campaign.take(ev.TermStarted(campaign.board.term + 1, hardware, "nowhere", 0, "0"))
    _run(campaign, minds, measure)


def _run(
    campaign: Simulated,
    minds: Minds,
    measure: Measure,
    order: random.Random | None = None,
    seconds: float = 1.0,
    stop_after: int | None = None,
    curve: Curve = lambda *_: (),
) -> None:
    board, setup = campaign.board, campaign.board.setup
    elapsed, done = board.spend.wall_s, 0
    while board.ended is None:
        reason = must_end(board, elapsed)
        if reason is not None and not board.running:
            step = conclude(board, elapsed, reason)
            campaign.keep(step.events, step.blobs)
            continue
        if reason is None:
            _decide(campaign, minds, elapsed)
        if not board.running:
            continue
        attempt = order.choice(list(board.running)) if order is not None else next(iter(board.running))
        state = board.experiments[board.running[attempt]]
        candidate = board.candidates[state.record.candidate]
        result = measure(candidate, state.record)
        points, broken = _until_broken(curve(candidate, state.record), state.record.bars, setup)
        if broken:
            result = Cancelled(f"stopped early at step {points[-1][0]}", early=True)
        elapsed += seconds / setup.slots
        kept = {"artifact": "blob"} if setup.objective.exact else {}
        began, used = elapsed - seconds, Usage(seconds, seconds)
        of = (attempt, state.record.id, result, board.hardware, used, began, elapsed)
        outcome = Outcome(*of, artifacts=kept, progress=points)
        campaign.take(ev.OutcomeRecorded(outcome))
        done += 1
        if done == stop_after:
            campaign.take(ev.StopRequested("test", "asked"))


def _until_broken(
    points: tuple[tuple[int, float], ...], bars: tuple[tuple[int, float], ...], setup: Setup
) -> tuple[tuple[tuple[int, float], ...], bool]:
    """Return the points up to the first that breaks a bar, and whether one does, as a keeper would."""
    left = list(bars)
    for place, (step, value) in enumerate(points):
        while left and step >= left[0][0]:
            _, bar = left.pop(0)
            if value > bar if setup.progress == "minimize" else value < bar:
                return points[: place + 1], True
    return points, False


def _decide(campaign: Simulated, minds: Minds, elapsed: float) -> None:
    """Decide and start as long as the loop would."""
    board = campaign.board
    while board.ended is None and ready(board):
        step = decide(board, minds, elapsed)
        campaign.keep(step.events, step.blobs)
        for name in list(board.waiting):
            campaign.take(ev.AttemptStarted(f"{name}.{board.experiments[name].attempts + 1}", name))
        if step.idle and (board.setup.mode == "arrival" or not (board.running or board.unseen)):
            break
