"""When a claim is made, and on whom."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import cast

from msgspec.structs import replace
from tests.boards import CPU, Book
from tests.boards import setup as by_hand

from aster.board import Board
from aster.campaign.budget import search_left
from aster.campaign.claims import CHEAP, artifact_of, next_claim
from aster.campaign.decide import Minds
from aster.domain import events as ev
from aster.domain.constraints import Constraint
from aster.domain.ids import seeded
from aster.domain.records import Cancelled, Candidate, Experiment, Measured, Outcome, Purpose, Result, Usage
from aster.testing.simulation import simulate

from .simulated import bowl, flat, minds, setup, values


def searched() -> Board:
    """Return the board of a campaign that was stopped in its search, before any claim."""
    return simulate(setup(60), minds(), bowl(3.0), stop_after=25).board


def without_claims(board: Board) -> Board:
    assert not board.claims
    return board


def test_the_last_claim_is_on_whom_a_model_believes_best() -> None:
    board = without_claims(searched())
    first, second = islice((c for c in board.ranking if c != board.baseline), 2)
    assert board.baseline is not None
    beliefs = {first: 20.0, second: 15.0, board.baseline: 30.0}
    claim = next_claim(board, True, lambda *_: beliefs)
    assert claim is not None
    assert (claim.candidate, claim.expected) == (second, 15.0)
    alone = next_claim(board, True)
    assert alone is not None
    assert (alone.candidate, alone.expected) == (first, None)


def test_a_model_that_does_not_know_the_best_changes_nothing() -> None:
    board = without_claims(searched())
    first, second = islice((c for c in board.ranking if c != board.baseline), 2)
    claim = next_claim(board, True, lambda *_: {second: 0.0})
    assert claim is not None
    assert claim.candidate == first


def test_nobody_is_claimed_who_measured_no_gain_whatever_a_model_believes() -> None:
    board = without_claims(simulate(setup(60), minds(), flat(1.0, 2), stop_after=25).board)
    assert board.baseline is not None
    best = next(iter(board.ranking))
    worse = [c for c in board.ranking if (g := board.gain(c, board.baseline)) is not None and g[0] < 0]
    assert worse
    claim = next_claim(board, True, lambda *_: dict.fromkeys(worse, -99.0) | {best: 20.0})
    assert claim is not None
    assert claim.candidate == best


def never(board: Board, candidate: str) -> Mapping[str, float]:
    raise AssertionError(f"{candidate} on {board.campaign}: exact metrics have no luck to allow for")


def test_exact_metrics_ask_no_model() -> None:
    without = minds()
    asked = Minds(without.planner, without.proposer, without.baseline, never)
    run = simulate(setup(40, exact=True), asked, bowl(0.0))
    assert run.board.champion is not None


def switch(candidate: Candidate, experiment: Experiment) -> Result:
    """Measure 5 less wherever A is set, and no noise: the first such candidate stands as the best."""
    return Measured({"loss": 10.0 - 5.0 * (values(candidate)["a"] > 0)})


def test_in_the_search_claims_are_cheap_against_what_it_has_left() -> None:
    """The smallest claim takes six experiments: a twentieth of 120."""
    board = without_claims(simulate(setup(100), minds(), switch, stop_after=40).board)
    assert board.best_unconfirmed() is not None
    assert next_claim(board, False) is None
    board.setup = setup(300)
    claim = next_claim(board, False)
    assert claim is not None
    assert 2 * len(claim.seeds) == 6 <= CHEAP * search_left(board)


def test_what_search_has_left_is_what_is_not_held_back() -> None:
    run = simulate(setup(60), minds(), bowl(0.1), stop_after=9)
    assert search_left(run.board) == 60 - run.board.spend.experiments - 20
    timed = simulate(setup(None, wall_s=100.0, mode="arrival"), minds(), bowl(0.1), stop_after=9)
    assert 0 < search_left(timed.board) < 300


def test_what_another_seed_wrote_is_never_what_a_claim_scores() -> None:
    book = Book(by_hand(exact=True))
    book.baseline(1.0)
    book.direction("x")
    book.candidate("a", "d-0")
    for number, purpose in ((0, "search"), (1, "repeat"), (2, "search")):
        planned = book.plan("a", number, cast(Purpose, purpose))
        result: Result = Cancelled("the machine was lost") if number == 0 else Measured({"score": 2.0})
        wrote = {"out.json": "blob"} if number else {}
        attempt = book.start(planned)
        book.say(ev.OutcomeRecorded(Outcome(attempt, planned, result, CPU, Usage(), 0.0, 1.0, artifacts=wrote)))
    kept = artifact_of(book.board, "a")
    assert kept is not None
    assert kept.purpose == "search"


def faster_but_worse(candidate: Candidate, experiment: Experiment) -> Result:
    """Measure 10 less for each of A, whose loss it raises towards 3.28 and beyond, each with a little noise."""
    rng = seeded("trade", candidate.id, experiment.seed)
    a = values(candidate)["a"]
    quality = 3.2705 + 0.002 * a + rng.gauss(0.0, 0.001)
    return Measured({"loss": 100.0 - 10.0 * a + rng.gauss(0.0, 1.0), "quality": quality})


def test_the_fastest_whose_mean_keeps_its_bound_is_crowned() -> None:
    bound = Constraint("quality", max=3.28, p=0.01)
    of = replace(setup(80), constraints=(bound,))
    board = simulate(of, minds(), faster_but_worse).board
    assert board.champion is not None
    best = next(iter(board.ranking))  # the fastest of all, and too bad
    assert values(board.candidates[best])["a"] == 6
    assert board.here.means.beyond(best) is not None
    assert values(board.candidates[board.champion])["a"] in (3, 4)
    claimed = [state.record for state in board.claims.values()]
    assert all(values(board.candidates[claim.candidate])["a"] < 6 for claim in claimed)
    won = next(c for c in board.claims.values() if c.record.candidate == board.champion)
    assert won.decided is not None
    assert [(test.metric, test.verdict) for test in won.decided.bounds] == [("quality", "confirmed")]
    free = simulate(setup(80), minds(), faster_but_worse).board
    assert free.champion is not None
    assert values(free.candidates[free.champion])["a"] == 6


def test_a_claim_takes_the_pairs_that_its_mean_needs() -> None:
    bound = Constraint("quality", max=3.28, p=0.01)
    book = Book(by_hand("minimize", constraints=(bound,)))
    for score, quality in ((100.0, 3.2780), (101.0, 3.2790), (99.0, 3.2785)):
        book.run("c-baseline", score, purpose="baseline", quality=quality)
    book.direction("x")
    book.run(book.candidate("a", "d-0"), 50.0, quality=3.27945)
    claim = next_claim(book.board, True)
    assert claim is not None
    assert 6 < len(claim.seeds) < 15
    book.board.setup = by_hand("minimize")
    free = next_claim(book.board, True)
    assert free is not None
    assert len(free.seeds) == 3


def test_whom_a_model_believes_best_is_not_claimed_where_a_mean_is_beyond() -> None:
    bound = Constraint("quality", max=3.28, p=0.01)
    book = Book(by_hand("minimize", constraints=(bound,)))
    book.baseline(100.0, quality=3.27)
    book.direction("x")
    for name, score, quality in (("a", 50.0, 3.27), ("b", 60.0, 3.3)):
        book.run(book.candidate(name, "d-0"), score, quality=quality)
    claim = next_claim(book.board, True, lambda *_: {"a": 55.0, "b": 10.0, "c-baseline": 100.0})
    assert claim is not None
    assert claim.candidate == "a"


def test_who_is_barely_within_a_bound_is_claimed_after_those_that_can_show_it() -> None:
    bound = Constraint("quality", max=3.28, p=0.01)
    book = Book(by_hand("minimize", constraints=(bound,)))
    for score, quality in ((100.0, 3.2690), (101.0, 3.2700), (99.0, 3.2710)):
        book.run("c-baseline", score, purpose="baseline", quality=quality)
    book.direction("x")
    book.run(book.candidate("a", "d-0"), 50.0, quality=3.2799)
    book.run(book.candidate("b", "d-0"), 60.0, quality=3.2797)
    claim = next_claim(book.board, True)
    assert claim is not None
    assert claim.candidate == "b"  # neither is likely to show it: the likelier one
    assert claim.power is not None
    assert claim.power < 0.5
    book.run(book.candidate("c", "d-0"), 70.0, quality=3.2750)
    claim = next_claim(book.board, True)
    assert claim is not None
    assert claim.candidate == "c"
