"""The loop with a real ledger and a fake executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from aster.archive import traits
from aster.board import Board
from aster.campaign.clock import Clock
from aster.campaign.jobs import job_of
from aster.campaign.loop import Loop
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate, Experiment, Failed, Measured, Result, Setup
from aster.domain.trees import pack_tree
from aster.errors import ExecutorError, StaleTerm
from aster.execution.protocol import Job
from aster.ledger.sqlite import SqliteStore
from aster.testing.audit import audit
from aster.testing.fakes import FakeExecutor

from .simulated import SOLUTION, minds, setup


class FakeTime:
    """A clock that only moves when it is told to; `wall` is by how much the machine's date is off."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds + self.wall, lambda: self.seconds)


class Lab:
    """A campaign on disk, run by loops with a fake executor."""

    def __init__(self, folder: Path, chosen: Setup) -> None:
        self.store = SqliteStore(folder / "ledger.db", create=True)
        self.time = FakeTime()
        tree, blobs = pack_tree(SOLUTION)
        baseline = Candidate(tree_id(SOLUTION), tree, (), "baseline", None, (), "", traits(SOLUTION, SOLUTION))
        opening: list[ev.Event] = [ev.CampaignOpened("lab", chosen, tree), ev.CandidateAdded(baseline)]
        self.store.append(opening, time=0.0, blobs=blobs)
        self.board = Board()

    def loop(
        self, executor: FakeExecutor, observers: Sequence[Callable[[Board, Sequence[ev.Event]], None]] = ()
    ) -> Loop:
        """Return a new term's loop, over a board folded from the ledger."""
        term = self.store.begin_term(0.0)
        self.store.append([ev.TermStarted(term, executor.hardware, "h", 1, "0")], term=term, time=0.0)
        self.board, position = Board().fold(self.store.read()), self.store.last_position()

        def make_job(board: Board, experiment: Experiment, attempt: str) -> Job:
            return job_of(board, experiment, attempt, {}, self.store.get_blob)

        return Loop(
            self.board,
            self.store,
            executor,
            minds(),
            make_job,
            position=position,
            clock=self.time.clock,
            observers=observers,
        )

    def events(self) -> list[ev.Event]:
        return [entry.event for entry in self.store.read()]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path, setup(30))


def loss(job: Job) -> Result:
    """Return a loss that falls with A, B and C, from the files of the job."""
    total = sum(int(data.split(b"=")[1]) for data in job.files.values())
    return Measured({"loss": 30.0 - total + (job.seed % 97) / 1000})


async def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never became true")


def test_a_campaign_runs_to_its_end_and_its_ledger_tells_all_of_it(lab: Lab) -> None:
    executor = FakeExecutor(loss, 3)
    asyncio.run(lab.loop(executor).run())
    assert lab.board.ended is not None
    assert lab.board.champion is not None
    again = Board().fold(lab.store.read())
    assert list(again.experiments) == list(lab.board.experiments)
    assert again.champion == lab.board.champion
    assert sorted(executor.acknowledged) == sorted(job.attempt for job in executor.submitted)


def test_nothing_is_submitted_before_it_is_in_the_ledger(lab: Lab) -> None:
    class Suspicious(FakeExecutor):
        def submit(self, job: Job) -> None:
            stored = [e.attempt for e in lab.events() if isinstance(e, ev.AttemptStarted)]
            assert job.attempt in stored
            super().submit(job)

    asyncio.run(lab.loop(Suspicious(loss, 3)).run())
    assert lab.board.ended is not None


def test_nothing_is_acknowledged_before_it_is_in_the_ledger(lab: Lab) -> None:
    class Suspicious(FakeExecutor):
        def acknowledge(self, attempt: str) -> None:
            assert attempt in [e.outcome.attempt for e in lab.events() if isinstance(e, ev.OutcomeRecorded)]
            super().acknowledge(attempt)

    executor = Suspicious(loss, 3)
    asyncio.run(lab.loop(executor).run())
    assert executor.acknowledged


def test_a_lost_attempt_is_tried_again_and_three_losses_are_a_failure(lab: Lab) -> None:
    def answer(job: Job) -> Result | None:
        unlucky = b"C = 1" in job.files["solution/c.py"]
        once = job.attempt.endswith(".1") and b"B = 1" in job.files["solution/b.py"]
        return None if unlucky or once else loss(job)

    asyncio.run(lab.loop(FakeExecutor(answer, 3)).run())
    states = lab.board.experiments.values()
    tried = {s.attempts for s in states}
    assert tried == {1, 2, 3}
    for state in states:
        assert state.outcome is not None
        if state.attempts == 3:
            assert isinstance(state.outcome.result, Failed)
            assert "lost 3 times" in state.outcome.result.reason


def test_attempts_lost_to_a_leave_or_a_crash_do_not_count_towards_a_failure(lab: Lab) -> None:
    """Two terms in which the users leave, three that die: six attempts are lost, none by a keeper's death."""

    async def scenario(leave: bool) -> None:
        executor = FakeExecutor(loss, 3, hold=True)
        loop = lab.loop(executor)
        running = asyncio.create_task(loop.run())
        await until(lambda: len(executor.running) == 3)
        if leave:
            loop.leave()
        else:
            running.cancel()
        await asyncio.wait([running])

    for leave in (True, False, True, False, False):
        asyncio.run(scenario(leave))
    asyncio.run(lab.loop(FakeExecutor(loss, 3)).run())
    first = next(iter(lab.board.experiments.values()))
    assert first.attempts == 6
    assert all(state.metrics is not None for state in lab.board.experiments.values())


def test_losses_are_counted_in_one_term(lab: Lab) -> None:
    """Two attempts are lost, then the campaign dies with the third; two more are lost in the next term."""

    unlucky: set[str] = set()

    def answer(job: Job) -> Result | None:
        number = int(job.attempt.rpartition(".")[2])
        unlucky.update([job.experiment] if not unlucky and b"C = 1" in job.files["solution/c.py"] else [])
        if job.experiment not in unlucky or number == 6:
            return loss(job)
        if number == 3:
            raise OSError("the campaign dies")
        return None

    with pytest.raises(OSError, match="dies"):
        asyncio.run(lab.loop(FakeExecutor(answer, 3)).run())
    asyncio.run(lab.loop(FakeExecutor(answer, 3)).run())
    assert max(state.attempts for state in lab.board.experiments.values()) == 6
    assert all(state.metrics is not None for state in lab.board.experiments.values())


def test_a_baseline_lost_again_and_again_is_the_machines_fault_and_can_be_resumed(lab: Lab) -> None:
    with pytest.raises(ExecutorError, match=r"unchanged solution cannot be measured.*lost 3 times.*keeper died"):
        asyncio.run(lab.loop(FakeExecutor(lambda job: None, 3)).run())
    assert lab.board.ended is None
    asyncio.run(lab.loop(FakeExecutor(loss, 3)).run())
    assert lab.board.ended is not None
    assert all(state.metrics is not None for state in lab.board.experiments.values())


def test_a_stop_from_another_process_ends_it_cleanly(lab: Lab) -> None:
    executor = FakeExecutor(loss, 3, hold=True)

    async def scenario() -> None:
        running = asyncio.create_task(lab.loop(executor).run())
        await until(lambda: len(executor.running) == 3)
        lab.store.append([ev.StopRequested("theirs", "enough")], time=0.0)
        lab.time.seconds += 1.0
        await until(lambda: lab.board.stop == "enough")
        executor.release()
        await running

    asyncio.run(scenario())
    assert lab.board.ended == "stopped: enough"
    assert len(executor.submitted) == 3
    assert sum(isinstance(e, ev.OutcomeRecorded) for e in lab.events()) == 3


def test_steering_from_another_process_reaches_the_board(lab: Lab) -> None:
    executor = FakeExecutor(loss, 3, hold=True)

    async def scenario() -> None:
        running = asyncio.create_task(lab.loop(executor).run())
        await until(lambda: len(executor.running) == 3)
        lab.store.append([ev.SteeringGiven("theirs", "look at b")], time=0.0)
        lab.time.seconds += 1.0
        await until(lambda: lab.board.research.steering == ["look at b"])
        lab.store.append([ev.StopRequested("theirs", "enough")], time=0.0)
        lab.time.seconds += 1.0
        await until(lambda: lab.board.stop == "enough")
        executor.release()
        await running

    asyncio.run(scenario())
    assert lab.board.research.steering == ["look at b"], "it is folded once"


def test_after_a_stop_a_resume_goes_on_to_the_same_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    calm, stopped = Lab(tmp_path / "a", setup(30)), Lab(tmp_path / "b", setup(30))
    asyncio.run(calm.loop(FakeExecutor(loss, 3)).run())

    async def stop_early() -> None:
        executor = FakeExecutor(loss, 3)
        loop = stopped.loop(executor)
        running = asyncio.create_task(loop.run())
        await until(lambda: len(executor.submitted) >= 8)
        loop.stop("a pause")
        await running

    asyncio.run(stop_early())
    assert stopped.board.ended == "stopped: a pause"
    asyncio.run(stopped.loop(FakeExecutor(loss, 3)).run())
    assert list(stopped.board.experiments) == list(calm.board.experiments)


def test_leaving_at_once_kills_what_runs_and_a_resume_runs_it_again(lab: Lab) -> None:
    executor = FakeExecutor(loss, 3, hold=True)

    async def scenario() -> None:
        loop = lab.loop(executor)
        running = asyncio.create_task(loop.run())
        await until(lambda: len(executor.running) == 3)
        loop.leave()
        await running

    asyncio.run(scenario())
    assert lab.board.ended is None
    assert len(executor.cancelled) == 3
    assert not lab.board.running
    assert len(lab.board.waiting) == 3
    asyncio.run(lab.loop(FakeExecutor(loss, 3)).run())
    assert all(s.outcome is not None and s.metrics is not None for s in lab.board.experiments.values())


def test_when_the_wall_time_is_spent_what_runs_is_cancelled(tmp_path: Path) -> None:
    lab = Lab(tmp_path, setup(None, wall_s=100.0, mode="arrival"))
    executor = FakeExecutor(loss, 3, hold=True)

    async def scenario() -> None:
        running = asyncio.create_task(lab.loop(executor).run())
        await until(lambda: len(executor.running) == 3)
        lab.time.seconds += 100.0
        await running

    asyncio.run(scenario())
    assert lab.board.ended == "budget: the wall time is spent"
    assert set(executor.cancelled.values()) == {"the campaign's wall time is spent"}
    assert lab.board.tally == {"cancelled": 3}


def test_a_quiet_campaign_says_that_it_is_alive(tmp_path: Path) -> None:
    """So that time is charged although nothing else was recorded before a crash."""
    lab = Lab(tmp_path, setup(None, wall_s=1000.0, mode="arrival"))
    executor = FakeExecutor(loss, 3, hold=True)

    async def scenario() -> None:
        loop = lab.loop(executor)
        running = asyncio.create_task(loop.run())
        await until(lambda: len(executor.running) == 3)
        lab.time.seconds += 60.0
        await until(lambda: any(isinstance(e, ev.Heartbeat) for e in lab.events()))
        loop.leave()
        await running

    asyncio.run(scenario())
    assert Board().fold(lab.store.read()).spend.wall_s == pytest.approx(60.0)
    assert lab.loop(executor).elapsed == pytest.approx(60.0)


def test_a_second_decider_is_refused(lab: Lab) -> None:
    old = lab.loop(FakeExecutor(loss, 3))
    new = lab.loop(FakeExecutor(loss, 3))
    with pytest.raises(StaleTerm):
        asyncio.run(old.run())
    asyncio.run(new.run())
    assert lab.board.ended is not None


def test_observers_are_told_every_event_in_ledger_order(lab: Lab) -> None:
    told: list[ev.Event] = []
    asyncio.run(lab.loop(FakeExecutor(loss, 3), [lambda _, events: told.extend(events)]).run())
    assert told == [e for e in lab.events() if not isinstance(e, ev.CampaignOpened | ev.TermStarted)][1:]


def test_an_attempt_killed_from_outside_runs_again(lab: Lab) -> None:
    """Only the campaign's own wall time makes a cancelled experiment final."""
    executor = FakeExecutor(loss, 3, hold=True)

    async def scenario() -> None:
        running = asyncio.create_task(lab.loop(executor).run())
        await until(lambda: len(executor.running) == 3)
        executor.cancel(next(iter(executor.running)), "terminated")
        await until(lambda: lab.board.lost == 1)
        executor._hold = False
        await running

    asyncio.run(scenario())
    assert "cancelled" not in lab.board.tally
    assert all(s.metrics is not None for s in lab.board.experiments.values())


def test_a_clock_that_is_set_back_changes_neither_the_order_nor_the_wall_time(tmp_path: Path) -> None:
    """An hour back within a term, and another between two: the campaign is the one with a sound clock."""
    (tmp_path / "sound").mkdir()
    (tmp_path / "off").mkdir()
    sound, off = Lab(tmp_path / "sound", setup(30)), Lab(tmp_path / "off", setup(30))

    async def scenario(lab: Lab, back: float) -> None:
        executor = FakeExecutor(loss, 3, hold=True)
        loop = lab.loop(executor)
        running = asyncio.create_task(loop.run())
        for round_ in range(4):
            await until(lambda: bool(executor.running))
            lab.time.seconds += 10.0
            lab.time.wall -= back if round_ == 1 else 0.0
            executor.release()
        await until(lambda: bool(executor.running))
        loop.leave()
        await running
        lab.time.wall -= back
        await asyncio.wait_for(lab.loop(FakeExecutor(loss, 3)).run(), 60)

    asyncio.run(scenario(sound, 0.0))
    asyncio.run(scenario(off, 3600.0))
    entries = list(off.store.read())
    times = [entry.time for entry in entries if entry.time]
    assert min(times) < times[0] - 3000
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    assert list(off.board.experiments) == list(sound.board.experiments)
    assert off.board.spend.wall_s == sound.board.spend.wall_s == pytest.approx(40.0)
    assert audit(off.store).ended == sound.board.ended
