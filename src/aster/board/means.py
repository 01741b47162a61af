"""Means that claims must show to keep a bound: what was seen of them on one kind of hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aster.board.states import Score
from aster.domain.constraints import Constraint


class Means:
    """Of each metric whose mean is bounded, the score of each candidate over all its runs here that measured."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._bounds = tuple(each for each in constraints if each.p is not None)
        self._of: dict[tuple[str, str], Score] = {}

    def take(self, candidate: str, metrics: Mapping[str, float]) -> bool:
        """Take in a run. Returns whether any metric's mean is bounded, so that the candidate may stand otherwise."""
        for metric in {each.metric for each in self._bounds} & metrics.keys():
            self._of.setdefault((candidate, metric), Score()).add(metrics[metric])
        return bool(self._bounds)

    def of(self, candidate: str, metric: str) -> Score:
        """Return what was seen of a metric whose mean is bounded; an empty score where nothing was."""
        return self._of.get((candidate, metric)) or Score()

    def beyond(self, candidate: str) -> str | None:
        """Return in words which of the candidate's means are beyond their bounds and by how much, or None."""
        told = []
        for each in self._bounds:
            score = self.of(candidate, each.metric)
            if score.n and each.beyond(score.mean) is not None:
                told.append(f"{each.beyond(score.mean)} (mean of {score.n} run{'s' if score.n > 1 else ''})")
        return "; ".join(told) or None
