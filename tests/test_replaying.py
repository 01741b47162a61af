"""Whole campaigns with the real agents and a model on this machine, replayed from their ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.players import play
from tests.toys import toy_problem

import aster
from aster.agents.record import read_records
from aster.app import request_stop, steer
from aster.board import Board
from aster.campaign.budget import Budget
from aster.domain import events as ev
from aster.domain.research import ModelChoice
from aster.handle import Campaign
from aster.llm.protocol import Prompt
from aster.replaying import Replay, replay_campaign
from aster.testing.model_server import Fault, gateway_page, refusing, serving


def ran(
    folder: Path,
    *,
    one_shot: bool = False,
    faults: bool = False,
    steered: bool = False,
    paused: bool = False,
    experiments: int = 30,
) -> Campaign:
    """Run a campaign of agents on the toy.

    Args:
        one_shot: subagents answer once. `faults`: the provider is moody.
        steered, paused: after a few experiments the planner is told something; the campaign is stopped, and resumed.
    """

    def fault(number: int, prompt: Prompt) -> Fault | None:
        if not faults:
            return None
        return refusing(429, retry_after_s=0.01) if number % 7 == 0 else gateway_page() if number % 11 == 0 else None

    told = False

    def say(board: Board, events: Sequence[ev.Event]) -> None:
        nonlocal told
        if not told and len(board.seen) > 4:
            told = True
            here = folder / "campaigns" / board.campaign
            if steered:
                steer(here, "look at b")
            if paused:
                request_stop(here, "a pause")

    with serving(play, fault=fault) as server:
        campaign = aster.research(
            toy_problem(folder / "toy"),
            Budget(experiments=experiments, tokens="20M"),
            researcher="agents+tuner" if not one_shot else "agents",
            models=[ModelChoice("openai:player", base_url=server.base_url)],
            slots=3,
            one_shot=one_shot,
            campaigns=folder / "campaigns",
            on_event=say,
        )
        return campaign.resume() if paused else campaign


def check(campaign: Campaign) -> Replay:
    done = replay_campaign(campaign)
    assert done.decided.divergence is None, done.decided.divergence.text
    assert not done.departures, done.departures[0].text
    assert done.agents == len(campaign.board.research.assignments) > 3
    return done


pytestmark = pytest.mark.slow


def test_decisions_and_agents_come_out_the_same(tmp_path: Path) -> None:
    campaign = ran(tmp_path, steered=True)
    research = campaign.board.research
    assert {state.record.role for state in research.assignments.values()} == {"planner", "worker", "subagent"}
    assert research.notes
    assert research.vetoes
    assert research.steering == ["look at b"]
    done = check(campaign)
    assert done.decided.board.champion == campaign.board.champion


def test_a_moody_provider_changes_nothing(tmp_path: Path) -> None:
    campaign = ran(tmp_path, faults=True)
    assert any(model.refused for model in campaign.board.research.models.values())
    check(campaign)


def test_a_resume_pays_nothing_twice(tmp_path: Path) -> None:
    campaign = ran(tmp_path, paused=True)
    assert campaign.board.term == 3  # it was opened in the first
    with closing(campaign.open_store()) as store:
        entries = list(store.read())
    began = next(e.position for e in entries if isinstance(e.event, ev.TermStarted) and e.event.term == 3)
    records = read_records(entries).values()
    cut = [each for each in records if each.position < began < each.places.get(each.assignment.id, began)]
    assert cut, "nobody was at work when the campaign was stopped"
    for turn in (turn for record in records for turn in record.turns.values()):
        assert sum(each.settled is not None and each.settled.status == "answered" for each in turn) == 1
    check(campaign)


def test_samples_that_are_taken_side_by_side(tmp_path: Path) -> None:
    check(ran(tmp_path, one_shot=True))
