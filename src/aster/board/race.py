"""The race for search seeds: how far each candidate has come, on one kind of hardware.

All candidates run on the same search seeds in the same order, so those that stand on one rung were measured on exactly
the same seeds, and their means are a paired comparison.
"""

from __future__ import annotations

from statistics import fmean

from aster.board.states import Ranking


def rungs_of(seeds: int) -> tuple[int, ...]:
    """Return how many seeds each rung stands for: 1, 2, 4, ... and at last all `seeds`."""
    return (*(1 << k for k in range((seeds - 1).bit_length())), seeds)


class Race:
    """Candidates by rung. Taking in a run costs O(log n) comparisons, and as many steps as there are search seeds."""

    def __init__(self, seeds: int) -> None:
        self.rungs = rungs_of(seeds)
        self.standings = tuple(Ranking() for _ in self.rungs)
        """By rung, every candidate that was measured on all its seeds, by its mean loss over them."""
        self.begun: str | None = None
        """A candidate that some runs of its next rung are planned for, and not yet all."""
        self._gone = tuple(Ranking() for _ in self.rungs)
        """By rung, those of its rows whose candidate has runs beyond it."""
        self._losses: dict[str, dict[int, float]] = {}
        self._planned: dict[str, int] = {}
        self._out: set[str] = set()

    def planned(self, candidate: str) -> int:
        """Return how many search runs of the candidate were planned."""
        return self._planned.get(candidate, 0)

    def rung(self, candidate: str) -> int | None:
        """Return the highest rung that the candidate stands on, counted from 0; None if on none."""
        reached = [rung for rung, standing in enumerate(self.standings) if candidate in standing]
        return reached[-1] if reached else None

    def reached(self, candidate: str) -> int:
        """Return how many seeds the candidate's rung stands for; 0 if it is on none."""
        rung = self.rung(candidate)
        return 0 if rung is None else self.rungs[rung]

    def loss(self, candidate: str) -> float:
        """Return the candidate's mean loss over the seeds of its rung.

        Raises:
            KeyError: it is on none.
        """
        return self.standings[self.rung(candidate) or 0].loss(candidate)

    def complete(self, candidate: str) -> bool:
        """Whether the candidate was measured on every search seed."""
        return candidate in self.standings[-1]

    def waiting(self, rung: int) -> str | None:
        """Return the best of those on a rung that have no runs beyond it, or None."""
        return self.standings[rung].first_without(self._gone[rung])

    def gain(self, candidate: str, against: str) -> tuple[float, int] | None:
        """Return (gain, seeds): by how much a candidate is better, over the seeds of the highest rung of both."""
        mine, its = self.rung(candidate), self.rung(against)
        if mine is None or its is None:
            return None
        rung = min(mine, its)
        standing = self.standings[rung]
        return standing.loss(against) - standing.loss(candidate), self.rungs[rung]

    def plan(self, candidate: str) -> None:
        """Take in that another search run of the candidate is planned."""
        count = self._planned[candidate] = self.planned(candidate) + 1
        if count < self.rungs[-1] and count not in self.rungs and candidate not in self._out:
            self.begun = candidate
        elif self.begun == candidate:
            self.begun = None
        self._leave(candidate)

    def exempt(self, candidate: str) -> None:
        """Take in that the candidate runs on every search seed anyway, as the baseline does."""
        self._planned[candidate] = self.rungs[-1]

    def measure(self, candidate: str, index: int, loss: float) -> bool:
        """Take in what the candidate lost on search seed number `index`; return whether it has climbed."""
        losses = self._losses.setdefault(candidate, {})
        if index in losses or candidate in self._out:
            return False
        losses[index] = loss
        before = self.rung(candidate)
        for rung in range(0 if before is None else before + 1, len(self.rungs)):
            seeds = range(self.rungs[rung])
            if not all(each in losses for each in seeds):
                break
            self.standings[rung].place(candidate, fmean(losses[each] for each in seeds))
        self._leave(candidate)
        return self.rung(candidate) != before

    def drop(self, candidate: str) -> None:
        """Take the candidate out for good: it broke on a search seed."""
        self._out.add(candidate)
        for ranking in (*self.standings, *self._gone):
            ranking.drop(candidate)
        if self.begun == candidate:
            self.begun = None

    def _leave(self, candidate: str) -> None:
        for seeds, standing, gone in zip(self.rungs, self.standings, self._gone, strict=True):
            if candidate in standing and self.planned(candidate) > seeds:
                gone.mark(standing.row(candidate))
