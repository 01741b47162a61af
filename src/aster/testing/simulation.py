"""Whole campaigns in memory: the real decisions, with measurements made up by a function.

For tests and benchmarks of the rules: no process, no disk, no clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from aster.archive import traits
from aster.board import Board
from aster.campaign.decide import Minds, conclude, decide, must_end, ready
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate, Experiment, Outcome, Result, Setup, Usage
from aster.domain.trees import pack_tree

Measure = Callable[[Candidate, Experiment], Result]
"""Makes up the result of an experiment."""

HARDWARE = "simulated"


class Simulated(Struct):
    """A campaign that ran in memory: its board, and every event in the order of the ledger."""

    board: Board
    events: list[ev.Event]

    def take(self, *events: ev.Event) -> None:
        """Fold events and keep them."""
        for event in events:
            self.board.apply(event)
            self.events.append(event)


def begin(setup: Setup, minds: Minds) -> Simulated:
    """Return a campaign that was opened and has done nothing yet."""
    campaign = Simulated(Board(), [])
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
) -> Simulated:
    """Run a campaign to its end.

    Args:
        setup: what to run; its slots are how many experiments are under way at once.
        measure: makes up results.
        order: which running experiment ends next; None: the oldest.
        seconds: wall time of one attempt; the campaign's own time passes at this rate over its slots.
        stop_after: outcomes after which a stop is requested; None: never.
    """
    campaign = begin(setup, minds)
    board, elapsed, done = campaign.board, 0.0, 0
    while board.ended is None:
        reason = must_end(board, elapsed)
        if reason is not None and not board.running:
            campaign.events += conclude(board, elapsed, reason).events
            continue
        if reason is None:
            _decide(campaign, minds, elapsed)
        if not board.running:
            continue
        attempt = order.choice(list(board.running)) if order is not None else next(iter(board.running))
        state = board.experiments[board.running[attempt]]
        result = measure(board.candidates[state.record.candidate], state.record)
        elapsed += seconds / setup.slots
        kept = {"artifact": "blob"} if setup.objective.exact else {}
        began, used = elapsed - seconds, Usage(seconds, seconds)
        outcome = Outcome(attempt, state.record.id, result, HARDWARE, used, began, elapsed, None, kept)
        campaign.take(ev.OutcomeRecorded(outcome))
        done += 1
        if done == stop_after:
            campaign.take(ev.StopRequested("test", "asked"))
    return campaign


def _decide(campaign: Simulated, minds: Minds, elapsed: float) -> None:
    """Decide and start as long as the loop would."""
    board = campaign.board
    while board.ended is None and ready(board):
        step = decide(board, minds, elapsed)
        campaign.events += step.events
        for name in list(board.waiting):
            campaign.take(ev.AttemptStarted(f"{name}.{board.experiments[name].attempts + 1}", name))
        if step.idle and (board.setup.mode == "arrival" or not (board.running or board.unseen)):
            break
