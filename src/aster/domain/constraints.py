"""What a measurement must keep to count, and what a claim must show of a mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Verdict = Literal["confirmed", "refuted", "undecided"]


class Constraint(Struct, frozen=True):
    """What makes a measurement feasible: `metric` is at least `min` and at most `max`, in its units; None: open.

    With `p` it is about a mean instead: a claim must show that the mean of `metric` over the claimed candidate's
    experiments keeps the bounds, by a one-sided t test with a p-value below `p`. No single measurement breaks it.
    """

    metric: str
    min: float | None = None
    max: float | None = None
    p: float | None = None

    def excess(self, value: float) -> float:
        """Return by how much `value` is beyond the nearer bound, in the metric's units; 0 or less: it is kept."""
        beyond = [self.min - value] if self.min is not None else []
        beyond += [value - self.max] if self.max is not None else []
        return max(beyond, default=0.0)

    def broken_by(self, metrics: Mapping[str, float]) -> str | None:
        """Return in words by how much a measurement breaks it, or None. What was not reported is not kept."""
        if self.p is not None:
            return None
        value = metrics.get(self.metric)
        if value is None:
            return f"{self.metric}, which is constrained, was not reported"
        return self.beyond(value)

    def beyond(self, value: float) -> str | None:
        """Return in words by how much a value, or a mean, is beyond a bound, or None."""
        excess = self.excess(value)
        if excess <= 0:
            return None
        over = self.max is not None and value > self.max
        bound = self.max if over else self.min
        return f"{self.metric} {value:.7g} is {excess:.3g} {'over its most' if over else 'under its least'}, {bound:g}"

    @property
    def wanted(self) -> str:
        """The bounds in words: "at least 1 and at most 3"."""
        bounds = [f"at least {self.min:g}"] if self.min is not None else []
        return " and ".join(bounds + ([f"at most {self.max:g}"] if self.max is not None else []))


class BoundTest(Struct, frozen=True):
    """What the claimed candidate's experiments tell of one bound on the mean of a metric.

    Attributes:
        bound, upper: the bound, in the metric's units, and whether it is the most or the least that the mean may be.
        below: the p-value must be below this.
        n, mean, sd: of the experiments that measured; None where there were too few.
        p: of the one-sided t test of "the mean is beyond the bound"; None below two experiments.
        verdict: confirmed: it is shown that the mean keeps the bound; refuted: that it does not; else undecided.
    """

    metric: str
    bound: float
    upper: bool
    below: float
    n: int
    mean: float | None
    sd: float | None
    p: float | None
    verdict: Verdict
