"""Where the numerals of records go: pure geometry, in pixels, y in the direction of better values.

The line of the best so far climbs to the right, so the side above and left of a marker is free of it. Each numeral
takes the first place around its marker where it lies on nothing and is nearest to its own; markers that are nearly one
share a numeral such as "3–5". Where there is no room beside a marker, close neighbours share, then a numeral moves away
on a leader or lies on the line, then distant neighbours share: every record is numbered, whatever happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from aster.report.ladder import Box, Segment, hits

SAME, CLOSE = 5.0, 16.0
"""Markers within so many pixels share a numeral always; if there is no room for two numerals."""
REACH = 70.0
"""Obstacles farther than this from a marker are not looked at."""
PAD = 2.5
"""Least distance of a numeral from another, in pixels."""
STAR = 6.0
"""How much farther from its marker a numeral stands where a star lies over the marker."""

Point = tuple[float, float]
Run = tuple[int, int]
"""The first and the last of the records that share a numeral."""


Spot = tuple[Box, Segment | None]
"""A box and its leader."""


class Obstacles(Struct, frozen=True):
    """What numerals must not cover."""

    boxes: list[Box]
    lines: list[Segment]

    def near(self, box: Box) -> Obstacles:
        """Return those within reach of a box."""
        left, bottom, right, top = reach = grown(box, REACH)
        return Obstacles(
            [b for b in self.boxes if b[0] < right and b[2] > left and b[1] < top and b[3] > bottom],
            [s for s in self.lines if hits(s, reach)],
        )

    def touch(self, box: Box) -> bool:
        """Whether a box lies on any."""
        return any(_overlap(box, other) for other in self.boxes) or any(hits(line, box) for line in self.lines)


class Numeral(Struct, frozen=True):
    """A placed numeral for the records `run`, and its leader if it stands away from them."""

    run: Run
    box: Box
    leader: Segment | None


def place_numerals(
    markers: Sequence[Point],
    width: Callable[[Run], float],
    height: float,
    hard: Obstacles,
    soft: Obstacles,
    room: Box,
) -> list[Numeral]:
    """Return numerals that cover all markers, in their order; none lies on another.

    Args:
        markers: the records' middles, in order of time, each better than the one before.
        width: of the numeral of a run.
        height: of a numeral.
        hard: the line, the markers and texts: covered only if the room is so full that nothing else is left.
        soft: dots and levels: covered only if there is no place without.
        room: numerals stay inside of it.
    """
    runs = _same(markers)
    placed: dict[Run, Numeral] = {}
    waiting = list(runs)
    while waiting:
        run = waiting.pop()
        others = Obstacles(
            [grown(n.box, PAD) for n in placed.values()], [n.leader for n in placed.values() if n.leader]
        )
        around = extent(markers, run)
        near = [o.near(around) for o in (others, hard, soft)]
        spots = _Spots(markers, run, (width(run), height))
        partner = _partner(runs, run, markers)
        spot = _free(spots.beside(0.0), near, room)
        if spot is None and (partner is None or _spans(markers, run, partner) > CLOSE):
            spot = _elsewhere(spots, near, room)
        if spot is None and partner is None:
            spot = next(spots.beside(0.0, clear=False))
        if spot is not None:
            placed[run] = Numeral(run, *spot)
            continue
        assert partner is not None
        union = min(run[0], partner[0]), max(run[1], partner[1])
        placed.pop(partner, None)
        runs = [union if r == run else r for r in runs if r != partner]
        waiting = [r for r in waiting if r != partner] + [union]
    return [placed[run] for run in sorted(placed)]


def extent(markers: Sequence[Point], run: Run) -> Box:
    """Return the box around the middles of a run."""
    mine = markers[run[0] : run[1] + 1]
    xs, ys = [x for x, _ in mine], [y for _, y in mine]
    return min(xs), min(ys), max(xs), max(ys)


def _same(markers: Sequence[Point]) -> list[Run]:
    runs: list[Run] = []
    for i in range(len(markers)):
        if runs and _size(extent(markers, (runs[-1][0], i))) <= SAME:
            runs[-1] = runs[-1][0], i
        else:
            runs.append((i, i))
    return runs


def _partner(runs: list[Run], run: Run, markers: Sequence[Point]) -> Run | None:
    """Return the neighbour that makes the smaller run together with this one, None if it is alone."""
    at = runs.index(run)
    neighbours = [*runs[max(0, at - 1) : at], *runs[at + 1 : at + 2]]
    return min(neighbours, key=lambda other: _spans(markers, run, other), default=None)


def _spans(markers: Sequence[Point], one: Run, other: Run) -> float:
    return _size(extent(markers, (min(one[0], other[0]), max(one[1], other[1]))))


def _size(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _free(spots: Iterator[Spot], near: list[Obstacles], room: Box) -> Spot | None:
    """Return the first spot that covers nothing, else the first that covers soft obstacles only."""
    others, hard, soft = near
    second: Spot | None = None
    for box, leader in spots:
        if not (room[0] <= box[0] and box[2] <= room[2] and room[1] <= box[1] and box[3] <= room[3]):
            continue
        if others.touch(box) or hard.touch(box):
            continue
        if leader is not None and any(_crosses(leader, other) for other in (*others.boxes, *hard.boxes)):
            continue
        if not soft.touch(box):
            return box, leader
        second = second or (box, leader)
    return second


def _crosses(leader: Segment, box: Box) -> bool:
    """Whether a leader runs into a box. The one that it starts in, a star over the marker, does not count."""
    inside = box[0] - 2 <= leader[0] <= box[2] + 2 and box[1] <= leader[1] <= box[3]
    return not inside and hits(leader, box)


def _elsewhere(spots: _Spots, near: list[Obstacles], room: Box) -> Spot | None:
    """Return a spot outside of a star over the marker, else on a leader, else on the line."""
    others, hard, soft = near
    found = _free(spots.beside(STAR), near, room) or _free(spots.away(), near, room)
    return found or _free(spots.beside(0.0, clear=False), [others, Obstacles(hard.boxes, []), soft], room)


class _Spots:
    """The places to try for the numeral of one run."""

    def __init__(self, markers: Sequence[Point], run: Run, size: tuple[float, float]) -> None:
        self.around, self.size = extent(markers, run), size
        self.own, self.strange = markers[run[0] : run[1] + 1], [*markers[: run[0]], *markers[run[1] + 1 :]]

    def beside(self, more: float, clear: bool = True) -> Iterator[Spot]:
        """Yield places at the markers, or `more` away: above, left, right, then below.

        With `clear`, only such that are nearer to a marker of the run than to any other.
        """
        left, bottom, right, top = grown(self.around, more)
        w, h = self.size
        for x, y in (
            ((left + right - w) / 2, top + 6.0),
            (right + 3.0 - w, top + 6.0),
            (left - 6.5 - w, (bottom + top - h) / 2),
            (left - 5.0 - w, (bottom + top) / 2 + 1.0),
            (left - 5.0 - w, top + 4.0),
            (right - 3.0, top + 6.0),
            (right + 4.0, top + 5.0),
            ((left + right - w) / 2, bottom - 6.0 - h),
            (right + 3.0, bottom - 6.0 - h),
        ):
            box = (x, y, x + w, y + h)
            if not clear or _nearest(box, self.own) < _nearest(box, self.strange):
                yield box, None

    def away(self) -> Iterator[Spot]:
        """Yield places farther off, first above and left, with a leader to the markers."""
        left, bottom, right, top = self.around
        x, y, across, up = (left + right) / 2, (bottom + top) / 2, (right - left) / 2, (top - bottom) / 2
        w, h = self.size
        for far in (16.0, 24.0, 34.0, 46.0):
            for dx, dy in ((-0.7, 0.7), (-0.4, 0.9), (-0.9, 0.4), (0.0, 1.0), (-1.0, 0.0), (0.4, 0.9)):
                start = x + dx * (across + 8.0), y + dy * (up + 8.0)
                foot = x + dx * (across + far), y + dy * (up + far)
                low, edge = foot[1] + 1.0 - (1.0 - dy) * h / 2, foot[0] - (1.0 - dx) * w / 2
                yield (edge, low, edge + w, low + h), (*start, *foot)


def _nearest(box: Box, markers: Sequence[Point]) -> float:
    """Return the distance of a box from the nearest of the markers, infinite if there are none."""
    left, bottom, right, top = box
    gaps = ((max(left - x, 0.0, x - right), max(bottom - y, 0.0, y - top)) for x, y in markers)
    return min((math.hypot(*gap) for gap in gaps), default=math.inf)


def grown(box: Box, by: float) -> Box:
    """Return the box with `by` more on every side."""
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
