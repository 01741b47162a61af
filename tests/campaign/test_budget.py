from __future__ import annotations

import pytest

from aster.campaign.budget import Budget, attempt_seconds, check_limits, held_back, may_search
from aster.domain import events as ev
from aster.domain.records import Cancelled, Experiment, Failed, Limits, Measured, Outcome, Result, Usage
from aster.errors import BudgetError
from aster.testing.simulation import begin, simulate

from .simulated import bowl, minds, setup


@pytest.mark.parametrize(
    ("wall", "seconds"), [("2h", 7200.0), ("90m", 5400.0), ("45s", 45.0), (30, 30.0), (None, None)]
)
def test_durations(wall: str | float | None, seconds: float | None) -> None:
    assert Budget(wall=wall).limits == Limits(seconds, None)


@pytest.mark.parametrize("wall", ["soon", "2 days", "-3h", "", 0, -1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(wall: str | float) -> None:
    with pytest.raises(BudgetError, match="wall"):
        check_limits(setup(None, wall_s=Budget(wall=wall).limits.wall_s))


def test_a_campaign_needs_a_budget() -> None:
    with pytest.raises(BudgetError, match="--experiments N"):
        check_limits(setup(None))


@pytest.mark.parametrize(("exact", "least"), [(True, 4), (False, 10)])
def test_a_budget_too_small_names_the_least(exact: bool, least: int) -> None:
    check_limits(setup(least, exact=exact))
    with pytest.raises(BudgetError, match=f"--experiments {least}"):
        check_limits(setup(least - 1, exact=exact))


def test_the_least_budget_makes_one_honest_claim() -> None:
    run = simulate(setup(10), minds(), bowl(0.05))
    assert run.board.spend.experiments <= 10
    assert len(run.board.claims) == 1


def test_the_smallest_claim_is_held_back_while_nothing_stands_to_be_confirmed() -> None:
    board = begin(setup(100), minds()).board
    assert held_back(board) == 6
    assert may_search(board)


def test_a_fifth_or_one_claim_is_held_back_once_something_does() -> None:
    """With 10 confirming seeds one claim is 20 experiments: more than 20% of 60, less than 20% of 200."""
    for experiments, held in ((60, 20), (200, 40)):
        run = simulate(setup(experiments), minds(), bowl(0.1), stop_after=9)
        assert run.board.best_unconfirmed() is not None
        assert not run.board.claims
        assert held_back(run.board) == held


def test_an_attempt_takes_as_long_as_those_that_were_not_cut_short() -> None:
    run = begin(setup(100), minds())
    assert attempt_seconds(run.board) == 0.0
    ends: list[tuple[Result, float]] = [
        (Measured({"loss": 1.0}), 10.0), (Cancelled("a bar", early=True), 2.0), (Failed("at once"), 0.1)
    ]  # fmt: skip
    for number, (result, seconds) in enumerate(ends):
        name, baseline = f"x{number}", run.board.baseline or ""
        run.take(
            ev.ExperimentPlanned(Experiment(name, number, baseline, number, "search", "simulated")),
            ev.AttemptStarted(f"{name}.1", name),
            ev.OutcomeRecorded(Outcome(f"{name}.1", name, result, "simulated", Usage(seconds), 0.0, seconds)),
        )
    assert attempt_seconds(run.board) == 10.0
    assert run.board.spend.attempt_s == pytest.approx(12.1)
