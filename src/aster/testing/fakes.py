"""Deterministic fakes of the seams that have effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aster.domain.events import AttemptLost, OutcomeRecorded
from aster.domain.records import Cancelled, Measured, Outcome, Result, Usage
from aster.execution.protocol import Arrival, Job

Answer = Callable[[Job], Result | None]
"""What an attempt comes to; None: it is lost."""


class FakeExecutor:
    """Ends attempts when it is told to: no process, no disk.

    Args:
        answer: makes up results.
        slots: attempts at once.
        hold: attempts run until `release` or `cancel`; else they have ended at the next poll.
    """

    hardware = "fake"

    def __init__(self, answer: Answer, slots: int, *, hold: bool = False) -> None:
        self._answer, self._slots, self._hold = answer, slots, hold
        self.running: dict[str, Job] = {}
        self.submitted: list[Job] = []
        self.acknowledged: list[str] = []
        self.cancelled: dict[str, str] = {}
        self._ended: list[Arrival] = []
        self._lost: list[AttemptLost] = []

    def free(self) -> int:
        """How many more attempts can start."""
        return self._slots - len(self.running)

    def submit(self, job: Job) -> None:
        """Start an attempt."""
        assert self.free() > 0, "submitted without a free place"
        self.running[job.attempt] = job
        self.submitted.append(job)

    def adopt(self, attempts: Iterable[str]) -> None:
        """Report attempts of an earlier process as lost: this executor remembers none."""
        for attempt in attempts:
            self._lost.append(AttemptLost(attempt, attempt.rpartition(".")[0], "its process is gone"))

    def cancel(self, attempt: str, reason: str) -> None:
        """Kill an attempt."""
        if attempt in self.running:
            self.cancelled[attempt] = reason
            self._end(attempt, Cancelled(reason))

    def release(self) -> None:
        """Let every running attempt end."""
        for attempt in list(self.running):
            self._end(attempt, self._answer(self.running[attempt]))

    def poll(self) -> list[Arrival]:
        """Return what has ended."""
        if not self._hold:
            self.release()
        ended = [*(Arrival(fact) for fact in self._lost), *self._ended]
        self._lost, self._ended = [], []
        return ended

    def acknowledge(self, attempt: str) -> None:
        """Note that the end is durable."""
        self.acknowledged.append(attempt)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _end(self, attempt: str, result: Result | None) -> None:
        job = self.running.pop(attempt)
        if result is None:
            self._ended.append(Arrival(AttemptLost(attempt, job.experiment, "its keeper died")))
            return
        if job.quick and isinstance(result, Measured):
            result = Measured({})  # a check has no numbers
        outcome = Outcome(attempt, job.experiment, result, self.hardware, Usage(1.0, 1.0), 0.0, 1.0)
        self._ended.append(Arrival(OutcomeRecorded(outcome)))
