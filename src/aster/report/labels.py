"""What is written on the progress figure: the changes behind the records, and the names of levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from aster.report.canvas import DPI, FAINT, INK, LINE, SOFT, STAR, drawable, fitted, text_width
from aster.report.ladder import Anchor, Box, Segment, Spot, most_that_fit, place_all, spread
from aster.report.panels import EDGE, ROW, STRIP, WIDTH, frame
from aster.report.progress import Mark, Progress, Record
from aster.report.wording import count, number, percent, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS, MOST_LABELS = 7, 18
ROWS_BESIDES_KEY, MOST_BESIDES_KEY = 4, 6
LARGE, CLEAR = 0.08, 28.0
"""Beside a key, only records of at least this weight are named that have no better one so many pixels to the right."""


class Side(Struct, frozen=True):
    """A label at the right edge: the value it belongs to, its lines of (text, colour, bold)."""

    value: float
    lines: tuple[tuple[str, str, bool], ...]
    dashes: str | None


class Ladder(Struct, frozen=True):
    """What draw_ladder drew: texts and leaders, in pixels of the figure, and how many records found no room."""

    boxes: list[Box]
    leaders: list[Segment]
    left_out: int


def draw_ladder(figure: Figure, panel: Axes, values: tuple[float, float], view: Progress, keyed: bool) -> Ladder:
    """Name the records in rows beyond the best value, as many as find room.

    The panel gives up only as many rows as are needed. A record outside of a zoom is tied to the panel's edge. With
    `keyed`, a key names all of them, and here only large steps are named whose leaders leave room for numerals.
    """
    records, weights = view.records[1:], _weights(view, values)  # the first is the baseline, which has its own label
    worth = _stand_out(panel, values, records, weights) if keyed else range(len(records))
    named = sorted(sorted(worth, key=lambda i: -weights[i])[: MOST_BESIDES_KEY if keyed else MOST_LABELS])
    most_rows = ROWS_BESIDES_KEY if keyed else MOST_ROWS
    texts = {i: drawable(records[i].change, 30) for i in named}
    widths = {i: text_width(figure, texts[i], fontsize=8) for i in named}
    up, strip = view.goal == "maximize", len(figure.axes) == 1 and bool(view.misses)
    sign, ends = 1.0 if up else -1.0, _ends(panel)

    def anchors(rows: int) -> list[Anchor]:
        frame(panel, *values, up=up, rows=rows, strip=strip)
        return [_anchor(panel, records[i], widths[i], weights[i], sign, values) for i in named]

    full = anchors(most_rows)
    named = [named[k] for k in most_that_fit(full, _rows(panel, most_rows, up, strip), ROW - 2, *ends)]
    boxes: list[Box] = []
    leaders: list[Segment] = []
    for rows in range(1 if named else most_rows + 1, most_rows + 1):
        placed = anchors(rows)
        spots = place_all(placed, _rows(panel, rows, up, strip), ROW - 2, *ends)
        if spots is not None:
            for k, spot in spots.items():
                box, leader = _draw_label(figure, placed[k], spot, texts[named[k]], sign)
                boxes.append(box)
                leaders.append(leader)
            _draw_edges(panel, values, [records[i] for i in named], up)
            break
    else:
        frame(panel, *values, up=up, rows=0, strip=strip)
    return Ladder(boxes, leaders, len(records) - len(named))


def _stand_out(panel: Axes, values: tuple[float, float], records: Sequence[Record], weights: list[float]) -> list[int]:
    """Return the places of records that the panel shows, that matter, and whose successors are not close by."""
    xs = [float(panel.transData.transform((r.x, values[0]))[0]) for r in records] + [math.inf]
    return [
        i
        for i, record in enumerate(records)
        if values[0] <= record.value <= values[1] and weights[i] >= LARGE and xs[i + 1] - xs[i] >= CLEAR
    ]


def _weights(view: Progress, values: tuple[float, float]) -> list[float]:
    """Return how much each record but the first deserves its name; the last comes before all others.

    First by how far it jumps in the panel, then by the share of the way to the last record that it closed.
    """
    last = view.records[-1].value if view.records else 0.0
    weights = []
    for a, b in pairwise(view.records):
        seen = [min(max(v, values[0]), values[1]) for v in (a.value, b.value)]
        jump = abs(seen[1] - seen[0]) / (values[1] - values[0])
        share = abs(b.value - a.value) / abs(last - a.value) if last != a.value else 0.0
        weights.append(jump + 0.1 * share)
    return [*weights[:-1], 2.0] if weights else []


def _anchor(
    panel: Axes, record: Record, width: float, weight: float, sign: float, values: tuple[float, float]
) -> Anchor:
    value = min(max(record.value, values[0]), values[1])
    x, y = panel.transData.transform((record.x, value))
    return Anchor(float(x), sign * float(y) + 5.0, width, weight)


def _rows(panel: Axes, rows: int, up: bool, strip: bool) -> list[float]:
    """Return the middles of the rows, nearest to the data first, y in the direction of better values."""
    box = panel.get_window_extent()
    if up:
        return [float(box.y1) - (rows - k - 0.5) * ROW for k in range(rows)]
    foot = float(box.y0) + (STRIP if strip else 0.0)
    return [-(foot + (rows - k - 0.5) * ROW) for k in range(rows)]


def _ends(panel: Axes) -> tuple[float, float]:
    return float(panel.get_window_extent().x0) + 3.0, WIDTH * DPI - 8.0


def _draw_edges(panel: Axes, values: tuple[float, float], records: list[Record], up: bool) -> None:
    """Point to named records that lie outside of a zoom, from the edge where their leaders begin."""
    edge = values[0] if up else values[1]
    xs = [r.x for r in records if not values[0] <= r.value <= values[1]]
    panel.plot(xs, [edge] * len(xs), "v" if up else "^", color=LINE, ms=4.5, mew=0, ls="none", zorder=5, clip_on=False)


def _draw_label(figure: Figure, anchor: Anchor, spot: Spot, text: str, sign: float) -> tuple[Box, Segment]:
    from matplotlib.lines import Line2D

    flip = figure.transFigure.inverted()
    foot = spot.middle - (ROW - 2) / 2
    ends = [flip.transform((x, sign * y)) for x, y in ((anchor.x, anchor.y), (spot.foot, foot))]
    figure.add_artist(Line2D([p[0] for p in ends], [p[1] for p in ends], color=FAINT, lw=0.7, zorder=1))
    x, y = flip.transform((spot.left, sign * spot.middle))
    figure.text(x, y, text, fontsize=8, color=INK, va="center_baseline", ha="left", gid="record")
    middle, half = sign * spot.middle, ROW / 2
    box = (spot.left, middle - half, spot.left + anchor.width, middle + half)
    return box, (anchor.x, sign * anchor.y, spot.foot, sign * foot)


def sides(view: Progress) -> list[Side]:
    """Return what is named at the right edge: references, baseline, champion, and a better mean without a claim."""
    places, found = view.places, []
    for ref in view.references:
        colour = SOFT if ref.same else FAINT
        lines = [(f"{drawable(ref.name, 22)} {published(ref.value)}", colour, False)]
        if not ref.same:
            lines.append((drawable(ref.conditions, 30) or "other conditions", colour, False))
        found.append(Side(ref.value, tuple(lines), "--" if ref.same else ":"))
    base = view.baseline
    if base is not None:
        spread_of = f", sd {number(base.sd, places)}" if base.sd and not view.exact else ""
        found.append(Side(base.mean, ((f"baseline {number(base.mean, places)}{spread_of}", SOFT, False),), None))
    champion = next((m for m in view.confirmed if m.champion), None)
    if champion is not None:
        found.append(Side(champion.value, _champion_lines(champion, places, view.sealed), None))
    last = view.records[-1] if view.records else None
    if last is not None and last.gain is not None and (not champion or champion.claim.candidate != last.candidate):
        text = f"best so far {number(last.value, places)}"
        found.append(Side(last.value, ((text, LINE, True), ("unconfirmed", LINE, False)), None))
    return found


def _champion_lines(mark: Mark, places: int, sealed: bool) -> tuple[tuple[str, str, bool], ...]:
    claim = mark.claim
    assert claim.gain is not None
    assert claim.low is not None
    assert claim.high is not None
    first = (f"confirmed {number(mark.value, places)}", STAR, True)
    gain = f"gain {signed(claim.gain, places)}"
    if claim.exact:
        return first, (f"{gain}, exact", STAR, False)
    interval = f"{percent(claim.level)}: {signed(claim.low, places)} to {signed(claim.high, places)}"
    lines = first, (f"{gain}, {count(len(claim.pairs), 'pair')}", STAR, False), (interval, STAR, False)
    return (*lines, (f"against {number(mark.old, places)} in the same test", STAR, False)) if sealed else lines


def published(value: float) -> str:
    """Return a published value as it was published."""
    return f"{value:g}" if abs(value) >= 1e7 else str(value).replace("-", "\N{MINUS SIGN}")


def draw_sides(figure: Figure, panels: list[tuple[Axes, tuple[float, float]]], view: Progress) -> None:
    """Write each label beside the topmost panel that shows its value, spread so that none overlap."""
    left = list(sides(view))
    for panel, (low, high) in panels:
        mine = [side for side in left if low <= side.value <= high]
        left = [side for side in left if side not in mine]
        _write_sides(figure, panel, (low, high), mine)


def _write_sides(figure: Figure, panel: Axes, values: tuple[float, float], sides: list[Side]) -> None:
    from matplotlib.lines import Line2D

    if not sides:
        return
    line, flip = 12.5, figure.transFigure.inverted()
    ys = [float(panel.transData.transform((0, side.value))[1]) for side in sides]
    heights = [line * len(side.lines) + 4.0 for side in sides]
    low, high = (float(panel.transData.transform((0, v))[1]) for v in values)
    edge, text = EDGE, EDGE + 16.0
    for side, y, middle in zip(sides, ys, spread(ys, heights, low, high), strict=True):
        top = middle + line * (len(side.lines) - 1) / 2
        ends = [flip.transform(p) for p in ((edge, y), (edge + 6, y), (text - 3, top))]
        figure.add_artist(Line2D([p[0] for p in ends], [p[1] for p in ends], color=side.lines[0][1], lw=0.9, zorder=1))
        for k, (words, colour, bold) in enumerate(side.lines):
            x, at = flip.transform((text, top - k * line))
            weight = "bold" if bold else "normal"
            size = 8.5 if k == 0 else 7.5
            font: dict[str, Any] = {"fontsize": size, "weight": weight}
            words = fitted(figure, words, WIDTH * DPI - text - 4.0, **font)
            figure.text(x, at, words, color=colour, va="center_baseline", gid="side", **font)
