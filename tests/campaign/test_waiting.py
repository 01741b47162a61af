"""Waits of model calls in whole campaigns: told while they last, and added up in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aster.campaign import waiting
from aster.campaign.clock import Clock
from aster.campaign.waiting import Lookout
from aster.domain import events as ev
from aster.domain.research import ModelChoice, Tokens, Waiting
from aster.llm import breaker
from aster.llm.limits import Gate, Rates
from aster.llm.protocol import ModelError, Prompt, Refusal, Reply, Said, Unknown

from .crews import Answering, says
from .test_crew import Lab, nothing_more, plan_of, raising, with_models


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have short waits told, so that the tests need not wait."""
    for name in ("LOOK_S", "LEAST_S", "CHANGE_S"):
        monkeypatch.setattr(waiting, name, 0.01)
    monkeypatch.setattr(breaker, "FIRST_S", 0.1)


def lab_of(folder: Path, provider: Answering, drafts: int = 3, **changes: Any) -> Lab:
    chosen = with_models(**changes)
    lab = Lab(folder, chosen, provider, planner=plan_of("x", drafts=drafts), worker=nothing_more, subagent=raising("a"))
    lab.clock = Clock()
    return lab


def told(lab: Lab) -> list[Waiting]:
    return [each for beat in lab.those(ev.Heartbeat) for each in beat.waiting]


def test_a_providers_limit_shows_while_it_holds_calls_up_and_in_the_totals(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, Answering(says("go on"), seconds=0.2))
    lab.gate = Gate({"test": Rates(at_once=1)})
    board = lab.run()
    assert {(each.cause, each.why, each.model) for each in told(lab)} == {("limit", "limit 1 at once", "test:model")}
    assert max(each.agents for each in told(lab)) == 2
    assert 0.3 < board.research.waits.seconds["limit"] < 3.0  # 0.2 s for one, 0.4 s for the other
    others = {cause: seconds for cause, seconds in board.research.waits.seconds.items() if cause != "limit"}
    assert sum(others.values()) < 0.1  # nothing, or the machine was away in between
    assert board.research.waits.now == ()


def test_room_under_the_ceiling_is_waited_for_visibly(tmp_path: Path) -> None:
    for name in ("free", "tight"):
        (tmp_path / name).mkdir()
    free = lab_of(tmp_path / "free", Answering(says("go on", used=1), seconds=0.2))
    assert sum(free.run().research.waits.seconds.values()) < 0.1  # nothing, or the machine was away in between
    assert told(free) == []
    most = max(event.call.tokens for event in free.those(ev.CallReserved))
    tight = lab_of(tmp_path / "tight", Answering(says("go on", used=1), seconds=0.2), tokens=most * 3 // 2)
    board = tight.run()
    assert {(each.cause, each.model) for each in told(tight)} == {("room", "")}
    assert 0.3 < board.research.waits.seconds["room"] < 3.0
    assert len(board.research.notes) == 3


def test_pauses_and_retries_are_counted(tmp_path: Path) -> None:
    errors: list[ModelError] = [Refusal("429: too many", 0.0), Unknown("timed out")]

    def answer(_: ModelChoice, __: Prompt) -> Reply | ModelError:
        return errors.pop() if errors else Reply(Said("go on"), Tokens(1, 1))

    lab = lab_of(tmp_path, Answering(answer), drafts=1)
    lab.pause_s = 0.2
    waits = lab.run().research.waits
    assert {each.cause for each in told(lab)} == {"pause"}
    assert waits.retries == 2
    assert 0.4 <= waits.seconds["pause"] < 2.0


def test_a_model_left_alone_is_counted_and_named(tmp_path: Path) -> None:
    errors = [Unknown("it hangs")] * breaker.MOST_FAILURES

    def answer(_: ModelChoice, __: Prompt) -> Reply | ModelError:
        return errors.pop() if errors else Reply(Said("go on"), Tokens(1, 1))

    lab = lab_of(tmp_path, Answering(answer), drafts=4)
    waits = lab.run().research.waits
    assert waits.openings == 1
    assert waits.seconds["breaker"] > 0.05
    named = [each for each in told(lab) if each.cause == "breaker"]
    assert named
    assert all("it hangs" in each.why for each in named)


def test_a_change_is_told_soon_and_the_same_wait_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    lookout = Lookout()
    one, two = (Waiting("m", agents, 9.0, "limit 6/min") for agents in (1, 2))
    assert not lookout.tells((), 0.0)
    assert not lookout.tells([Waiting("m", 1, 0.5, "limit 6/min")], 0.0), "too short to tell"
    assert lookout.tells([one], 1.0)
    assert not lookout.tells([two], 3.0)
    assert lookout.tells([two], 7.0)
    assert not lookout.tells([two], 15.0)
    assert lookout.tells([two], 23.0)
    assert lookout.tells((), 29.0)
    assert lookout.told == ()
    assert not lookout.tells((), 99.0), "nobody waited before either"
