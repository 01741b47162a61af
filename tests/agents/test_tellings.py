from __future__ import annotations

from typing import Any

import pytest
from tests.agents.books import FILES, AgentsBook, problem
from tests.boards import BASELINE, Book, setup

from aster.agents import tellings as tell
from aster.agents.briefing import CampaignBriefing
from aster.agents.critique import Group, critic_brief
from aster.domain import events as ev
from aster.domain.constraints import Constraint
from aster.domain.records import Decided, Measured, Objective, Reference, Result, Setup
from aster.domain.research import Draft, Plan, Role
from aster.evidence.verdict import decide_claim

ROLES: tuple[Role, ...] = ("planner", "worker", "critic", "subagent")


def instructions(of: Setup) -> dict[Role, str]:
    told, board = CampaignBriefing(problem(), lambda _: FILES), AgentsBook(of).board
    return {role: " ".join(told.instructions(board, role).split()) for role in ROLES}


def started(*references: Reference, exact: bool = True, **more: Any) -> AgentsBook:
    of = AgentsBook(setup(mode="arrival", exact=exact, resolution=0.001, references=references, **more))
    of.baseline(1.0, 1.01, 0.99)
    return of


def test_prompts_of_a_noisy_problem_speak_of_fresh_seeds() -> None:
    told = instructions(setup(mode="arrival"))
    assert all("Only a claim on fresh seeds is." in text for text in told.values())
    assert "A *claim* is a gain that was tested on fresh seeds." in told["planner"]
    assert "Read the result against the noise." in told["subagent"]
    assert "`measure_again` your version and its parent" in told["subagent"]


@pytest.mark.parametrize("paired", [True, False])
def test_prompts_of_an_exact_problem_say_that_the_artifact_counts(paired: bool) -> None:
    told = instructions(setup(mode="arrival", exact=True, paired=paired))
    for text in told.values():
        assert "fresh seeds" not in text
        assert "noise" not in text
        assert "measure_again" not in text
        assert "what a run wrote is what counts, and the score of one run is a result" in text
        assert ("which no claim tests" in text) is paired
    assert "A *claim* is a gain of which both results were scored again." in told["planner"]
    assert ("Whether the change or the seed made it" in told["subagent"]) is paired
    assert ("`another_seed`" in told["subagent"]) is paired


def test_a_brief_says_which_references_are_reached_under_the_same_conditions() -> None:
    of = started(
        Reference("Somebody", 1.5, "a paper", same=True),
        Reference("Rounded", 1.49, "a page", same=True),
        Reference("Far", 9.0, "a table", same=True),
        Reference("Others", 1.2, "a page", conditions="another machine"),
    )
    best = of.tried(of.line("search"), "anneal", 0.4996)
    told = tell.standing_lines(of.board)[-1]
    assert told.startswith(f"- The best so far is 1.4996 ({best}); of the references ")
    assert '"Somebody" stands at 1.5: reached' in told
    assert '"Rounded" stands at 1.49: reached; ' in told  # as far as two decimals tell
    assert told.endswith('"Far" stands at 9: short by 7.5')
    assert "Others" not in told
    worker, planner = of.assign("worker", "d-0"), of.assign("planner")
    subagent = of.assign("subagent", "d-0", hypothesis=of.draft("d-0", "more of it"), parent=best)
    for each in (worker, planner, subagent):
        assert told in CampaignBriefing(problem(), lambda _: FILES).brief(of.board, each)


def test_one_noisy_score_beyond_a_reference_is_not_called_confirmed() -> None:
    of = started(Reference("Somebody", 1.5, "a paper", same=True), exact=False)
    best = of.tried(of.line("search"), "anneal", 0.9)
    told = tell.standing_lines(of.board)[-1]
    assert f"1.9 ({best}), which is not confirmed; " in told
    assert told.endswith("reached, 0.4 beyond it")


def test_without_references_nothing_is_said_of_them() -> None:
    of = started(Reference("Others", 1.2, "a page", conditions="another machine"))
    assert "The best so far" not in "\n".join(tell.standing_lines(of.board))


def test_candidates_are_listed_with_how_long_they_ran() -> None:
    book = Book()
    book.direction("x")
    book.baseline(1.0)
    book.run(book.candidate("c-1", "d-0"), 2.0, seconds=12.34)
    assert tell.candidate_line(book.board, "c-1") == 'c-1: "c-1", score 2, gain on the baseline +1, took 12.3 s'
    assert tell.candidate_line(book.board, BASELINE).endswith(", took 1.0 s")


def test_the_critic_is_told_the_score_and_time_of_where_a_hypothesis_starts() -> None:
    of = started()
    line = of.line("search")
    best = of.tried(line, "anneal", 0.5)
    drafts = [Draft("more", "It helps.", parent=BASELINE), Draft("most", "It helps much.")]
    text = critic_brief(of.board, [Group(of.board.directions[line].record, (), drafts)], "solution", lambda _: FILES)
    assert f"- starts from: {BASELINE}: the unchanged solution, score 1, took 1.0 s" in text
    assert f'- starts from: whatever is best by then, now {best}: "anneal", score 1.5, gain on the baseline' in text


def test_a_gain_within_the_resolution_is_told_as_a_tie() -> None:
    of = started()
    line = of.line("search")
    close = of.tried(line, "anneal", -8.88e-16)
    assert tell.gains_text(of.board, close, BASELINE, -8.88e-16) == (
        "a tie (difference 8.9e-16, resolution 0.001) with the baseline"
    )
    assert tell.gains_text(of.board, close, "c-9", 5e-4).startswith(
        "a tie (difference 0.0005, resolution 0.001) with its parent c-9, "
    )
    assert "best gain on a parent a tie (difference 8.9e-16, resolution 0.001), " in tell.direction_lines(of.board)[0]


def test_what_ties_with_the_champion_is_not_the_best_so_far() -> None:
    of = started(Reference("Somebody", 1.5, "a paper", same=True))
    line = of.line("search")
    champion = of.tried(line, "anneal", 0.5)
    claim = of.claim(champion, seeds=(1,))
    of.say(ev.ClaimDecided(Decided(claim, "confirmed", 0.5, 0.5, 0.5, 1)))
    of.tried(line, "another way", 0.5 + 1e-9)
    assert of.board.champion == champion
    assert f"- The best so far is 1.5 ({champion}); " in tell.standing_lines(of.board)[-1]


def test_a_planner_that_is_asked_again_is_told_what_it_saw_before() -> None:
    of = started()
    of.back(of.assign("planner"), Plan(done="All roads are closed."))
    text = CampaignBriefing(problem(), lambda _: FILES).brief(of.board, of.assign("planner"))
    assert 'You saw nothing more to try: "All roads are closed."; since then' in text


def test_an_objective_that_is_reported_by_the_solution_is_said_to_be() -> None:
    of = setup(objective=Objective("score", "maximize", exact=True, self_reported=True))
    assert "printing a number is not reaching it" in tell.objective_text(of)


def test_agents_are_told_of_means_that_a_claim_must_show() -> None:
    of = AgentsBook(setup(mode="arrival", constraints=(Constraint("loss", max=3.28, p=0.01),)))
    of.baseline(1.0, 1.01, 0.99, loss=3.27)
    of.direction("search")
    for name, loss in (("a", 3.27), ("b", 3.3)):
        of.run(of.candidate(name, "d-0"), 2.0 + (name == "b"), loss=loss)
    told = tell.standing_lines(of.board)[-1]
    assert told.endswith("; no claim is made of it: loss 3.3 is 0.02 over its most, 3.28 (mean of 1 run)")
    claim = of.claim("a")
    new: list[Result | float] = [Measured({"score": 2.0 + x, "loss": 3.27 + x}) for x in (0.0, 0.02, -0.005)]
    of.confirm(claim, new, [1.0, 1.01, 0.99])
    of.say(ev.ClaimDecided(decide_claim(of.board, of.board.claims[claim])))
    (line,) = tell.claim_lines(of.board)
    assert "undecided, gain +1.0" in line
    assert "is not shown to be at most 3.28" in line


def test_instructions_tell_a_bound_on_a_mean_apart_from_one_on_every_run() -> None:
    bounds = '[[constraint]]\nmetric = "score"\nmax = 3\np = 0.01\n[[constraint]]\nmetric = "score"\nmax = 4\n'
    told = CampaignBriefing(problem(bounds), lambda _: FILES)
    text = " ".join(told.instructions(AgentsBook().board, "worker").split())
    assert "a claim must show that the mean of `score` over the candidate's runs is at most 3" in text
    assert "Constraint: `score` must be at most 4." in text
