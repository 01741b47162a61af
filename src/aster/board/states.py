"""What the board keeps for each record: mutable states that only the fold changes."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator

from aster.domain.records import (
    Claim,
    Decided,
    Direction,
    Experiment,
    Measured,
    Outcome,
)


class Score:
    """Running mean and variance of one candidate's objective on one kind of hardware (Welford 1962)."""

    __slots__ = ("_m2", "mean", "n")

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self._m2 = 0.0

    def add(self, value: float) -> None:
        """Take in one more measured value."""
        self.n += 1
        delta = value - self.mean
        self.mean += delta / self.n
        self._m2 += delta * (value - self.mean)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation, or None below two values."""
        return math.sqrt(self._m2 / (self.n - 1)) if self.n > 1 else None


class Ranking:
    """Candidates from best to worst; adding, moving and finding one costs O(log n) comparisons."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, int, str]] = []
        self._row_of: dict[str, tuple[float, int, str]] = {}

    def place(self, candidate: str, loss: float) -> None:
        """Put `candidate` at `loss` (lower is better), moving it if it stands elsewhere. Ties: first come."""
        old = self._row_of.get(candidate)
        if old is not None:
            del self._rows[bisect_left(self._rows, old)]
        row = (loss, old[1] if old else len(self._row_of), candidate)
        insort(self._rows, row)
        self._row_of[candidate] = row

    def __contains__(self, candidate: object) -> bool:
        return candidate in self._row_of

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (row[2] for row in self._rows)

    def position(self, candidate: str) -> int:
        """Return the candidate's rank, 0 for the best.

        Raises:
            KeyError: it is not ranked.
        """
        return bisect_left(self._rows, self._row_of[candidate])


class ExperimentState:
    """An experiment and what became of it. `seen`: decisions may use its outcome."""

    __slots__ = ("attempt", "attempts", "outcome", "record", "seen")

    def __init__(self, record: Experiment) -> None:
        self.record = record
        self.attempts = 0
        self.attempt: str | None = None
        """The attempt that is running, or None."""
        self.outcome: Outcome | None = None
        self.seen = False

    @property
    def metrics(self) -> dict[str, float] | None:
        """The measured numbers, or None if it did not measure (yet)."""
        if self.outcome is not None and isinstance(self.outcome.result, Measured):
            return self.outcome.result.metrics
        return None


class DirectionState:
    """A direction with its yield: one (gain, cost in seconds) a finding; None where nothing was measured."""

    __slots__ = (
        "best_then",
        "dry",
        "elites_then",
        "experiments",
        "record",
        "retired",
        "seconds",
        "seen_then",
        "yields",
    )

    def __init__(self, record: Direction) -> None:
        self.record = record
        self.retired: str | None = None
        self.best_then: str | None = None
        self.elites_then: frozenset[str] = frozenset()
        self.seen_then = 0
        """The best candidate, the archive's elites and how many experiments had been seen when it was retired."""
        self.experiments = 0
        self.seconds = 0.0
        self.yields: list[tuple[float | None, float]] = []
        self.dry = 0
        """Findings since the last success."""


class ClaimState:
    """A claim, the experiments that test it, and its verdict."""

    __slots__ = ("decided", "experiments", "record")

    def __init__(self, record: Claim) -> None:
        self.record = record
        self.experiments: dict[tuple[str, int], str] = {}
        """(candidate, seed) -> experiment."""
        self.decided: Decided | None = None


class ArchiveState:
    """The archive as the ledger tells it: cluster centres in standardised descriptor space, and an elite each."""

    __slots__ = ("centroids", "elites", "scale", "shift", "size_clustered")

    def __init__(self) -> None:
        self.centroids: list[tuple[float, ...]] = []
        self.elites: dict[int, str] = {}
        self.shift: tuple[float, ...] = ()
        self.scale: tuple[float, ...] = ()
        self.size_clustered = 0


class Spend:
    """What was spent: experiments planned (for search, for confirmation), attempt seconds, active wall seconds."""

    __slots__ = ("attempt_s", "confirm", "experiments", "gpu_s", "wall_s")

    def __init__(self) -> None:
        self.experiments = 0
        self.confirm = 0
        self.attempt_s = 0.0
        self.gpu_s = 0.0
        self.wall_s = 0.0


__all__ = [
    "ArchiveState",
    "ClaimState",
    "DirectionState",
    "ExperimentState",
    "Ranking",
    "Score",
    "Spend",
]
