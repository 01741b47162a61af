"""What agents are granted and promised: versions for diagnosis, repeats, the end of search, a baseline that breaks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.agents.books import AgentsBook
from tests.boards import BASELINE, setup

from aster.agents.protocol import Desk
from aster.agents.record import read_records
from aster.agents.replay import rerun
from aster.agents.subagent import Subagent
from aster.board import Board
from aster.campaign.assign import OVER, done
from aster.campaign.decide import Minds
from aster.campaign.replay import replay
from aster.domain import events as ev
from aster.domain.ids import search_seed, tree_id
from aster.domain.records import Failed, Measured, Objective, Result
from aster.domain.research import Draft, Handoff, ModelChoice, Note, Plan, Tokens
from aster.evidence.findings import noise
from aster.execution.protocol import Job
from aster.llm.protocol import Prompt, Reply, Returned, Said
from aster.planning.bandit import BanditPlanner
from aster.proposers.several import Several
from aster.testing.desks import says
from aster.testing.fakes import FakeExecutor
from aster.testing.trouble import toy

from .crews import Answering, talk
from .crews import says as always
from .simulated import SOLUTION
from .test_crew import Lab, loss_of, nothing_more, plan_of, raising, with_models

BEST = {**SOLUTION, "solution/a.py": b"A = 9\n"}


def wavering(job: Job) -> Result:
    """The loss, and what the seed adds to it, of each version otherwise."""
    found = loss_of(job)
    assert isinstance(found, Measured)
    return Measured({"loss": found.metrics["loss"] + (job.seed % 11 + job.seed % 5 * found.metrics["loss"]) / 1000})


def scripted(*replies: Said, tail: str = "") -> Answering:
    """A model that gives these replies, and then finishes; `tail` goes into its finding."""
    finish = says(("finish", {"finding": f"A of 9 was tried, and this is what came of it.{tail}", "concerns": "none"}))

    def answer(_: ModelChoice, prompt: Prompt) -> Reply:
        said = sum(isinstance(message, Said) for message in prompt.messages)
        return Reply(replies[said] if said < len(replies) else finish, Tokens(100, 10))

    return Answering(answer)


EDIT = ("edit_file", {"path": "a.py", "find": "A = 0", "replace": "A = 9"})


def run_experiment(**more: Any) -> tuple[str, dict[str, Any]]:
    return "run_experiment", {"change": "nine at once", **more}


def lab_of(folder: Path, answering: Answering, experiments: int = 30, **changes: Any) -> Lab:
    subagent = Subagent(toy(SOLUTION), checks=False)
    chosen = with_models(experiments, **changes)
    lab = Lab(folder, chosen, answering, planner=plan_of("x"), worker=nothing_more, subagent=subagent)
    lab.executor = FakeExecutor(wavering, chosen.slots)
    return lab


def told(answering: Answering, tool: str) -> list[str]:
    """Return what a tool's calls came to, in the longest conversation."""
    longest = max(answering.prompts, key=lambda prompt: len(prompt.messages))
    return [message.text for message in longest.messages if isinstance(message, Returned) and message.tool == tool]


def comes_out_again(lab: Lab) -> None:
    """Check that decisions and agents do the same again from the ledger."""
    minds = Minds(BanditPlanner({}), Several([]), SOLUTION, briefing=lab.briefing)
    assert replay(lab.store.read(), lambda _: minds).divergence is None
    board = Board().fold(lab.store.read())
    for record in read_records(lab.store.read()).values():
        if record.assignment.role == "subagent":
            assert rerun(record, Subagent(toy(SOLUTION), checks=False), board, lab.store.get_blob) is None


# --- diagnosis -----------------------------------------------------------------------------------------------


def test_a_version_for_diagnosis_is_measured_and_told_and_nothing_more(tmp_path: Path) -> None:
    answering = scripted(says(EDIT, run_experiment(diagnosis=True)))
    lab = lab_of(tmp_path, answering)
    board = lab.run()
    name = tree_id(BEST)
    [made] = board.experiments_of[name]
    assert board.experiments[made].record.purpose == "diagnosis"
    assert board.experiments[made].metrics is not None
    assert board.candidates[name].diagnosis
    assert "It is for diagnosis" in told(answering, "run_experiment")[0]
    assert "Experiments left: 7." in told(answering, "run_experiment")[0]
    assert name not in board.ranking
    assert name not in board.archive.elites.values()
    assert board.best_unconfirmed() is None
    assert (board.claims, board.champion, board.findings) == ({}, None, [])
    [state] = [each for each in board.research.assignments.values() if each.record.role == "subagent"]
    assert state.experiments == 1
    comes_out_again(lab)


def test_the_same_version_can_be_meant_in_earnest_later(tmp_path: Path) -> None:
    answering = scripted(says(EDIT, run_experiment(diagnosis=True)), says(run_experiment()), says(run_experiment()))
    lab = lab_of(tmp_path, answering)
    board = lab.run()
    name = tree_id(BEST)
    purposes = [board.experiments[each].record.purpose for each in board.experiments_of[name]]
    assert purposes[:2] == ["diagnosis", "search"]
    assert not board.candidates[name].diagnosis
    assert board.champion == name
    assert told(answering, "run_experiment")[2].startswith("You have measured exactly this before.")
    comes_out_again(lab)


def test_no_hypothesis_starts_from_a_version_for_diagnosis(tmp_path: Path) -> None:
    async def work(desk: Desk) -> Handoff:
        if tree_id(BEST) not in desk.look().candidates or desk.look().research.lines.popitem()[1].handoff:
            return Handoff("all", "something", "none")
        return Handoff("some", "it helps", "none", (Draft("on top of it", "it looked best", None, tree_id(BEST)),))

    lab = lab_of(tmp_path, scripted(says(EDIT, run_experiment(diagnosis=True))))
    lab.cast._roles["worker"] = work
    lab.run()
    refused = [each for event in lab.those(ev.ResultTaken) for each in event.refused]
    assert refused == [f"on top of it: {tree_id(BEST)} was made for a diagnosis, so it starts from the best"]
    parents = {event.assignment.parent for event in lab.those(ev.AssignmentGiven) if event.assignment.parent}
    assert tree_id(BEST) not in parents


# --- measured again ------------------------------------------------------------------------------------------


def test_a_version_and_its_parent_are_measured_again_on_further_search_seeds(tmp_path: Path) -> None:
    mine, parent = ("measure_again", {"version": "mine"}), ("measure_again", {"version": "parent"})
    answering = scripted(says(EDIT, mine, run_experiment()), says(parent), says(mine), says(mine))
    lab = lab_of(tmp_path, answering, 60)
    board = lab.run()
    texts = told(answering, "measure_again")
    assert texts[0].startswith("Error: You have not measured your version")
    name, base, seeds = (
        tree_id(BEST),
        tree_id(SOLUTION),
        [search_seed(board.setup.seed, n) for n in range(20)],
    )
    runs = {each: [board.experiments[x].record for x in board.experiments_of[each]] for each in (name, base)}
    again = [record.seed for record in runs[name] if record.purpose == "repeat"]
    assert again == seeds[1:3]
    [once] = [record.seed for record in runs[base] if record.purpose == "repeat"]
    assert once in seeds
    fresh = {seed for claim in board.claims.values() for seed in claim.record.seeds}
    assert not fresh & {*again, once}
    assert "This version ran 3 times: mean " in texts[3]
    assert "On the 3 seeds that both ran on it gains " in texts[3]
    assert "Experiments left: 4." in texts[3]
    assert board.score(name) is not None
    assert board.score(name).n == 1  # type: ignore[union-attr] # it ranks by the seed that all share
    comes_out_again(lab)


def test_an_exact_score_of_a_run_without_a_seed_is_not_measured_again_and_costs_nothing(tmp_path: Path) -> None:
    answering = scripted(says(EDIT, run_experiment()), says(("measure_again", {"version": "mine"})))
    lab = lab_of(tmp_path, answering, objective=Objective("loss", "minimize", exact=True), paired=False)
    board = lab.run()
    [text] = told(answering, "measure_again")
    assert "exact and its runs take no seed: the same version scores the same every time" in text
    assert not any(state.record.purpose == "repeat" for state in board.experiments.values())
    [state] = [each for each in board.research.assignments.values() if each.record.role == "subagent"]
    assert state.experiments == 1


def test_another_seed_of_an_exact_problem_is_told_and_neither_ranks_nor_is_claimed(tmp_path: Path) -> None:
    again = ("measure_again", {"version": "mine"})
    answering = scripted(says(EDIT, run_experiment()), says(again), says(again))
    lab = lab_of(tmp_path, answering, objective=Objective("loss", "minimize", exact=True))
    board = lab.run()
    name, texts = tree_id(BEST), told(answering, "measure_again")
    runs = [board.experiments[each].record for each in board.experiments_of[name]]
    assert [run.purpose for run in runs[:3]] == ["search", "repeat", "repeat"]
    assert len({run.seed for run in runs[:3]}) == 3
    assert "It ran on another search seed, and ranks nobody" in texts[1]
    values = [board.experiments[run.id].metrics["loss"] for run in runs[:3]]  # type: ignore[index]
    assert f"This version ran 3 times: mean {sum(values) / 3:.10g}, sd " in texts[1]
    assert f", best {min(values):.10g}." in texts[1]
    assert "Experiments left: 5." in texts[1]
    assert board.score(name).mean == values[0]  # type: ignore[union-attr]
    assert board.baseline_score is not None
    assert noise(board) == 0.0
    [claim] = [each for each in board.claims.values() if each.record.candidate == name]
    assert claim.record.seeds == (runs[0].seed,)
    comes_out_again(lab)


def test_what_repeats_waver_by_counts_as_noise_from_then_on(tmp_path: Path) -> None:
    calm = scripted(says(EDIT, run_experiment()), says(("measure_again", {"version": "mine"})))
    lab = lab_of(tmp_path, calm)

    def crowded(job: Job) -> Result:
        """Quiet while the baseline is measured."""
        base = loss_of(job)
        assert isinstance(base, Measured)
        return base if base.metrics["loss"] == 30.0 else Measured({"loss": base.metrics["loss"] + job.seed % 7})

    lab.executor = FakeExecutor(crowded, 2)
    board = lab.run()
    assert board.baseline_score is not None
    assert board.baseline_score.sd == 0.0
    assert board.here.spread.freedom == 1
    assert board.here.spread.squares > 0


# --- the end of search ---------------------------------------------------------------------------------------


def test_nobody_is_promised_more_than_is_there(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path,
        with_models(14, agents=6),
        Answering(always("fine"), 0.002),
        planner=plan_of("x", "y", drafts=6),
        worker=nothing_more,
        subagent=raising("a"),
    )
    lab.run()
    board, told_left = Board(), []
    for event in lab.events():
        if isinstance(event, ev.AssignmentGiven) and event.assignment.role == "subagent":
            given, limit = event.assignment, board.setup.limits.experiments
            assert limit is not None
            assert given.search_left is not None
            assert given.allowance.experiments <= given.search_left <= limit - board.spend.experiments
            assert given.search_left > len(board.research.owed)
            told_left.append(given.search_left)
        board.apply(event)
    assert told_left
    assert min(told_left) < 8


def until_over(folder: Path, turns: int = 12) -> tuple[Lab, Answering]:
    """A campaign whose one subagent goes on trying as long as it is let."""
    replies = [
        says(("write_file", {"path": "b.py", "content": f"B = {n}\n"}), ("run_experiment", {"change": f"b as {n}"}))
        for n in range(1, turns)
    ]
    answering = scripted(*replies)
    return lab_of(folder, answering, 16, agents=1), answering


def test_once_search_is_over_an_agent_is_told_and_has_a_few_replies_left(tmp_path: Path) -> None:
    lab, answering = until_over(tmp_path)
    board = lab.run()
    longest = max(answering.prompts, key=lambda prompt: len(prompt.messages))
    texts = [message.text for message in longest.messages]
    place = next(number for number, text in enumerate(texts) if text.startswith(OVER))
    assert sum(isinstance(message, Said) for message in longest.messages[place:]) == 2
    ran = [text for text in told(answering, "run_experiment") if text.startswith("Experiment ")]
    assert "For search the campaign has about " in ran[0]
    assert "Search is over: finish with what you learnt" in ran[-1]
    assert len(board.research.notes) == 1
    assert board.ended is not None
    assert board.ended.startswith("budget: experiments spent")
    comes_out_again(lab)


def test_the_end_says_who_had_nothing_more(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path,
        with_models(40),
        Answering(always("")),
        planner=plan_of("x"),
        worker=nothing_more,
        subagent=raising("a"),
    )
    board = lab.run()
    assert board.ended is not None
    assert board.ended.startswith(
        "agents: the planner and its workers have proposed nothing more; search could have made"
    )


def planning(*plans: Plan) -> Any:
    """A planner that opens a direction, then hands back these plans, and the last of them from then on."""
    opens = plan_of("x")

    async def plan(desk: Desk) -> Plan:
        given = len(desk.look().research.plans)
        return plans[min(given, len(plans)) - 1] if given else await opens(desk)

    return plan


def test_a_planner_that_sees_nothing_more_is_not_asked_again_and_the_end_says_why(tmp_path: Path) -> None:
    planner = planning(Plan(done="All roads are\n closed."))
    lab = Lab(tmp_path, with_models(40), Answering(always("")), planner=planner, worker=nothing_more,
              subagent=raising("a"))  # fmt: skip
    board = lab.run()
    assert board.ended == "agents: the planner sees nothing more to try: All roads are closed."
    assert board.champion is not None, "what was found is claimed first"
    assert len(board.research.plans) == 2
    assert len(lab.run().research.plans) == 2, "whoever resumes it without a word to the planner is told the same"
    minds = Minds(BanditPlanner({}), Several([]), SOLUTION, briefing=lab.briefing)
    assert replay(lab.store.read(), lambda _: minds).divergence is None


def test_what_is_news_to_a_planner_that_saw_nothing_more() -> None:
    of = AgentsBook(setup(mode="arrival", resolution=0.1))
    of.baseline(1.0)
    of.back(of.assign("planner", best=BASELINE), Plan(done="All is known."))
    assert done(of.board) == "All is known."
    line = of.line("x")
    of.tried(line, "a tie", 0.05)
    assert done(of.board) == "All is known."
    of.say(ev.SteeringGiven("r-1", "Look at the walk."))
    of.decide()
    assert done(of.board) is None
    of.back(of.assign("planner", best=BASELINE), Plan(done="Still."))
    assert done(of.board) == "Still."
    best = of.tried(line, "a new best", 0.5)
    assert done(of.board) is None
    of.back(of.assign("planner", best=best), Plan(note="Wait."))
    assert done(of.board) is None


# --- a baseline that breaks ----------------------------------------------------------------------------------


def test_a_baseline_that_breaks_cuts_off_who_is_talking(tmp_path: Path) -> None:
    replies = 0

    def answer(_: ModelChoice, __: Prompt) -> Reply:
        nonlocal replies
        replies += 1
        return Reply(Said("go on"), Tokens(100, 10))

    async def chatter(desk: Desk) -> Note:
        await talk(desk, turns=40)
        return Note("talked to the end")

    answering = Answering(answer, 0.02)
    lab = Lab(tmp_path, with_models(), answering, planner=plan_of("x"), worker=nothing_more, subagent=chatter)

    async def cut_off() -> None:
        running = asyncio.ensure_future((loop := lab.loop()).run())
        while replies < 3:
            await asyncio.sleep(0.001)
        loop.leave()
        await running

    asyncio.run(cut_off())
    live = list(lab.board.research.live)
    assert live
    lab.executor = FakeExecutor(lambda _: Failed("the driver is gone"), 2)
    lab.executor.hardware = "another machine"
    before = replies
    board = lab.run()
    assert board.ended == "baseline failed: the driver is gone"
    for name in live:
        state = board.research.assignments[name]
        assert (state.ending, state.reason) == ("cancelled", "baseline failed: the driver is gone")
    assert replies - before < 40 * len(live) / 2
    assert board.research.calls == {}
    assert board.research.notes == []
    settled = [event.settled for event in lab.those(ev.CallSettled)]
    assert [each.status for each in settled].count("unknown") <= 1  # cut off by leaving; none by the baseline
    minds = Minds(BanditPlanner({}), Several([]), SOLUTION, briefing=lab.briefing)
    assert replay(lab.store.read(), lambda _: minds).divergence is None


def test_one_that_was_cut_off_before_a_crash_does_not_begin_again(tmp_path: Path) -> None:
    answering = Answering(always("fine"))
    lab = Lab(tmp_path, with_models(), answering, planner=plan_of("x"), worker=nothing_more, subagent=raising("a"))
    lab.run()
    given = next(event.assignment for event in lab.those(ev.AssignmentGiven) if event.assignment.role == "subagent")
    term = lab.store.begin_term(0.0)
    late = replace(given, id="a-late")
    lab.store.append([ev.AssignmentGiven(late), ev.AssignmentCutOff("a-late", "baseline failed")], term=term, time=0.0)
    before = len(lab.cast.began)
    board = lab.run()
    assert "a-late" not in [each.id for each in lab.cast.began[before:]]
    assert board.research.assignments["a-late"].reason == "baseline failed"
