"""Whole campaigns in memory, decided by the real rules."""

from __future__ import annotations

import copy
import random
from itertools import pairwise

import pytest

from aster.board import Board
from aster.campaign.decide import decide
from aster.domain import events as ev
from aster.domain.records import (
    EXHAUSTED,
    Cancelled,
    Candidate,
    Experiment,
    Failed,
    Measured,
    Mode,
    Outcome,
    Result,
    TimedOut,
    Usage,
)
from aster.evidence.design import baseline_runs
from aster.testing.simulation import Simulated, begin, resume, simulate

from .simulated import both_minds, bowl, flat, minds, setup, values

MODES: list[Mode] = ["ordered", "arrival"]


def decisions_of(events: list[ev.Event]) -> list[bytes]:
    return [ev.encode(e) for e in events if ev.natural_key(e) is None and not isinstance(e, ev.DecisionTaken)]


def test_in_ordered_mode_the_order_of_arrival_changes_nothing() -> None:
    runs = [simulate(setup(60), minds(), bowl(0.1), order=random.Random(i)) for i in range(4)]
    oldest_first = simulate(setup(60), minds(), bowl(0.1))
    for run in runs:
        assert list(run.board.experiments) == list(oldest_first.board.experiments)
        plans = [[e for e in r.events if isinstance(e, ev.ExperimentPlanned)] for r in (run, oldest_first)]
        assert plans[0] == plans[1]
        assert [c.decided for c in run.board.claims.values()] == [c.decided for c in oldest_first.board.claims.values()]


def test_another_seed_gives_another_campaign() -> None:
    a, b = (simulate(setup(60, seed=s), minds(), bowl(0.1)) for s in (0, 1))
    assert list(a.board.candidates) != list(b.board.candidates)


def test_a_decision_sees_nothing_from_the_last_slots_decisions() -> None:
    run = simulate(setup(40, slots=4), minds(), bowl(0.1), order=random.Random(3))
    number, seen_at = 0, {}
    board = Board()
    for event in run.events:
        before = set(board.seen)
        board.apply(event)
        if isinstance(event, ev.DecisionTaken):
            number = event.number
            seen_at.update(dict.fromkeys(set(board.seen) - before, number))
    assert seen_at
    assert all(board.experiments[x].record.decision <= at - 4 for x, at in seen_at.items())


def test_folding_the_events_again_gives_the_same_board() -> None:
    run = simulate(setup(60), minds(), bowl(0.1), order=random.Random(0))
    again = Board()
    for event in run.events:
        again.apply(ev.decode(ev.encode(event)))
    assert list(again.ranking) == list(run.board.ranking)
    assert again.champion == run.board.champion
    assert again.archive.elites == run.board.archive.elites
    assert (again.spend.experiments, again.spend.confirm) == (run.board.spend.experiments, run.board.spend.confirm)


@pytest.mark.parametrize("cut", [5, 23, 61, 120])
def test_a_campaign_cut_off_anywhere_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    """Decisions made from a board that was folded from a prefix equal those that were made."""
    whole = simulate(setup(60), minds(), bowl(0.1))
    places = [i for i, e in enumerate(whole.events) if isinstance(e, ev.DecisionTaken)]
    start = places[min(cut, len(places) - 1)]
    board = Board()
    for event in whole.events[:start]:
        board.apply(event)
    taken = whole.events[start]
    assert isinstance(taken, ev.DecisionTaken)
    step = decide(board, minds(), taken.elapsed)
    assert step.events == whole.events[start : start + len(step.events)]


def tuned_run(order: random.Random | None = None) -> Simulated:
    return simulate(setup(70), both_minds(), flat(1.0, 3), order=order)


def test_a_campaign_of_ideas_and_the_tuner_goes_on_as_if_nothing_had_happened() -> None:
    """Fresh minds on a folded board decide what the minds of the whole campaign decided."""
    whole = tuned_run()
    authors = {candidate.author for candidate in whole.board.candidates.values()}
    assert authors == {"baseline", "ideas", "tuner"}
    assert any(c.root is None and c.settings for c in whole.board.candidates.values()), "no idea on a tuned parent"
    assert [e for e in tuned_run(random.Random(1)).events if isinstance(e, ev.ExperimentPlanned)] == [
        e for e in whole.events if isinstance(e, ev.ExperimentPlanned)
    ]
    places = [i for i, e in enumerate(whole.events) if isinstance(e, ev.DecisionTaken)]
    board, done = Board(), 0
    for start in places[5::9]:
        for event in whole.events[done:start]:
            board.apply(ev.decode(ev.encode(event)))
        done, taken = start, whole.events[start]
        assert isinstance(taken, ev.DecisionTaken)
        step = decide(copy.deepcopy(board), both_minds(), taken.elapsed)
        assert step.events == whole.events[start : start + len(step.events)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("experiments", [12, 30, 61])
def test_the_budget_of_experiments_is_never_exceeded(mode: Mode, experiments: int) -> None:
    for seed in range(5):
        run = simulate(setup(experiments, mode=mode, seed=seed), minds(), bowl(0.5), order=random.Random(seed))
        assert run.board.spend.experiments <= experiments
        assert run.board.ended is not None


@pytest.mark.parametrize("mode", MODES)
def test_a_real_gain_is_confirmed_and_the_optimum_found(mode: Mode) -> None:
    run = simulate(setup(90, mode=mode), minds(), bowl(0.05), order=random.Random(0))
    champion = run.board.champion
    assert champion is not None
    assert values(run.board.candidates[champion]) == {"a": 3, "b": 2, "c": 4}


def test_a_fifth_of_the_budget_is_held_back_while_something_stands_to_be_confirmed() -> None:
    """Search stops in time for a claim of the best candidate, even if nothing was claimed before."""
    for seed in range(5):
        run = simulate(setup(40, seed=seed), minds(), bowl(3.0))
        if run.board.best_unconfirmed() is not None:
            assert run.board.claims, "a better candidate stood at the end and was never tested"


def test_noise_alone_is_rarely_confirmed() -> None:
    """At most 5% of campaigns by design; with 200 campaigns, 19 is four sd above that."""
    confirmed = 0
    for seed in range(200):
        mode: Mode = "ordered" if seed % 2 else "arrival"
        run = simulate(setup(40, seed=seed, mode=mode), minds(), flat(1.0, seed), order=random.Random(seed))
        confirmed += run.board.champion is not None
    assert confirmed <= 19


def test_noise_alone_is_rarely_confirmed_unpaired() -> None:
    confirmed = 0
    for seed in range(100):
        run = simulate(setup(40, seed=seed, paired=False), minds(), flat(1.0, seed), order=random.Random(seed))
        confirmed += run.board.champion is not None
    assert confirmed <= 13


def test_confirmation_runs_on_fresh_seeds_in_interleaved_pairs() -> None:
    run = simulate(setup(90), minds(), bowl(0.5))
    board = run.board
    claimed = [x.record for x in board.experiments.values() if x.record.claim is not None]
    assert claimed
    searched = {x.record.seed for x in board.experiments.values() if x.record.claim is None}
    assert not searched & {x.seed for x in claimed}
    claim = next(iter(board.claims.values()))
    own = [x for x in claimed if x.claim == claim.record.id]
    for first, second in zip(own[::2], own[1::2], strict=True):
        assert first.seed == second.seed
        assert {first.candidate, second.candidate} == {claim.record.candidate, claim.record.against}
    assert own[0].candidate == claim.record.candidate
    assert own[2].candidate == claim.record.against


def test_exact_metrics_are_scored_again_and_need_no_seeds() -> None:
    run = simulate(setup(40, exact=True), minds(), bowl(0.0))
    board = run.board
    assert board.champion is not None
    baselines = [x for x in board.experiments.values() if x.record.purpose == "baseline"]
    assert len(baselines) == 1
    for state in board.experiments.values():
        if state.record.claim is not None:
            assert state.record.artifact is not None
            assert board.experiments[state.record.artifact].record.candidate == state.record.candidate
    decided = next(iter(board.claims.values())).decided
    assert decided is not None
    assert decided.low == decided.high == decided.gain


def test_every_candidate_gets_its_search_seeds() -> None:
    run = simulate(setup(60, search_seeds=2), minds(), bowl(0.1))
    board = run.board
    for candidate in list(board.candidates)[1:-1]:
        seeds = [
            board.experiments[x].record.seed
            for x in board.experiments_of[candidate]
            if board.experiments[x].record.purpose == "search"
        ]
        assert len(seeds) == len(set(seeds)) == 2


def failing(candidate: Candidate, experiment: Experiment) -> Result:
    """Measure as the bowl does, but candidates with c set break."""
    if values(candidate)["c"]:
        return Failed("c breaks")
    return bowl(0.1)(candidate, experiment)


def test_failures_are_dead_ends_without_a_number() -> None:
    run = simulate(setup(60), minds(), failing)
    board = run.board
    dead = [f for f in board.findings if f.text.endswith("failed: c breaks")]
    assert dead
    assert all(not f.success and f.gain is None for f in dead)
    assert all(values(board.candidates[c])["c"] == 0 for c in board.ranking)
    assert board.champion is not None


def test_a_broken_baseline_ends_the_campaign() -> None:
    def broken(candidate: Candidate, experiment: Experiment) -> Result:
        return TimedOut("solve", 10.0)

    run = simulate(setup(60), minds(), broken)
    assert run.board.ended is not None
    assert run.board.ended.startswith("baseline timed out")
    assert all(x.record.purpose == "baseline" for x in run.board.experiments.values())


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_plans_nothing_more_and_a_resume_goes_on(mode: Mode) -> None:
    run = simulate(setup(60, mode=mode), minds(), bowl(0.1), stop_after=20)
    board = run.board
    assert board.ended == "stopped: asked"
    assert not board.running
    planned = board.spend.experiments
    assert planned <= 20 + board.setup.slots
    board.apply(ev.TermStarted(2, "simulated", "nowhere", 0, "0"))
    assert board.ended is None
    assert board.stop is None


def test_a_wall_budget_ends_in_time_and_leaves_time_to_confirm() -> None:
    for seed in range(5):
        run = simulate(setup(None, wall_s=100.0, mode="arrival", seed=seed), minds(), bowl(0.3))
        board = run.board
        assert board.spend.wall_s <= 100.0 + 1.0
        assert board.champion is not None


def test_one_experiment_a_decision_at_most() -> None:
    run = simulate(setup(60), minds(), bowl(0.1))
    numbers = [x.record.decision for x in run.board.experiments.values()]
    assert all(a < b for a, b in pairwise(numbers))


def test_decide_depends_on_nothing_but_the_board_and_the_time() -> None:
    campaign = begin(setup(30), minds())
    boards = [copy.deepcopy(campaign.board) for _ in range(2)]
    steps = [decide(board, minds(), 1.5) for board in boards]
    assert steps[0].events == steps[1].events
    assert steps[0].blobs == steps[1].blobs


def test_when_ideas_run_out_the_campaign_ends_with_a_verdict_on_its_best() -> None:
    run = simulate(setup(5000), minds(), bowl(0.05))
    assert run.board.ended == EXHAUSTED
    assert run.board.champion is not None
    assert isinstance(run.board.experiments[run.board.seen[-1]].outcome.result, Measured)  # type: ignore[union-attr]


# --- on another kind of hardware --------------------------------------------------------------------------------

OTHER = "other hardware"


def runs_on(run: Simulated, hardware: str, candidate: str | None) -> list[Experiment]:
    """Return a candidate's experiments on one kind of hardware, without those of claims."""
    records = [run.board.experiments[x].record for x in run.board.experiments_of[candidate or ""]]
    return [x for x in records if x.hardware == hardware and x.claim is None]


@pytest.mark.parametrize("left", [0, 1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_baselines_of_new_hardware_keep_within_the_budget(mode: Mode, left: int) -> None:
    run = simulate(setup(60, mode=mode), minds(), bowl(0.1))
    spent = run.board.spend.experiments
    run.board.setup = setup(spent + left, mode=mode)
    resume(run, minds(), bowl(0.1), OTHER)
    assert run.board.ended == "budget: experiments spent"
    assert run.board.spend.experiments == spent + left
    assert len(runs_on(run, OTHER, run.board.baseline)) == left


@pytest.mark.parametrize("search_seeds", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_a_champion_is_ranked_afresh_on_new_hardware_and_claims_go_on(mode: Mode, search_seeds: int) -> None:
    run = simulate(setup(40, mode=mode, search_seeds=search_seeds), minds(), partly)
    champion, claims = run.board.champion, len(run.board.claims)
    assert champion is not None
    run.board.setup = setup(240, mode=mode, search_seeds=search_seeds)
    resume(run, minds(), bowl(0.05), OTHER)
    again = runs_on(run, OTHER, champion)
    assert len({x.seed for x in again}) == len(again) == search_seeds
    later = list(run.board.claims.values())[claims:]
    assert later
    assert later[0].record.against == champion
    assert run.board.champion not in (None, champion)


def partly(candidate: Candidate, experiment: Experiment) -> Result:
    """Measure as the bowl does, but nothing gains beyond a = 1."""
    v = values(candidate)
    return Measured({"loss": 20.0 - 9.0 * (v["a"] == 1) + bowl(0.05)(candidate, experiment).metrics["loss"] * 1e-3})  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", MODES)
def test_the_baseline_stands_in_for_a_champion_that_breaks_on_new_hardware(mode: Mode) -> None:
    run = simulate(setup(60, mode=mode), minds(), bowl(0.05))
    champion, claims = run.board.champion, len(run.board.claims)

    def broken(candidate: Candidate, experiment: Experiment) -> Result:
        return Failed("not here") if candidate.id == champion else bowl(0.05)(candidate, experiment)

    run.board.setup = setup(160, mode=mode)
    resume(run, minds(), broken, OTHER)
    assert len(runs_on(run, OTHER, champion)) == 1
    later = list(run.board.claims.values())[claims:]
    assert later
    assert later[0].record.against == run.board.baseline


def test_baselines_that_were_cancelled_run_again() -> None:
    campaign, policies = begin(setup(60), minds()), minds()
    board = campaign.board
    for number in range(3):
        step = decide(board, policies, 0.0)
        campaign.keep(step.events, step.blobs)
        (name,) = list(board.waiting)
        campaign.take(ev.AttemptStarted(f"{name}.1", name))
        result: Result = Cancelled("no time left") if number == 1 else Measured({"loss": 30.0})
        end = Outcome(f"{name}.1", name, result, board.hardware, Usage(), 0.0, 0.0)
        campaign.take(ev.OutcomeRecorded(end))
    resume(campaign, policies, bowl(0.05), board.hardware)
    runs = [board.experiments[x] for x in board.baselines]
    measured = [s.record.seed for s in runs if s.status == "measured"]
    assert [s.status for s in runs].count("cancelled") == 1
    assert len(set(measured)) == len(measured) == baseline_runs(board.setup)
