"""What was measured on one kind of hardware: scores, noise, the race for seeds, and the ranking that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set

from aster.board.means import Means
from aster.board.race import Race
from aster.board.states import Ranking, Score
from aster.domain.ids import search_seed
from aster.domain.records import Experiment, Setup


class Spread:
    """How far runs of one version lie apart, over all versions that were measured again."""

    def __init__(self) -> None:
        self.runs = 0
        """How many runs of such versions there are."""
        self.freedom = 0
        """How many of them tell a deviation."""
        self.squares = 0.0
        """The sum of their squared deviations from their version's mean."""
        self._again: dict[str, Score] = {}
        self._counted: dict[str, Score] = {}

    def take(self, candidate: str, value: float, searched: Score | None) -> None:
        """Take in another run of a version; `searched`: what search knows of it by now."""
        again = self._again.setdefault(candidate, Score())
        again.add(value)
        before = self._counted.get(candidate) or Score()
        now = self._counted[candidate] = (searched or Score()).with_others(again)
        self.runs += now.n - before.n
        self.freedom += now.n - 1 - max(0, before.n - 1)
        self.squares += now.squares - before.squares


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
        self.spread = Spread()
        """Versions that were measured again."""
        self.ranking = Ranking()
        self.race = Race(setup.search_seeds)
        self._setup, self._claimed = setup, claimed
        self._seeds = {search_seed(setup.seed, number): number for number in range(setup.search_seeds)}
        """Search seed -> its number."""
        self._out: set[str] = set()
        self.means = Means(setup.constraints)
        """Metrics whose mean a claim must show to keep a bound."""
        self._beyond: set[str] = set()
        """The candidates whose means seen so far are beyond a bound."""
        self._passed: dict[str, Ranking] = {}
        """By standing candidate, the ranking's rows of those that were claimed to beat it or are beyond a bound."""

    def unclaimed(self, against: str) -> str | None:
        """Return the best-ranked candidate that was never claimed to beat `against` and may be, or None.

        One whose means over the runs seen so far are beyond a bound may not.
        """
        return self.ranking.first_without(self._passed_over(against))

    def _passed_over(self, against: str) -> Ranking:
        if against not in self._passed:
            self._passed[against] = rows = Ranking()
            for candidate in self._beyond:
                if candidate in self.ranking:
                    rows.mark(self.ranking.row(candidate))
        return self._passed[against]

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

    def take(self, record: Experiment, metrics: Mapping[str, float]) -> None:
        """Take what an experiment measured into the noise and the ranking.

        Candidates are ranked on the campaign's search seeds alone, which all of them share; what confirmation
        measured on fresh seeds belongs to its claim, and what was measured again tells the noise.
        """
        value = metrics[self._setup.objective.metric]
        if record.purpose != "diagnosis" and self.means.take(record.candidate, metrics):
            self._weigh(record.candidate)
        if record.purpose == "repeat":
            self.spread.take(record.candidate, value, self.of.get(record.candidate))
        if record.purpose in ("diagnosis", "repeat"):
            return
        index = self._seeds.get(record.seed)
        if record.purpose == "baseline":
            self.noise.add(value)
        if record.purpose != "confirm" and index is not None:
            self._add(record.candidate, index, value)

    def miss(self, record: Experiment, status: str | None, *, held: bool) -> None:
        """Take in an outcome without a number that counts.

        It takes its candidate out of the ranking for good in a race for seeds; else if it is infeasible, unless others
        are held against the candidate (`held`).
        """
        if record.purpose == "diagnosis" or (record.purpose == "repeat" and self._setup.objective.exact):
            return  # where the metric is exact, a result on another seed says nothing of the one that ranks
        if self._setup.racing and record.purpose == "search":
            out = status != "cancelled"
        else:
            out = status == "infeasible" and not held
        if out:
            self._out.add(record.candidate)
            self.race.drop(record.candidate)
            for ranking in (self.ranking, *self._passed.values()):
                ranking.drop(record.candidate)

    def _add(self, candidate: str, index: int, value: float) -> None:
        """Take in what the candidate measured on search seed number `index`."""
        score = self.of.setdefault(candidate, Score())
        score.add(value)
        if not self._setup.racing:
            if score.n >= self._setup.search_seeds and candidate not in self._out:
                self._place(candidate, self._loss(score.mean))
        elif self.race.measure(candidate, index, self._loss(value)):
            self._place(candidate, self.race.loss(candidate) + self._doubt(self.race.reached(candidate)))

    def mark(self, candidate: str, against: str) -> None:
        """Take in that a candidate was claimed to beat another; one that is not ranked is marked once it is."""
        if candidate in self.ranking:
            self._passed_over(against).mark(self.ranking.row(candidate))

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
        if candidate in self._beyond:
            self._pass(candidate)

    def _weigh(self, candidate: str) -> None:
        """See on which side of the bounds the candidate's means are by now."""
        beyond = self.means.beyond(candidate) is not None
        if beyond == (candidate in self._beyond):
            return
        if beyond:
            self._beyond.add(candidate)
            self._pass(candidate)
            return
        self._beyond.discard(candidate)
        for against, rows in self._passed.items():
            if candidate not in self._claimed.get(against, ()):
                rows.drop(candidate)

    def _pass(self, candidate: str) -> None:
        if candidate in self.ranking:
            for rows in self._passed.values():
                rows.mark(self.ranking.row(candidate))
