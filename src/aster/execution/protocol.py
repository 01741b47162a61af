"""The executor's seam: capacity, submit, cancel, outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from aster.domain.events import AttemptLost, OutcomeRecorded


class Job(Struct, frozen=True):
    """Everything that an attempt needs; built from the ledger alone, so that a resumed campaign builds the same.

    Attributes:
        attempt: its id, "EXPERIMENT.NUMBER".
        experiment: its experiment's id.
        seed: replaces "{seed}" in commands, and is the value of the problem's seed variable if it has one.
        files: the candidate's whole solution tree, path -> content, frozen files included.
        inputs: for a re-scored artifact, file name -> content to lay into the outputs folder; only
            trusted stages run then. None: all stages run.
        confirms: it is part of a claim's test, and may see sealed data.
        bars: (step, worst intermediate value that may go on); an attempt that breaks one is stopped early.
        quick: a check: only the problem's quick stages run, and it is measured without a number where all end well.
    """

    attempt: str
    experiment: str
    seed: int
    files: dict[str, bytes]
    inputs: dict[str, bytes] | None = None
    confirms: bool = False
    bars: tuple[tuple[int, float], ...] = ()
    quick: bool = False


class Arrival(Struct, frozen=True):
    """How an attempt ended, with the bytes of every blob that the fact names."""

    fact: OutcomeRecorded | AttemptLost
    blobs: dict[str, bytes] = {}


class Executor(Protocol):
    """Runs attempts side by side. Not thread-safe: one thread calls it.

    The contract suite is `aster.testing.executors`.
    """

    @property
    def hardware(self) -> str:
        """The kind of hardware that attempts run on, such as "cpu: AMD EPYC 7B13" or "gpu: NVIDIA H100"."""
        ...

    def free(self) -> int:
        """How many more attempts can start now. A place is free again only when its process tree is known dead."""
        ...

    def submit(self, job: Job) -> None:
        """Start an attempt. Call only while `free()` is positive.

        Raises:
            ExecutorError: the attempt cannot be started (no space, no keeper server); nothing of it is left.
        """
        ...

    def adopt(self, attempts: Iterable[str]) -> None:
        """Take over attempts that an earlier process of this campaign submitted and that have no outcome yet.

        Finished ones, running ones and vanished ones all come back through `poll`, the last as AttemptLost.
        """
        ...

    def cancel(self, attempt: str, reason: str) -> None:
        """Ask for an attempt to be killed; its Cancelled outcome (or its real one, if it was faster) arrives later."""
        ...

    def poll(self) -> list[Arrival]:
        """Return, without blocking, what has ended since the last call and was not acknowledged."""
        ...

    def acknowledge(self, attempt: str) -> None:
        """The attempt's end is durable in the ledger: its files may go."""
        ...

    def close(self) -> None:
        """Let go; running attempts go on and can be adopted by a later process."""
        ...
