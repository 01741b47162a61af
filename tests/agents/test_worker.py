from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.agents.books import FILES, AgentsBook, problem
from tests.agents.verdicts import reviews, verdicts
from tests.boards import BASELINE

from aster.agents.critic import BOUNDARY, MOST_TURNS
from aster.agents.protocol import Unanswered
from aster.agents.worker import LEFT_OUT, backed_only, run_worker
from aster.domain import events as ev
from aster.domain.records import Candidate
from aster.domain.research import Draft, Handoff, Veto
from aster.llm.protocol import Said
from aster.testing.desks import FakeDesk, by_agent, says

ANNEAL = {
    "change": "anneal the walk",
    "text": "Accept worse packings at first, ever fewer later, to leave local optima.",
}
POLISH = {"change": "polish by Newton", "text": "Solve the contact equations of the final packing with Newton steps."}
TEXT = {"done": "Looked around.", "learnt": "The walk stalls.", "concerns": "None."}


def started() -> tuple[AgentsBook, str]:
    of = AgentsBook()
    of.baseline(1.0)
    return of, of.line("walk", ("solution/search.py",))


def submit(*hypotheses: object, **more: str) -> Said:
    return says(("submit_handoff", {**TEXT, "hypotheses": list(hypotheses), **more}))


def run(
    of: AgentsBook, direction: str, worker: Sequence[Said], critic: Sequence[Said] = (), **more: Any
) -> tuple[Handoff, FakeDesk]:
    given = of.assign("worker", direction)
    turns = {each: list(replies) for each, replies in ((given.id, worker), (f"{given.id}.critic", critic))}
    answer = by_agent(turns)
    files = dict.fromkeys(of.board.candidates, FILES)
    instructions = f"Be a worker.{BOUNDARY}Be a critic."
    desk = FakeDesk(given, answer, instructions=instructions, board=of.board, files=files, **more)
    return asyncio.run(run_worker(desk, problem())), desk


def test_what_the_critic_lets_through_is_handed_over_and_the_rest_is_a_veto() -> None:
    of, walk = started()
    found, desk = run(of, walk, [submit(ANNEAL, POLISH)], [verdicts("", "It is another surface.")])
    anneal, polish = (Draft(each["change"], each["text"]) for each in (ANNEAL, POLISH))
    assert found == Handoff(
        "Looked around.", "The walk stalls.", "None.", (anneal,), (Veto(polish, "critic", "It is another surface."),)
    )
    worker, critic = desk.calls
    assert (worker.role, worker.prompt.instructions) == ("worker", "Be a worker.")
    assert (critic.role, critic.prompt.instructions) == ("critic", "Be a critic.")
    brief = desk.told()[1]
    assert "## Hypothesis 2" in brief
    assert 'what may be edited: "solution/search.py"' in brief


def test_what_was_tried_never_reaches_the_critic() -> None:
    of, walk = started()
    of.tried(walk, ANNEAL["change"], -0.1, ANNEAL["text"], of="")
    found, desk = run(of, walk, [submit(ANNEAL, POLISH)], [verdicts("")])
    assert [each.change for each in found.drafts] == ["polish by Newton"]
    (veto,) = found.vetoed
    assert (veto.by, veto.draft.change) == ("history", "anneal the walk")
    assert "tried before as h-0" in veto.reason
    assert "score 1 -> 0.9" in veto.reason
    assert "anneal" not in desk.told()[1].partition("## Hypothesis 1")[0]
    assert "## Hypothesis 2" not in desk.told()[1]


def test_what_is_handed_over_twice_or_was_turned_down_before_is_left_out() -> None:
    of, walk = started()
    first, _ = run(of, walk, [submit(ANNEAL)] * 2, [*[verdicts("No.")] * MOST_TURNS, verdicts("Still no.")])
    of.back(of.assign("worker", walk), first)
    found, _ = run(of, walk, [submit(POLISH, POLISH, ANNEAL)], [verdicts("")])
    assert [each.change for each in found.drafts] == ["polish by Newton"]
    assert [each.by for each in found.vetoed] == ["history", "history"]
    assert "says the same" in found.vetoed[0].reason
    assert 'turned down before: "' in found.vetoed[1].reason


def test_a_worker_without_a_hypothesis_left_may_try_once_more() -> None:
    of, walk = started()
    of.tried(walk, ANNEAL["change"], -0.1, ANNEAL["text"])
    found, desk = run(of, walk, [submit(ANNEAL), submit(POLISH)], [verdicts("")])
    assert [each.change for each in found.drafts] == ["polish by Newton"]
    assert len(found.vetoed) == 1
    assert 'None of your hypotheses is left:\n- "anneal the walk": by history' in desk.told()[1]


def test_the_critics_second_round_has_turns_of_its_own_and_the_worker_no_third() -> None:
    of, walk = started()
    answers = [verdicts("No."), *[verdicts()] * (MOST_TURNS - 1), verdicts("Not that either.")]
    found, desk = run(of, walk, [submit(ANNEAL), submit(POLISH)], answers)
    assert found.drafts == ()
    assert [each.reason for each in found.vetoed] == ["No.", "Not that either."]
    assert [call.turn for call in desk.calls if call.role == "critic"] == [1, 1 + MOST_TURNS]


def test_a_direction_is_retired_without_hypotheses_and_without_a_critic() -> None:
    of, walk = started()
    found, desk = run(of, walk, [submit(retire=" Nothing is left. ")])
    assert (found.drafts, found.retire) == ((), "Nothing is left.")
    assert len(desk.calls) == 1


def test_reviews_must_be_one_for_each_hypothesis() -> None:
    of, walk = started()
    found, desk = run(of, walk, [submit(ANNEAL, POLISH)], [verdicts(""), verdicts("", "")])
    assert len(found.drafts) == 2
    assert "one review for each hypothesis, 1 to 2; you gave: [1]" in desk.told()[2]


def test_a_critic_that_does_not_answer_lets_nothing_through() -> None:
    of, walk = started()
    with pytest.raises(Unanswered):
        run(of, walk, [submit(ANNEAL)], [Said("Fine, I guess.")] * MOST_TURNS)


def test_parents_must_exist() -> None:
    of, walk = started()
    found, desk = run(
        of, walk, [submit({**ANNEAL, "parent": "best"}), submit({**ANNEAL, "parent": BASELINE})], [verdicts("")]
    )
    assert 'There is no candidate "best"' in desk.told()[1]
    assert found.drafts[0].parent == BASELINE


def test_numbers_that_no_experiment_gave_go_back_once_and_are_then_left_out() -> None:
    of, walk = started()
    of.tried(walk, "restart 40 times", 0.25)
    true = "Restarting 40 times gains 0.25. It is slower."
    found, _ = run(of, walk, [submit(learnt=true)])
    assert found.learnt == true
    false = "Restarting gains 0.25. Annealing gains 0.75! It is slower."
    found, desk = run(of, walk, [submit(learnt=false), submit(learnt=false)])
    assert "nothing that you were shown: 0.75. Say" in desk.told()[1]
    assert found.learnt == f"Restarting gains 0.25. It is slower. {LEFT_OUT}"


def test_what_a_worker_was_shown_and_what_logs_of_its_direction_show_may_be_said() -> None:
    of, walk = started()
    of.tried(walk, "restart often", 0.25)
    of.say(ev.CandidateAdded(Candidate("c-timed", "tree", (BASELINE,), "agents", None, label="t", diagnosis=True)))
    timed = of.run("c-timed", 0.5)
    of.note(walk, "Most of it goes into the walk.", evidence=(timed,))
    said = "The walk takes 0.4187 of 1841 ms. The champion has 2.133714, then 2.265557, so 0.1318 more. None has 0.77."
    look = says(("read_file", {"path": "solution/search.py"}))
    brief = "- Champion c-9, score 2.133714\n- c-8, score 2.265557: it took 1841 [from the log] ms"
    more = {"concerns": "Perhaps 0.35 is left; 0.45 was."}
    answers = [look, submit(learnt=said, **more), submit(learnt=said, **more)]
    found, desk = run(of, walk, answers, brief=brief, logs={f"{timed}.1": "walk: 0.4187"})
    assert "nothing that you were shown: 0.77, 0.45. Say" in desk.told()[2]
    told = "The walk takes 0.4187 of 1841 ms [numbers from the log]."
    assert found.learnt == f"{told} The champion has 2.133714, then 2.265557, so 0.1318 more. {LEFT_OUT}"
    assert found.concerns == f"Perhaps 0.35 [estimate] is left; {LEFT_OUT}"
    alone, _ = run(of, walk, [submit(concerns="Perhaps 0.35 is left.")])
    assert alone.concerns == "Perhaps 0.35 [estimate] is left."


def test_a_text_keeps_its_sentences_where_all_is_backed() -> None:
    assert backed_only("One is 1.5. Two is 2.5.\nSo be it", ()) == "One is 1.5. Two is 2.5. So be it"
    assert backed_only("One is 1.5. Two is 2.5.\nSo be it", ("1.5", "2.5")) == f"So be it {LEFT_OUT}"
    assert backed_only("It is 9.9", ("9.9",)) == LEFT_OUT
    assert backed_only("It is 19.9. It is 9.95.", ("9.9",)) == "It is 19.9. It is 9.95."


def test_it_is_the_same_again_when_it_is_run_again_on_a_board_that_has_gone_on() -> None:
    of, walk = started()
    of.tried(walk, ANNEAL["change"], -0.1, ANNEAL["text"])
    first, desk = run(of, walk, [submit(ANNEAL, POLISH)], [verdicts("")])
    of.tried(walk, POLISH["change"], -0.1, POLISH["text"])
    assert asyncio.run(run_worker(desk, problem())) == first
    assert len(desk.calls) == 2


def test_the_critic_sees_the_code_and_may_look_things_up_before_it_decides() -> None:
    of, walk = started()
    before = of.tried(walk, "anneal slowly", -0.1, "Accept worse packings at first, to leave local optima.", of="")
    name = of.board.findings[-1].hypothesis
    looks = says(("show_hypothesis", {"hypothesis": name}), ("show_change", {"candidate": before}))
    _, desk = run(of, walk, [submit(ANNEAL)], [looks, verdicts("")])
    brief, looked = desk.told()[1:3]
    assert f"## The code of this surface in {BASELINE}" in brief
    assert "    for at in range(3):" in brief
    assert "STEPS = 10" not in brief, "that is on no surface of this direction"
    assert f"measured as {before}" in brief
    assert "as its author wrote it" in looked
    assert "anneal slowly: score 1 -> 0.9" in looked
    assert "no difference" in looked, "the diff is shown"
    assert [call.turn for call in desk.calls if call.role == "critic"] == [1, 2]


def test_advice_goes_with_what_is_accepted() -> None:
    of, walk = started()
    accepted = {"verdict": "accept", "advice": " Look at the seed. "}
    found, _ = run(of, walk, [submit(ANNEAL)], [reviews(accepted)])
    assert [draft.advice for draft in found.drafts] == ["Look at the seed."]


def test_what_is_for_later_comes_back_to_the_worker_and_may_be_handed_over_again() -> None:
    of, walk = started()
    later, drop = {"verdict": "later", "reason": "It needs a measured polish first."}, {"verdict": "veto"}
    first, _ = run(of, walk, [submit(ANNEAL, POLISH), submit()], [reviews(later, drop)])
    assert [(each.kind, each.by) for each in first.vetoed] == [("later", "critic"), ("veto", "critic")]
    assert first.vetoed[0].reason == "Not now: It needs a measured polish first."
    of.back(of.assign("worker", walk), first)
    found, _ = run(of, walk, [submit(ANNEAL, POLISH)], [verdicts("")])
    assert [draft.change for draft in found.drafts] == ["anneal the walk"]
    assert [each.by for each in found.vetoed] == ["history"]


def test_a_merger_names_a_hypothesis_that_there_is_or_one_that_is_accepted() -> None:
    of, walk = started()
    known = of.draft(walk, "something else", "That has nothing to do with it at all.")
    accept, merged = {"verdict": "accept"}, {"verdict": "merge", "same_as": "h-999"}
    answers = [reviews(accept, merged), reviews({**merged, "same_as": "2"}, {"verdict": "veto"})]
    found, desk = run(of, walk, [submit(ANNEAL, POLISH)], [*answers, reviews(accept, {**merged, "same_as": known})])
    assert 'These do not: 2 (you gave "h-999").' in desk.told()[2]
    assert 'These do not: 1 (you gave "2").' in desk.told()[3]
    (veto,) = found.vetoed
    assert (veto.kind, veto.same, veto.reason) == ("merge", known, f"The same as {known}: so it is")
    other, _ = run(of, walk, [submit(ANNEAL, POLISH)], [reviews(accept, {**merged, "same_as": "1"})])
    assert other.vetoed[0].reason == 'The same as "anneal the walk": so it is'


def test_what_is_in_flight_counts_as_tried() -> None:
    of, walk = started()
    other = of.line("layout")
    change, text = ANNEAL["change"], ANNEAL["text"]
    of.back(of.assign("worker", other), Handoff("", "", "", (Draft(change, text),)))  # and nobody acted upon it yet
    of.assign("subagent", other, hypothesis=of.draft(other, POLISH["change"], POLISH["text"]), parent=BASELINE)
    found, _ = run(of, walk, [submit(ANNEAL, POLISH), submit()])
    assert [veto.by for veto in found.vetoed] == ["history", "history"]
    assert found.vetoed[0].reason == 'it is under way already, as "anneal the walk"'
    assert "a subagent is at it" in found.vetoed[1].reason


def test_the_same_from_the_best_and_from_what_is_best_is_the_same() -> None:
    of, walk = started()
    found, _ = run(of, walk, [submit(ANNEAL, {**ANNEAL, "parent": BASELINE})], [verdicts("")])
    assert [draft.parent for draft in found.drafts] == [None]
    assert "says the same as another one" in found.vetoed[0].reason


def test_the_critic_is_told_what_is_under_way_and_what_is_alike_in_one_answer() -> None:
    of, walk = started()
    layout = of.line("layout")
    waiting = of.draft(layout, "hexagons", "Begin with a lattice.")
    anew = of.draft(layout, "rings", "Begin with rings.", anew=True)
    best = of.tried(walk, "walk further", 0.5)
    given = of.draft(layout, "spirals", "Begin with a spiral.", anew=True)
    of.assign("subagent", layout, hypothesis=given, parent=best)
    near = {"change": "anneal the walk slowly", "text": ANNEAL["text"] + " Cool it slowly and restart."}
    _, desk = run(of, walk, [submit(ANNEAL, near)], [verdicts("", "")], left=3)
    brief = desk.told()[1]
    assert "- For search the campaign has about 3 experiments left, for all who are at work or wait" in brief
    assert f'- {anew} on "layout" from whatever is best by then "rings": it waits for a subagent' in brief
    assert f'- {given} on "layout" from {best} (scored 1.5) "spirals": a subagent is at it' in brief
    assert f'- {waiting} on "layout" from {BASELINE} (scored 1) "hexagons": it waits for a subagent' in brief
    assert "- like others in this list: hypothesis 2 (" in brief.partition("## Hypothesis 2")[0]
