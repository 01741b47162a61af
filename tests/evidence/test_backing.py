from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.boards import Book, setup

from aster.domain.records import Failed
from aster.evidence.backing import Sources, Weighed, weighed
from aster.evidence.said import ESTIMATE, FROM_LOG, FROM_LOGS, marked


def book() -> tuple[Book, str]:
    """Return a book with a baseline of 2.0, and an experiment that measured 2.5 with 3.14159 of something else."""
    of = Book(setup(exact=True))
    of.baseline(2.0, width=3.0)
    candidate = of.candidate("c-1", of.direction("search"))
    return of, of.run(candidate, 2.5, seconds=41.7, width=3.14159)


def unbacked(of: Book, text: str, evidence: Sequence[str], *given: str) -> tuple[str, ...]:
    return weighed(of.board, text, evidence, Sources(given)).unbacked


BACKED = [
    "The score is 2.5, from 2.0: a gain of 0.5.",
    "score 2.500 (+0.5), 25% better, 1.25x",
    "Width grew to 3.14159, so about 3.1416, or 3.14; 3.1415 cut off.",
    "It took 41.7 s, that is 42 seconds.",
    "We tried 3 variants of c-1 with float32 in x-12.5 and a v2.1 file::name2.",
    "a decrease of -0.5 or −0.5 to 125%",
    "5e-1 more",
    "Nothing is said in numbers here.",
    "STEPS from 150 to 400, 120 kicks, 4 of 13, 40 iterations, by 12 kicks, with seeds 17 and 180",
    "2.5 is 1.25 times as much, a factor of 1.25.",
    "It does 50 x HOPS steps, 3 x 40 of them late.",
]
UNBACKED = [
    ("The score is 2.7.", ("2.7",)),
    ("It gains 0.6 and 30%.", ("0.6", "30%")),
    ("It scored 9.", ("9",)),
    ("It improved by 7.", ("7",)),
    ("2,500 steps, 1.5e-3 each", ("2,500", "1.5e-3")),
    ("1.9x as fast, 1.9x", ("1.9x",)),
    ("Width 3.15", ("3.15",)),
    ("The score went from 2.0 to 40.", ("40",)),
    ("It improved by 120, to a score of 122.", ("120", "122")),
    ("A width of 58 after 120 kicks, then 61 of width.", ("58", "61")),
    ("It took 45 s, or 43 seconds.", ("45", "43")),
    ("2.0 -> 7", ("7",)),
    ("It is 1.35 times as much.", ("1.35",)),
]


@pytest.mark.parametrize("text", BACKED)
def test_numbers_that_were_measured_are_backed_as_they_are_rounded(text: str) -> None:
    of, experiment = book()
    assert unbacked(of, text, [experiment]) == ()


@pytest.mark.parametrize(("text", "missing"), UNBACKED)
def test_numbers_that_nothing_gave_are_named(text: str, missing: tuple[str, ...]) -> None:
    of, experiment = book()
    assert unbacked(of, text, [experiment]) == missing


def test_where_scores_are_whole_numbers_whole_numbers_need_backing() -> None:
    of = Book(setup(exact=True))
    of.baseline(300.0)
    experiment = of.run(of.candidate("c-1", of.direction("search")), 420.0)
    assert unbacked(of, "It went from 300 to 420, by 120, with 3 tries.", [experiment]) == ()
    assert unbacked(of, "It went to 421 with 150 kicks.", [experiment]) == ("421", "150")
    assert unbacked(of, "It went to 421 with 150 kicks.", [experiment], "150 kicks") == ("421",)


def test_only_what_is_in_evidence_backs_beside_what_everybody_compares_with() -> None:
    of, experiment = book()
    other = of.run(of.candidate("c-2", of.direction("layout")), 2.1, width=7.5)
    assert unbacked(of, "width 7.5", [experiment]) == ("7.5",)
    assert unbacked(of, "width 7.5", [experiment, other]) == ()
    assert unbacked(of, "width 7.5", ["x-unknown"]) == ("7.5",)


def test_what_is_given_may_be_repeated() -> None:
    of, experiment = book()
    text = "STEPS from 1500 to 4000 brings 0.5"
    assert unbacked(of, text, [experiment]) == ("1500", "4000")
    assert unbacked(of, text, [experiment], "STEPS = 1500 -> 4000") == ()
    assert unbacked(of, "It rose by 12.5%.", [experiment], "12.5 s") == ("12.5%",)


def test_no_constant_is_the_value_of_a_metric() -> None:
    of, experiment = book()
    code = Sources(code=["STEP = 0.375\nGOAL = 2.635\n"])
    assert weighed(of.board, "STEP is 0.375 and GOAL 2.635.", [experiment], code).unbacked == ()
    assert weighed(of.board, "It has a score of 2.635 at 0.375.", [experiment], code).unbacked == ("2.635",)
    assert weighed(of.board, "It comes to 2.635 score.", [experiment], code).unbacked == ("2.635",)


def test_an_experiment_that_did_not_measure_backs_no_score() -> None:
    of = Book(setup(exact=True))
    of.baseline(2.0)
    experiment = of.run(of.candidate("c-1", of.direction("search")), Failed("boom"))
    assert unbacked(of, "It reached 2.4.", [experiment]) == ("2.4",)


ROUNDED = [
    (0.12449, "0.125", True),  # shown as 0.1245, and rounded again
    (0.12449, "0.124", True),
    (0.12449, "0.12", True),
    (0.124951, "0.12495", True),
    (0.124449, "0.125", False),  # no rounding of 0.124449 to fewer digits ends in a 5
    (0.12441, "0.125", False),
    (0.12559, "0.125", False),
    (0.1255, "0.125", True),
    (17.449, "18.0", False),
    (17.449, "17", True),
    (17.49, "18", True),
    (0.0449, "0.1", False),  # one digit says too little to be a rounding of a rounding
    (2.63598308449, "2.63598309", False),
    (2.6359830849, "2.63598309", True),
]


@pytest.mark.parametrize(("value", "said", "backed"), ROUNDED)
def test_a_rounding_of_a_rounding_is_backed_and_no_more(value: float, said: str, backed: bool) -> None:
    of = Book(setup(exact=True))
    of.baseline(900.5)
    experiment = of.run(of.candidate("c-1", of.direction("search")), 500.0, width=value)
    assert unbacked(of, f"a width of {said} mm", [experiment]) == (() if backed else (said,))


def test_the_difference_of_two_scores_as_they_are_shown_is_backed() -> None:
    of = Book(setup(exact=True))
    of.baseline(1.00000041)
    experiment = of.run(of.candidate("c-1", of.direction("search")), 3.00000159)
    assert unbacked(of, "It went from 1 to 3.000002, by 2.000002.", [experiment]) == ()
    assert unbacked(of, "It went from 1 to 3.000002, by 2.000004.", [experiment]) == ("2.000004",)


BRIEF = "others came to 2.133714, 2.265557 and 2.2376, at 12.5 s and 9.1 s"
FOLLOWS = [
    ("2.133714 -> 2.265557 = 0.1318", ()),
    ("2.133714 -> 2.265557 = 0.1418", ("0.1418",)),
    ("From 2.133714 to 2.265557, 0.1 or 6.2% more, 1.062x.", ()),
    ("From 2.133714 to 2.265557, 0.2 or 6.5% more, 1.081x.", ("0.2", "6.5%", "1.081x")),
    ("It has 2.2376, the other 2.265557. That is 0.028 more.", ()),
    ("It has 2.2376, the other 2.265557. That is 0.038 more.", ("0.038",)),
    ("It took 9.1 s, not 12.5 s: 3.4 s less.", ()),
    ("It took 9.1 s, not 12.5 s. So 3.4 s less.", ("3.4",)),  # short numbers differ by anything, somewhere in a text
    ("From 2.133714 to 2.265557 by 0.1318, twice 0.2636.", ("0.2636",)),
    ("It has 2.2376 and a score of 0.028, as 2.265557.", ("0.028",)),  # no difference is a score
    ("From 2.133714 to 9.265557 = 7.131843.", ("9.265557", "7.131843")),
]


@pytest.mark.parametrize(("text", "missing"), FOLLOWS)
def test_differences_and_ratios_of_backed_numbers_beside_them_are_backed(text: str, missing: tuple[str, ...]) -> None:
    of, experiment = book()
    assert unbacked(of, text, [experiment], BRIEF) == missing


def test_what_a_log_shows_is_found_as_it_is_rounded() -> None:
    of, experiment = book()
    log = "step 1841: loss=0.41873, 12.5% done, 5.1x\nname2 v7.7"

    def held(text: str) -> Weighed:
        return weighed(of.board, text, [experiment], Sources(logs=[log]))

    assert held("At 1841 there is 0.419, 12.5% and 5.1x.").logged == ("1841", "0.419", "12.5%", "5.1x")
    assert held("At 1842 it is 0.42873, 12.5, 5.1 or 7.7.").unbacked == ("1842", "0.42873", "12.5", "5.1", "7.7")
    assert held("It is 0.419, from 2.5: 2.081.") == Weighed((), ("0.419", "2.081"))  # made of a number from the log
    assert held("It scores 2.5.") == Weighed()


def test_a_number_from_a_log_is_passed_on_with_its_mark() -> None:
    of, experiment = book()
    for told in (f"It took 1841{FROM_LOG} steps.", f"It took 1841 steps, at 0.42 each{FROM_LOGS}."):
        seen = Sources([told])
        assert weighed(of.board, "So 1841 steps.", [experiment], seen) == Weighed((), ("1841",))
        assert weighed(of.board, f"So 1841{FROM_LOG} steps.", [experiment], seen) == Weighed()
        assert weighed(of.board, f"So 1841 steps of 2.5{FROM_LOGS}.", [experiment], seen) == Weighed()
        assert weighed(of.board, f"So 1850{FROM_LOG} steps.", [experiment], seen) == Weighed(("1850",))


HEDGED = [
    ("It may take perhaps 0.2 to 0.7 s, about 0.35 more.", ("0.2", "0.7", "0.35"), ()),
    ("A gain of 0.02 is expected. It predicts 0.03; expected gain of 0.04.", ("0.03", "0.04"), ("0.02",)),
    ("It scored about 2.7 and reached perhaps 2.8.", (), ("2.7", "2.8")),
    ("It gained the expected 0.55; about 0.65 was measured.", (), ("0.55", "0.65")),
    ("The score is about 2.71.", (), ("2.71",)),
    ("The next one could reach 2.64 (likely 2.65).", ("2.65",), ("2.64",)),
    ("Its gain of 0.33 is perhaps luck.", (), ("0.33",)),
    ("The best strength perhaps lies between 0.2 and 0.63.", ("0.2", "0.63"), ()),
    ("It may lie anywhere from 0.2 sd to 0.63 sd.", ("0.2", "0.63"), ()),
    ("It lies between 0.2 and perhaps 0.63.", ("0.63",), ("0.2",)),
]


@pytest.mark.parametrize(("text", "estimates", "missing"), HEDGED)
def test_guesses_need_no_backing_in_concerns_if_they_are_said_to_be(
    text: str, estimates: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    of, experiment = book()
    assert weighed(of.board, "It scores 2.5.", [experiment], concerns=text) == Weighed(missing, (), estimates)
    assert set(unbacked(of, text, [experiment])) == {*estimates, *missing}  # never in the finding itself


def test_what_another_guessed_backs_nothing() -> None:
    of, experiment = book()
    told = f"It may gain perhaps 0.35{ESTIMATE}."
    assert unbacked(of, "It gains 0.35.", [experiment], told) == ("0.35",)
    assert unbacked(of, f"Others expect 0.35{ESTIMATE}.", [experiment], told) == ()
    assert unbacked(of, f"Others expect 0.45{ESTIMATE}.", [experiment], told) == ("0.45",)


def test_a_sentence_is_marked_once() -> None:
    text = "It took 1841 steps at 0.42, to 2.5. It took 1841 steps. Of 17.5 or 7.5 none knows."
    assert marked(text, ("17.5",), ("1841", "0.42")) == (
        f"It took 1841 steps at 0.42, to 2.5{FROM_LOGS}. It took 1841{FROM_LOG} steps. Of [unbacked] or 7.5 none knows."
    )
    assert marked("Perhaps 0.1 to 0.5 s; 0.5 was it", (), (), ("0.1", "0.5")) == (
        f"Perhaps 0.1{ESTIMATE} to 0.5{ESTIMATE} s; 0.5 was it"
    )
    again = marked(text, (), ("1841", "0.42"))
    assert marked(again, (), ("1841", "0.42")) == again
