"""Campaigns with agents, replayed from their ledgers: decisions made again, agents run again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aster.agents.protocol import Desk
from aster.agents.record import read_records
from aster.agents.replay import Departure, rerun
from aster.board import Board
from aster.campaign.decide import Minds
from aster.campaign.replay import Divergence, replay
from aster.domain import events as ev
from aster.domain.research import DirectionDraft, Draft, ModelChoice, Note, Plan, Tokens
from aster.ledger.sqlite import SqliteStore
from aster.llm.chain import Chain
from aster.llm.protocol import ModelError, Prompt, Refusal, Reply, Said, Told, Unknown
from aster.planning.bandit import BanditPlanner
from aster.proposers.several import Several

from .crews import Answering, Cast, says, talk, try_tree
from .simulated import SOLUTION
from .test_crew import Lab, nothing_more, with_models


async def plan_once(desk: Desk) -> Plan:
    """Open two directions the first time; what was planned before is looked at in a step."""

    async def make() -> str:
        return str(len(desk.look().research.plans))

    if await desk.step(desk.assignment.id, 0, 0, make) != "0":
        return Plan()

    def drafts(surface: str) -> tuple[Draft, ...]:
        said = f"{surface} is too small"
        return Draft(f"more {surface}", said), Draft(f"double {surface}", f"twice {surface}")

    return Plan(open=tuple(DirectionDraft(each, "why not", drafts=drafts(each)) for each in ("x", "y")))


async def explore(desk: Desk) -> Note:
    """Talk, and try a tree that depends on the brief."""
    said = await talk(desk, turns=2)
    value = 1 + sum(map(ord, desk.brief)) % 5
    granted = await try_tree(desk, 1, {**SOLUTION, "solution/a.py": f"A = {value}\n".encode()})
    return Note(f"{said[-1]} {granted.experiment} {granted.reason} {granted.known}")


ROLES = {"planner": plan_once, "worker": nothing_more, "subagent": explore}


def again(lab: Lab, **roles: object) -> tuple[Divergence | None, list[Departure]]:
    """Return where decisions and agents part from a lab's ledger."""
    minds = Minds(BanditPlanner({}), Several([]), SOLUTION, briefing=lab.briefing)
    decided = replay(lab.store.read(), lambda _: minds)
    board = Board().fold(lab.store.read())
    cast = Cast(**{**ROLES, **roles})  # type: ignore[arg-type]
    records = read_records(lab.store.read())
    assert records.keys() == board.research.assignments.keys()
    found = [rerun(record, cast, board, lab.store.get_blob) for record in records.values()]
    return decided.divergence, [each for each in found if each is not None]


def test_a_whole_campaign_comes_out_the_same(tmp_path: Path) -> None:
    lab = Lab(tmp_path, with_models(), Answering(says("fine")), **ROLES)
    board = lab.run()
    assert len(board.research.notes) == 4
    assert board.champion is not None
    assert again(lab) == (None, [])


def test_in_whatever_order_a_planner_names_directions(tmp_path: Path) -> None:
    async def plan(desk: Desk) -> Plan:
        first = await plan_once(desk)
        if first.open:
            return first

        async def count() -> str:
            return str(len(desk.look().research.plans))

        last_first = sorted(desk.look().research.lines, reverse=True)
        if await desk.step(desk.assignment.id, 0, 1, count) == "1":
            return Plan(fund=dict.fromkeys(last_first, 0.5))
        return Plan(retire=dict.fromkeys(last_first, "done"))

    lab = Lab(tmp_path, with_models(), Answering(says("fine")), **{**ROLES, "planner": plan})
    lab.run()
    assert len(lab.those(ev.DirectionFunded)) == 2
    assert len(lab.those(ev.DirectionRetired)) == 2
    assert again(lab, planner=plan) == (None, [])


def test_one_that_was_cut_off_and_resumed_does_too(tmp_path: Path) -> None:
    answering = Answering(says("fine"), seconds=0.001)
    lab = Lab(tmp_path, with_models(), answering, **ROLES)

    async def cut_off() -> None:
        loop = lab.loop()
        running = asyncio.ensure_future(loop.run())
        while len(answering.prompts) < 4:
            await asyncio.sleep(0.001)
        loop.leave()
        await running

    asyncio.run(cut_off())
    assert again(lab) == (None, [])
    lab.run()
    assert again(lab) == (None, [])
    assert lab.board.term == 2


def test_refusals_lost_calls_and_a_ceiling(tmp_path: Path) -> None:
    calls = 0

    def moody(model: ModelChoice, prompt: Prompt) -> Reply | ModelError:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            return Refusal("429")
        return Unknown("cut off") if calls % 5 == 0 else Reply(Said("fine"), Tokens(100, 100))

    lab = Lab(tmp_path, with_models(usd=0.008), Answering(moody), **ROLES)
    board = lab.run()
    endings = {state.ending for state in board.research.assignments.values()}
    assert "spent" in endings
    assert again(lab) == (None, [])


def test_another_agent_is_found_out_and_so_is_another_brief(tmp_path: Path) -> None:
    lab = Lab(tmp_path, with_models(), Answering(says("fine")), **ROLES)
    lab.run()

    async def curious(desk: Desk) -> Note:
        await talk(desk, turns=3)
        return await explore(desk)

    same, departures = again(lab, subagent=curious)
    assert same is None
    assert [each.role for each in departures] == ["subagent"] * 4

    lab.briefing.brief = lambda board, assignment: "You know."  # type: ignore[method-assign]
    divergence, departures = again(lab)
    assert divergence is not None
    assert isinstance(divergence.expected, ev.AssignmentGiven)
    assert "assignment.brief" in divergence.text or "assignment.id" in divergence.text
    assert departures == []


def test_secrets_reach_neither_model_nor_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t-of-the-house"
    monkeypatch.setenv("HOUSE_API_KEY", secret)

    async def leak(desk: Desk) -> Note:
        async def look() -> str:
            return f"the file says {secret}"

        found = await desk.step(desk.assignment.id, 0, 0, look)
        chain = Chain("Work.", ())
        chain.add(Told(f"{found}, and {secret}"))
        said = await desk.call(desk.assignment.id, 1, chain, role="subagent", max_output=100, must_call=False)
        return Note(f"{found}; {said.text}")

    answering = Answering(says(f"I guess {secret}"))
    lab = Lab(tmp_path, with_models(), answering, **{**ROLES, "subagent": leak})
    board = lab.run()
    assert {note.text for _, note in board.research.notes} == {"the file says [secret]; I guess [secret]"}
    assert secret not in repr(answering.prompts)
    lab.store.close()
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        blobs = db.execute("SELECT id FROM blobs").fetchall()
    lab.store = SqliteStore(tmp_path / "ledger.db", read_only=True)
    assert all(secret.encode() not in lab.store.get_blob(name) for (name,) in blobs)
    assert again(lab, subagent=leak) == (None, [])


def test_steering_that_is_heard_late_is_heard_as_late_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, with_models(), Answering(says("fine"), seconds=0.002), **ROLES)
    lab.briefing.brief = (  # type: ignore[method-assign]
        lambda board, assignment: f"{assignment.role} {board.research.steering[: board.research.heard]}"
    )

    async def steered() -> None:
        running = asyncio.ensure_future(lab.loop().run())
        while len(lab.board.research.assignments) < 2:
            await asyncio.sleep(0.001)
        lab.store.append([ev.SteeringGiven("r-1", "look at y")], time=0.0)
        await asyncio.sleep(0.01)
        lab.time.seconds += 1.0  # only now the loop looks for what others wrote
        await running

    asyncio.run(steered())
    events = lab.events()
    place = next(at for at, event in enumerate(events) if isinstance(event, ev.SteeringGiven))
    heard = [event.heard for event in events[place:] if isinstance(event, ev.DecisionTaken)]
    assert heard[0] == 0
    assert again(lab) == (None, [])
