from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from aster.checking.bench import Bench, Work, workshop
from aster.domain.events import AttemptLost, OutcomeRecorded
from aster.domain.ids import blob_id
from aster.domain.records import Measured, Outcome, Usage
from aster.errors import ExecutorError
from aster.execution.protocol import Arrival, Job


class Backwards:
    """An executor that ends the youngest attempt first, and loses the first attempt of each seed in `lose`."""

    hardware, sandbox = "cpu: fake", "plain"

    def __init__(self, slots: int, lose: Iterable[int] = (), for_ever: bool = False) -> None:
        self.slots, self.lose, self.for_ever = slots, set(lose), for_ever
        self.running: list[Job] = []
        self.most = 0
        self.acknowledged: list[str] = []

    def free(self) -> int:
        return self.slots - len(self.running)

    def submit(self, job: Job) -> None:
        assert self.free() > 0
        self.running.append(job)
        self.most = max(self.most, len(self.running))

    def poll(self) -> list[Arrival]:
        if not self.running:
            return []
        job = self.running.pop()
        if job.seed in self.lose:
            self.lose -= set() if self.for_ever else {job.seed}
            return [Arrival(AttemptLost(job.attempt, job.experiment, "its keeper died"))]
        log = f"log of {job.seed}".encode()
        outcome = Outcome(
            job.attempt, job.experiment, Measured({"loss": float(job.seed)}), self.hardware, Usage(), 0.0, 1.0,
            log=blob_id(log), artifacts={"x": blob_id(b"x")},
        )  # fmt: skip
        return [Arrival(OutcomeRecorded(outcome), {blob_id(log): log, blob_id(b"x"): b"x"})]

    def acknowledge(self, attempt: str) -> None:
        self.acknowledged.append(attempt)

    def adopt(self, attempts: Iterable[str]) -> None: ...

    def cancel(self, attempt: str, reason: str) -> None: ...

    def close(self) -> None: ...


def test_results_come_in_the_order_of_the_work() -> None:
    executor, told = Backwards(3), list[int]()
    ran = Bench(executor).run((Work(seed, {}) for seed in range(10)), told.append)
    assert [each.result for each in ran] == [Measured({"loss": float(seed)}) for seed in range(10)]
    assert (ran[4].log, ran[4].outputs) == ("log of 4", {"x": b"x"})
    assert told == list(range(1, 11))
    assert executor.most == 3
    assert len(executor.acknowledged) == 10


def test_a_lost_attempt_is_made_again_and_a_second_loss_ends_the_check() -> None:
    ran = Bench(Backwards(2, lose=[1])).run([Work(0, {}), Work(1, {})])
    assert [each.log for each in ran] == ["log of 0", "log of 1"]
    with pytest.raises(ExecutorError, match="lost 2 times: its keeper died"):
        Bench(Backwards(2, lose=[1], for_ever=True)).run([Work(1, {})])


def test_a_workshop_goes_whatever_happens_in_it() -> None:
    seen: list[Path] = []

    def work() -> None:
        with workshop() as folder:
            seen.append(folder)
            (folder / "attempts" / "x").mkdir(parents=True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert not seen[0].exists()
