"""The board: one fold of the ledger."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.boards import BASELINE, CPU, Book, recipe, setup

from aster.board import Board
from aster.board.board import _FOLDS
from aster.board.research import RESEARCH_FOLDS
from aster.domain import events as ev
from aster.domain.constraints import Constraint, Verdict
from aster.domain.ids import recipe_key, search_seed
from aster.domain.records import Decided, Goal, Measured
from aster.testing.proposers import deep

OTHER = "gpu: other"


def ranked(book: Book) -> list[str]:
    return list(book.board.ranking)


def test_every_kind_of_event_is_folded() -> None:
    assert set(_FOLDS) | set(RESEARCH_FOLDS) == set(ev.Event.__args__)


def test_folding_entries_is_applying_their_events() -> None:
    book = Book()
    book.baseline(1.0)
    entries = [ev.Entry(i + 1, 1, 0.0, event) for i, event in enumerate(book.events)]
    assert deep(Board().fold(entries)) == deep(book.board)


# --- scores -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "order"), [("maximize", ["high", BASELINE, "low"]), ("minimize", ["low", BASELINE, "high"])]
)
def test_the_best_comes_first_whatever_the_goal(goal: Goal, order: list[str]) -> None:
    book = Book(setup(goal))
    book.baseline(1.0)
    book.run(book.candidate("low"), -3.0)
    book.run(book.candidate("high"), 4.0)
    assert ranked(book) == order
    assert book.board.best_unconfirmed() == order[0]


def test_a_candidate_is_ranked_once_all_its_search_seeds_are_in() -> None:
    book = Book(setup(search_seeds=2))
    book.baseline(1.0, 2.0)
    book.run(book.candidate("a"), 5.0)
    assert ranked(book) == [BASELINE]
    book.end(book.plan("a", 1), 7.0)
    book.decide()
    assert ranked(book) == ["a", BASELINE]
    score = book.board.score("a")
    assert score is not None
    assert score.mean == 6.0


def test_scoring_an_artifact_again_on_a_search_seed_is_no_second_search() -> None:
    book = Book(setup(exact=True))
    book.baseline(1.0)
    book.run(book.candidate("a"), 2.0)
    seed = search_seed(book.board.setup.seed, 0)
    book.confirm(book.claim("a", (seed,)), [9.0], [1.0])
    score = book.board.score("a")
    assert score is not None
    assert (score.n, score.mean) == (1, 2.0)


def test_the_baseline_is_ranked_on_the_search_seeds_alone_and_its_noise_on_all() -> None:
    book = Book()
    book.baseline(1.0, 2.0, 6.0)
    score, noise = book.board.score(BASELINE), book.board.baseline_score
    assert score is not None
    assert noise is not None
    assert (score.n, score.mean) == (1, 1.0)
    assert (noise.n, noise.mean) == (3, 3.0)
    assert noise.sd == pytest.approx(7.0**0.5)


def test_what_confirmation_measures_never_moves_the_ranking() -> None:
    book = Book()
    book.baseline(1.0)
    book.run(book.candidate("a"), 2.0)
    book.confirm(book.claim("a"), [0.0, 0.0, 0.0], [9.0, 9.0, 9.0])
    assert ranked(book) == ["a", BASELINE]
    assert book.board.baseline_score is not None
    assert book.board.baseline_score.n == 1


def test_scores_of_two_kinds_of_hardware_are_never_ranked_together() -> None:
    book = Book()
    book.baseline(1.0)
    book.run(book.candidate("a"), 2.0)
    book.term(OTHER)
    assert ranked(book) == []
    assert book.board.score("a") is None
    assert book.board.baseline_score is None
    book.run("a", 70.0)
    assert ranked(book) == ["a"]
    assert book.board.best_unconfirmed() is None
    book.term(CPU)
    assert ranked(book) == ["a", BASELINE]
    score = book.board.score("a")
    assert score is not None
    assert (score.n, score.mean) == (1, 2.0)


def test_the_kind_that_an_attempt_ran_on_counts_not_the_one_it_was_planned_for() -> None:
    book = Book()
    book.baseline(1.0)
    book.run(book.candidate("a"), 5.0, hardware=OTHER)
    assert ranked(book) == [BASELINE]


def test_exact_scores_do_not_depend_on_hardware() -> None:
    book = Book(setup(exact=True))
    book.baseline(1.0)
    book.term(OTHER)
    book.run(book.candidate("a"), 2.0)
    assert ranked(book) == ["a", BASELINE]


def test_reading_changes_nothing() -> None:
    book = Book()
    before = deep(book.board)
    board = book.board
    _ = (board.ranking, board.kind, board.baseline_score, board.standing, board.score("a"))
    assert (board.best_unconfirmed(), board.open_claim()) == (None, None)
    assert deep(board) == before


# --- claims -----------------------------------------------------------------------------------------------------


def decided(claim: str, verdict: Verdict) -> ev.ClaimDecided:
    return ev.ClaimDecided(Decided(claim, verdict, 1.0, 0.5, 1.5, 3))


def test_only_a_confirmed_claim_makes_a_champion() -> None:
    book = Book()
    book.baseline(1.0)
    board = book.board
    verdicts: list[Verdict] = ["undecided", "refuted", "confirmed", "refuted"]
    champions = []
    for number, verdict in enumerate(verdicts):
        book.run(book.candidate(f"c-{number}"), 2.0 + number)
        claim = book.claim(f"c-{number}")
        opened = board.open_claim()
        assert opened is not None
        assert opened.record.id == claim
        book.say(decided(claim, verdict))
        assert board.open_claim() is None
        champions.append(board.champion)
    assert champions == [None, None, "c-2", "c-2"]
    assert board.standing == "c-2"
    assert board.best_unconfirmed() == "c-3"


def test_a_tie_is_no_better_than_the_standing_candidate() -> None:
    book = Book(setup(resolution=0.5))
    book.baseline(1.0)
    book.run(book.candidate("a"), 1.5)
    assert ranked(book)[0] == "a"
    assert book.board.best_unconfirmed() is None
    book.run(book.candidate("b"), 1.75)
    assert book.board.best_unconfirmed() == "b"


def test_a_claims_experiments_are_filed_by_candidate_and_seed() -> None:
    book = Book()
    book.baseline(1.0)
    book.run(book.candidate("a"), 2.0)
    claim = book.claim("a", (101, 102))
    first, second = (book.plan(c, 101, "confirm", claim=claim) for c in ("a", BASELINE))
    assert book.board.claims[claim].experiments == {("a", 101): first, (BASELINE, 101): second}
    assert (book.board.spend.experiments, book.board.spend.confirm) == (4, 2)


# --- directions, archive, the rest ------------------------------------------------------------------------------


def test_a_direction_is_charged_for_its_own_search_alone() -> None:
    book = Book()
    direction = book.direction("s")
    book.baseline(1.0)
    book.attempt(direction, 0.5, seconds=3.0)
    book.attempt(direction, None, seconds=4.0)
    book.confirm(book.claim("c-1"), [2.0] * 3, [1.0] * 3)
    state = book.board.directions[direction]
    assert (state.experiments, state.seconds) == (2, 7.0)
    assert state.yields == [(0.5, 3.0), (None, 4.0)]
    assert book.board.children == {BASELINE: 2}


def test_a_gain_within_the_noise_is_a_yield_but_no_success() -> None:
    book = Book()
    direction = book.direction("s")
    book.baseline(1.0)
    for success in (True, False, False):
        book.attempt(direction, 0.1, success=success)
    assert book.board.directions[direction].dry == 2
    assert book.board.winners == {"s"}
    other = book.direction("t")
    book.attempt(other, 0.1, success=False)
    assert book.board.winners == {"s"}


def test_a_retired_direction_remembers_what_it_left_behind() -> None:
    book = Book()
    first = book.direction("s")
    book.baseline(1.0)
    book.say(ev.EliteNamed(0, BASELINE))
    book.retire(first, "dry")
    state = book.board.directions[first]
    assert (state.retired, state.best_then, state.elites_then) == ("dry", BASELINE, frozenset({BASELINE}))
    second = book.direction("s")
    assert [s.record.id for s in book.board.directions_on["s"]] == [first, second]


def test_clustering_afresh_replaces_the_elites() -> None:
    book = Book()
    book.say(ev.EliteNamed(0, BASELINE), ev.EliteNamed(7, "gone"))
    book.say(ev.ArchiveReclustered(4, (1.0,), (2.0,), ((0.5,), (1.5,)), ("a", "b")))
    archive = book.board.archive
    assert archive.elites == {0: "a", 1: "b"}
    assert (archive.shift, archive.scale, archive.centroids) == ((1.0,), (2.0,), [(0.5,), (1.5,)])
    assert archive.size_clustered == 4
    book.say(ev.EliteNamed(1, "c"))
    assert archive.elites == {0: "a", 1: "c"}


def test_recipes_are_known_in_any_order_and_the_baseline_is_the_empty_one() -> None:
    book = Book()
    assert book.board.recipes == {recipe_key(())}
    book.candidate("a", made_of=recipe("x", "y"))
    assert recipe_key(tuple(reversed(recipe("x", "y")))) in book.board.recipes
    book.candidate("by another hand")
    assert len(book.board.recipes) == 2


def test_a_new_term_takes_a_stopped_campaign_up_again() -> None:
    book = Book()
    book.say(ev.StopRequested("1.0", "enough"), ev.CampaignEnded("stopped: enough"))
    assert (book.board.stop, book.board.ended) == ("enough", "stopped: enough")
    book.term(OTHER)
    assert (book.board.stop, book.board.ended, book.board.term, book.board.hardware) == (None, None, 2, OTHER)


def test_wall_time_never_runs_backwards() -> None:
    book = Book()
    for elapsed in (5.0, 3.0):
        book.decide(elapsed=elapsed)
    book.say(ev.Heartbeat(1, 4.0))
    assert book.board.spend.wall_s == 5.0
    book.say(ev.Heartbeat(1, 6.0))
    assert book.board.spend.wall_s == 6.0


def test_conflicts_are_kept() -> None:
    book = Book()
    book.say(ev.MergeConflicted(("a", "b"), "f.py"), ev.MergeConflicted(("a", "b"), "f.py"))
    assert book.board.conflicts == {("a", "b")}


def test_confirmations_and_baselines_belong_to_no_direction() -> None:
    book = Book()
    direction = book.direction("s")
    baseline = book.baseline(1.0)
    name = book.attempt(direction, 1.0)
    planned = book.plan(name, 101, "confirm")
    states = book.board.experiments
    owner = book.board.direction_of(states[book.board.experiments_of[name][0]].record)
    assert owner is book.board.directions[direction]
    assert book.board.direction_of(states[baseline].record) is None
    assert book.board.direction_of(states[planned].record) is None


def test_metrics_are_those_of_a_measured_outcome() -> None:
    book = Book()
    experiment = book.plan(BASELINE, purpose="baseline")
    state = book.board.experiments[experiment]
    assert state.metrics is None
    book.end(experiment, Measured({"score": 2.0, "seconds": 3.0}))
    assert state.metrics == {"score": 2.0, "seconds": 3.0}


def test_the_best_unclaimed_passes_over_what_was_claimed_on_every_hardware() -> None:
    book = Book()
    book.baseline(1.0)
    for name, value in (("a", 2.0), ("b", 3.0), ("c", 4.0)):
        book.run(book.candidate(name), value)
    assert book.board.unclaimed() == "c"
    for name, rest in (("c", "b"), ("b", "a")):
        book.say(ev.ClaimDecided(Decided(book.claim(name), "refuted", 0.0, 0.0, 0.0, 3)))
        assert book.board.unclaimed() == rest
    book.term(OTHER)
    book.run(BASELINE, 1.0)
    book.run("b", 9.0)
    book.run("a", 2.0)
    assert book.board.unclaimed() == "a"


def test_the_baseline_stands_in_where_the_champion_has_no_score() -> None:
    book = Book()
    book.baseline(1.0)
    book.run(book.candidate("a"), 2.0)
    book.say(ev.ClaimDecided(Decided(book.claim("a"), "confirmed", 1.0, 1.0, 1.0, 3)))
    assert book.board.standing == "a"
    book.term(OTHER)
    assert book.board.standing == BASELINE
    book.run("a", 2.0)
    assert book.board.standing == "a"


# --- checks -----------------------------------------------------------------------------------------------------


def test_a_check_is_kept_and_counts_for_nothing() -> None:
    book = Book(replace(setup(), constraints=(Constraint("memory", max=1.0),)))
    book.baseline(1.0, memory=0.5)
    name = book.candidate("a", book.direction("layout"))
    before = deep_without(book.board)
    check = book.plan(name, purpose="check")
    assert check in book.board.waiting
    book.end(check, Measured({}), seconds=7.0)
    book.decide()
    state = book.board.experiments[check]
    assert (state.status, state.metrics, state.reported, state.seen) == ("measured", None, None, True)
    assert (deep_without(book.board), book.board.fresh) == (before, [check])
    assert list(book.board.counted) == [book.board.experiments[book.board.baselines[0]]]
    assert book.board.spend.attempt_s == 8.0  # seconds are paid for, whatever they were for
    assert book.board.spend.gpu_s == 1.0


def deep_without(board: Board) -> object:
    """Return what the board makes of experiments, for comparison."""
    return (
        list(board.ranking), list(board.seen), dict(board.tally), board.experiments_of,
        board.spend.experiments, board.spend.whole_s, list(board.unseen), board.score("a"),
    )  # fmt: skip
