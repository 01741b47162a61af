"""Campaigns with agents in which everything happens in any order: each ends, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aster.agents.protocol import Desk, Unanswered
from aster.board import Board
from aster.campaign import loop as loop_module
from aster.campaign.crew import Crew
from aster.campaign.decide import ready
from aster.campaign.loop import Loop
from aster.domain import events as ev
from aster.domain.records import Failed, Limits, Result
from aster.domain.research import Combination, DirectionDraft, Draft, Handoff, ModelChoice, Note, Plan, Tokens
from aster.errors import ExecutorError
from aster.execution.protocol import Arrival, Job
from aster.llm.chain import Chain
from aster.llm.protocol import ModelError, Prompt, Refusal, Reply, Said, Told, Unknown
from aster.testing.fakes import FakeExecutor

from .crews import Answering, talk, try_tree
from .simulated import SOLUTION
from .test_crew import Lab, loss_of, with_models

SEEDS = 16

TERM_S = 60.0
"""Of real time: a campaign that has not ended by then hangs; they take a second at most."""


class Moody(FakeExecutor):
    """Ends some of what runs, in any order; loses or breaks some of it. A baseline breaks on `bad` hardware."""

    def __init__(self, rng: random.Random, slots: int, baseline: str) -> None:
        super().__init__(self._come_to, slots, hold=True)
        self.rng, self.baseline = rng, baseline
        self.hardware = rng.choice(["fake", "fake", "fake", "other", "bad"])

    def poll(self) -> list[Arrival]:
        """End a few at random."""
        for attempt in list(self.running):
            if self.rng.random() < 0.5:
                self._end(attempt, self._come_to(self.running[attempt]))
        return super().poll()

    def _come_to(self, job: Job) -> Result | None:
        if self.hardware == "bad" and SOLUTION.items() <= job.files.items():
            return Failed("exit code 1")
        chance = self.rng.random()
        if chance < 0.1:
            return None
        return Failed("exit code 1") if chance < 0.15 and job.files != SOLUTION else loss_of(job)


class Cast:
    """Agents that do at random what agents do; a run of one again does the same again."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def __call__(self, desk: Desk) -> Any:
        rng = random.Random(f"{self._seed} {desk.assignment.id}")
        await talk(desk, rng.randrange(3))
        if rng.random() < 0.08:
            raise rng.choice([Unanswered("it is silent"), ZeroDivisionError("oh"), asyncio.CancelledError()])
        match desk.assignment.role:
            case "planner":
                return self._plan(desk, rng)
            case "worker":
                return Handoff("some", "little", "none", drafts_of(rng, 3), (), "dry" if rng.random() < 0.1 else "")
            case _:
                return await explore(desk, rng)

    def _plan(self, desk: Desk, rng: random.Random) -> Plan:
        board = desk.look()
        opened = [name for name in board.research.lines if board.directions[name].retired is None]
        made = sorted(c.id for c in board.candidates.values() if board.score(c.id))
        pairs = [tuple(rng.sample(made, 2)) for _ in range(rng.randrange(3)) if len(made) > 1]
        return Plan(
            open=tuple(DirectionDraft(rng.choice("pqrs"), "why not", drafts=drafts_of(rng, 4)) for _ in "ab"),
            retire={rng.choice(opened): "dry"} if opened and rng.random() < 0.3 else {},
            merge=((opened[0], opened[-1]),) if len(opened) > 1 and rng.random() < 0.2 else (),
            combine=tuple(Combination(first, second, "why not") for first, second in pairs),
        )


def drafts_of(rng: random.Random, most: int) -> tuple[Draft, ...]:
    return tuple(Draft(f"more {rng.random():.3f}", "it is too small") for _ in range(rng.randrange(most + 1)))


async def explore(desk: Desk, rng: random.Random) -> Note:
    """Check and measure, one after the other or side by side; ask the model between."""

    async def one(number: int) -> str:
        files = {**SOLUTION, f"solution/{rng.choice('abc')}.py": f"A = {rng.randrange(6)}\n".encode()}
        return (await try_tree(desk, number, files, quick=rng.random() < 0.4)).experiment or ""

    found: list[str] = []
    for round_number in range(rng.randrange(4)):
        several = [one(10 * round_number + number) for number in range(1 + rng.randrange(3))]
        found += await asyncio.gather(*several)
        chain = Chain(desk.instructions, ())
        chain.add(Told(f"round {round_number}"))
        me = desk.assignment.id
        await desk.call(me, 100 + round_number, chain, role="subagent", max_output=100, must_call=False)
    return Note("found something", tuple(filter(None, found)))


class Watched(Loop):
    """Looks, whenever the loop has nothing to do, whether anybody waits for what will not come."""

    crew: Crew

    async def _pause(self) -> None:
        if not self._leaving and not self.crew._posted:
            forgotten = list(self._forgotten())
            assert not forgotten, forgotten
        await super()._pause()

    def _forgotten(self) -> Iterator[str]:
        board, crew = self._board, self.crew
        under_way = {*board.waiting, *board.running.values(), *board.unseen}
        for name in board.research.live:
            if name not in crew._tasks:
                yield f"{name} is under way, and nobody carries it out"
        for ask in crew._answers:
            if board.research.asks[ask].answered:
                yield f"{ask} is answered, and who asked was not told"
        for experiment in crew._outcomes:
            if experiment not in under_way:
                yield f"{experiment} has ended, and who waits for it was not told"
        idle = board.stop is None and not under_way and not board.research.news and ready(board)
        if idle and board.research.open_asks:
            yield f"{list(board.research.open_asks)} wait, and nothing is under way that they could wait for"


class Chaos:
    """A lab of which each term may be stopped, left or cut off anywhere."""

    def __init__(self, folder: Path, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        limits = Limits(None, rng.choice([8, 20, 60]), rng.choice([0.05, 0.3, 100.0]))
        chosen = replace(with_models(agents=rng.choice([1, 3, 12])), limits=limits, seed=seed, slots=rng.choice([1, 3]))
        self.lab = Lab(folder, chosen, Answering(self._answer))
        self.lab.cast = Cast(seed)  # type: ignore[assignment]
        both = {**SOLUTION, "solution/a.py": b"A = 9\n", "solution/b.py": b"B = 9\n"}
        self.lab.briefing.merges = _Merges(both) if rng.random() < 0.5 else {}  # type: ignore[assignment]
        self.asked = 0

    def _answer(self, _: ModelChoice, __: Prompt) -> Reply | ModelError:
        self.asked += 1
        chance = self.rng.random()
        self.lab.time.seconds += 0.01
        if chance < 0.05:
            return Refusal("too many", 0.0)
        if chance < 0.1:
            return Unknown("it timed out")
        if chance < 0.102:
            return Refusal("a bad key", unusable=True)
        return Reply(Said("so"), Tokens(100, 60))

    def loop(self) -> Watched:
        baseline = self.lab.board.baseline or ""
        self.lab.executor = Moody(self.rng, self.lab.executor._slots, baseline)
        made = self.lab.loop()
        made.__class__ = Watched
        assert isinstance(made, Watched)
        assert made._crew is not None
        made.crew = made._crew
        return made

    async def term(self, *, left_alone: bool) -> None:
        """Run a term."""
        loop = self.loop()
        how = "" if left_alone else self.rng.choice(["", "stop", "leave", "cut off", "stop from outside"])
        at = self.lab.store.last_position() + self.rng.randrange(1, 150)
        running = asyncio.ensure_future(loop.run())
        deadline = asyncio.get_running_loop().time() + TERM_S
        while not running.done():
            await asyncio.sleep(0)
            assert asyncio.get_running_loop().time() < deadline, told(self.lab.board)
            if how and self.lab.store.last_position() >= at:
                self._end(loop, running, how)
                how = ""
        with suppress(asyncio.CancelledError, ExecutorError):  # the baseline was lost three times: a resume goes on
            await running

    def _end(self, loop: Loop, running: asyncio.Future[None], how: str) -> None:
        match how:
            case "stop":
                loop.stop("by the test")
            case "leave":
                loop.leave()
            case "cut off":
                running.cancel()
            case _:
                self.lab.store.append([ev.StopRequested(f"out {self.asked}", "from outside")], time=0.0)
                self.lab.time.seconds += 1.0  # so that it is looked for


class _Merges(dict[tuple[str, str], dict[str, bytes]]):
    """Every pair merges into the same."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__()
        self._files = files

    def get(self, key: Any, default: Any = None) -> Any:
        return self._files


def told(board: Board) -> str:
    research = board.research
    return (
        f"it hangs: live {list(research.live)}, untaken {list(research.untaken)}, asks {list(research.open_asks)}, "
        f"merged {list(research.merged)}, waiting {list(board.waiting)}, running {board.running}, "
        f"unseen {list(board.unseen)}, spend {board.spend.experiments}, decision {board.decision}"
    )


def check_books(lab: Lab) -> None:
    """Each call was reserved once and settled once, and the ceiling held at every position."""
    board = Board()
    limit = lab.board.setup.limits.usd
    for event in lab.events():
        board.apply(event)
        bill = board.research.bill
        assert limit is not None
        assert bill.usd + bill.reserved_usd <= limit + 1e-9
    reserved = [event.call.id for event in lab.those(ev.CallReserved)]
    settled = [event.settled.call for event in lab.those(ev.CallSettled)]
    assert len(set(reserved)) == len(reserved)
    assert sorted(settled) == sorted(reserved)
    answered = [e.settled.call.rpartition("/")[0] for e in lab.those(ev.CallSettled) if e.settled.status == "answered"]
    assert len(set(answered)) == len(answered), "an answer was paid for twice"
    for state in board.research.assignments.values():
        assert state.requests <= state.record.allowance.requests
        assert state.experiments <= state.record.allowance.experiments


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_campaign_ends_and_nobody_is_forgotten(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "POLL_S", 0.001)
    monkeypatch.setattr(loop_module, "LEAVE_S", 0.0)
    chaos = Chaos(tmp_path, seed)
    board = chaos.lab.board
    for number in count():
        asyncio.run(chaos.term(left_alone=number > 6))
        board = chaos.lab.board
        if board.ended is not None and not board.ended.startswith("stopped"):
            break
    assert not board.research.live
    assert not board.research.untaken
    assert not board.research.open_asks
    assert not board.research.calls
    assert not board.running
    check_books(chaos.lab)
