"""Experiments that break a constraint, or one of their bars: they end, and they never rank."""

from __future__ import annotations

from tests.boards import BASELINE, CPU, Book, setup

from aster.domain.constraints import Constraint
from aster.domain.records import Cancelled, Outcome

EARLY = Cancelled("stopped early at step 3: 2 is worse than 1", early=True)


def opened() -> Book:
    book = Book(setup(constraints=(Constraint("memory", max=80.0),)))
    book.baseline(1.0, memory=10.0)
    book.direction("s")
    return book


def test_an_infeasible_measurement_has_a_status_of_its_own() -> None:
    book = opened()
    state = book.board.experiments[book.run(book.candidate("a", "d-0"), 9.0, memory=81.0)]
    assert state.status == "infeasible"
    assert state.metrics is None
    assert state.reported == {"score": 9.0, "memory": 81.0}
    assert "a" not in book.board.ranking
    assert book.board.score("a") is None
    assert book.board.tally["infeasible"] == 1


def test_what_a_constraint_needs_must_be_there() -> None:
    book = opened()
    assert book.board.experiments[book.run(book.candidate("a", "d-0"), 9.0)].status == "infeasible"


def test_one_infeasible_run_takes_a_candidate_out_of_the_ranking_for_good() -> None:
    book = opened()
    book.run(book.candidate("a", "d-0"), 9.0, memory=1.0)
    book.run(book.candidate("b", "d-0"), 5.0, memory=1.0)
    claim = book.claim("a")
    assert book.board.unclaimed() == "b"
    experiment = book.plan("a", 101, "confirm", claim=claim)
    book.end(experiment, 9.0, memory=99.0)
    book.decide()
    assert list(book.board.ranking) == ["b", BASELINE]
    assert book.board.unclaimed() == "b"
    book.end(book.plan("a", 0), 9.0, memory=1.0)
    book.decide()
    assert "a" not in book.board.ranking


def test_what_others_are_held_against_stays_ranked() -> None:
    book = opened()
    book.run(BASELINE, 1.0, purpose="baseline", memory=99.0)
    assert BASELINE in book.board.ranking


def test_an_experiment_that_was_stopped_early_is_not_a_cancelled_one() -> None:
    book = opened()
    state = book.board.experiments[book.run(book.candidate("a", "d-0"), EARLY)]
    assert state.status == "stopped_early"
    assert (state.seen, state.metrics, state.reported) == (True, None, None)
    assert book.board.tally == {"measured": 1, "stopped_early": 1}
    assert book.board.directions["d-0"].seconds == 1.0
    assert "a" not in book.board.ranking


def test_intermediate_values_survive_the_packing() -> None:
    book = opened()
    experiment = book.plan(book.candidate("a", "d-0"))
    book.end(experiment, EARLY, progress=((1, 2.5), (3, 2.0)))
    outcome = book.board.experiments[experiment].outcome
    assert isinstance(outcome, Outcome)
    assert outcome.progress == ((1, 2.5), (3, 2.0))
    assert outcome.result == EARLY
    assert outcome.hardware == CPU


def test_where_the_metric_is_exact_another_seed_that_is_infeasible_says_nothing_of_what_ranks() -> None:
    for exact in (True, False):
        book = Book(setup(exact=exact, constraints=(Constraint("memory", max=80.0),)))
        book.baseline(1.0, memory=10.0)
        book.direction("s")
        book.run(book.candidate("a", "d-0"), 9.0, memory=1.0)
        book.end(book.plan("a", 1, "repeat"), 9.0, memory=99.0)
        book.decide()
        assert ("a" in book.board.ranking) is exact
