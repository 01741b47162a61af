from msgspec import structs
from tests.report.boards import Story, exact_setup, noisy_setup

from aster.domain.constraints import Constraint
from aster.domain.records import Cancelled, Failed, TimedOut
from aster.report.progress import progress_view
from aster.report.results import results_tsv


def table(story: Story) -> list[list[str]]:
    text = results_tsv(story.board, progress_view(story.board)).decode()
    assert text.endswith("\n")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def test_one_row_per_finished_search_or_baseline_experiment() -> None:
    story = Story(exact_setup())
    where = story.direction("layout")
    story.run(story.baseline, 0.1 + 0.2)
    changes = ["+ good", "+ bad\tone\nwith \x1b[31mlines", "+ crash", "+ slow", "+ cancelled"]
    results = [2.0, 1.0, Failed("exit 1"), TimedOut("solve", 60.0), Cancelled("over")]
    keys = []
    for n, (change, result) in enumerate(zip(changes, results, strict=True)):
        keys.append(story.candidate({"solution/solve.py": b"%d" % n}, change, story.baseline, where))
        story.run(keys[-1], result)  # type: ignore[arg-type]
    claim = story.claim(keys[0], story.baseline, (0,))
    story.test(claim, [2.0], [0.1 + 0.2])
    short = [key[2:9] for key in (story.baseline, *keys)]
    assert table(story) == [
        ["commit", "sum_of_radii", "memory_gb", "status", "description"],
        [short[0], "0.30000000000000004", "0.50", "keep", "baseline"],
        [short[1], "2.0", "0.50", "keep", f"+ good (on {short[0]})"],
        [short[2], "1.0", "0.50", "discard", f"+ bad one with [31mlines (on {short[0]})"],
        [short[3], "", "0.50", "crash", f"+ crash (on {short[0]}) (failed: exit 1)"],
        [short[4], "", "0.50", "crash", f"+ slow (on {short[0]}) (timed out: stage solve ran past its limit of 60 s)"],
    ]


def test_all_seeds_of_a_kept_candidate_are_kept() -> None:
    story = Story(noisy_setup(search_seeds=2))
    new = story.candidate({"solution/solve.py": b"n"}, "+ n", story.baseline, story.direction("layout"))
    for key, values in ((story.baseline, (2.0, 2.1)), (new, (1.9, 1.0))):
        for seed, value in enumerate(values):
            story.run(key, value, seed=seed)
    assert [row[3] for row in table(story)[1:]] == ["keep"] * 4


def test_an_empty_campaign_has_a_header_only() -> None:
    assert len(table(Story(exact_setup()))) == 1


def test_what_was_stopped_or_is_infeasible_is_discarded() -> None:
    setup = exact_setup(constraints=(Constraint("sum_of_radii", max=5.0),))
    marked = structs.replace(setup, objective=structs.replace(setup.objective, exact=False, self_reported=True))
    story = Story(marked)
    story.run(story.baseline, 1.0)
    where = story.direction("layout")
    for n, result in enumerate((6.0, Cancelled("stopped early at step 3: 1 is worse than 2", early=True))):
        key = story.candidate({"solution/solve.py": b"%d" % n}, f"+ {n}", story.baseline, where)
        story.run(key, result)  # type: ignore[arg-type]
    head, _, infeasible, stopped = table(story)
    assert head[1] == "sum_of_radii (self-reported)"
    assert (infeasible[1], infeasible[3]) == ("6.0", "discard")
    assert infeasible[4].endswith("(infeasible: sum_of_radii 6 is 1 over its most, 5)")
    assert (stopped[1], stopped[3]) == ("", "discard")
    assert stopped[4].endswith("(stopped early: at step 3: 1 is worse than 2)")
