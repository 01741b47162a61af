"""What was measured on one kind of hardware: scores, noise, the race for seeds, and the ranking that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set

from aster.board.race import Race
from aster.board.states import Ranking, Score
from aster.domain.records import Setup


class Scores:
    """The books of one kind of hardware; scores of other kinds are never ranked with these."""

    def __init__(self, setup: Setup, claimed: Mapping[str, Set[str]]) -> None:
        """Args:
        setup: the campaign's.
        claimed: by standing candidate, those that were claimed to beat it, on whatever hardware; the board adds to it.
        """
        self.of: dict[str, Score] = {}
        """By candidate, the score over the search seeds."""
        self.noise = Score()
        """All the baseline's own runs."""
        self.ranking = Ranking()
        self.race = Race(setup.search_seeds)
        self._setup, self._claimed = setup, claimed
        self._claimed_rows: dict[str, Ranking] = {}
        """By standing candidate, the ranking's rows of those that were claimed to beat it."""

    def unclaimed(self, against: str) -> str | None:
        """Return the best-ranked candidate that was never claimed to beat `against`, or None."""
        return self.ranking.first_without(self._claimed_rows.get(against) or Ranking())

    def gain(self, candidate: str, against: str) -> tuple[float, int] | None:
        """Return (gain, seeds): by how much `candidate` is better over the search seeds of both; None if one has none.

        Where the campaign races, over those of the highest rung that both have reached.
        """
        if self._setup.racing:
            return self.race.gain(candidate, against)
        new, old = self.of.get(candidate), self.of.get(against)
        if new is None or old is None:
            return None
        return self._setup.objective.gain(new.mean, old.mean), min(new.n, old.n)

    def add(self, candidate: str, index: int, value: float) -> None:
        """Take in what the candidate measured on search seed number `index`."""
        score = self.of.setdefault(candidate, Score())
        score.add(value)
        if not self._setup.racing:
            if score.n >= self._setup.search_seeds:
                self._place(candidate, self._loss(score.mean))
        elif self.race.measure(candidate, index, self._loss(value)):
            self._place(candidate, self.race.loss(candidate) + self._doubt(self.race.reached(candidate)))

    def drop(self, candidate: str) -> None:
        """Take out of the race and the ranking a candidate that broke on one of its search seeds."""
        self.race.drop(candidate)
        for ranking in (self.ranking, *self._claimed_rows.values()):
            ranking.drop(candidate)

    def mark(self, candidate: str, against: str) -> None:
        """Take in that a candidate was claimed to beat another; one that is not ranked is marked once it is."""
        if candidate in self.ranking:
            self._claimed_rows.setdefault(against, Ranking()).mark(self.ranking.row(candidate))

    def _doubt(self, seeds: int) -> float:
        """Return what is added to a mean loss over fewer seeds than all, so that luck on a few ranks nobody first.

        It is one standard error more than that of a mean over all seeds has. By rung first would be simpler and is
        worse: where the search gets better as it goes, old candidates on high rungs would hide all new ones.
        """
        return (self.noise.sd or 0.0) * (1 / math.sqrt(seeds) - 1 / math.sqrt(self._setup.search_seeds))

    def _loss(self, value: float) -> float:
        return -self._setup.objective.gain(value, 0.0)

    def _place(self, candidate: str, loss: float) -> None:
        self.ranking.place(candidate, loss)
        for against, claimed in self._claimed.items():
            if candidate in claimed:
                self.mark(candidate, against)
