import pytest
from tests.report.boards import Story, exact_setup, noisy_setup, noisy_story, packing_story

from aster.domain.records import Cancelled, Failed, Invalid, Reference, Result, TimedOut
from aster.report.progress import progress_view
from aster.report.scale import choose_scale


def named(story: Story, n: int, change: str = "") -> str:
    where = "d-layout" if "d-layout" in story.board.directions else story.direction("layout")
    return story.candidate({"solution/solve.py": f"n = {n}\n".encode()}, change or f"+ i{n}", story.baseline, where)


def test_an_empty_campaign_has_no_points_and_no_records() -> None:
    view = progress_view(Story(exact_setup()).board)
    assert (view.points, view.records, view.misses, view.confirmed, view.baseline) == ((), (), (), (), None)
    assert view.seconds == 0.0


def test_time_is_the_sum_of_all_attempts_whatever_their_purpose() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, 1.0, seconds=3.0)
    story.run(named(story, 1), Failed("exit 1"), seconds=5.0)
    best = named(story, 2)
    story.run(best, 2.0, seconds=7.0)
    claim = story.claim(best, story.baseline, (0,))
    story.test(claim, [2.0], [1.0])  # two re-scorings of 10 s each
    story.run(named(story, 3), 1.5, seconds=1.0)
    view = progress_view(story.board)
    assert [p.x for p in view.points] == [3.0, 15.0, 36.0]
    assert [(m.x, m.kind, m.reason) for m in view.misses] == [(8.0, "failed", "exit 1")]
    assert view.seconds == 36.0


@pytest.mark.parametrize(("goal", "values"), [("maximize", [1, 3, 2, 4]), ("minimize", [4, 2, 3, 1])])
def test_records_are_the_improvements_with_their_changes(goal: str, values: list[float]) -> None:
    story = Story(exact_setup(goal))  # type: ignore[arg-type]
    story.run(story.baseline, values[0])
    for n, value in enumerate(values[1:]):
        story.run(named(story, n), value)
    records = progress_view(story.board).records
    assert [(r.change, r.value, r.gain) for r in records] == [
        ("baseline", values[0], None),
        ("+ i0", values[1], 2.0),
        ("+ i2", values[3], 1.0),
    ]


def test_a_tie_is_no_record() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, 1.0)
    story.run(named(story, 1), 1.0 + 1e-10)
    assert len(progress_view(story.board).records) == 1


def test_with_several_seeds_a_record_is_a_mean_and_stands_where_it_was_complete() -> None:
    story = Story(noisy_setup(search_seeds=2))
    for seed, value in enumerate([1.0, 3.0, 8.0]):  # the third is no search seed: it tells the noise only
        story.run(story.baseline, value, seed=seed, seconds=1.0)
    lucky, good = named(story, 1), named(story, 2)
    story.run(lucky, 0.5, seed=0, seconds=1.0)
    story.run(good, 1.0, seed=0, seconds=1.0)
    story.run(lucky, 9.5, seed=1, seconds=1.0)
    story.run(good, 2.0, seed=1, seconds=1.0)
    view = progress_view(story.board)
    assert [(r.x, r.value, r.change, r.seeds) for r in view.records] == [
        (2.0, 2.0, "baseline", 2),
        (7.0, 1.5, "+ i2", 2),
    ]
    assert view.baseline is not None
    assert (view.baseline.mean, view.baseline.n) == (4.0, 3)


def test_other_hardware_is_shown_and_not_ranked() -> None:
    story = Story(noisy_setup())
    story.run(story.baseline, 2.0)
    story.run(named(story, 1), 1.0, hardware="gpu: Other")
    view = progress_view(story.board)
    assert [p.ranked for p in view.points] == [True, False]
    assert [r.value for r in view.records] == [2.0]
    assert len(view.hardware) == 2


def test_outcomes_that_no_decision_has_seen_are_shown() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, 1.0)
    story.run(named(story, 1), 2.0, see=False)
    assert story.board.unseen
    assert [r.value for r in progress_view(story.board).records] == [1.0, 2.0]


def test_every_kind_of_trouble_is_a_miss_except_cancellation() -> None:
    story = Story(exact_setup())
    results: list[Result] = [Failed("a"), TimedOut("solve", 60.0), Invalid("b"), Cancelled("c")]
    for n, result in enumerate(results):
        story.run(named(story, n), result)
    misses = progress_view(story.board).misses
    assert [m.kind for m in misses] == ["failed", "timed out", "invalid"]
    assert misses[1].reason == "stage solve ran past its limit of 60 s"


@pytest.mark.parametrize(
    ("goal", "new", "old", "ends"),
    [
        ("maximize", [5.0, 6.0, 7.0], [1.0, 2.0, 3.0], (5.0, 7.0)),
        ("minimize", [1.0, 2.0, 3.0], [5.0, 6.0, 7.0], (1.0, 3.0)),
    ],
)
def test_a_confirmed_claim_is_marked_with_its_interval(
    goal: str, new: list[float], old: list[float], ends: tuple[float, float]
) -> None:
    story = Story(noisy_setup(goal))  # type: ignore[arg-type]
    story.run(story.baseline, old[0], seconds=10.0)
    best = named(story, 1)
    story.run(best, new[0], seconds=10.0)
    claim = story.claim(best, story.baseline, (11, 12, 13))
    story.test(claim, list(new), list(old))
    story.decide(claim, "confirmed", 4.0, 3.0, 5.0)
    (mark,) = progress_view(story.board).confirmed
    assert (mark.x, mark.value, mark.low, mark.high, mark.champion) == (80.0, sum(new) / 3, *ends, True)
    assert mark.old == sum(old) / 3


def test_an_undecided_claim_is_not_marked() -> None:
    assert progress_view(noisy_story(verdict=False).board).confirmed == ()


# --- the scale -------------------------------------------------------------------------------------------


def test_a_baseline_far_below_gets_the_late_records_a_zoom() -> None:
    view = progress_view(packing_story().board)
    scale = choose_scale(view)
    assert scale.zoom is not None
    low, high = scale.zoom
    late = [r.value for r in view.records[-6:]]
    assert scale.low < 0.96 < low < min(late)
    assert max(late) < high <= scale.high
    assert max(late) - min(late) > 0.1 * (high - low)


def test_a_broken_candidate_cannot_stretch_the_range() -> None:
    story = Story(noisy_setup(references=()))
    for seed, value in enumerate([1.0, 1.01, 0.99]):
        story.run(story.baseline, value, seed=seed)
    for n in range(30):
        story.run(named(story, n), 0.98 if n == 7 else 1.02)
    story.run(named(story, 99), 1e9)
    scale = choose_scale(progress_view(story.board))
    assert 0.9 < scale.low < 0.98
    assert 1.02 < scale.high < 1.2


def test_records_over_two_decades_get_a_log_scale() -> None:
    story = Story(exact_setup("minimize", references=()))
    for n, value in enumerate([900.0, 40.0, 3.0]):
        story.run(story.baseline if n == 0 else named(story, n), value)
    scale = choose_scale(progress_view(story.board))
    assert scale.log
    assert scale.low < 3.0 < 900.0 < scale.high
    assert "log scale" in scale.explained


def test_a_far_reference_is_left_outside() -> None:
    near, far = Reference("near", 2.1, "a"), Reference("far", 90.0, "b")
    story = Story(exact_setup(references=(near, far)))
    story.run(story.baseline, 1.0)
    story.run(named(story, 1), 2.0)
    scale = choose_scale(progress_view(story.board))
    assert 2.1 < scale.high < 90.0
