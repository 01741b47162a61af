"""What the board keeps for each record: mutable states that only the fold changes."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from sys import intern

import msgspec
from msgspec import Struct

from aster.domain.records import (
    Cancelled,
    Claim,
    Decided,
    Direction,
    Experiment,
    Measured,
    Outcome,
    Result,
    Setup,
    Usage,
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
        if self.n == 1:
            self.mean = value
            return
        delta = value - self.mean
        self.mean += delta / self.n
        self._m2 += delta * (value - self.mean)

    def with_others(self, others: Score) -> Score:
        """Return the score over these values and `others` (Chan, Golub and LeVeque 1979)."""
        both, delta = Score(), others.mean - self.mean
        both.n = self.n + others.n
        if both.n:
            both.mean = self.mean + delta * others.n / both.n
            both._m2 = self._m2 + others._m2 + delta**2 * self.n * others.n / both.n
        return both

    @property
    def squares(self) -> float:
        """The sum of squared deviations from the mean."""
        return self._m2

    @property
    def sd(self) -> float | None:
        """Sample standard deviation, or None below two values."""
        return math.sqrt(self._m2 / (self.n - 1)) if self.n > 1 else None


Row = tuple[float, int, str]


class Ranking:
    """Candidates from best to worst; adding, moving and finding one costs O(log n) comparisons."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._row_of: dict[str, Row] = {}
        self._placed = 0

    def place(self, candidate: str, loss: float) -> None:
        """Put `candidate` at `loss` (lower is better), moving it if it stands elsewhere. Ties: first come."""
        old = self._row_of.get(candidate)
        if old is None:
            self._placed += 1
        self.mark((loss, old[1] if old else self._placed, candidate))

    def mark(self, row: Row) -> None:
        """Put a row of another ranking here, so that what is marked there stands in the same order here."""
        self.drop(row[2])
        insort(self._rows, row)
        self._row_of[row[2]] = row

    def drop(self, candidate: str) -> None:
        """Take `candidate` out, if it is here."""
        old = self._row_of.pop(candidate, None)
        if old is not None:
            del self._rows[bisect_left(self._rows, old)]

    def first_without(self, marked: Ranking) -> str | None:
        """Return the best candidate that is not in `marked`, whose rows are all from here; O(log n)."""
        low, high = 0, len(marked._rows)
        while low < high:  # the first place where the two part; before it, everything here is marked
            middle = (low + high) // 2
            if marked._rows[middle] == self._rows[middle]:
                low = middle + 1
            else:
                high = middle
        return self._rows[low][2] if low < len(self._rows) else None

    def __contains__(self, candidate: object) -> bool:
        return candidate in self._row_of

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (row[2] for row in self._rows)

    def row(self, candidate: str) -> Row:
        """Return what the candidate is sorted by: its loss, its place among equals, its name.

        Raises:
            KeyError: it is not ranked.
        """
        return self._row_of[candidate]

    def loss(self, candidate: str) -> float:
        """Return the loss at which the candidate stands.

        Raises:
            KeyError: it is not ranked.
        """
        return self._row_of[candidate][0]

    def position(self, candidate: str) -> int:
        """Return the candidate's rank, 0 for the best.

        Raises:
            KeyError: it is not ranked.
        """
        return bisect_left(self._rows, self._row_of[candidate])


class _Packed(Struct, array_like=True, frozen=True):
    """An outcome as bytes, without what its experiment's state knows anyway."""

    attempt: str
    result: Result
    hardware: str
    usage: tuple[float, float, float, float]
    started: float
    ended: float
    log: str | None
    artifacts: dict[str, str]
    pictures: dict[str, str]
    progress: tuple[tuple[int, float], ...]


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


class ExperimentState:
    """An experiment and what became of it."""

    __slots__ = ("_outcome", "attempt", "attempts", "place", "record", "status")

    def __init__(self, record: Experiment) -> None:
        self.record = record
        self.attempts = 0
        self.attempt: str | None = None
        """The attempt that is running, or None."""
        self.status: str | None = None
        """The kind of its outcome: measured, infeasible (it measured, and broke a constraint), failed, timed_out,
        invalid, stopped_early or cancelled; None before there is one."""
        self.place = 0
        """Its place in the order in which decisions saw outcomes, from 1; 0 while none has."""
        self._outcome: bytes | None = None

    @property
    def seen(self) -> bool:
        """Whether decisions may use its outcome."""
        return self.place > 0

    @property
    def outcome(self) -> Outcome | None:
        """What its attempt that counts came to; unpacked at each look."""
        if self._outcome is None:
            return None
        p = _decode(self._outcome)
        return Outcome(
            p.attempt, self.record.id, p.result, p.hardware, Usage(*p.usage), p.started, p.ended, p.log, p.artifacts,
            p.pictures, p.progress,
        )  # fmt: skip

    def end(self, of: Outcome, setup: Setup) -> None:
        """Keep the outcome, packed."""
        used = (of.usage.wall_s, of.usage.cpu_s, of.usage.max_rss_mb, of.usage.gpu_s)
        files = (of.log, of.artifacts, of.pictures)
        self._outcome = _encode(
            _Packed(of.attempt, of.result, of.hardware, used, of.started, of.ended, *files, of.progress)
        )
        check = self.record.purpose == "check"  # which measures nothing that a constraint could be about
        self.status = intern(_status(of.result, None if check else setup))

    @property
    def metrics(self) -> dict[str, float] | None:
        """The measured numbers, or None if it did not measure (yet), is infeasible, or a check."""
        return self.reported if self.status == "measured" else None

    @property
    def reported(self) -> dict[str, float] | None:
        """The measured numbers, those of an infeasible experiment too, which never count; else None, as for a check."""
        if self.record.purpose == "check":
            return None
        if self._outcome is not None and self.status in ("measured", "infeasible"):
            result = _decode(self._outcome).result
            assert isinstance(result, Measured)
            return result.metrics
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


def _status(result: Result, setup: Setup | None) -> str:
    if isinstance(result, Measured) and setup is not None and setup.infeasible(result.metrics) is not None:
        return "infeasible"
    if isinstance(result, Cancelled) and result.early:
        return "stopped_early"
    return str(type(result).__struct_config__.tag)


def planned_at(state: ExperimentState) -> tuple[int, str]:
    """Return what puts experiments in the order in which they were planned."""
    return state.record.decision, state.record.id


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
    """What was spent: experiments planned (for search, for confirmation), attempt seconds, active wall seconds.

    `whole_s`: attempt seconds of those that ran to their end, feasible or not.
    """

    __slots__ = ("attempt_s", "confirm", "experiments", "gpu_s", "wall_s", "whole_s")

    def __init__(self) -> None:
        self.experiments = 0
        self.confirm = 0
        self.attempt_s = 0.0
        self.whole_s = 0.0
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
    "planned_at",
]
