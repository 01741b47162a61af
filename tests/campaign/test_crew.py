"""Campaigns with agents: assignments, asks, ceilings, resumes; agents and models follow scripts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aster.agents.protocol import Desk, Granted
from aster.archive import traits
from aster.board import Board
from aster.campaign.crew import Crew
from aster.campaign.decide import Minds
from aster.campaign.jobs import job_of
from aster.campaign.loop import Loop
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate, Experiment, Limits, Measured, Result, Setup
from aster.domain.research import (
    Combination,
    DirectionDraft,
    Draft,
    Handoff,
    ModelChoice,
    Note,
    Plan,
    Price,
    Tokens,
)
from aster.domain.trees import pack_tree, unpack_tree
from aster.execution.protocol import Job
from aster.ledger.sqlite import SqliteStore
from aster.llm.chain import Chain
from aster.llm.limits import Gate
from aster.llm.protocol import Prompt, Refusal, Reply, Said, Told, Unknown
from aster.planning.bandit import BanditPlanner
from aster.proposers.several import Several
from aster.testing.fakes import FakeExecutor

from .crews import Answering, Cast, PlainBriefing, no_plan, says, talk, try_tree
from .simulated import SOLUTION, setup
from .test_loop import FakeTime

MODEL = ModelChoice("test:model", Price(10.0, 10.0))


def with_models(experiments: int | None = 30, **changes: Any) -> Setup:
    limits = Limits(None, experiments, changes.pop("usd", 100.0), changes.pop("tokens", None))
    chosen = setup(experiments, mode="arrival", slots=2)
    return replace(
        chosen, limits=limits, models=(MODEL,), agents=changes.pop("agents", 4), researcher="agents", **changes
    )


def loss_of(job: Job) -> Result:
    """A candidate's loss: 30 less the sum of its constants."""
    found = [int(n) for data in job.files.values() for n in re.findall(r"[ABC] = (-?\d+)", data.decode())]
    return Measured({"loss": 30.0 - sum(found)})


class Lab:
    """A campaign with agents on disk."""

    def __init__(self, folder: Path, chosen: Setup, provider: Answering, **roles: Callable[[Desk], object]) -> None:
        self.store = SqliteStore(folder / "ledger.db", create=True)
        self.time, self.provider = FakeTime(), provider
        self.clock = self.time.clock
        self.gate: Gate | None = None
        self.pause_s = 0.0
        self.cast = Cast(**{"planner": no_plan, **roles})
        self.briefing = PlainBriefing(SOLUTION)
        self.executor = FakeExecutor(loss_of, chosen.slots)
        tree, blobs = pack_tree(SOLUTION)
        baseline = Candidate(tree_id(SOLUTION), tree, (), "baseline", None, (), "", traits(SOLUTION, SOLUTION))
        opening: list[ev.Event] = [ev.CampaignOpened("lab", chosen, tree), ev.CandidateAdded(baseline)]
        self.store.append(opening, time=0.0, blobs=blobs)
        self.board = Board()

    def loop(self) -> Loop:
        """Return a new term's loop; to be made in a running event loop."""
        term = self.store.begin_term(0.0)
        self.store.append([ev.TermStarted(term, self.executor.hardware, "h", 1, "0")], term=term, time=0.0)
        self.board, position = Board().fold(self.store.read()), self.store.last_position()
        proposer = Several([])
        minds = Minds(BanditPlanner({}), proposer, SOLUTION, briefing=self.briefing)

        def make_job(board: Board, experiment: Experiment, attempt: str) -> Job:
            return job_of(board, experiment, attempt, {}, self.store.get_blob)

        crew = Crew(
            self.board,
            self.cast,
            self.provider,
            pause=lambda *_: self.pause_s,
            get_blob=self.store.get_blob,
            files_of=lambda candidate: unpack_tree(candidate.tree, self.store.get_blob),
            clock=self.clock,
            gate=self.gate,
        )
        loop = (self.board, self.store, self.executor, minds, make_job)
        return Loop(*loop, position=position, clock=self.clock, crew=crew)

    def run(self) -> Board:
        """Run a term to its end."""

        async def whole() -> None:
            await asyncio.wait_for(self.loop().run(), 30)

        asyncio.run(whole())
        return self.board

    def events(self) -> list[ev.Event]:
        return [entry.event for entry in self.store.read()]

    def those(self, kind: type) -> list[Any]:
        return [event for event in self.events() if isinstance(event, kind)]


def plan_of(*surfaces: str, drafts: int = 1) -> Callable[[Desk], Any]:
    """A planner that opens these directions the first time, and has nothing to add after it."""

    async def plan(desk: Desk) -> Plan:
        if desk.look().research.plans:
            return Plan()

        def several(surface: str) -> tuple[Draft, ...]:
            return tuple(Draft(f"more {number} of {surface}", "it is too small") for number in range(drafts))

        return Plan(open=tuple(DirectionDraft(each, "why not", drafts=several(each)) for each in surfaces))

    return plan


async def nothing_more(desk: Desk) -> Handoff:
    return Handoff("all", "something", "none")


def raising(letter: str) -> Callable[[Desk], Any]:
    """A subagent that sets a constant one higher than its parent has it."""

    async def explore(desk: Desk) -> Note:
        await talk(desk)
        files = desk.files(desk.look().candidates[desk.assignment.parent or ""])
        path = f"solution/{letter}.py"
        now = int(files[path].decode().rpartition("=")[2])
        granted = await try_tree(desk, 1, {**files, path: f"{letter.upper()} = {now + 1}\n".encode()})
        assert granted.outcome is not None
        return Note("one more helps", (granted.experiment or "",))

    return explore


def test_a_plan_becomes_directions_hypotheses_and_experiments(tmp_path: Path) -> None:
    answering = Answering(says("fine"))
    lab = Lab(tmp_path, with_models(), answering, planner=plan_of("x"), worker=nothing_more, subagent=raising("a"))
    board = lab.run()
    [line] = board.research.lines.values()
    assert (line.record.surface, line.record.by) == ("x", "agents")
    assert [state.record.role for state in board.research.assignments.values()][:2] == ["planner", "subagent"]
    [asked] = [c for c in board.candidates.values() if c.author == "agents"]
    hypothesis = board.hypotheses[asked.hypothesis or ""]
    assert hypothesis.of in board.hypotheses
    [finding] = board.findings
    assert (finding.hypothesis, finding.gain, finding.success) == (hypothesis.id, 1.0, True)
    [(_, note)] = board.research.notes
    assert note.text == "one more helps"
    assert board.champion == asked.id
    assert not board.research.live


def test_a_candidate_that_is_known_costs_no_experiment(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path,
        with_models(),
        Answering(says("")),
        planner=plan_of("x", "y"),
        worker=nothing_more,
        subagent=raising("a"),
    )
    board = lab.run()
    assert len(board.research.notes) == 2
    assert len({answer.experiment for answer in lab.those(ev.AskAnswered)}) == 1
    assert sum(c.author == "agents" for c in board.candidates.values()) == 1


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    lab = Lab(tmp_path, with_models(), Answering(says("")), planner=plan_of("no"))
    lab.run()
    assert ("direction on no: it is called no",) in [event.refused for event in lab.those(ev.ResultTaken)]


def test_a_worker_goes_on_until_it_has_nothing_more(tmp_path: Path) -> None:
    async def work(desk: Desk) -> Handoff:
        notes = len(desk.look().research.notes)
        drafts = (Draft(f"more than {notes}", "still too small"),) if notes < 4 else ()
        return Handoff("some", "more is better", "none", drafts)

    lab = Lab(tmp_path, with_models(40), Answering(says("")), planner=plan_of("x"), worker=work, subagent=raising("b"))
    board = lab.run()
    assert len(board.research.notes) == 4
    best = board.candidates[next(iter(board.ranking))]
    assert unpack_tree(best.tree, lab.store.get_blob)["solution/b.py"] == b"B = 4\n"


def test_combinations_that_merge_need_no_agent(tmp_path: Path) -> None:
    async def plan(desk: Desk) -> Plan:
        board = desk.look()
        if not board.research.plans:
            return await plan_of("x", "y")(desk)  # type: ignore[no-any-return]
        made = [c.id for c in board.candidates.values() if c.author == "agents"]
        if len(made) == 2 and len(board.research.plans) == 1:
            return Plan(combine=(Combination(made[0], made[1], "they touch different files"),))
        return Plan()

    async def explore(desk: Desk) -> Note:
        surface = desk.look().directions[desk.assignment.direction or ""].record.surface
        return await raising("a" if surface == "x" else "b")(desk)  # type: ignore[no-any-return]

    lab = Lab(tmp_path, with_models(40), Answering(says("")), planner=plan, worker=nothing_more, subagent=explore)
    both = {**SOLUTION, "solution/a.py": b"A = 1\n", "solution/b.py": b"B = 1\n"}
    a, b = {**SOLUTION, "solution/a.py": b"A = 1\n"}, {**SOLUTION, "solution/b.py": b"B = 1\n"}
    lab.briefing.merges = {(tree_id(one), tree_id(two)): both for one in (a, b) for two in (a, b) if one != two}
    board = lab.run()
    assert board.candidates[tree_id(both)].author == "merge"
    assert board.score(tree_id(both)) is not None
    assert board.champion == tree_id(both)


def test_a_ceiling_holds_with_many_calls_in_flight(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        await talk(desk, turns=30)
        return Note("")

    chosen = with_models(200, usd=0.20, agents=40)
    lab = Lab(
        tmp_path, chosen, Answering(says("", used=400), 0.005), planner=plan_of(*"pqrs", drafts=10), subagent=explore
    )
    most = 0.0

    def watch(board: Board) -> None:
        nonlocal most
        most = max(most, board.research.bill.usd + board.research.bill.reserved_usd)

    board = Board()
    lab.run()
    for event in lab.events():
        board.apply(event)
        watch(board)
    assert 0.18 < most <= 0.20
    assert board.research.ceiling
    assert board.ended == board.research.ceiling


def test_more_than_was_reserved_is_recorded_and_cut_off(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        await talk(desk, turns=3)
        return Note("")

    lab = Lab(tmp_path, with_models(), Answering(says("", used=100_000)), planner=plan_of("x"), subagent=explore)
    board = lab.run()
    [settled] = [event.settled for event in lab.those(ev.CallSettled)]
    [call] = [event.call for event in lab.those(ev.CallReserved)]
    assert settled.usd == call.usd
    assert settled.over_usd == pytest.approx(2.0 - call.usd)
    assert settled.tokens == Tokens(100_000, 100_000)
    assert board.research.model(MODEL.name).cut_off
    assert board.ended is not None
    assert "200000 tokens" in board.ended


def test_refused_calls_are_free_and_unknown_ones_are_charged_in_full(tmp_path: Path) -> None:
    errors: list[Any] = [Refusal("too many", 0.0), Unknown("timed out")]

    def answer(_: ModelChoice, __: Prompt) -> Any:
        return errors.pop(0) if errors else Reply(Said("at last"), Tokens(10, 10))

    lab = Lab(
        tmp_path, with_models(), Answering(answer), planner=plan_of("x"), worker=nothing_more, subagent=raising("a")
    )
    board = lab.run()
    calls = [event.settled for event in lab.those(ev.CallSettled)]
    worst = [event.call.usd for event in lab.those(ev.CallReserved)]
    assert [each.status for each in calls] == ["refused", "unknown", "answered"]
    assert [each.usd for each in calls] == pytest.approx([0.0, worst[1], 0.0002])
    assert len(board.research.notes) == 1


def test_a_request_that_cannot_be_taken_ends_its_agent_and_not_the_model(tmp_path: Path) -> None:
    errors: list[Any] = [Refusal("too long", fatal=True)]

    def answer(_: ModelChoice, __: Prompt) -> Any:
        return errors.pop(0) if errors else Reply(Said("ok"), Tokens(10, 10))

    plan = plan_of("x", "y")
    lab = Lab(
        tmp_path, with_models(agents=1), Answering(answer), planner=plan, worker=nothing_more, subagent=raising("a")
    )
    board = lab.run()
    ended = [(event.ending, event.reason) for event in lab.those(ev.AssignmentEnded)]
    assert ("failed", "too long") in ended
    assert not board.research.model(MODEL.name).cut_off
    assert board.research.notes


def test_a_model_that_cannot_be_used_is_cut_off_at_once(tmp_path: Path) -> None:
    def answer(_: ModelChoice, __: Prompt) -> Any:
        return Refusal("bad key", unusable=True)

    lab = Lab(tmp_path, with_models(), Answering(answer), planner=plan_of("x"), subagent=raising("a"))
    board = lab.run()
    assert board.research.model(MODEL.name).cut_off == "bad key"
    assert len(lab.those(ev.CallSettled)) <= 4


def test_counts_that_cannot_be_read_are_charged_as_reserved_and_not_held_against_the_model(tmp_path: Path) -> None:
    def answer(_: ModelChoice, __: Prompt) -> Any:
        return Reply(Said("ok"), Tokens(10**9, 10**9), odd="no usable number")

    lab = Lab(
        tmp_path, with_models(), Answering(answer), planner=plan_of("x"), worker=nothing_more, subagent=raising("a")
    )
    board = lab.run()
    calls = {event.call.id: event.call for event in lab.those(ev.CallReserved)}
    for event in lab.those(ev.CallSettled):
        assert event.settled.tokens.total == calls[event.settled.call].tokens
        assert event.settled.usd == pytest.approx(calls[event.settled.call].usd)
        assert (event.settled.over_usd, event.settled.error) == (0.0, "no usable number")
    assert not board.research.model(MODEL.name).cut_off


def begun_lab(folder: Path, explore: Callable[[Desk], Any]) -> tuple[Lab, Answering]:
    """Return a campaign that was left when the model was asked for the second time, and the model."""
    loops: list[Loop] = []

    def answer(model: ModelChoice, prompt: Prompt) -> Reply:
        if len(answering.prompts) == 2:
            loops[0].leave()
        return says("so")(model, prompt)

    answering = Answering(answer)
    lab = Lab(folder, with_models(), answering, planner=plan_of("x"), worker=nothing_more, subagent=explore)

    async def cut_off() -> None:
        loops.append(lab.loop())
        await loops[0].run()

    asyncio.run(cut_off())
    return lab, answering


def test_a_campaign_that_is_stopped_goes_on_without_paying_twice(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        await talk(desk, turns=3)
        return await raising("c")(desk)  # type: ignore[no-any-return]

    lab, answering = begun_lab(tmp_path, explore)
    assert lab.board.ended is None
    assert lab.board.research.live
    paid = sum(len(path.answers) for path in lab.board.research.paths.values())
    asked = len(answering.prompts)
    board = lab.run()
    assert len(board.research.notes) == 1
    assert board.champion is not None
    assert len(answering.prompts) == asked + 3 - paid


def test_one_agents_fault_ends_it_alone(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        if desk.look().hypotheses[desk.assignment.hypothesis or ""].change == "more 0 of x":
            raise ZeroDivisionError("oh")
        return await raising("a")(desk)  # type: ignore[no-any-return]

    lab = Lab(
        tmp_path,
        with_models(),
        Answering(says("")),
        planner=plan_of("x", drafts=2),
        worker=nothing_more,
        subagent=explore,
    )
    board = lab.run()
    failed = [state for state in board.research.assignments.values() if state.ending == "failed"]
    assert [state.reason for state in failed] == ["a fault of Aster's: ZeroDivisionError: oh"] * 2
    assert len(board.research.notes) == 1


def test_an_agent_that_another_version_began_is_begun_anew(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        await talk(desk, turns=2)
        return await raising("c")(desk)  # type: ignore[no-any-return]

    lab, _ = begun_lab(tmp_path, explore)

    async def otherwise(desk: Desk) -> Note:
        chain = Chain("You are another.", ())
        chain.add(Told(desk.brief))
        await desk.call(desk.assignment.id, 1, chain, role="subagent", max_output=100, must_call=False)
        return Note("begun anew")

    [first] = lab.board.research.live
    lab.cast = Cast(planner=no_plan, worker=nothing_more, subagent=otherwise)
    board = lab.run()
    assert board.research.assignments[first].ending == "cancelled"
    assert "another version" in board.research.assignments[first].reason
    assert [note.text for _, note in board.research.notes] == ["begun anew"]


# --- checks ------------------------------------------------------------------------------------------------------


def checking(seen: list[Granted]) -> Callable[[Desk], Any]:
    """A subagent that has its version checked, three times, before it runs it once."""

    async def explore(desk: Desk) -> Note:
        files = {**SOLUTION, "solution/a.py": b"A = 5\n"}
        for number in range(1, 4):
            seen.append(await try_tree(desk, number, files, quick=True))
        seen.append(await try_tree(desk, 4, files))
        return Note("five is better")

    return explore


def test_checks_are_run_and_cost_no_experiment(tmp_path: Path) -> None:
    seen: list[Granted] = []
    roles: dict[str, Any] = {"planner": plan_of("x"), "worker": nothing_more, "subagent": checking(seen)}
    lab = Lab(tmp_path, with_models(checks=True), Answering(says("")), **roles)
    board = lab.run()
    results = [each.outcome.result for each in seen if each.outcome is not None]
    assert results == [Measured({})] * 3 + [Measured({"loss": 25.0})]
    checks = [state for state in board.experiments.values() if state.record.purpose == "check"]
    assert len(checks) == 3
    assert board.spend.experiments == len(board.experiments) - 3
    assert [job.quick for job in lab.executor.submitted].count(True) == 3
    [state] = [each for each in board.research.assignments.values() if each.record.role == "subagent"]
    assert state.experiments == 1


def test_without_quick_stages_a_check_is_refused(tmp_path: Path) -> None:
    seen: list[Granted] = []
    roles: dict[str, Any] = {"planner": plan_of("x"), "worker": nothing_more, "subagent": checking(seen)}
    Lab(tmp_path, with_models(), Answering(says("")), **roles).run()
    assert [each.reason for each in seen[:3]] == ["the problem has no quick stages to check with"] * 3
    assert seen[3].outcome is not None


def test_what_two_workers_hand_over_at_the_same_time_is_proposed_once(tmp_path: Path) -> None:
    async def work(desk: Desk) -> Handoff:
        drafts = (Draft("polish by Newton", "solve the contact equations"),)
        line = desk.look().research.lines[desk.assignment.direction or ""]
        return Handoff("some", "more is better", "none", () if line.handoff else drafts)

    lab = Lab(
        tmp_path, with_models(40), Answering(says("")), planner=plan_of("x", "y"), worker=work, subagent=raising("b")
    )
    board = lab.run()
    own = [each for each in board.hypotheses.values() if each.change == "polish by Newton" and each.of is None]
    assert [each.by for each in own] == ["worker"]
    refused = [why for event in lab.those(ev.ResultTaken) for why in event.refused]
    assert any(f'"polish by Newton": meanwhile {own[0].id} says the same' in why for why in refused)
