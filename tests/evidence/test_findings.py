"""What is learnt from one hypothesis."""

from __future__ import annotations

import math

import pytest
from tests.boards import BASELINE, Book, setup

from aster.domain.constraints import Constraint
from aster.domain.events import FindingRecorded
from aster.domain.records import Cancelled, Failed, Finding, Goal, Invalid, Result, Setup, TimedOut
from aster.evidence.findings import finding_of, noise, trouble

NOISY = (1.0, 1.5, 2.0, 0.5, 0.0)  # sd sqrt(0.625); the first is on the search seed


def opened(of: Setup | None = None, *baseline: float) -> Book:
    book = Book(of)
    book.direction("s")
    book.baseline(*(baseline or (1.0,)))
    return book


def found(book: Book, name: str, *results: Result | float, parent: str = BASELINE) -> Finding | None:
    experiment = book.run(book.candidate(name, "d-0", parent), *results)
    return finding_of(book.board, book.board.experiments[experiment])


def test_noise_is_the_sd_of_the_baselines_own_runs() -> None:
    assert noise(opened(None, *NOISY).board) == pytest.approx(math.sqrt(0.625))


def test_exact_metrics_have_no_noise_and_one_run_tells_none() -> None:
    assert noise(opened(setup(exact=True), 1.0, 2.0).board) == 0.0
    assert noise(opened().board) == 0.0
    assert noise(Book().board) == 0.0


@pytest.mark.parametrize(("goal", "value", "gain"), [("maximize", 3.0, 2.0), ("minimize", -1.0, 2.0)])
def test_a_gain_counts_towards_the_goal(goal: Goal, value: float, gain: float) -> None:
    finding = found(opened(setup(goal)), "a", value)
    assert finding is not None
    assert (finding.hypothesis, finding.success, finding.gain) == ("h-a", True, gain)
    signed = "+2" if goal == "maximize" else "-2"
    assert finding.text == f"+ a: score 1 -> {value:g} ({signed}): better, but nothing is known of the noise; one run"


@pytest.mark.parametrize(
    ("value", "success", "word"),
    [(2.2, True, "better by more than"), (2.0, False, "within"), (0.0, False, "within"),
     (-0.2, False, "worse by more than")],
)  # fmt: skip
def test_a_success_gains_more_than_an_sd_of_a_difference(value: float, success: bool, word: str) -> None:
    """That sd is sqrt(2 * 0.625) = 1.118."""
    finding = found(opened(None, *NOISY), "a", value)
    assert finding is not None
    said = f"{word} the noise seen so far (sd 0.791 of 5 runs); one run"
    assert (finding.success, finding.text.rpartition(": ")[2]) == (success, said)


def test_more_seeds_let_smaller_gains_count() -> None:
    """On four seeds the sd of a difference is half of what it is on one."""
    baseline = (1.0, 1.0, 1.0, 1.0, 1.0 + math.sqrt(5.0))  # sd 1 over all, mean 1 on the search seeds
    many = found(opened(setup(search_seeds=4), *baseline), "a", 2.0, 2.0, 2.0, 2.0)
    one = found(opened(None, *baseline), "a", 2.0)
    assert many is not None
    assert one is not None
    assert (many.success, one.success) == (True, False)


def test_a_gain_within_the_resolution_is_none() -> None:
    for value, success in ((1.5, False), (1.75, True)):
        finding = found(opened(setup(resolution=0.5, exact=True)), "a", value)
        assert finding is not None
        assert finding.success is success
        assert finding.text.endswith(
            "better; one run" if success else "score 1 -> 1.5: a tie (difference 0.5, resolution 0.5)"
        )


def test_a_gain_is_over_the_parent_not_the_baseline() -> None:
    book = opened()
    found(book, "a", 5.0)
    finding = found(book, "b", 4.0, parent="a")
    assert finding is not None
    assert (finding.gain, finding.success) == (-1.0, False)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Failed("exit 1"), "failed: exit 1"),
        (TimedOut("solve", 90.0), "timed out: stage solve ran past 90 s"),
        (Invalid("circles overlap"), "invalid: circles overlap"),
    ],
)
def test_a_failure_is_a_dead_end_without_a_number(result: Result, words: str) -> None:
    finding = found(opened(), "a", result)
    assert finding is not None
    assert (finding.gain, finding.success, finding.text) == (None, False, f"+ a: {words}")
    assert trouble(result, opened().board.setup) == words


def test_a_cancelled_attempt_teaches_nothing() -> None:
    assert found(opened(), "a", Cancelled("the campaign's wall time is spent")) is None


def test_an_experiment_stopped_early_is_a_dead_end() -> None:
    finding = found(opened(), "a", Cancelled("stopped early at step 30: 9 is worse than 5", early=True))
    assert finding is not None
    assert finding.text == "+ a: stopped early at step 30: 9 is worse than 5"
    assert (finding.gain, finding.success) == (None, False)


def test_an_infeasible_gain_is_no_gain_and_says_by_how_much_it_broke_what() -> None:
    book = opened(setup(constraints=(Constraint("score", max=8.0),)))
    finding = found(book, "a", 9.5)
    assert finding is not None
    assert finding.text == "+ a: infeasible: score 9.5 is 1.5 over its most, 8"
    assert (finding.gain, finding.success) == (None, False)


def test_a_finding_waits_for_the_last_seed() -> None:
    book = opened(setup(search_seeds=2), 1.0, 1.0)
    assert found(book, "a", 2.0) is None
    last = book.plan("a", 1)
    book.end(last, 3.0)
    book.decide()
    finding = finding_of(book.board, book.board.experiments[last])
    assert finding is not None
    assert finding.gain == 1.5


def test_a_hypothesis_has_one_finding_however_many_of_its_seeds_fail() -> None:
    book = opened(setup(search_seeds=2), 1.0, 1.0)
    book.run(book.candidate("a", "d-0"), Failed("one"), Failed("two"))
    findings = []
    for name in book.board.experiments_of["a"]:
        finding = finding_of(book.board, book.board.experiments[name])
        if finding is not None:
            book.say(FindingRecorded(finding))
            findings.append(finding.text)
    assert findings == ["+ a: failed: one"]


def test_baselines_and_confirmations_are_no_hypotheses() -> None:
    book = opened()
    found(book, "a", 2.0)
    claim = book.claim("a", (101,))
    book.confirm(claim, [2.0], [1.0])
    states = book.board.experiments.values()
    assert all(finding_of(book.board, s) is None for s in states if s.record.purpose != "search")


def test_without_a_score_of_the_parent_on_this_hardware_nothing_can_be_said() -> None:
    book = opened()
    book.term("gpu: other")
    assert found(book, "a", 2.0) is None
