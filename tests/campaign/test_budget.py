from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from aster.campaign.budget import (
    GPU_SPENT,
    Budget,
    attempt_seconds,
    check_limits,
    gpus_spent,
    held_back,
    may_search,
    pairs_affordable,
)
from aster.campaign.decide import decide, ready
from aster.domain import events as ev
from aster.domain.ids import seeded
from aster.domain.records import Cancelled, Experiment, Failed, Limits, Measured, Outcome, Result, Setup, Usage
from aster.domain.research import ModelChoice, Price
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


# --- what models and devices may cost ---------------------------------------------------------------------------


@pytest.mark.parametrize(("tokens", "number"), [(5, 5), ("500k", 500_000), ("1.5M", 1_500_000), ("2G", 2 * 10**9)])
def test_tokens_are_a_number_or_a_short_form_of_one(tokens: int | str, number: int) -> None:
    assert Budget(tokens=tokens).limits.tokens == number


@pytest.mark.parametrize("tokens", ["many", "", "5m", 0, -3, 1.5, True, "0.2", "inf"])
def test_what_is_no_number_of_tokens_is_refused(tokens: Any) -> None:
    with pytest.raises(BudgetError, match="budget of tokens"):
        _ = Budget(tokens=tokens).limits


@pytest.mark.parametrize("amount", [0, -1, float("nan"), float("inf"), "5", True])
def test_dollars_and_hours_are_numbers_above_zero(amount: Any) -> None:
    with pytest.raises(BudgetError, match="budget of dollars must be a number above 0"):
        _ = Budget(usd=amount).limits
    with pytest.raises(BudgetError, match="budget of GPU hours must be a number above 0"):
        _ = Budget(gpu_hours=amount).limits


def test_hours_are_kept_as_seconds() -> None:
    assert Budget(usd=2, gpu_hours=0.5).limits == Limits(usd=2.0, gpu_s=1800.0)


PAID, FREE = ModelChoice("openai:big", Price(1.0, 2.0)), ModelChoice("local:small")


@pytest.mark.parametrize(
    ("models", "limits", "why"),
    [
        ([PAID], Limits(), "openai:big costs money: give --usd"),
        ([PAID], Limits(tokens=9), "openai:big costs money: give --usd"),
        ([FREE], Limits(), "no price is known for local:small: give --price local:small=INPUT,OUTPUT"),
        ([PAID, FREE], Limits(usd=1.0), "no price is known for local:small"),
        ([FREE], Limits(usd=1.0, tokens=9), "--usd bounds nothing: no price is known for local:small"),
        ([], Limits(usd=1.0), "--usd bounds nothing: this campaign has no language model"),
        ([], Limits(tokens=9), "--tokens bounds nothing"),
        ([PAID], Limits(usd=1.0), None),
        ([FREE], Limits(tokens=9), None),
        ([PAID, FREE], Limits(usd=1.0, tokens=9), None),
    ],
)
def test_models_need_the_ceiling_that_bounds_them(models: list[ModelChoice], limits: Limits, why: str | None) -> None:
    asked = replace(setup(40), models=tuple(models), limits=replace(limits, experiments=40))
    if why is None:
        check_limits(asked)
        return
    with pytest.raises(BudgetError, match=re.escape(why)):
        check_limits(asked)


def test_a_ceiling_on_models_alone_is_no_budget_for_experiments() -> None:
    with pytest.raises(BudgetError, match="needs a budget"):
        check_limits(replace(setup(None), models=(PAID,), limits=Limits(usd=1.0)))


def gpu_setup(hours: float, *, slots: int = 3, most_s: float = 1800.0) -> Setup:
    limits = Limits(gpu_s=hours * 3600)
    return replace(setup(None, mode="arrival", slots=slots), limits=limits, attempt_gpu_s=most_s)


def test_gpu_hours_are_a_budget_where_gpus_are_used() -> None:
    check_limits(gpu_setup(1.0))
    with pytest.raises(BudgetError, match="uses no GPU"):
        check_limits(gpu_setup(1.0, most_s=0.0))
    with pytest.raises(BudgetError, match=r"one attempt may take 0\.5 GPU hours"):
        check_limits(gpu_setup(0.4))


@pytest.mark.parametrize("hours", [0.6, 1.0, 2.5])
def test_gpu_time_is_never_exceeded_whatever_attempts_take(hours: float) -> None:
    """Attempts take between nothing and all that they may; what was promised to those under way is not given twice."""
    run = begin(gpu_setup(hours), minds())
    board, chance, most = run.board, seeded("gpu", int(hours * 10)), 0.0
    measure = bowl(0.05)
    for _ in range(10_000):
        while ready(board) and board.ended is None:
            before = board.decision
            if decide(board, minds(), 0.0).idle and before:
                break
        for name in list(board.waiting):
            run.take(ev.AttemptStarted(f"{name}.1", name))
        most = max(most, board.spend.gpu_s + len(board.running) * board.setup.attempt_gpu_s)
        if not board.running:
            break
        attempt, name = next(iter(board.running.items()))
        record = board.experiments[name].record
        result = measure(board.candidates[record.candidate], record)
        used = Usage(60.0, 60.0, 1.0, chance.choice([0.0, 30.0, 60.0, board.setup.attempt_gpu_s]))
        run.take(ev.OutcomeRecorded(Outcome(attempt, name, result, "simulated", used, 0.0, 60.0)))
    assert board.ended == GPU_SPENT
    assert 0.0 < most <= hours * 3600
    assert board.spend.gpu_s > hours * 3600 - 2 * board.setup.attempt_gpu_s, "all that can be promised is used"


def test_lost_attempts_are_charged_all_the_gpu_time_that_they_may_have_taken() -> None:
    run = begin(gpu_setup(1.0, slots=1), minds())
    for number in range(2):
        assert not gpus_spent(run.board)
        name = f"x{number}"
        run.take(
            ev.ExperimentPlanned(Experiment(name, number, run.board.baseline or "", number, "search", "simulated")),
            ev.AttemptStarted(f"{name}.1", name),
        )
        run.take(ev.AttemptLost(f"{name}.1", name, "power cut"))
        del run.board.waiting[name]
    assert gpus_spent(run.board)
    assert not may_search(run.board)
    assert pairs_affordable(run.board) == 0
