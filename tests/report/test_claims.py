import pytest
from tests.report.boards import CPU, Story, exact_setup, noisy_setup, noisy_story, packing_story

from aster.domain.records import Failed
from aster.errors import UserError
from aster.evidence.verdict import complete_pairs
from aster.report.claims import champion_claim, claim_view, trace


def test_the_trace_names_every_attempt_pair_by_pair() -> None:
    story = Story(noisy_setup())
    story.run(story.baseline, 2.0)
    best = story.candidate({"solution/solve.py": b"n = 1\n"}, parent=story.baseline)
    story.run(best, 1.0)
    claim = story.claim(best, story.baseline, (11, 12))
    story.test(claim, [1.0, Failed("exit 1")], [2.0, 2.5])
    rows = trace(story.board, claim)
    assert [(r.role, r.candidate, r.seed, r.attempt, r.status, r.value) for r in rows] == [
        ("claimed", best, 11, "x-3.1", "measured", 1.0),
        ("against", story.baseline, 11, "x-4.1", "measured", 2.0),
        ("claimed", best, 12, "x-5.1", "failed", None),
        ("against", story.baseline, 12, "x-6.1", "measured", 2.5),
    ]
    assert {(r.hardware, r.seconds) for r in rows} == {(CPU, 10.0)}
    assert rows[0].started == story.board.experiments["x-3"].outcome.started  # type: ignore[union-attr]


def test_the_trace_of_an_exact_claim_ends_at_the_attempts_that_made_the_artifacts() -> None:
    story = packing_story()
    rows = trace(story.board, "m-1")
    assert [r.role for r in rows] == ["claimed", "against", "scored artifact", "scored artifact"]
    assert [r.artifact for r in rows] == [rows[2].experiment, rows[3].experiment, None, None]
    assert [r.value for r in rows[:2]] == [r.value for r in rows[2:]]


def test_an_open_claim_shows_what_has_ended() -> None:
    story = Story(noisy_setup())
    story.run(story.baseline, 2.0)
    best = story.candidate({"solution/solve.py": b"n = 1\n"}, parent=story.baseline)
    story.run(best, 1.0)
    claim = story.claim(best, story.baseline, (11, 12))
    story.end(story.plan(best, 11, "confirm", claim), 1.0)
    story.plan(story.baseline, 11, "confirm", claim)
    view = claim_view(story.board, story.board.claims[claim])
    assert (view.verdict, view.gain, view.planned, view.pairs, view.ended) == ("testing", None, 2, (), 1)
    assert [(r.status, r.attempt) for r in trace(story.board, claim)] == [("measured", "x-3.1"), ("running", "")]


def test_an_unknown_claim_is_told_from_those_there_are() -> None:
    with pytest.raises(UserError, match="Its claims are: m-1"):
        trace(packing_story(5, 1).board, "m-9")
    with pytest.raises(UserError, match="none yet"):
        trace(Story(exact_setup()).board, "m-1")


def test_pairs_are_those_that_the_verdict_used() -> None:
    board = noisy_story().board
    claim = board.claims["m-1"]
    view = champion_claim(board)
    assert view is not None
    assert [(p.new, p.old) for p in view.pairs] == complete_pairs(board, claim)
    gains = [p.old - p.new for p in view.pairs]
    assert view.gain == pytest.approx(sum(gains) / len(gains))
    assert view.level == pytest.approx(0.94)
