import pytest
from tests.report.boards import CPU, Story, exact_setup, noisy_setup, noisy_story, packing_story

from aster.domain.events import AttemptLost, DirectionRetired
from aster.domain.records import Change, Failed, Measured, Reference
from aster.report.progress import progress_view
from aster.report.summary import standing, summarize
from aster.report.tables import table_of


def small(goal: str = "maximize") -> Story:
    """Baseline 1, then "+ a" 2, "+ b" on top of it 4, and a failure, in two directions."""
    story = Story(exact_setup(goal))  # type: ignore[arg-type]
    layout, polish = story.direction("layout"), story.direction("polish", "late digits")
    story.run(story.baseline, 1.0)
    a = story.candidate({"solution/solve.py": b"a\n"}, "+ a", story.baseline, layout, recipe=(Change("a"),), text="A?")
    story.learn(story.run(a, 2.0), 1.0, "a helps")
    recipe = (Change("a"), Change("b", {"f.py::Pack.STEPS": 40}))
    b = story.candidate({"solution/solve.py": b"b\n"}, "+ b", a, polish, recipe=recipe, text="B?")
    story.learn(story.run(b, 4.0, seconds=30.0), 2.0, "b helps more")
    c = story.candidate({"solution/solve.py": b"c\n"}, "+ c", story.baseline, layout)
    story.learn(story.run(c, Failed("exit 1")), None, "c breaks")
    return story


def confirm(story: Story, best: str, value: float, old: float) -> None:
    claim = story.claim(best, story.baseline, (0,))
    story.test(claim, [value], [old])
    story.decide(claim, "confirmed", abs(value - old), abs(value - old), abs(value - old))


def test_an_empty_campaign() -> None:
    s = summarize(Story(exact_setup()).board)
    assert (s.baseline, s.champion, s.claim, s.unconfirmed, s.subject) == (None, None, None, None, None)
    assert (s.counts, s.directions, s.findings, s.steps, s.recipe) == ({}, (), (), (), ())
    assert s.hardware == (CPU,)


def test_before_any_claim_the_best_is_unconfirmed() -> None:
    s = summarize(small().board)
    assert s.champion is None
    assert s.unconfirmed is not None
    assert s.unconfirmed.level.mean == 4.0
    assert s.subject is s.unconfirmed
    assert s.counts == {"measured": 3, "failed": 1}


def test_the_way_to_the_best_and_its_recipe() -> None:
    s = summarize(small().board)
    assert [(step.change, step.level.mean if step.level else None) for step in s.steps] == [
        ("baseline", 1.0), ("+ a", 2.0), ("+ b", 4.0),
    ]  # fmt: skip
    assert [(i.change.idea, i.change.knobs, i.text) for i in s.recipe] == [
        ("a", {}, "A?"),
        ("b", {"f.py::Pack.STEPS": 40}, "B?"),
    ]


def test_directions_and_findings() -> None:
    story = small()
    story.say(DirectionRetired("d-layout", "dry"))
    s = summarize(story.board)
    layout, polish = s.directions
    assert (layout.retired, layout.experiments, layout.findings, layout.successes, layout.best) == ("dry", 2, 2, 1, 1.0)
    assert (polish.retired, polish.experiments, polish.best, polish.seconds) == (None, 1, 2.0, 30.0)
    assert [(f.surface, f.change, f.success, f.gain) for f in s.findings] == [
        ("layout", "+ a", True, 1.0),
        ("polish", "+ b", True, 2.0),
        ("layout", "+ c", False, None),
    ]


def test_spend_counts_every_purpose_and_every_attempt() -> None:
    story = small()
    confirm(story, story.board.best_unconfirmed() or "", 4.0, 1.0)
    lost = story.plan(story.baseline, 5, "baseline")
    story.say(AttemptLost(f"{lost}.1", lost, "keeper died"))
    s = summarize(story.board)
    assert (s.costs.experiments, s.costs.confirm, s.costs.attempt_s, s.lost) == (7, 2, 80.0, 1)
    assert s.counts == {"measured": 5, "failed": 1, "waiting": 1}
    assert s.costs.limits.experiments == 400


def test_checks_are_in_no_count() -> None:
    story = small()
    before = summarize(story.board).counts
    story.end(story.plan(story.baseline, 0, "check"), Measured({}))
    story.end(story.plan(story.baseline, 0, "check"), Failed("no"), see=False)
    s = summarize(story.board)
    assert (s.counts, s.unseen) == (before, 0)
    view = progress_view(story.board)
    assert not any(miss.reason == "no" for miss in view.misses)
    assert view.seconds == story.board.spend.attempt_s
    assert table_of(story.board, "experiments").size == sum(before.values())


def test_the_champion_of_an_exact_metric_has_its_exact_value() -> None:
    s = summarize(packing_story().board)
    assert s.champion is not None
    assert s.claim is not None
    assert s.champion.level.mean == max(pair.new for pair in s.claim.pairs)
    assert (s.champion.low, s.unconfirmed) == (None, None)


def test_the_champion_of_a_noisy_metric_has_the_mean_of_its_fresh_seeds() -> None:
    story = Story(noisy_setup())
    story.run(story.baseline, 2.0)
    best = story.candidate({"solution/solve.py": b"n = 1\n"}, parent=story.baseline)
    story.run(best, 0.1)  # lucky in search
    claim = story.claim(best, story.baseline, (11, 12, 13))
    story.test(claim, [1.0, 1.1, 1.2], [2.0, 2.1, 2.2])
    story.decide(claim, "confirmed", 1.0, 0.9, 1.1)
    champion = summarize(story.board).champion
    assert champion is not None
    assert champion.level.mean == pytest.approx(1.1)
    assert champion.level.n == 3
    assert champion.low is not None
    assert champion.high is not None
    assert champion.high - champion.level.mean == pytest.approx(2.2 * 0.1, rel=0.7)  # t at 97%, 2 df, over sqrt(3)


def test_outcomes_not_seen_yet_are_counted_and_do_not_rank() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, 1.0)
    new = story.candidate({"solution/solve.py": b"n = 1\n"}, parent=story.baseline)
    story.run(new, 2.0, see=False)
    s = summarize(story.board)
    assert (s.unseen, s.unconfirmed, s.counts) == (1, None, {"measured": 2})


@pytest.mark.parametrize(
    ("value", "expected"), [(2.6345, "not reached"), (2.6358, "reached"), (2.6362, "beaten"), (2.635, "reached")]
)
def test_a_reference_is_judged_no_finer_than_it_was_published(value: float, expected: str) -> None:
    story = small()
    confirm(story, story.board.best_unconfirmed() or "", value, 1.0)
    s = summarize(story.board)
    alpha, best_known = s.references
    assert alpha.standing == expected
    assert best_known.standing == "not compared"  # other conditions


def test_a_noisy_champion_beats_a_reference_only_by_its_whole_interval() -> None:
    s = summarize(noisy_story().board)
    assert s.champion is not None
    assert s.champion.high is not None
    objective = s.objective
    assert standing(objective, s.champion, Reference("r", s.champion.high + 0.05, "x", same=True)) == "beaten"
    inside = (s.champion.high + s.champion.level.mean) / 2
    assert standing(objective, s.champion, Reference("r", inside, "x", same=True)) == "reached"
    assert standing(objective, None, Reference("r", 9.0, "x", same=True)) == "not compared"
