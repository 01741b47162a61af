from __future__ import annotations

import pytest
from tests.boards import Book, setup

from aster.domain.records import Failed
from aster.evidence.backing import FROM_LOG, in_logs, unbacked


def book() -> tuple[Book, str]:
    """Return a book with a baseline of 2.0, and an experiment that measured 2.5 with 3.14159 of something else."""
    of = Book(setup(exact=True))
    of.baseline(2.0, width=3.0)
    candidate = of.candidate("c-1", of.direction("search"))
    return of, of.run(candidate, 2.5, seconds=41.7, width=3.14159)


BACKED = [
    "The score is 2.5, from 2.0: a gain of 0.5.",
    "score 2.500 (+0.5), 25% better, 1.25x",
    "Width grew to 3.14159, so about 3.1416, or 3.14; 3.1415 cut off.",
    "It took 41.7 s, that is 42 seconds.",
    "We tried 3 variants of c-1 with float32 in x-12.5 and a v2.1 file::name2.",
    "a decrease of -0.5 or −0.5 to 125%",
    "5e-1 more",
    "Nothing is said in numbers here.",
]
UNBACKED = [
    ("The score is 2.7.", ("2.7",)),
    ("It gains 0.6 and 30%.", ("0.6", "30%")),
    ("It scored 9.", ("9",)),
    ("It improved by 7.", ("7",)),
    ("2,500 steps, 1.5e-3 each", ("2,500", "1.5e-3")),
    ("1.9x as fast, 1.9x", ("1.9x",)),
    ("Width 3.15", ("3.15",)),
]


@pytest.mark.parametrize("text", BACKED)
def test_numbers_that_were_measured_are_backed_as_they_are_rounded(text: str) -> None:
    of, experiment = book()
    assert unbacked(of.board, text, [experiment]) == ()


@pytest.mark.parametrize(("text", "missing"), UNBACKED)
def test_numbers_that_nothing_gave_are_named(text: str, missing: tuple[str, ...]) -> None:
    of, experiment = book()
    assert unbacked(of.board, text, [experiment]) == missing


def test_only_what_is_in_evidence_backs_beside_what_everybody_compares_with() -> None:
    of, experiment = book()
    other = of.run(of.candidate("c-2", of.direction("layout")), 2.1, width=7.5)
    assert unbacked(of.board, "width 7.5", [experiment]) == ("7.5",)
    assert unbacked(of.board, "width 7.5", [experiment, other]) == ()
    assert unbacked(of.board, "width 7.5", ["x-unknown"]) == ("7.5",)


def test_what_is_given_may_be_repeated() -> None:
    of, experiment = book()
    text = "STEPS from 150 to 400 brings 0.5"
    assert unbacked(of.board, text, [experiment]) == ("150", "400")
    assert unbacked(of.board, text, [experiment], given=["STEPS = 150 -> 400"]) == ()


def test_an_experiment_that_did_not_measure_backs_no_score() -> None:
    of = Book(setup(exact=True))
    of.baseline(2.0)
    experiment = of.run(of.candidate("c-1", of.direction("search")), Failed("boom"))
    assert unbacked(of.board, "It reached 2.4.", [experiment]) == ("2.4",)


ROUNDED = [
    (0.12449, "0.125", True),  # shown as 0.1245, and rounded again
    (0.12449, "0.124", True),
    (0.12449, "0.12", True),
    (0.124951, "0.12495", True),
    (0.124449, "0.125", False),  # no rounding of 0.124449 to fewer digits ends in a 5
    (0.12441, "0.125", False),
    (0.12559, "0.125", False),
    (0.1255, "0.125", True),
    (17.449, "18", False),
    (17.449, "17", True),
    (17.49, "18", True),
    (0.0449, "0.1", False),  # one digit says too little to be a rounding of a rounding
    (2.63598308449, "2.63598309", False),
    (2.6359830849, "2.63598309", True),
]


@pytest.mark.parametrize(("value", "said", "backed"), ROUNDED)
def test_a_rounding_of_a_rounding_is_backed_and_no_more(value: float, said: str, backed: bool) -> None:
    of = Book(setup(exact=True))
    of.baseline(900.0)
    experiment = of.run(of.candidate("c-1", of.direction("search")), 500.0, width=value)
    assert unbacked(of.board, f"a width of {said} mm", [experiment]) == (() if backed else (said,))


def test_the_difference_of_two_scores_as_they_are_shown_is_backed() -> None:
    of = Book(setup(exact=True))
    of.baseline(1.00000041)
    experiment = of.run(of.candidate("c-1", of.direction("search")), 3.00000159)
    assert unbacked(of.board, "It went from 1 to 3.000002, by 2.000002.", [experiment]) == ()
    assert unbacked(of.board, "It went from 1 to 3.000002, by 2.000004.", [experiment]) == ("2.000004",)


def test_what_a_log_shows_is_found_as_it_is_rounded() -> None:
    log = "step 1841: loss=0.41873, 12.5% done, 3.1x\nname2 v7.7"
    assert in_logs(["1841", "0.419", "12.5%", "3.1x"], [log]) == ("1841", "0.419", "12.5%", "3.1x")
    assert in_logs(["1842", "0.42873", "12.5", "3.1", "7.7"], [log]) == ()
    assert in_logs(["1841"], []) == ()


def test_a_number_from_a_log_is_passed_on_with_its_mark_only() -> None:
    of, experiment = book()
    told = f"It took 1841{FROM_LOG} steps, and 977 before."
    assert unbacked(of.board, "So 1841 steps, not 977.", [experiment], [told]) == ("1841",)
    assert unbacked(of.board, f"So 1841{FROM_LOG} steps, not 977.", [experiment], [told]) == ()
    assert unbacked(of.board, f"So 1850{FROM_LOG} steps.", [experiment], [told]) == ("1850",)
