"""How many subagents one decision gives work to: as many as there are desks, and as the budget has something for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aster.agents.protocol import Desk
from aster.campaign.assign import leaves_room
from aster.domain import events as ev
from aster.domain.research import Note

from .crews import Answering, says, talk
from .test_crew import Lab, nothing_more, plan_of, raising, with_models


def given_at_once(lab: Lab) -> list[int]:
    """Return how many subagents each decision gave work to, of those that gave any."""
    counts: list[int] = []
    for event in lab.events():
        if isinstance(event, ev.DecisionTaken):
            counts.append(0)
        elif isinstance(event, ev.AssignmentGiven) and event.assignment.role == "subagent":
            counts[-1] += 1
    return [count for count in counts if count]


def lab_of(folder: Path, subagent: Callable[[Desk], Any], used: int = 10, **changes: Any) -> Lab:
    planner = plan_of(*"pqrs", drafts=10)
    chosen = with_models(**changes)
    return Lab(folder, chosen, Answering(says("", used=used)), planner=planner, worker=nothing_more, subagent=subagent)


def test_free_desks_bound_it(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, raising("a"), agents=6, experiments=100)
    lab.run()
    assert max(given_at_once(lab)) == 6


def test_so_do_the_experiments_that_are_left(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, raising("a"), agents=100, experiments=16)
    board = lab.run()
    left = 16 - len(board.baselines)
    assert 0 < max(given_at_once(lab)) <= left
    assert board.research.notes


def test_and_what_is_left_of_the_allowance(tmp_path: Path) -> None:
    async def explore(desk: Desk) -> Note:
        await talk(desk, turns=5)
        return Note("")

    lab = lab_of(tmp_path, explore, used=50, agents=12, experiments=200, tokens=10_000)
    board = lab.run()
    each = board.research.bill.tokens / len(board.research.notes)
    counts = given_at_once(lab)
    assert counts[0] > 1, "nobody knows yet what one comes to"
    assert sum(counts) <= 10_000 / each + counts[0]
    spent = [state for state in board.research.assignments.values() if state.ending == "spent"]
    assert len(spent) <= 2, "who begins can end"


def beside(granted: int, others: int, live: int = 1) -> Any:
    """A board after so many experiments of agents, and of proposers, with 3 of the baseline and 4 that confirm."""
    model = SimpleNamespace(name="m", cut_off=None)
    research = SimpleNamespace(ceiling=None, failures=0, plans=1, barren=0, live=["a"] * live, granted=granted)
    vars(research).update(model=lambda _: model, untaken=[], merged=[])
    return SimpleNamespace(
        setup=SimpleNamespace(models=[model], slots=2, agents=4, objective=None),
        research=research,
        baselines=[1, 2, 3],
        spend=SimpleNamespace(experiments=3 + 4 + granted + others, confirm=4),
    )


def test_proposers_get_half_as_many_experiments_as_agents_at_work() -> None:
    assert leaves_room(beside(granted=0, others=1)), "a slot's worth, before agents have asked for anything"
    assert not leaves_room(beside(granted=0, others=2))
    assert leaves_room(beside(granted=10, others=6))
    assert not leaves_room(beside(granted=10, others=7))
    assert leaves_room(beside(granted=10, others=50, live=0)), "nobody else is there to use them"


def test_each_is_told_of_a_fair_share_of_what_is_left(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, raising("a"), agents=5, experiments=24)
    lab.run()
    told = []
    for event in lab.events():
        if isinstance(event, ev.AssignmentGiven) and event.assignment.role == "subagent":
            given = event.assignment
            assert given.search_left is not None
            told.append((given.search_left, given.allowance.experiments))
    assert all(own <= max(1, left // 2) for left, own in told), "others wait while one is given work"
    first = [own for _, own in told[:5]]
    assert sum(first) <= told[0][0], "what all are told that begin together is there"
    assert first == [told[0][0] // 5] * 5
