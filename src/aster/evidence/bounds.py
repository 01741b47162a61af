"""Whether the runs of a claim show that a mean keeps its bound. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import mean, stdev

from scipy import special

from aster.board import Board, ClaimState
from aster.domain.constraints import BoundTest, Constraint, Verdict
from aster.evidence.design import POWER, Margin, power_of_mean, t_quantile

MOST_RUNS = 10_000
"""Beyond so many runs nobody is told how many would show it."""


def p_beyond(values: Sequence[float], bound: float, upper: bool) -> float:
    """Return the p-value of "the true mean is beyond the bound" by a one-sided t test; small: it keeps the bound.

    At least two values. Where all are equal there is no doubt: 0, 1, or a half on the bound itself.
    """
    inside = bound - mean(values) if upper else mean(values) - bound
    error = stdev(values) / math.sqrt(len(values))
    if error == 0.0:
        return 0.0 if inside > 0 else 1.0 if inside < 0 else 0.5
    return float(special.stdtr(len(values) - 1, -inside / error))


def runs_to_show(expected: Margin, more_than: int) -> int | None:
    """Return the fewest runs above `more_than` that pass the test if mean and sd come out as expected; None: too many.

    The margin must be positive.
    """
    for runs in range(max(2, more_than + 1), MOST_RUNS):
        if expected.margin * math.sqrt(runs) > t_quantile(1.0 - expected.p, runs - 1) * expected.sd:
            return runs
    return None


def _tests(constraint: Constraint, values: Sequence[float]) -> Iterator[BoundTest]:
    """Yield the test of each bound of a constraint that has a `p`."""
    for bound, upper in ((constraint.min, False), (constraint.max, True)):
        if bound is not None:
            yield bound_test(constraint.metric, values, bound, upper, constraint.p or 0.0)


def bound_test(metric: str, values: Sequence[float], bound: float, upper: bool, below: float) -> BoundTest:
    """Test whether the mean keeps one bound; undecided with fewer than two values."""
    n = len(values)
    if n < 2:
        return BoundTest(metric, bound, upper, below, n, values[0] if n else None, None, None, "undecided")
    p = p_beyond(values, bound, upper)
    verdict: Verdict = "confirmed" if p < below else "refuted" if 1.0 - p < below else "undecided"
    return BoundTest(metric, bound, upper, below, n, mean(values), stdev(values), p, verdict)


def bound_tests(board: Board, claim: ClaimState) -> tuple[BoundTest, ...]:
    """Return the tests of every bounded mean over the claimed candidate's experiments of a claim that measured.

    Those whose pair is spoiled count too, so that nothing chooses among them. One that did not report the metric makes
    its mean unknown.
    """
    record = claim.record
    tests: list[BoundTest] = []
    ids = (claim.experiments.get((record.candidate, seed)) for seed in record.seeds)
    runs = [metrics for x in ids if x is not None and (metrics := board.experiments[x].metrics) is not None]
    for each in board.setup.constraints:
        if each.p is not None:
            known = all(each.metric in metrics for metrics in runs)
            tests.extend(_tests(each, [metrics[each.metric] for metrics in runs] if known else []))
    return tuple(tests)


def runs_needed(expected: Margin) -> int | None:
    """Return the fewest runs that show with POWER that the mean keeps its bound; None: no number of them is told."""
    if expected.margin <= 0:
        return None
    low, high = 1, 2
    while power_of_mean(high, expected) < POWER:
        if high >= MOST_RUNS:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of_mean(middle, expected) >= POWER else (middle, high)
    return high


def outlook(constraint: Constraint, values: Sequence[float], most: int) -> str:
    """Return in words what a claim of at most `most` runs a side takes to show a bound on a mean, for a candidate whose
    runs are as `values`: at least two."""
    average, sd = mean(values), stdev(values)
    said = f"The mean {constraint.metric} of {len(values)} runs is {average:.7g} (sd {sd:.2g})"
    rule = f"{constraint.wanted} (p < {constraint.p or 0.0:g})"
    if constraint.beyond(average) is not None:
        return f"{said}, and a claim must show that it is {rule}: no candidate like this one is claimed."
    runs = runs_needed(Margin(-constraint.excess(average), sd, constraint.p or 0.0))
    if runs is None:
        return f"{said}: too near to its bound for any claim to show that it is {rule}."
    enough = "" if runs <= most else f", more than `seeds.confirm`, which is {most}: raise it"
    return f"{said}. A claim of a candidate like it takes {runs} runs to show that it is {rule}, at 80% power{enough}."


def margins(board: Board, candidate: str) -> tuple[Margin, ...]:
    """Return what the search tells of every bounded mean of a candidate, for the design of a claim.

    The sd is that of the baseline's runs; where the metric does not vary there, or they are too few, it is taken as 0.
    """
    found = []
    for each in board.setup.constraints:
        score = board.here.means.of(candidate, each.metric)
        if each.p is not None and score.n:
            sd = board.here.means.of(board.baseline or "", each.metric).sd or 0.0
            found.append(Margin(-each.excess(score.mean), sd, each.p))
    return tuple(found)


def bound_text(test: BoundTest) -> str:
    """Return a test in words: mean, runs, p, and what would decide it."""
    wanted = f"{'at most' if test.upper else 'at least'} {test.bound:g}"
    if test.p is None or test.mean is None or test.sd is None:
        return f"too few runs tell whether the mean of {test.metric} is {wanted}"
    head, p = f"the mean {test.metric} of {test.n} runs, {test.mean:.7g}, is", p_text(test.p)
    if test.verdict == "confirmed":
        return f"{head} {wanted} ({p}, below {test.below:g})"
    if test.verdict == "refuted":
        return f"{head} not {wanted}: it is beyond it ({p_text(1.0 - test.p)} for being within, below {test.below:g})"
    inside = test.bound - test.mean if test.upper else test.mean - test.bound
    if inside <= 0:
        what = "it lies on the wrong side, and more runs would rather refute it"
    else:
        runs = runs_to_show(Margin(inside, test.sd, test.below), test.n)
        what = f"about {runs} runs would show it if mean and sd are as measured" if runs else "it is too near to tell"
    return f"{head} not shown to be {wanted} ({p}, to be below {test.below:g}); {what}"


def p_text(p: float) -> str:
    """Return a p-value in words: "p = 0.034", "p < 0.0001"."""
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"
