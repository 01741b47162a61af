"""Which part of the value axis deserves the room: a range, a zoom into the records, or a logarithm."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from aster.report.progress import Progress

ZOOM_BELOW = 0.35
"""The better records get a panel of their own if they fill less than this share of the whole range."""

LOG_FROM = 100.0
"""A metric whose records span at least this factor, all of one positive sign, is drawn on a log scale."""


class Scale(Struct, frozen=True):
    """The range of the main panel and, where it would squash the records, of a zoom above it. Values, low to high."""

    low: float
    high: float
    log: bool = False
    zoom: tuple[float, float] | None = None
    explained: str = "linear scale"


def choose_scale(view: Progress) -> Scale:
    """Return the scale for a campaign.

    The range runs from a little worse than the baseline to the best of records, confirmed values and references that
    are near; a single broken candidate cannot stretch it. Works in "goodness", the value with the sign of its goal.
    """
    sign = 1.0 if view.goal == "maximize" else -1.0
    records = [sign * r.value for r in view.records]
    if not records:
        values = [p.value for p in view.points] + [r.value for r in view.references] or [0.0, 1.0]
        return Scale(*_padded(min(values), max(values)))
    if _wants_log(view):
        values = [r.value for r in view.records] + [m.value for m in view.confirmed]
        values += [r.value for r in view.references if r.value > 0 and min(values) / 10 < r.value < max(values) * 10]
        return Scale(
            min(values) / 1.3, max(values) * 1.3, True, None, "log scale, as the records span two decades or more"
        )
    noise = 0.0 if view.exact or view.baseline is None else view.baseline.sd or 0.0
    best = max(records + [sign * m.value for m in view.confirmed])
    floor = _floor([sign * p.value for p in view.points], records[0], best, noise)
    near = [u for u in (sign * r.value for r in view.references) if _near(u, floor, best)]
    top = max([best, *near, *(sign * e for m in view.confirmed for e in (m.low, m.high))])
    floor = min([floor, *near])
    whole = _ordered(sign, *_padded(floor, top))
    lens = _zoom(records, best, near, noise)
    if lens is not None:
        lens = lens[0], max([lens[1], *(sign * e for m in view.confirmed for e in (m.low, m.high))])
    if lens is None or lens[1] - lens[0] >= ZOOM_BELOW * (top - floor):
        return Scale(*whole)
    zoom = _ordered(sign, *_padded(*lens))
    return Scale(*whole, zoom=zoom, explained="linear scales; the upper panel enlarges the shaded strip of the lower")


def _wants_log(view: Progress) -> bool:
    values = [r.value for r in view.records]
    return min(values) > 0 and max(values) / min(values) >= LOG_FROM


def _floor(points: Sequence[float], first: float, best: float, noise: float) -> float:
    """Return the worst goodness worth showing: the 5% quantile, at most one climb (or 8 sd) below the start."""
    low = sorted(points)[len(points) // 20]
    room = max(best - first, 8 * noise)
    if room == 0:  # nothing improved yet: judge by the middle half of the points
        ordered = sorted(points)
        room = 3 * (ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4])
    return max(min(low, first), first - room)


def _near(goodness: float, floor: float, best: float) -> bool:
    span = best - floor
    return floor - 0.25 * span <= goodness <= best + 0.6 * span


def _zoom(records: Sequence[float], best: float, near: Sequence[float], noise: float) -> tuple[float, float] | None:
    """Return a range in which the better 60% of the records fill 30% or more, None below four records.

    It takes in as many of the earlier records as that allows, and is never finer than 8 sd of the noise.
    """
    if len(records) < 4:
        return None
    late = sorted(records)[math.ceil(0.4 * len(records))]
    low = min(u for u in records if best - u <= (best - late) / 0.3)
    top = max([best, *(u for u in near if u <= best + (best - low))])
    return min(low, top - 8 * noise), top


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - pad, high + pad


def _ordered(sign: float, low: float, high: float) -> tuple[float, float]:
    return (low, high) if sign > 0 else (-high, -low)
