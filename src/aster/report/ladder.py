"""Where labels go so that none lies on another: pure geometry, in pixels, y upwards.

Labels stand in rows beyond the data. Each is tied to its marker by a straight leader. The line of the best so far
never turns back, so the side of it that the rows are on is free, and a leader that rises straight up or to the left
meets nothing but other labels. Working from right to left, each label begins at its marker and takes the lowest row
where it clears those already placed, which makes a staircase; only where that fails does it move aside. Labels that
find no room are left out, the least important first.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

GAP = 5.0
"""Least horizontal distance of two texts, in pixels."""


class Anchor(Struct, frozen=True):
    """A marker at (`x`, `y`) whose label is `width` wide; a heavier `weight` is dropped later."""

    x: float
    y: float
    width: float
    weight: float


class Spot(Struct, frozen=True):
    """A placed label: its left edge, the middle of its row, and where its leader meets it."""

    left: float
    middle: float
    foot: float


Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""
Segment = tuple[float, float, float, float]
"""From (x, y) to (x, y)."""


def place_all(
    anchors: Sequence[Anchor], rows: Sequence[float], height: float, left: float, right: float
) -> dict[int, Spot] | None:
    """Return a spot for every anchor by its index, or None if they do not all fit.

    Args:
        anchors: the markers, in any order.
        rows: middles of the rows, the nearest to the data first.
        height: of a text.
        left, right: the ends of the rows.
    """
    spots: dict[int, Spot] = {}
    boxes: list[Box] = []
    leaders: list[Segment] = []
    for index in sorted(range(len(anchors)), key=lambda i: (-anchors[i].x, -anchors[i].y)):
        spot = _first_free(anchors[index], rows, height, (left, right), boxes, leaders)
        if spot is None:
            return None
        spots[index] = spot
        boxes.append(_box(spot, anchors[index], height))
        leaders.append(_leader(spot, anchors[index], height))
    return spots


def most_that_fit(
    anchors: Sequence[Anchor], rows: Sequence[float], height: float, left: float, right: float
) -> list[int]:
    """Return the indices of as many anchors as fit, leaving out the lightest one at a time."""
    kept = sorted(range(len(anchors)), key=lambda i: -anchors[i].weight)
    while place_all([anchors[i] for i in kept], rows, height, left, right) is None:
        kept.pop()
    return sorted(kept)


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Return middles close to `wanted` for blocks of `heights`, none overlapping, within `low` to `high` if they fit.

    Blocks that would overlap are pooled and share the displacement (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    pools: list[tuple[float, list[int]]] = []
    for index in order:
        pools.append((wanted[index], [index]))
        while len(pools) > 1 and _reach(pools[-2], heights, 1, low, high) > _reach(pools[-1], heights, -1, low, high):
            (a, first), (b, second) = pools[-2:]
            ha, hb = sum(heights[i] for i in first), sum(heights[i] for i in second)
            # each pool's middle is the mean of where its members want the pool's middle to be
            shift_a, shift_b = -hb / 2, ha / 2
            middle = (len(first) * (a - shift_a) + len(second) * (b - shift_b)) / (len(first) + len(second))
            pools[-2:] = [(middle, first + second)]
    middles = [0.0] * len(wanted)
    for middle, members in pools:
        total = sum(heights[i] for i in members)
        edge = _clamped(middle, total, low, high) - total / 2
        for i in members:
            middles[i] = edge + heights[i] / 2
            edge += heights[i]
    return middles


def _reach(pool: tuple[float, list[int]], heights: Sequence[float], side: int, low: float, high: float) -> float:
    total = sum(heights[i] for i in pool[1])
    return _clamped(pool[0], total, low, high) + side * total / 2


def _clamped(middle: float, total: float, low: float, high: float) -> float:
    return max(low + total / 2, min(high - total / 2, middle))


def _first_free(
    anchor: Anchor,
    rows: Sequence[float],
    height: float,
    ends: tuple[float, float],
    boxes: Sequence[Box],
    leaders: Sequence[Segment],
) -> Spot | None:
    for left in _lefts(anchor):
        for middle in rows:
            if not ends[0] <= left <= ends[1] - anchor.width:
                continue
            foot = min(max(anchor.x, left + 4), left + anchor.width - 4)
            spot = Spot(left, middle, foot)
            box, leader = _box(spot, anchor, height), _leader(spot, anchor, height)
            if any(_overlap(box, other) for other in boxes) or any(hits(line, box) for line in leaders):
                continue
            if any(hits(leader, other) for other in boxes) or any(_cross(leader, line) for line in leaders):
                continue
            return spot
    return None


def _lefts(anchor: Anchor) -> list[float]:
    """Left edges to try: the text right of its leader, on it, left of it, and farther left with a slanting leader."""
    x, width = anchor.x, anchor.width
    return [x - 4, x - width / 2, x - width + 4, *(x - width - slant for slant in (10.0, 30.0, 60.0, 100.0))]


def _box(spot: Spot, anchor: Anchor, height: float) -> Box:
    return spot.left, spot.middle - height / 2, spot.left + anchor.width, spot.middle + height / 2


def _leader(spot: Spot, anchor: Anchor, height: float) -> Segment:
    return anchor.x, anchor.y, spot.foot, spot.middle - height / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] + GAP and b[0] < a[2] + GAP and a[1] < b[3] and b[1] < a[3]


def hits(line: Segment, box: Box) -> bool:
    """Whether a segment touches a box widened by 2 pixels (Liang and Barsky 1984)."""
    x0, y0, x1, y1 = line
    enter, leave = 0.0, 1.0
    for delta, near, far in (
        (x1 - x0, box[0] - 2 - x0, box[2] + 2 - x0),
        (y1 - y0, box[1] - y0, box[3] - y0),
    ):
        if delta == 0:
            if near > 0 or far < 0:
                return False
            continue
        first, last = sorted((near / delta, far / delta))
        enter, leave = max(enter, first), min(leave, last)
    return enter < leave


def _cross(a: Segment, b: Segment) -> bool:
    """Whether two leaders cross or run within 2 pixels of each other at their tops."""
    if abs(a[2] - b[2]) < 2 and abs(a[0] - b[0]) < 2:
        return True

    def side(line: Segment, x: float, y: float) -> float:
        return (line[2] - line[0]) * (y - line[1]) - (line[3] - line[1]) * (x - line[0])

    return side(a, b[0], b[1]) * side(a, b[2], b[3]) < 0 and side(b, a[0], a[1]) * side(b, a[2], a[3]) < 0
