from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.agents.books import FILES, AgentsBook, problem
from tests.boards import BASELINE

from aster.agents.crew import Agents
from aster.domain.research import Allowance, Assignment, Handoff, Note, Plan, Role
from aster.llm.protocol import Said
from aster.testing.desks import FakeDesk, says, scripted

EDIT = {"change": "more steps", "edits": [{"path": "solution/run.py", "find": "STEPS = 10", "replace": "STEPS = 20"}]}


def result_of(role: Role, *replies: Said, one_shot: bool = False) -> Any:
    of = AgentsBook()
    of.baseline(1.0)
    line = of.line("walk")
    given = Assignment("a-1", role, "m", Allowance(4, 1000, 1), "i", "b", line, of.draft(line, "more steps"), BASELINE)
    desk = FakeDesk(given, scripted(*replies), board=of.board, files={BASELINE: FILES})
    return asyncio.run(Agents(problem(), one_shot=one_shot)(desk))


def test_each_role_has_its_own_way_to_work() -> None:
    assert result_of("planner", says(("submit_plan", {"note": "wait"}))) == Plan(note="wait")
    handoff = {"done": "a", "learnt": "b", "concerns": "c"}
    assert result_of("worker", says(("submit_handoff", handoff))) == Handoff("a", "b", "c")
    finding = {"finding": "It cannot help, because steps are free.", "concerns": "No experiment was worth it."}
    assert result_of("subagent", says(("finish", finding))).text == finding["finding"]


def test_a_campaign_may_have_subagents_that_answer_once() -> None:
    found = result_of("subagent", says(("propose", EDIT)), one_shot=True)
    assert isinstance(found, Note)
    assert "1 samples of one prompt" in found.text


def test_a_critic_has_no_assignment() -> None:
    with pytest.raises(ValueError, match="a worker asks it"):
        result_of("critic")
