"""Campaigns decided again from their ledgers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aster.board import Board
from aster.campaign.decide import Minds
from aster.campaign.replay import Replayed, first_difference, replay
from aster.domain import events as ev
from aster.domain.records import Failed, Mode
from aster.proposers.protocol import Proposal, Proposed
from aster.testing.fakes import FakeExecutor
from aster.testing.simulation import resume, simulate

from .simulated import both_minds, bowl, flat, minds, setup
from .test_loop import Lab, loss, until

MODES: list[Mode] = ["ordered", "arrival"]
Change = Callable[[list[ev.Event]], list[ev.Event]]


def again(events: Sequence[ev.Event], make: Callable[[], Minds] = minds) -> Replayed:
    """Replay events as if they were a ledger's."""
    entries = [ev.Entry(place, 1, 0.0, ev.decode(ev.encode(event))) for place, event in enumerate(events, 1)]
    return replay(entries, lambda _: make())


def place_of(events: Sequence[ev.Event], kind: type, number: int = 0) -> int:
    """Return where the ledger has an event of a kind, counted from 0."""
    return [place for place, event in enumerate(events) if isinstance(event, kind)][number]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [minds, both_minds])
def test_a_campaign_decided_again_gives_the_same_events(mode: Mode, make: Callable[[], Minds]) -> None:
    run = simulate(setup(60, mode=mode), make(), bowl(0.5), order=random.Random(4))
    done = again(run.events, make)
    assert done.divergence is None
    assert done.decisions == run.board.decision
    assert done.events + done.facts == len(run.events)
    assert done.board.ended == run.board.ended
    assert done.board.claims.keys() == run.board.claims.keys() != set()


@pytest.mark.parametrize("mode", MODES)
def test_stops_and_wall_times_are_not_decided_but_read(mode: Mode) -> None:
    stopped = simulate(setup(60, mode=mode), minds(), bowl(0.5), order=random.Random(1), stop_after=9)
    timed = simulate(setup(None, wall_s=70.0, mode=mode), minds(), bowl(0.5), order=random.Random(2))
    for run in (stopped, timed):
        assert run.board.ended is not None
        assert again(run.events).divergence is None


@pytest.mark.parametrize("mode", MODES)
def test_terms_on_two_kinds_of_hardware(mode: Mode) -> None:
    run = simulate(setup(60, mode=mode), minds(), bowl(0.5), stop_after=21)
    resume(run, minds(), bowl(0.5), hardware="another machine")
    done = again(run.events)
    assert done.divergence is None
    assert done.board.term == 2


def test_what_fails_and_what_only_makes_noise() -> None:
    broken = simulate(setup(30), minds(), lambda *_: Failed("exit 1"))
    noisy = simulate(setup(40, mode="arrival", search_seeds=3), minds(), flat(1.0, 0), order=random.Random(7))
    for run in (broken, noisy):
        assert again(run.events).divergence is None


def test_a_stop_that_the_loop_heard_of_late() -> None:
    run = simulate(setup(60, mode="arrival"), minds(), bowl(0.5), stop_after=12)
    place = place_of(run.events, ev.StopRequested)
    events = [*run.events[:place], *run.events[place + 1 :]]
    events.insert(place_of(events, ev.DecisionTaken, run.board.decision - 4), run.events[place])
    done = again(events)  # another process appended it while the loop went on deciding
    assert done.divergence is None
    assert done.board.ended == "stopped: asked"


def test_a_ledger_that_was_cut_off_is_replayed_to_its_end() -> None:
    run = simulate(setup(30), minds(), bowl(0.5))
    cut = place_of(run.events, ev.DecisionTaken, 20)
    done = again(run.events[:cut])
    assert done.divergence is None
    assert done.decisions == 20


def test_a_ledger_from_before_decisions_said_what_they_had_heard() -> None:
    run = simulate(setup(30), minds(), bowl(0.5))
    old = [
        ev.decode(msgspec.json.encode({**msgspec.json.decode(ev.encode(event)), "heard": None}))
        if isinstance(event, ev.DecisionTaken)
        else event
        for event in run.events
    ]
    assert again(old).divergence is None
    assert again(old).decisions == run.board.decision


# --- divergences -------------------------------------------------------------------------------------------


def altered(events: list[ev.Event], place: int, **fields: Any) -> list[ev.Event]:
    return [*events[:place], msgspec.structs.replace(events[place], **fields), *events[place + 1 :]]


def test_a_changed_seed_is_found_and_named() -> None:
    run = simulate(setup(40), minds(), bowl(0.5))
    place = place_of(run.events, ev.ExperimentPlanned, 7)
    planned = run.events[place]
    assert isinstance(planned, ev.ExperimentPlanned)
    other = msgspec.structs.replace(planned.experiment, seed=5)
    done = again(altered(run.events, place, experiment=other))
    assert done.divergence is not None
    assert done.divergence.position == place + 1
    assert done.divergence.decision == planned.experiment.decision
    assert done.divergence.came == planned
    assert done.decisions == planned.experiment.decision - 1
    assert done.divergence.text == (
        f"position {place + 1}, decision {planned.experiment.decision}: ExperimentPlanned, experiment.seed: "
        f"expected 5, and {planned.experiment.seed} came"
    )


def test_a_changed_outcome_shows_where_it_first_matters() -> None:
    run = simulate(setup(40), minds(), bowl(0.5))
    place = place_of(run.events, ev.OutcomeRecorded, 5)
    recorded = run.events[place]
    assert isinstance(recorded, ev.OutcomeRecorded)
    other = msgspec.structs.replace(recorded.outcome, result=Failed("exit 1"))
    done = again(altered(run.events, place, outcome=other))
    assert done.divergence is not None
    assert done.divergence.position > place + 1
    assert isinstance(done.divergence.came, ev.FindingRecorded)


def test_an_event_that_nobody_decided_and_one_that_is_missing() -> None:
    run = simulate(setup(40), minds(), bowl(0.5))
    place = place_of(run.events, ev.ExperimentPlanned, 9)
    extra = again([*run.events[: place + 1], ev.DirectionRetired("d-0", "why not"), *run.events[place + 1 :]])
    assert extra.divergence is not None
    assert (extra.divergence.position, extra.divergence.came) == (place + 2, None)
    assert "expected DirectionRetired, and nothing more came" in extra.divergence.text

    missing = again([*run.events[:place], *run.events[place + 1 :]])
    assert missing.divergence is not None
    assert (missing.divergence.position, missing.divergence.expected) == (place + 1, None)
    assert missing.divergence.came == run.events[place]


def test_an_attempt_of_an_experiment_that_does_not_wait() -> None:
    run = simulate(setup(40), minds(), bowl(0.5))
    place = place_of(run.events, ev.AttemptStarted, 6)
    started = run.events[place]
    assert isinstance(started, ev.AttemptStarted)
    done = again([*run.events[: place + 1], started, *run.events[place + 1 :]])
    assert done.divergence is not None
    assert (done.divergence.position, done.divergence.came) == (place + 2, None)


def test_an_end_that_nobody_asked_for() -> None:
    run = simulate(setup(40), minds(), bowl(0.5))
    place = place_of(run.events, ev.DecisionTaken, 10)
    done = again([*run.events[:place], ev.CampaignEnded("stopped: by nobody", 4.0)])
    assert done.divergence is not None
    assert done.divergence.position == place + 1
    assert isinstance(done.divergence.came, ev.DecisionTaken)


def test_other_policies_part_from_the_record() -> None:
    class Reluctant:
        """Proposes as the ideas do, until the twelfth time."""

        def __init__(self, inner: Minds) -> None:
            self.inner, self.left = inner, 12

        def propose(self, board: Board, surface: str, rng: random.Random) -> Proposed:
            self.left -= 1
            proposed = self.inner.proposer.propose(board, surface, rng)
            if self.left > 0 or proposed.proposal is None:
                return proposed
            proposal: Proposal = msgspec.structs.replace(proposed.proposal, text="something else")
            return msgspec.structs.replace(proposed, proposal=proposal)

    def other() -> Minds:
        inner = minds()
        return msgspec.structs.replace(inner, proposer=Reluctant(inner))

    run = simulate(setup(60), minds(), bowl(0.5))
    found = again(run.events, other).divergence
    assert found is not None
    assert isinstance(found.expected, ev.HypothesisProposed)
    assert "hypothesis.text: expected " in found.text
    assert "something else came" in found.text


def test_the_first_difference_is_found_however_deep() -> None:
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ("a[1].b", 2, 3)
    assert first_difference({"a": [1]}, {"a": [1, 2]}) == ("a", [1], [1, 2])
    assert first_difference({"a": 1}, {"a": 1, "b": None}) == ("b", None, None)
    assert first_difference(1, 2) == ("", 1, 2)


# --- the loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_what_the_loop_wrote_over_two_terms_is_decided_again(tmp_path: Path, mode: Mode) -> None:
    lab = Lab(tmp_path, setup(30, mode=mode))

    async def stopped_from_outside() -> None:
        executor = FakeExecutor(loss, 3)
        running = asyncio.create_task(lab.loop(executor).run())
        await until(lambda: len(lab.board.seen) > 5)
        lab.store.append([ev.StopRequested("outside", "a pause")], time=0.0)
        lab.time.seconds += 1.0
        await asyncio.wait_for(running, 20)

    asyncio.run(stopped_from_outside())
    asyncio.run(lab.loop(FakeExecutor(loss, 3)).run())
    done = again(lab.events())
    assert done.divergence is None
    assert done.board.term == 2
    assert done.board.ended == lab.board.ended
    assert "stopped: a pause" in [e.reason for e in lab.events() if isinstance(e, ev.CampaignEnded)]
