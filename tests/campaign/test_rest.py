"""How campaigns with agents come to rest: what could keep them from it, and what is owed when they do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aster.agents.protocol import Desk, Unanswered
from aster.board import Board
from aster.campaign import assign
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Failed, Result
from aster.domain.research import Allowance, Combination, ModelChoice, Note, Plan, Tokens
from aster.execution.protocol import Job
from aster.llm.chain import Chain
from aster.llm.protocol import Prompt, Refusal, Reply, Said, Told
from aster.testing.fakes import FakeExecutor

from .crews import Answering, says, talk, try_tree
from .simulated import SOLUTION
from .test_crew import Lab, loss_of, nothing_more, plan_of, raising, with_models


def test_a_combination_that_no_budget_is_left_for_keeps_no_campaign_alive(tmp_path: Path) -> None:
    """Two merge where one experiment is left for search."""
    trees = [{**SOLUTION, "solution/a.py": f"A = {number}\n".encode()} for number in (7, 8, 9)]

    async def plan(desk: Desk) -> Plan:
        board = desk.look()
        made = [c.id for c in board.candidates.values() if c.author == "agents"]
        if len(made) == 2 and board.research.plans:
            pairs = ((made[0], made[1]), (made[1], made[0]))
            return Plan(combine=tuple(Combination(first, second, "why not") for first, second in pairs))
        return await plan_of("x", "y")(desk)  # type: ignore[no-any-return]

    async def explore(desk: Desk) -> Note:
        surface = desk.look().directions[desk.assignment.direction or ""].record.surface
        return await raising("a" if surface == "x" else "b")(desk)  # type: ignore[no-any-return]

    ended = set()
    for experiments in range(10, 16):
        folder = tmp_path / str(experiments)
        folder.mkdir()
        chosen = with_models(experiments)
        lab = Lab(folder, chosen, Answering(says("")), planner=plan, worker=nothing_more, subagent=explore)
        files = {"solution/a.py": b"A = 1\n"}, {"solution/b.py": b"B = 1\n"}
        one, two = (tree_id({**SOLUTION, **each}) for each in files)
        lab.briefing.merges = {(one, two): trees[0], (two, one): trees[1]}
        board = lab.run()
        ended.add(len(board.research.merged))
    assert 1 in ended, "the budget never ran out between the two"


@pytest.mark.parametrize("hardware", ["fake", "other"])
def test_a_baseline_that_breaks_at_a_resume_ends_the_campaign_for_its_agents_too(tmp_path: Path, hardware: str) -> None:
    """On other hardware all is measured anew, while a subagent waits for an answer to its request."""

    async def explore(desk: Desk) -> Note:
        await try_tree(desk, 1, {**SOLUTION, "solution/a.py": b"A = 1\n"})
        return Note("it came back")

    lab = Lab(tmp_path, with_models(), Answering(says("")), planner=plan_of("x"), worker=nothing_more, subagent=explore)

    async def left() -> None:
        loop = lab.loop()
        running = asyncio.ensure_future(loop.run())
        while not lab.board.research.asks:
            await asyncio.sleep(0)
        loop.leave()
        await running

    asyncio.run(left())
    assert lab.board.research.live

    def broken(job: Job) -> Result:
        return Failed("exit code 1") if job.files == SOLUTION else loss_of(job)

    lab.executor = FakeExecutor(broken, 2)
    lab.executor.hardware = hardware
    board = lab.run()
    assert board.ended is not None
    assert board.ended.startswith("baseline") == (hardware == "other")
    assert not board.research.live


def test_a_planner_that_never_plans_is_asked_a_few_times_however_many_agents_there_may_be(tmp_path: Path) -> None:
    async def silent(_: Desk) -> Plan:
        raise Unanswered("it is silent")

    lab = Lab(tmp_path, with_models(agents=500), Answering(says("")), planner=silent)
    board = lab.run()
    assert len(board.research.assignments) == assign.FAILURES
    assert board.ended == "models: the planner came to nothing 5 times, the last because it is silent"


def test_an_agent_that_a_library_cancels_has_failed(tmp_path: Path) -> None:
    async def explore(_: Desk) -> Note:
        raise asyncio.CancelledError

    lab = Lab(tmp_path, with_models(), Answering(says("")), planner=plan_of("x"), worker=nothing_more, subagent=explore)
    board = lab.run()
    failed = [state.reason for state in board.research.assignments.values() if state.ending == "failed"]
    assert failed == ["it was cancelled from outside"] * 2


def test_a_stop_lets_no_further_calls_out_while_attempts_still_run(tmp_path: Path) -> None:
    """An attempt may run for hours after it."""
    answering = Answering(says("so"), 0.001)

    async def explore(desk: Desk) -> Note:
        files = {**SOLUTION, "solution/a.py": b"A = 1\n"}
        if desk.look().hypotheses[desk.assignment.hypothesis or ""].change == "more 0":
            await try_tree(desk, 1, files)
        await talk(desk, turns=40)
        return Note("")

    plan = plan_of("x", drafts=2)
    lab = Lab(tmp_path, with_models(), answering, planner=plan, worker=nothing_more, subagent=explore)
    lab.executor = FakeExecutor(loss_of, 2, hold=True)

    async def stopped() -> int:
        loop = lab.loop()
        running = asyncio.ensure_future(loop.run())
        while not answering.prompts:
            if not lab.board.research.lines:
                lab.executor.release()  # the baseline's runs
            await asyncio.sleep(0.001)
        loop.stop("asked")
        await asyncio.sleep(0.05)
        asked = len(answering.prompts)
        await asyncio.sleep(0.1)
        lab.executor.release()
        await running
        return asked

    asked = asyncio.run(stopped())
    assert len(answering.prompts) == asked < 40
    assert lab.board.ended == "stopped: asked"
    assert not lab.board.research.calls


def test_a_call_that_was_to_be_reserved_when_it_stopped_is_not_charged(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        loops[0].leave()
        await talk(desk)  # what it posts is still on its way when its task is stopped
        return Note("")

    lab = Lab(tmp_path, with_models(), Answering(says("")), planner=plan_of("x"), worker=nothing_more, subagent=explore)
    loops = []

    async def left() -> None:
        loops.append(lab.loop())
        await loops[0].run()

    asyncio.run(left())
    reserved = [event.call.id for event in lab.those(ev.CallReserved)]
    assert reserved == [event.settled.call for event in lab.those(ev.CallSettled)]
    assert lab.board.research.live
    assert not lab.board.research.calls


def test_what_kept_a_model_from_answering_may_be_mended_by_the_next_term(tmp_path: Path) -> None:
    keys = ["bad", "good"]

    def answer(_: ModelChoice, __: Prompt) -> Any:
        return Refusal("a bad key", unusable=True) if keys[0] == "bad" else Reply(Said("ok"), Tokens(10, 10))

    async def plan(desk: Desk) -> Plan:
        await talk(desk)
        return await plan_of("x")(desk)  # type: ignore[no-any-return]

    lab = Lab(tmp_path, with_models(), Answering(answer), planner=plan, worker=nothing_more, subagent=raising("a"))
    assert "a bad key" in (lab.run().ended or "")
    assert "a bad key" in (lab.run().ended or "")
    del keys[0]
    assert lab.run().research.notes


def test_a_model_that_lies_of_what_it_used_is_not_asked_again_in_the_next_term(tmp_path: Path) -> None:
    answering = Answering(says("", used=10**6))

    async def plan(desk: Desk) -> Plan:
        await talk(desk)
        return Plan()

    lab = Lab(tmp_path, with_models(), answering, planner=plan)
    lab.run()
    assert "it reported" in (lab.run().ended or "")
    assert len(answering.prompts) == 1


def test_calls_wait_for_what_those_under_way_may_leave(tmp_path: Path) -> None:
    """The ceiling has room for three calls at their worst, and for all of them as they are."""
    waves = []

    async def explore(desk: Desk) -> Note:
        await talk(desk, turns=2)
        return Note("")

    def answer(model: ModelChoice, prompt: Prompt) -> Reply:
        waves.append(len(lab.board.research.calls))
        return says("", used=10)(model, prompt)

    chosen = with_models(usd=0.02, agents=12)
    lab = Lab(tmp_path, chosen, Answering(answer, 0.005), planner=plan_of("x", drafts=12), worker=nothing_more,
              subagent=explore)  # fmt: skip
    board = lab.run()
    assert len(board.research.notes) == 12
    assert max(waves[:3]) == 3
    assert not board.research.ceiling


def test_an_assignment_has_no_more_than_it_is_allowed_however_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls side by side count before any of them is in the ledger."""
    monkeypatch.setitem(assign.ALLOWANCES, "subagent", Allowance(requests=50, tokens=2_000))

    async def explore(desk: Desk) -> Note:
        others = [one(desk, number + 1) for number in range(12)]
        for each in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(each, Exception):
                raise each
        return Note("")

    async def one(desk: Desk, turn: int) -> None:
        chain = Chain(desk.instructions, ())
        chain.add(Told("hello"))
        await desk.call(desk.assignment.id, turn, chain, role="subagent", max_output=100, must_call=False)

    lab = Lab(tmp_path, with_models(), Answering(says("", used=50), 0.005), planner=plan_of("x"), worker=nothing_more,
              subagent=explore)  # fmt: skip
    lab.run()
    board, most = Board(), 0
    for event in lab.events():
        board.apply(event)
        most = max([most, *(state.tokens + state.open_tokens for state in board.research.assignments.values())])
    assert 1_000 < most <= 2_000
    assert {state.ending for state in board.research.assignments.values()} == {"done", "spent"}
