"""Runs of two candidates of a campaign: a claim's if there is one, else the search's, on one kind of hardware."""

from __future__ import annotations

import pytest
from tests.boards import BASELINE, Book, setup

from aster.comparing.candidates import sides_of
from aster.domain.events import ClaimDecided
from aster.domain.records import Failed
from aster.errors import UserError
from aster.evidence.verdict import decide_claim


def searched(paired: bool = True) -> Book:
    book = Book(setup("minimize", paired=paired))
    book.baseline(10.0, 10.5, 9.5)
    for name in ("a", "ab"):
        book.run(book.candidate(name), 9.0, 9.5)
    return book


def test_without_a_claim_all_runs_of_both_are_compared_with_a_warning() -> None:
    a, b = sides_of(searched().board, "baseline", "ab")
    assert (a.name, b.name) == (BASELINE[:8], "ab (ab)")
    assert (a.of("score"), b.of("score")) == ([10.0, 10.5, 9.5], [9.0, 9.5])
    assert [run.keys for run in a.runs[:2]] == [run.keys for run in b.runs]
    assert "the search's own runs" in a.note


def test_without_seeds_no_run_belongs_to_another() -> None:
    a, _ = sides_of(searched(paired=False).board, "baseline", "best")
    assert all(not run.keys for run in a.runs)


def test_the_fresh_runs_of_a_claim_come_first() -> None:
    book = searched()
    claim = book.claim("a", (101, 102, 103))
    book.confirm(claim, [8.0, 8.1, 8.2], [10.0, Failed("boom"), 10.2])
    book.say(ClaimDecided(decide_claim(book.board, book.board.claims[claim])))
    for first, second in (("baseline", "a"), ("a", "baseline")):
        sides = {side.name: side for side in sides_of(book.board, first, second)}
        assert sides["a (a)"].of("score") == [8.0, 8.1, 8.2]
        assert sides[BASELINE[:8]].of("score") == [10.0, 10.2]
        assert sides["a (a)"].note == "fresh runs of claim 1"
        assert sides["a (a)"].runs[0].keys == {"seed": "101"}


def test_runs_on_another_kind_of_hardware_are_not_mixed_in() -> None:
    book = searched()
    book.run("a", 1.0, 1.0, hardware="gpu: fast")
    _, b = sides_of(book.board, "baseline", "a")
    assert b.of("score") == [9.0, 9.5]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("baseline", "champion", "has no champion"),
        ("baseline", "zz", "'zz' is no file, and begins no candidate ids of campaign toy-1"),
        ("baseline", "", "begins no candidate"),
        ("a", "a", "are the same candidate"),
    ],
)
def test_what_is_no_candidate_is_said(a: str, b: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        sides_of(searched().board, a, b)
