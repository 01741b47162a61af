"""Whole campaigns in memory whose hopeless experiments are stopped early, and whose infeasible ones never count."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from aster.board import Board
from aster.domain import events as ev
from aster.domain.constraints import Constraint
from aster.domain.ids import seeded
from aster.domain.records import Candidate, Experiment, Measured, Mode, Result, Setup
from aster.testing.simulation import Simulated, simulate

from .simulated import bowl, minds, setup, values


def bad(candidate: Candidate) -> bool:
    found = values(candidate)
    return found["a"] > 4 or found["b"] > 4


def measured(candidate: Candidate, experiment: Experiment) -> float:
    """Return the bowl's loss, far higher where A or B is too large."""
    result = bowl(0.1)(candidate, experiment)
    assert isinstance(result, Measured)
    return result.metrics["loss"] + 60.0 * bad(candidate)


def loss(candidate: Candidate, experiment: Experiment) -> Result:
    return Measured({"loss": measured(candidate, experiment)})


def falling(candidate: Candidate, experiment: Experiment) -> tuple[tuple[int, float], ...]:
    """Return values that fall from 100 to what will be measured, with noise."""
    end, rng = measured(candidate, experiment), seeded("curve", candidate.id, experiment.seed)
    return tuple((step, end + (100 - end) * (1 - step / 20) ** 3 + rng.gauss(0, 0.05)) for step in range(1, 21))


def early(of: Setup | None = None, order: int | None = None) -> Simulated:
    wanted = replace(of or setup(80), progress="minimize")
    return simulate(wanted, minds(), loss, curve=falling, order=None if order is None else random.Random(order))


def test_hopeless_candidates_are_stopped_and_none_else() -> None:
    board = early().board
    stopped = [state for state in board.experiments.values() if state.status == "stopped_early"]
    assert stopped
    assert all(state.record.purpose == "search" for state in stopped)
    assert all(state.record.bars for state in stopped)
    assert not any(state.record.bars for state in board.experiments.values() if state.record.purpose != "search")
    assert all(bad(board.candidates[state.record.candidate]) for state in stopped)
    assert board.champion is not None
    assert not bad(board.candidates[board.champion])


@pytest.mark.parametrize("racing", [False, True])
def test_each_stopped_candidate_has_one_finding_and_no_further_seed(racing: bool) -> None:
    board = early(replace(setup(120, search_seeds=3), racing=racing)).board
    stopped = [s.record for s in board.experiments.values() if s.status == "stopped_early"]
    assert stopped
    for record in stopped:
        latest = board.experiments_of[record.candidate][-1]
        assert board.experiments[latest].record.decision - record.decision <= board.setup.slots
        assert record.candidate not in board.ranking
        texts = [f.text for f in board.findings if f.hypothesis == record.hypothesis]
        assert len(texts) == 1


def test_in_ordered_mode_the_order_of_arrival_changes_no_bar() -> None:
    runs = [early(order=order) for order in (None, 1, 2)]
    plans = [[e for e in run.events if isinstance(e, ev.ExperimentPlanned)] for run in runs]
    assert plans[0] == plans[1] == plans[2]
    assert any(plan.experiment.bars for plan in plans[0])


def test_folding_again_gives_the_same_curves() -> None:
    run = early()
    again = Board()
    for event in run.events:
        again.apply(ev.decode(ev.encode(event)))
    assert list(again.curves["simulated"].searched) == list(run.board.curves["simulated"].searched)
    assert list(again.ranking) == list(run.board.ranking)


def test_without_progress_nothing_differs() -> None:
    plain = simulate(setup(60), minds(), loss)
    told = simulate(setup(60), minds(), loss, curve=falling)
    assert list(plain.board.experiments) == list(told.board.experiments)
    assert not any(s.record.bars for s in told.board.experiments.values())


def big(candidate: Candidate, experiment: Experiment) -> Result:
    """Measure the bowl; what sets C takes memory."""
    return Measured({"loss": measured(candidate, experiment), "memory": 60.0 + 10.0 * values(candidate)["c"]})


@pytest.mark.parametrize("mode", ["ordered", "arrival"])
def test_infeasible_candidates_never_win(mode: Mode) -> None:
    of = replace(setup(80, mode=mode), constraints=(Constraint("memory", max=85.0),))
    board = simulate(of, minds(), big).board
    infeasible = [s for s in board.experiments.values() if s.status == "infeasible"]
    assert infeasible
    assert all(values(board.candidates[s.record.candidate])["c"] > 2 for s in infeasible)
    assert all(values(board.candidates[c])["c"] <= 2 for c in board.ranking)
    assert all(values(board.candidates[c])["c"] <= 2 for c in board.archive.elites.values())
    assert board.champion is not None
    assert values(board.candidates[board.champion])["c"] <= 2
    texts = [f.text for f in board.findings if "infeasible" in f.text]
    assert any(text.endswith("infeasible: memory 90 is 5 over its most, 85") for text in texts)


def test_an_infeasible_baseline_ends_the_campaign() -> None:
    of = replace(setup(60), constraints=(Constraint("memory", max=50.0),))
    board = simulate(of, minds(), big).board
    assert board.ended == "baseline infeasible: memory 60 is 10 over its most, 50"
