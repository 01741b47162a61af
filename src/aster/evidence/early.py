"""When a search experiment is hopeless: bars on its intermediate values, set before it starts.

A bar at a step is worse than what three of four experiments before it had there, and worse than the baseline's own
runs by more than their noise and by more than the middle half of all experiments spreads, so that a slow start alone
is forgiven. Each is held against one value, the first at or past its step: a curve that jitters is not asked again
and again.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from statistics import fmean, median, quantiles, stdev

from aster.board import Board
from aster.board.curves import Curve
from aster.evidence.design import t_quantile

LEAST_CURVES = 5
"""Fewer tell nothing of how curves spread."""

AT = (0.25, 0.5, 0.75)
"""Where the bars stand, as shares of the median curve's steps."""

CERTAINTY = 0.99
"""The chance that another run of the baseline itself passes a bar, if its values are normal."""


def bars(board: Board) -> tuple[tuple[int, float], ...]:
    """Return the bars of a search experiment that is planned now, (step, worst value that may go on), by step.

    None: the problem wants none, or fewer than `LEAST_CURVES` are known on this hardware, the baseline's among them.
    Costs the same however long the history.
    """
    curves = board.curves.get(board.hardware)
    if board.setup.progress is None or curves is None or not curves.baseline:
        return ()
    every = [*curves.baseline, *curves.searched]
    ends = [curve.points[-1][0] for curve in every if curve.whole]
    if len(every) < LEAST_CURVES or not ends:
        return ()
    sign = 1.0 if board.setup.progress == "minimize" else -1.0
    last = median(ends)
    steps = sorted({step for share in AT if (step := math.ceil(share * last)) < last})
    return tuple(_bars(steps, list(curves.baseline), every, sign))


def _bars(
    steps: Sequence[int], baseline: Sequence[Curve], every: Sequence[Curve], sign: float
) -> Iterator[tuple[int, float]]:
    for step in steps:
        known, own = _values(every, step, sign), _values(baseline, step, sign)
        if len(known) < LEAST_CURVES or not own:
            continue
        low, _, high = quantiles(known, n=4, method="inclusive")
        yield step, sign * max(high, fmean(own) + max(_noise(own), high - low))


def _noise(own: Sequence[float]) -> float:
    """Return by how much worse than its mean another run of the baseline may be: a one-sided prediction bound."""
    if len(own) < 2:
        return 0.0
    return t_quantile(CERTAINTY, len(own) - 1) * stdev(own) * math.sqrt(1.0 + 1.0 / len(own))


def _values(curves: Sequence[Curve], step: int, sign: float) -> list[float]:
    """Return each curve's first value at or past a step, turned so that lower is better; curves that end before have
    none."""
    found = ((curve.points, bisect_left(curve.points, step, key=lambda point: point[0])) for curve in curves)
    return [sign * points[at][1] for points, at in found if at < len(points)]
