"""Whether the runs of a claim show that a mean keeps its bound, against SciPy and by simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.boards import Book, setup

from aster.domain.constraints import Constraint
from aster.domain.records import Cancelled, Decided, Failed, Measured, Result
from aster.evidence.bounds import bound_test, bound_text, margins, outlook, p_beyond, runs_needed, runs_to_show
from aster.evidence.design import POWER, Margin, pairs_needed, power_of_mean
from aster.evidence.verdict import decide_claim

BOUND = Constraint("loss", max=3.28, p=0.01)
LOSSES = [3.2781, 3.2772, 3.2790, 3.2779, 3.2768]


@pytest.mark.parametrize("upper", [True, False])
def test_the_p_value_is_that_of_students_one_sided_test(upper: bool) -> None:
    for bound in (3.277, 3.28, 3.2785):
        expected = stats.ttest_1samp(LOSSES, bound, alternative="less" if upper else "greater").pvalue
        assert p_beyond(LOSSES, bound, upper) == pytest.approx(expected, rel=1e-9)


def test_values_without_spread_leave_no_doubt() -> None:
    assert [p_beyond([3.0] * 3, bound, True) for bound in (3.1, 3.0, 2.9)] == [0.0, 0.5, 1.0]
    assert [p_beyond([0.1] * 3, bound, False) for bound in (0.2, 0.1, 0.0)] == [1.0, 0.5, 0.0]


def test_a_mean_beyond_its_bound_is_shown_to_be_within_at_most_at_the_rate_p() -> None:
    rng, draws, p = np.random.default_rng(3), 4000, 0.05
    shown = sum(p_beyond(list(row), 0.0, True) < p for row in rng.normal(0.0, 1.0, (draws, 4)))
    assert shown / draws == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) / draws))


@pytest.mark.parametrize(
    ("values", "verdict", "said"),
    [
        ([3.27, 3.271, 3.269], "confirmed", "the mean loss of 3 runs, 3.27, is at most 3.28 (p = 0.0017, below 0.01)"),
        ([3.29, 3.291, 3.289], "refuted", "is not at most 3.28: it is beyond it (p = 0.0017 for being within, below"),
        ([3.27, 3.29, 3.265], "undecided", "is not shown to be at most 3.28 (p = 0.29, to be below 0.01); about 42"),
        ([3.285, 3.28, 3.279], "undecided", "; it lies on the wrong side, and more runs would rather refute it"),
        ([3.27], "undecided", "too few runs tell whether the mean of loss is at most 3.28"),
        ([], "undecided", "too few runs tell"),
    ],
)
def test_a_bound_is_shown_refuted_or_neither(values: list[float], verdict: str, said: str) -> None:
    test = bound_test("loss", values, 3.28, True, 0.01)
    assert test.verdict == verdict
    assert said in bound_text(test)


def test_a_least_is_a_bound_too() -> None:
    test = bound_test("accuracy", [0.91, 0.92, 0.915], 0.9, False, 0.05)
    assert (test.verdict, test.n) == ("confirmed", 3)
    assert test.mean == pytest.approx(0.915)
    assert "is at least 0.9 (p = 0.018, below 0.05)" in bound_text(test)


def test_the_runs_that_would_show_it_do_and_one_fewer_do_not() -> None:
    expected = Margin(0.001, 0.0013, 0.01)
    runs = runs_to_show(expected, 3)
    assert runs is not None

    def shown(n: int) -> bool:
        return float(stats.t.sf(expected.margin * math.sqrt(n) / expected.sd, n - 1)) < expected.p

    assert shown(runs)
    assert not shown(runs - 1)
    assert runs_to_show(Margin(1e-9, 1.0, 0.01), 3) is None


def test_the_power_of_a_mean_is_that_of_simulated_tests() -> None:
    rng, draws, runs = np.random.default_rng(5), 4000, 6
    expected = Margin(1.0, 0.8, 0.01)
    shown = sum(p_beyond(list(row), 1.0, True) < 0.01 for row in rng.normal(0.0, 0.8, (draws, runs)))
    power = power_of_mean(runs, expected)
    assert shown / draws == pytest.approx(power, abs=3 * math.sqrt(power * (1 - power) / draws))
    assert [power_of_mean(3, Margin(each, 0.0, 0.01)) for each in (1.0, 0.0, -1.0)] == [1.0, 0.0, 0.0]


def test_pairs_are_enough_for_the_gain_and_for_the_mean() -> None:
    clear = {"gain": 50.0, "sd": 1.0, "alpha": 0.03, "paired": True, "most": 40}
    margin = Margin(0.0015, 0.0013, 0.01)
    assert pairs_needed(**clear)[0] == 3  # type: ignore[arg-type]
    pairs, power = pairs_needed(**clear, margins=(margin,))  # type: ignore[arg-type]
    assert power >= POWER > power_of_mean(pairs - 1, margin)
    assert power == pytest.approx(power_of_mean(pairs, margin))
    least = pairs_needed(**clear | {"most": 5}, margins=(margin,))  # type: ignore[arg-type]
    assert (least[0], least[1] < POWER) == (5, True)


def test_the_runs_needed_reach_the_power_and_one_fewer_does_not() -> None:
    for margin in (0.5, 1.0, 3.0):
        runs = runs_needed(Margin(margin, 1.0, 0.01))
        assert runs is not None
        assert power_of_mean(runs, Margin(margin, 1.0, 0.01)) >= POWER
        assert runs == 2 or power_of_mean(runs - 1, Margin(margin, 1.0, 0.01)) < POWER
    assert runs_needed(Margin(1.0, 0.0, 0.01)) == 2
    assert runs_needed(Margin(0.0, 1.0, 0.01)) is None
    assert runs_needed(Margin(1e-9, 1.0, 0.01)) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            LOSSES,
            "5 runs is 3.2778 (sd 0.00085). A claim of a candidate like it takes 5 runs to show that it is at most",
        ),
        ([3.2781, 3.2801, 3.2790], "takes 15 runs to show that it is at most 3.28 (p < 0.01), at 80% power, more than"),
        ([3.29, 3.28], "is 3.285 (sd 0.0071), and a claim must show that it is at most 3.28 (p < 0.01): no candidate"),
        ([3.28, 3.28 - 1e-9, 3.27, 3.29 - 1e-9], "too near to its bound for any claim"),
    ],
)
def test_the_outlook_says_what_a_claim_takes(values: list[float], said: str) -> None:
    assert said in outlook(BOUND, values, 10)


# --- claims -------------------------------------------------------------------------------------------------------


def runs(losses: list[float | None], score: float) -> list[Result | float]:
    more: list[dict[str, float]] = [{} if loss is None else {"loss": loss} for loss in losses]
    return [Measured({"score": score + 0.1 * i} | each) for i, each in enumerate(more)]


def claimed(new: list[Result | float], *constraints: Constraint, score: float = 100.0, **more: Any) -> Decided:
    """Claim "a" over a baseline at 100 (minimize), run the claim and decide it."""
    book = Book(setup("minimize", constraints=constraints, **more))
    book.baseline(100.0, loss=3.27)
    book.run(book.candidate("a"), 90.0, loss=3.27)
    claim = book.claim("a", range(101, 101 + len(new)))
    book.confirm(claim, new, runs([3.30] * len(new), score))
    return decide_claim(book.board, book.board.claims[claim])


def test_a_gain_is_confirmed_if_the_mean_keeps_its_bound() -> None:
    decided = claimed(runs([3.2701, 3.2702, 3.2699], 90.0), BOUND)
    assert decided.verdict == "confirmed"
    assert decided.note == "the mean loss of 3 runs, 3.270067, is at most 3.28 (p < 0.0001, below 0.01)"
    assert [(test.metric, test.bound, test.n, test.verdict) for test in decided.bounds] == [
        ("loss", 3.28, 3, "confirmed")
    ]


def test_one_run_beyond_the_bound_refutes_nothing() -> None:
    decided = claimed(runs([3.2801, 3.270, 3.271, 3.270, 3.2705, 3.2695, 3.270, 3.2703], 90.0), BOUND)
    assert decided.verdict == "confirmed"


def test_a_gain_whose_mean_is_not_shown_is_undecided_and_says_what_would_decide() -> None:
    decided = claimed(runs([3.27, 3.29, 3.265], 90.0), BOUND)
    assert (decided.verdict, decided.pairs) == ("undecided", 3)
    assert decided.gain is not None
    assert decided.note.startswith("the gain is shown; the mean loss of 3 runs, 3.275, is not shown to be at most 3.28")
    assert "runs would show it" in decided.note


def test_a_mean_beyond_its_bound_beyond_doubt_refutes() -> None:
    decided = claimed(runs([3.29, 3.291, 3.2895], 90.0), BOUND)
    assert decided.verdict == "refuted"
    assert decided.gain == pytest.approx(10.0)
    assert "it is beyond it" in decided.note


def test_no_gain_is_refuted_whatever_the_mean() -> None:
    decided = claimed(runs([3.2701, 3.2702, 3.2699], 110.0), BOUND)
    assert decided.verdict == "refuted"
    assert not decided.note.startswith("the gain is shown")


def test_an_undecided_gain_with_a_mean_that_is_shown_stays_undecided() -> None:
    new: list[Result | float] = [
        Measured({"score": 100.0 + off, "loss": loss}) for off, loss in ((-9, 3.27), (7.0, 3.2701), (-2, 3.2699))
    ]
    decided = claimed(new, BOUND)
    assert decided.verdict == "undecided"
    assert decided.note.split("; ")[0].startswith("about ")
    assert "is at most 3.28" in decided.note


def test_the_runs_of_spoiled_pairs_count_and_what_was_cancelled_does_not() -> None:
    book = Book(setup("minimize", constraints=(BOUND,)))
    book.baseline(100.0, loss=3.27)
    book.run(book.candidate("a"), 90.0, loss=3.27)
    claim = book.claim("a", range(101, 106))
    new = runs([3.27, 3.2701, 3.2699, 3.2702, 0.0], 90.0)
    new[4] = Cancelled("late")
    old = runs([3.3] * 5, 100.0)
    old[0] = Failed("boom")
    book.confirm(claim, new, old)
    decided = decide_claim(book.board, book.board.claims[claim])
    assert (decided.verdict, decided.pairs, decided.bounds[0].n) == ("confirmed", 3, 4)


def test_a_run_that_does_not_report_the_metric_leaves_its_mean_unknown() -> None:
    decided = claimed(runs([3.27, None, 3.2701], 90.0), BOUND)
    assert decided.verdict == "undecided"
    assert "too few runs" in decided.note


def test_both_ends_of_a_bounded_mean_are_tested() -> None:
    between = Constraint("loss", min=3.2, max=3.28, p=0.01)
    decided = claimed(runs([3.2701, 3.2702, 3.2699], 90.0), between, Constraint("loss", max=3.5))
    assert [(test.bound, test.verdict) for test in decided.bounds] == [(3.2, "confirmed"), (3.28, "confirmed")]


def test_the_design_takes_margin_and_noise_from_what_was_seen() -> None:
    book = Book(setup("minimize", constraints=(BOUND,)))
    for loss in (3.27, 3.272):
        book.run("c-baseline", 100.0, purpose="baseline", loss=loss)
    book.run(book.candidate("a"), 90.0, loss=3.275)
    (margin,) = margins(book.board, "a")
    assert [margin.margin, margin.sd, margin.p] == pytest.approx([0.005, 0.002 / 2**0.5, 0.01])
    assert margins(book.board, "nobody") == ()
