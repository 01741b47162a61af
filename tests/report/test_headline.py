from msgspec.structs import replace
from tests.report.boards import Story, exact_setup, noisy_setup, noisy_story, packing_story

from aster.domain.constraints import Constraint
from aster.domain.events import CampaignEnded, ClaimDecided
from aster.domain.records import Measured, Reference, Result
from aster.evidence.verdict import decide_claim
from aster.report.headline import Headline, headline
from aster.report.summary import summarize


def words(story: Story) -> Headline:
    return headline(summarize(story.board))


def test_nothing_measured() -> None:
    assert words(Story(exact_setup())).kind == "empty"


def test_nothing_better() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, 1.0)
    assert words(story).sentence == "Nothing has beaten the baseline (sum_of_radii 1.000000) so far."


def test_a_better_mean_without_a_claim_is_called_unconfirmed() -> None:
    story = noisy_story(verdict=False)
    told = words(story)
    assert told.kind == "unconfirmed"
    assert told.sentence.startswith("Best seen, unconfirmed: val_bpb 1.20")
    assert "no claim has been decided" in told.sentence


def test_confirmed_with_noise_gives_interval_and_seeds() -> None:
    told = words(noisy_story())
    assert told.kind == "confirmed"
    assert told.sentence.startswith("Confirmed: val_bpb 1.2017, better than the baseline by 0.0177 (94% interval 0.015")
    assert told.sentence.endswith("6 fresh seeds each).")


def test_undecided_says_what_would_decide_it() -> None:
    story = noisy_story(verdict=False)
    claim = "m-1"
    story.test(claim, [1.2] * 6, [1.21] * 6)
    story.decide(claim, "undecided", 0.01, -0.002, 0.022, "about 14 pairs would decide it if the gain is as measured")
    told = words(story)
    assert told.kind == "undecided"
    assert "+0.0100 (94% interval −0.0020 to +0.0220)" in told.sentence
    assert told.more[0] == "About 14 pairs would decide it if the gain is as measured."
    setup = story.board.setup
    story.board.setup = replace(setup, objective=replace(setup.objective, self_reported=True))
    assert "better than the baseline on val_bpb (self-reported); over" in words(story).sentence


def test_only_references_under_the_same_conditions_are_said_to_be_beaten() -> None:
    references = (
        Reference("Same", 2.601, "a", same=True),
        Reference("Other", 1.0, "b", conditions="8 GPUs"),
        Reference("Higher", 2.9, "c", same=True),
    )
    told = words(packing_story(references=references))
    beats = [sentence for sentence in told.more if "beats" in sentence]
    assert beats == ["It beats Same (2.601), under the same conditions."]
    assert "It does not reach Higher (2.9), under the same conditions." in told.more
    assert not any("Other" in sentence for sentence in (told.sentence, *told.more))


def test_a_second_champion_is_compared_with_the_one_before_it() -> None:
    story = Story(noisy_setup())
    story.run(story.baseline, 3.0)
    best = story.baseline
    for n, level in enumerate((2.0, 1.0), start=1):
        new = story.candidate({"solution/solve.py": f"n = {n}\n".encode()}, parent=best)
        story.run(new, level)
        claim = story.claim(new, best, (10 * n, 10 * n + 1, 10 * n + 2))
        story.test(claim, [level, level + 0.1, level + 0.2], [level + 1, level + 1.1, level + 1.2])
        story.decide(claim, "confirmed", 1.0, 0.9, 1.1)
        best = new
    told = words(story)
    assert "better than the champion before it by 1" in told.sentence
    assert told.more[0] == "1 confirmed claim led up to this one; the baseline stood at 3.000000."


def test_it_says_whether_the_campaign_ended_and_what_is_unseen() -> None:
    story = Story(exact_setup())
    story.run(story.baseline, 1.0, see=False)
    assert any("1 outcome arrived that no decision has used" in s for s in words(story).more)
    assert "has not ended" in words(story).more[-1]
    story.say(CampaignEnded("40 experiments spent"))
    assert words(story).more[-1] == "The campaign ended: 40 experiments spent."


BOUND = Constraint("loss", max=3.28, p=0.01)


def bounded(losses: list[float], seen: float = 3.27) -> Story:
    """Return a story of a claim whose gain is clear, and whose mean loss is as given."""
    story = Story(noisy_setup(constraints=(BOUND,)))
    story.run(story.baseline, Measured({"val_bpb": 1.3, "loss": 3.27}))
    story.direction("s")
    made = story.candidate({"a.py": b"1"}, "+ a", story.baseline, "d-s")
    story.run(made, Measured({"val_bpb": 1.2, "loss": seen}))
    if losses:
        claim = story.claim(made, story.baseline, (11, 12, 13))
        new: list[Result | float] = [Measured({"val_bpb": 1.2 + i / 1000, "loss": x}) for i, x in enumerate(losses)]
        old: list[Result | float] = [Measured({"val_bpb": 1.3 - i / 1000, "loss": 3.3}) for i in range(3)]
        story.test(claim, new, old)
        story.say(ClaimDecided(decide_claim(story.board, story.board.claims[claim])))
    return story


def test_a_confirmed_claim_says_what_it_shows_of_a_mean() -> None:
    told = words(bounded([3.2701, 3.2699, 3.2702]))
    assert told.kind == "confirmed"
    assert told.more[0] == "The mean loss of 3 runs, 3.270067, is at most 3.28 (p < 0.0001, below 0.01)."


def test_a_gain_without_its_mean_is_undecided_and_says_why() -> None:
    told = words(bounded([3.27, 3.29, 3.265]))
    assert told.kind == "undecided"
    assert told.sentence.startswith("Undecided: the best candidate is better than the baseline, but may not keep")
    assert told.more[0].startswith("The gain is shown; the mean loss of 3 runs, 3.275, is not shown to be at most 3.28")


def test_the_best_whose_mean_is_beyond_says_that_no_claim_is_made_of_it() -> None:
    told = words(bounded([], seen=3.3))
    assert told.kind == "unconfirmed"
    assert told.more[0] == "No claim is made of it: loss 3.3 is 0.02 over its most, 3.28 (mean of 1 run)."
