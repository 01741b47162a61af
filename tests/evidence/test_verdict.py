"""Verdicts, against SciPy's tests and by simulation."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.boards import BASELINE, CPU, Book, setup

from aster.domain.constraints import Constraint
from aster.domain.events import ClaimDecided
from aster.domain.records import Cancelled, Decided, Failed, Goal, Invalid, Result, TimedOut
from aster.evidence.design import alpha_of
from aster.evidence.verdict import champion_value, decide_claim, finished, interval, interval_unpaired, verdict_of

SAMPLES = st.lists(st.integers(-1000, 1000).map(lambda n: n / 16), min_size=3, max_size=12)
ALPHAS = st.sampled_from([0.05, alpha_of(1), alpha_of(5)])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(SAMPLES.filter(lambda x: len(set(x)) > 1), ALPHAS)
def test_the_paired_interval_is_students(gains: list[float], alpha: float) -> None:
    expected = stats.ttest_1samp(gains, 0.0).confidence_interval(1 - 2 * alpha)
    mean, low, high = interval(gains, alpha)
    assert (mean, low, high) == pytest.approx((np.mean(gains), expected.low, expected.high), rel=1e-9, abs=1e-9)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(SAMPLES, SAMPLES, ALPHAS)
def test_the_unpaired_interval_is_welchs(new: list[float], old: list[float], alpha: float) -> None:
    if len(set(new)) == len(set(old)) == 1:
        assert interval_unpaired(new, old, alpha) == (new[0] - old[0],) * 3
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the reference warns where one sample does not vary
        expected = stats.ttest_ind(new, old, equal_var=False).confidence_interval(1 - 2 * alpha)
    mean, low, high = interval_unpaired(new, old, alpha)
    assert mean == pytest.approx(np.mean(new) - np.mean(old), abs=1e-9)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-9)


def test_welchs_interval_scales_down_to_any_unit() -> None:
    new, old = [1.0, 2.0, 4.0], [0.0, 0.5, 3.0, 1.0]
    unit = 2.0**-300  # the square of a variance in it underflows
    scaled = interval_unpaired([unit * x for x in new], [unit * x for x in old], 0.05)
    assert [x / unit for x in scaled] == pytest.approx(interval_unpaired(new, old, 0.05))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.6, 1.0, "confirmed"), (0.5, 1.0, "undecided"), (0.2, 0.6, "undecided"), (0.2, 0.5, "refuted"),
     (-1.0, 0.1, "refuted"), (0.7, 0.7, "confirmed"), (0.5, 0.5, "refuted")],
)  # fmt: skip
def test_confirmed_means_by_more_than_the_least(low: float, high: float, verdict: str) -> None:
    assert verdict_of(low, high, 0.5) == verdict


def opened(goal: Goal = "maximize", **more: Any) -> Book:
    """Return a board with a baseline at 10 and a candidate "a" that is better by 2."""
    book = Book(setup(goal, **more))
    sign = 1 if goal == "maximize" else -1
    book.baseline(10.0)
    book.run(book.candidate("a"), 10.0 + 2 * sign)
    return book


def verdict_on(book: Book, new: list[Result | float], old: list[Result | float], **more: Any) -> Decided:
    """Claim "a" over the baseline, run the claim and decide it."""
    hardware = more.pop("hardware", None)
    claim = book.claim("a", range(101, 101 + len(new)), **more)
    book.confirm(claim, new, old, hardware)
    assert finished(book.board, book.board.claims[claim])
    return decide_claim(book.board, book.board.claims[claim])


# --- noisy metrics ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize("paired", [True, False])
def test_a_clear_gain_is_confirmed_and_a_clear_loss_refuted(goal: Goal, paired: bool) -> None:
    old: list[Result | float] = [10.0, 10.5, 9.5, 10.25]
    up: list[Result | float] = [12.0, 12.4, 11.6, 12.35]
    down: list[Result | float] = [8.0, 8.4, 7.6, 8.35]
    good, bad = (up, down) if goal == "maximize" else (down, up)
    for new, verdict in ((good, "confirmed"), (bad, "refuted")):
        decided = verdict_on(opened(goal, paired=paired), new, old)
        assert (decided.verdict, decided.pairs, decided.note) == (verdict, 4, "")
        assert decided.gain is not None
        assert decided.gain == pytest.approx(2.025 if verdict == "confirmed" else -1.975, abs=0.06)


def test_the_interval_told_is_that_of_the_gains() -> None:
    new, old = [12.0, 13.0, 12.0], [10.0, 10.5, 11.0]
    paired = verdict_on(opened("maximize"), [*new], [*old], alpha=0.03)
    assert (paired.gain, paired.low, paired.high) == interval([2.0, 2.5, 1.0], 0.03)
    unpaired = verdict_on(opened("minimize", paired=False), [*new], [*old], alpha=0.03)
    assert unpaired.verdict == "refuted"
    mean, low, high = interval_unpaired(old, new, 0.03)
    assert (unpaired.gain, unpaired.low, unpaired.high) == pytest.approx((mean, low, high))


def test_pairing_helps_where_seeds_carry_the_noise() -> None:
    old: list[Result | float] = [1.0, 9.0, 17.0, 5.0]
    new: list[Result | float] = [2.0, 10.1, 18.0, 6.1]
    assert verdict_on(opened(), new, old).verdict == "confirmed"
    assert verdict_on(opened(paired=False), new, old).verdict == "undecided"


def test_a_gain_below_the_least_is_not_confirmed_however_sure() -> None:
    old: list[Result | float] = [10.0, 10.0, 10.0]
    new: list[Result | float] = [10.4, 10.41, 10.39]
    assert verdict_on(opened(resolution=0.5), new, old).verdict == "refuted"
    assert verdict_on(opened(resolution=0.3), new, old).verdict == "confirmed"


def test_undecided_says_how_many_pairs_would_decide() -> None:
    book = opened()
    decided = verdict_on(book, [11.0, 13.0, 10.5, 12.5], [10.0, 10.0, 12.0, 10.0], alpha=0.03)
    assert decided.verdict == "undecided"
    assert decided.gain is not None
    assert decided.low is not None
    needed = int(decided.note.split()[1])
    assert needed == math.ceil(4 * ((decided.gain - decided.low) / decided.gain) ** 2) > 4
    assert decided.note == f"about {needed} pairs would decide it if the gain is as measured"


def test_undecided_without_a_gain_promises_nothing() -> None:
    decided = verdict_on(opened(), [9.0, 11.0, 9.9], [10.0, 10.0, 10.0])
    assert (decided.verdict, decided.note.startswith("the mean gain")) == ("undecided", True)


@pytest.mark.parametrize("broken", [Failed("exit 1"), TimedOut("solve", 2.0), Invalid("overlap")])
def test_a_candidate_that_breaks_on_a_fresh_seed_is_refuted(broken: Result) -> None:
    decided = verdict_on(opened(), [20.0, broken, 20.0, 20.5], [10.0, 10.0, 10.0, 10.0])
    assert (decided.verdict, decided.gain, decided.low, decided.high, decided.pairs) == ("refuted", None, None, None, 0)
    assert "of the claimed candidate" in decided.note
    assert decided.note.endswith(("failed: exit 1", "timed out: stage solve ran past 2 s", "invalid: overlap"))


@pytest.mark.parametrize("broken", [Failed("exit 1"), Cancelled("late")])
def test_a_standing_candidate_that_breaks_spoils_its_pair(broken: Result) -> None:
    decided = verdict_on(opened(), [20.0, 99.0, 20.0, 20.5], [10.0, broken, 10.0, 10.0])
    assert (decided.verdict, decided.pairs) == ("confirmed", 3)
    assert decided.gain == pytest.approx(61 / 6)


def test_a_candidate_that_is_infeasible_on_a_fresh_seed_is_refuted() -> None:
    book = opened(constraints=(Constraint("score", max=13.0),))
    decided = verdict_on(book, [12.0, 12.1, 13.5, 12.2], [10.0] * 4)
    assert (decided.verdict, decided.gain) == ("refuted", None)
    assert decided.note.endswith("of the claimed candidate infeasible: score 13.5 is 0.5 over its most, 13")


def test_a_standing_candidate_that_is_infeasible_spoils_its_pair() -> None:
    book = opened(constraints=(Constraint("score", min=9.0),))
    decided = verdict_on(book, [12.0, 12.1, 12.3, 12.2], [10.0, 8.0, 10.1, 9.9])
    assert (decided.verdict, decided.pairs) == ("confirmed", 3)


def test_a_cancelled_run_of_the_candidate_spoils_its_pair() -> None:
    decided = verdict_on(opened(), [20.0, Cancelled("late"), 20.0, 20.5], [10.0, 10.0, 10.0, 10.0])
    assert (decided.verdict, decided.pairs) == ("confirmed", 3)


def test_a_pair_on_two_kinds_of_hardware_is_no_pair() -> None:
    kinds = [(CPU, CPU), ("gpu: fast", CPU), (CPU, CPU), ("gpu: fast", "gpu: fast")]
    decided = verdict_on(opened(), [12.0, 99.0, 12.5, 12.0], [10.0, 10.0, 10.0, 10.0], hardware=kinds)
    assert decided.pairs == 3
    assert decided.gain == pytest.approx(13 / 6)


def test_too_few_complete_pairs_decide_nothing() -> None:
    decided = verdict_on(opened(), [20.0, 20.0, 20.5], [10.0, Failed("x"), 10.0])
    assert (decided.verdict, decided.gain, decided.pairs) == ("undecided", None, 2)
    assert decided.note == "too few complete pairs"


def test_a_claim_is_finished_when_all_it_planned_was_seen() -> None:
    book = opened()
    claim = book.board.claims[book.claim("a", (101, 102))]
    planned = []
    for seed in (101, 102):
        for candidate in ("a", BASELINE):
            assert not finished(book.board, claim)
            planned.append(book.plan(candidate, seed, "confirm", claim=claim.record.id))
    for experiment in planned:
        assert not finished(book.board, claim)
        book.end(experiment, 1.0)
    assert not finished(book.board, claim)
    book.decide()
    assert finished(book.board, claim)


# --- error rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paired", [True, False])
def test_without_a_gain_the_first_claim_is_confirmed_at_rate_alpha(paired: bool) -> None:
    """Students' test is exact here; Welch's is a little conservative with five values a side."""
    rng, alpha, draws, pairs = np.random.default_rng(7), alpha_of(1), 2000, 5
    confirmed = 0
    for new, old in zip(rng.normal(0, 1, (draws, pairs)), rng.normal(0, 1, (draws, pairs)), strict=True):
        _, low, high = interval(list(new - old), alpha) if paired else interval_unpaired(list(new), list(old), alpha)
        confirmed += verdict_of(low, high, 0.0) == "confirmed"
    sigma = math.sqrt(alpha * (1 - alpha) / draws)
    assert confirmed / draws == pytest.approx(alpha, abs=3 * sigma)


def test_a_campaign_without_gains_rarely_crowns_anybody() -> None:
    """Twenty claims in a row, each on fresh seeds: at most 5% of such campaigns confirm any."""
    rng, campaigns, crowned = np.random.default_rng(11), 400, 0
    for _ in range(campaigns):
        gains = rng.normal(0, 1, (20, 4))
        crowned += any(
            verdict_of(*interval(list(row), alpha_of(k + 1))[1:], 0.0) == "confirmed" for k, row in enumerate(gains)
        )
    assert crowned / campaigns <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / campaigns)
    assert crowned > 0


# --- exact metrics ----------------------------------------------------------------------------------------------


def exact(goal: Goal = "maximize", value: float = 12.0, **more: Any) -> Book:
    book = Book(setup(goal, exact=True, resolution=0.5, **more))
    book.baseline(10.0)
    book.run(book.candidate("a"), value)
    return book


@pytest.mark.parametrize(
    ("goal", "value", "verdict", "gain"),
    [
        ("maximize", 12.0, "confirmed", 2.0),
        ("maximize", 10.75, "confirmed", 0.75),
        ("maximize", 10.5, "refuted", 0.5),
        ("maximize", 10.0, "refuted", 0.0),
        ("maximize", 8.0, "refuted", -2.0),
        ("minimize", 8.0, "confirmed", 2.0),
        ("minimize", 12.0, "refuted", -2.0),
    ],
)
def test_an_exact_claim_compares_two_numbers(goal: Goal, value: float, verdict: str, gain: float) -> None:
    decided = verdict_on(exact(goal, value), [value], [10.0])
    assert (decided.verdict, decided.gain, decided.low, decided.high, decided.pairs) == (verdict, gain, gain, gain, 1)
    assert decided.note == "exact: both artifacts scored again"


def test_an_exact_score_may_be_told_on_any_hardware() -> None:
    decided = verdict_on(exact(), [12.0], [10.0], hardware=[("gpu: fast", CPU)])
    assert decided.verdict == "confirmed"


@pytest.mark.parametrize(("new", "old", "who"), [(13.0, 10.0, "a"), (12.0, 9.0, BASELINE)])
def test_an_artifact_that_scores_otherwise_refutes_the_claim(new: float, old: float, who: str) -> None:
    decided = verdict_on(exact(), [new], [old])
    assert (decided.verdict, decided.gain) == ("refuted", None)
    assert decided.note.startswith(f"scoring {who} again gave")


def test_a_rescore_within_the_resolution_is_the_same() -> None:
    assert verdict_on(exact(), [12.5], [10.0]).verdict == "confirmed"


def test_with_several_search_seeds_an_artifact_is_held_to_its_own_score_not_the_mean() -> None:
    book = Book(setup(exact=True, resolution=0.5, search_seeds=2))
    book.baseline(10.0, 4.0)
    book.run(book.candidate("a"), 12.0, 18.0)
    assert verdict_on(book, [12.0], [10.0]).verdict == "confirmed"
    assert verdict_on(book, [15.0], [10.0]).note.startswith("scoring a again gave 15.0")


def test_without_a_kept_artifact_the_code_runs_again_and_must_agree() -> None:
    for value, verdict in ((12.0, "confirmed"), (14.0, "refuted")):
        book = exact()
        claim = book.claim("a", (101,))
        for candidate, score in (("a", value), (BASELINE, 10.0)):
            book.end(book.plan(candidate, 101, "confirm", claim=claim), score)
        book.decide()
        assert decide_claim(book.board, book.board.claims[claim]).verdict == verdict


def test_an_artifact_that_cannot_be_scored_decides_by_whose_it_is() -> None:
    assert verdict_on(exact(), [Failed("x")], [10.0]).verdict == "refuted"
    assert verdict_on(exact(), [12.0], [Failed("x")]).verdict == "undecided"


# --- the champion -----------------------------------------------------------------------------------------------


def test_the_champions_value_comes_from_its_claims_pairs_alone() -> None:
    book = opened()
    assert champion_value(book.board) is None
    kinds = [(CPU, CPU), (CPU, CPU), ("gpu: fast", CPU), (CPU, CPU)]
    decided = verdict_on(book, [14.0, 13.0, 99.0, 15.0], [10.0, 10.0, 10.0, 10.0], hardware=kinds)
    book.say(ClaimDecided(decided))
    assert book.board.champion == "a"
    assert champion_value(book.board) == 14.0


def test_a_later_refuted_claim_leaves_the_champions_value_alone() -> None:
    book = opened()
    book.say(ClaimDecided(verdict_on(book, [14.0, 13.0, 15.0], [10.0, 10.0, 10.1])))
    book.run(book.candidate("b"), 20.0)
    claim = book.claim("b", (201, 202, 203))
    book.confirm(claim, [1.0, 1.0, 1.1], [14.0, 14.0, 14.0])
    book.say(ClaimDecided(decide_claim(book.board, book.board.claims[claim])))
    assert book.board.champion == "a"
    assert champion_value(book.board) == 14.0
