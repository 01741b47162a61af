from __future__ import annotations

import pytest

from aster.agents.record import read_records
from aster.agents.replay import Departure, rerun
from aster.board import Board

from .recorded import Agent, RecordingDesk, work


def again(desk: RecordingDesk, agent: Agent | None = None) -> Departure | None:
    record = read_records(desk.entries())["a-1"]
    return rerun(record, agent or Agent(), Board(), desk.blobs.__getitem__)


@pytest.mark.parametrize(
    "desk",
    [
        RecordingDesk(),
        RecordingDesk(refuse=(1, 2)),
        RecordingDesk(most=1),
        RecordingDesk(silent=2),
        RecordingDesk(stop=TimeoutError()),
    ],
    ids=["done", "refused", "spent", "unanswered", "cut off"],
)
def test_the_same_agent_does_the_same_however_it_ended(desk: RecordingDesk) -> None:
    assert again(work(desk)) is None


def test_a_fault_comes_again() -> None:
    faulty = work(RecordingDesk(), Agent(fault=True))
    assert again(faulty, Agent(fault=True)) is None
    found = again(faulty)
    assert found is not None
    assert found.where == "its end"
    assert "KeyError" in found.expected
    assert "the request a-1.1 is not in the record" in found.came


@pytest.mark.parametrize(
    ("agent", "where", "expected", "came"),
    [
        (Agent(instructions="Work well."), "a-1/1, instructions", "'Work.'", "'Work well.'"),
        (Agent(told=" Hurry!"), "a-1/1, message 1 (told)", "'Brief.'", "'Brief. Hurry!'"),
        (Agent(tree="another"), "a-1.1, tree", "'tree'", "'another'"),
        (Agent(looks=2), "a-1/2", "4 messages", "3"),
    ],
)
def test_the_first_departure_is_named(agent: Agent, where: str, expected: str, came: str) -> None:
    desk = work(RecordingDesk())
    found = again(desk, agent)
    assert found is not None
    assert found.where == where
    assert expected.strip("'") in found.expected
    assert came.strip("'") in found.came
    assert found.text.startswith(f"position {found.position}, subagent a-1: {where}: expected ")


def test_another_result_is_found_at_the_end() -> None:
    desk = work(RecordingDesk())
    found = again(desk, Agent(note="B helps"))
    assert found is not None
    assert (found.position, found.where) == (len(desk.events), "its result")
    assert "A helps" in found.expected
    assert "B helps" in found.came


def test_what_is_recorded_and_not_wanted_is_a_departure() -> None:
    desk = work(RecordingDesk(most=3), Agent(looks=2))  # spent at the last call
    record = read_records(desk.entries())["a-1"]
    assert [turn for _, turn in record.turns] == [1, 2, 1]
    found = again(desk, Agent(looks=1))
    assert found is not None
    assert found.where == "a-1/2"
