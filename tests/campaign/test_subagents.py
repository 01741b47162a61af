"""Subagents as they are, in whole campaigns with a scripted model: measured, cut off anywhere, and run again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aster.agents.oneshot import OneShot
from aster.agents.record import read_records
from aster.agents.replay import rerun
from aster.agents.subagent import Subagent
from aster.domain import events as ev
from aster.domain.research import ModelChoice, Settled, Tokens
from aster.evidence.outlay import outlay
from aster.llm.protocol import Prompt, Reply, Returned, Said
from aster.testing.desks import says
from aster.testing.trouble import toy

from .crews import Answering
from .simulated import SOLUTION
from .test_crew import Lab, nothing_more, plan_of, with_models


def step_by_step(_: ModelChoice, prompt: Prompt) -> Reply:
    """Reads, edits, measures and finishes, a reply each; the experiment is named in its result."""
    said = sum(isinstance(message, Said) for message in prompt.messages)
    edit = {"path": "a.py", "find": "A = 0", "replace": "A = 1"}
    last = prompt.messages[-1]
    named = last.text.split()[1] if isinstance(last, Returned) and last.tool == "run_experiment" else ""
    replies = [
        says(("read_file", {"path": "a.py"}), ("search_files", {"pattern": "(A)+"})),
        says(("edit_file", edit)),
        says(("run_experiment", {"change": "one more"})),
        says(("finish", {"finding": "A of 1 has a loss of 29, a gain of 1.", "evidence": [named]})),
    ]
    return Reply(replies[said], Tokens(100, 10))


def at_once(_: ModelChoice, prompt: Prompt) -> Reply:
    """Proposes the same every time."""
    edit = {"path": "solution/a.py", "find": "A = 0", "replace": "A = 1"}
    return Reply(says(("propose", {"change": "one more", "edits": [edit]})), Tokens(100, 10))


def lab_of(folder: Path, one_shot: bool) -> Lab:
    folder.mkdir(exist_ok=True)
    runner = OneShot(toy(SOLUTION)) if one_shot else Subagent(toy(SOLUTION), checks=False)
    answering = Answering(at_once if one_shot else step_by_step)
    planner = plan_of("x")
    chosen = with_models(one_shot=one_shot)
    return Lab(folder, chosen, answering, planner=planner, worker=nothing_more, subagent=runner)


@pytest.mark.parametrize("one_shot", [False, True])
def test_a_subagents_finding_and_its_candidates_cost_are_in_the_ledger(tmp_path: Path, one_shot: bool) -> None:
    lab = lab_of(tmp_path, one_shot)
    board = lab.run()
    [(_, note)] = board.research.notes
    [asked] = [event.experiment for event in lab.those(ev.AskAnswered) if event.hypothesis is not None]
    assert note.evidence == (asked,)
    assert note.unbacked == ()
    assert len(board.findings) == 1
    found = outlay(board)
    assert (found.way, found.candidates, found.gained) == ("one-shot" if one_shot else "tools", 1, 1)
    assert found.tokens_each == 440
    [record] = [each for each in read_records(lab.store.read()).values() if each.assignment.role == "subagent"]
    runner = OneShot(toy(SOLUTION)) if one_shot else Subagent(toy(SOLUTION), checks=False)
    assert rerun(record, runner, board, lab.store.get_blob) is None


def cut_off(lab: Lab, events: int) -> None:
    """Run a term until its ledger has so many events, and leave it there."""

    async def whole() -> None:
        loop = lab.loop()
        running = asyncio.ensure_future(loop.run())
        while lab.store.last_position() < events and not running.done():
            await asyncio.sleep(0.001)
        loop.leave()
        await running

    asyncio.run(whole())


@pytest.mark.parametrize("one_shot", [False, True])
def test_cut_off_anywhere_it_comes_to_the_same(tmp_path: Path, one_shot: bool) -> None:
    whole = lab_of(tmp_path / "whole", one_shot)
    whole.run()
    cuts = 0
    for events in range(28, 58, 5):
        lab = lab_of(tmp_path / str(events), one_shot)
        cut_off(lab, events)
        cuts += lab.board.ended is None
        board = lab.run() if lab.board.ended is None else lab.board
        assert board.research.notes[0][1].text == whole.board.research.notes[0][1].text
        assert {c.tree for c in board.candidates.values()} == {c.tree for c in whole.board.candidates.values()}
        answered = [settled.call.rpartition("/")[0] for settled in _answered(lab)]
        assert len(answered) == len(set(answered)), "an answer was paid for twice"
    assert cuts == 6


def _answered(lab: Lab) -> list[Settled]:
    return [event.settled for event in lab.those(ev.CallSettled) if event.settled.status == "answered"]
