"""Numerals beside the records, and the key under the chart that says which change each of them was."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from aster.report.canvas import DPI, GRID, INK, LINE, SOFT, drawable, fitted, text_width
from aster.report.labels import Ladder
from aster.report.ladder import Box, Segment
from aster.report.numerals import Numeral, Obstacles, Run, place_numerals
from aster.report.panels import FOOT, WIDTH
from aster.report.progress import Progress
from aster.report.wording import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ENTRIES, NEWEST = 40, 10
"""Entries of the key, and how many of them are the newest records if not all fit; the others gained the most."""
SIZE, SMALL = 8.0, 7.5
"""Points: the letters of the key, and of numerals and notes."""
LINE_HEIGHT, ABOVE, NOTE, BELOW = 15.0, 26.0, 22.0, 10.0
"""Pixels: one line of the key, its heading, the note under it, the gap under all."""
MARGIN, GUTTER, GAP = 20.0, 30.0, 8.0
"""Pixels: left and right of the key, between its columns, between the parts of an entry."""
NUMERAL_HEIGHT = 8.5
"""Pixels, as drawn: digits have no descenders."""


class Entry(Struct, frozen=True):
    """A line of the key. `number` counts the records from 1, the baseline."""

    number: int
    change: str
    value: str


class Key(Struct, frozen=True):
    """The key, measured. Pixels; `parts`: the widths of numerals, changes and values, the same in all columns."""

    entries: tuple[Entry, ...]
    heading: str
    note: str
    columns: int
    parts: tuple[float, float, float]
    height: float


def make_key(figure: Figure, view: Progress) -> Key:
    """Return the key for all records, or for the most important ones with a note of how many are left out."""
    shown = important(view)
    entries = [
        Entry(i + 1, drawable(view.records[i].change, 60), number(view.records[i].value, view.places)) for i in shown
    ]
    left_out = len(view.records) - len(shown)
    first = max(text_width(figure, str(e.number), fontsize=SIZE, weight="bold") for e in entries)
    last = max(text_width(figure, e.value, fontsize=SIZE) for e in entries)
    changes = [text_width(figure, e.change, fontsize=SIZE) for e in entries]
    columns, room = _columns(max(changes), len(entries), first + last + 2 * GAP)
    short = [Entry(e.number, fitted(figure, e.change, room, fontsize=SIZE), e.value) for e in entries]
    value = "best mean" if view.search_seeds > 1 else "best value"
    note = f"{count(left_out, 'record')} of smaller gain not named here: see the table of records in report.html"
    lines = math.ceil(len(entries) / columns)
    return Key(
        entries=tuple(short),
        heading=f"Numbered records: the change that made each, and the {value} it reached",
        note=note if left_out else "",
        columns=columns,
        parts=(first, min(room, max(changes)), last),
        height=ABOVE + LINE_HEIGHT * lines + (NOTE if left_out else 0.0) + BELOW,
    )


def important(view: Progress) -> list[int]:
    """Return the places of the records that the key names, in order: all, or the first, the newest, the largest."""
    n = len(view.records)
    if n <= MOST_ENTRIES:
        return list(range(n))
    kept = {0, *range(n - NEWEST, n)}
    largest = sorted(set(range(n)) - kept, key=lambda i: -(view.records[i].gain or 0.0))
    return sorted(kept | set(largest[: MOST_ENTRIES - len(kept)]))


def _columns(widest: float, entries: int, fixed: float) -> tuple[int, float]:
    """Return how many columns, and the room for a change: as many as shorten nothing, two or three if none do."""

    def room(columns: int) -> float:
        return (WIDTH * DPI - 2 * MARGIN - (columns - 1) * GUTTER) / columns - fixed

    fitting = [c for c in (4, 3, 2) if room(c) >= widest]
    columns = fitting[0] if fitting else 2 if entries <= 20 else 3
    return columns, room(columns)


def draw_key(figure: Figure, key: Key) -> None:
    """Write the key between the time axis and the caption, down its columns."""
    from matplotlib.lines import Line2D

    width, height = figure.bbox.size
    top = FOOT - 45.0 + key.height

    def write(x: float, y: float, words: str, **font: Any) -> None:
        figure.text(x / width, y / height, words, gid="key", va="baseline", **({"fontsize": SIZE} | font))

    rule = (top - 2.0) / height
    figure.add_artist(Line2D([MARGIN / width, 1 - MARGIN / width], [rule, rule], color=GRID, lw=0.8))
    write(MARGIN, top - 18.0, key.heading, color=SOFT, fontsize=SMALL)
    lines = math.ceil(len(key.entries) / key.columns)
    pitch = (width - 2 * MARGIN + GUTTER) / key.columns
    numerals, changes, values = key.parts
    for k, entry in enumerate(key.entries):
        x, y = MARGIN + (k // lines) * pitch, top - ABOVE - LINE_HEIGHT * (k % lines + 0.75)
        write(x + numerals, y, str(entry.number), color=LINE, weight="bold", ha="right")
        write(x + numerals + GAP, y, entry.change, color=INK)
        write(x + numerals + changes + values + 2 * GAP, y, entry.value, color=SOFT, ha="right")
    if key.note:
        write(MARGIN, top - ABOVE - LINE_HEIGHT * lines - 0.75 * NOTE, key.note, color=SOFT, fontsize=SMALL)


def draw_numerals(
    figure: Figure, panels: list[tuple[Axes, tuple[float, float]]], view: Progress, ladder: Ladder
) -> None:
    """Number every record, beside its marker in the topmost panel that shows it."""
    left = list(range(len(view.records)))
    for panel, (low, high) in panels:
        mine = [i for i in left if low <= view.records[i].value <= high]
        left = [i for i in left if i not in mine]
        if mine:
            _number(figure, panel, view, mine, ladder)


def _number(figure: Figure, panel: Axes, view: Progress, mine: list[int], ladder: Ladder) -> None:
    """Number the records `mine`, a run of them, in one panel."""
    sign = 1.0 if view.goal == "maximize" else -1.0

    def label(run: Run) -> str:
        one, other = mine[run[0]] + 1, mine[run[1]] + 1
        return str(one) if one == other else f"{one}–{other}"

    widths: dict[str, float] = {}

    def width(run: Run) -> float:
        text = "0" * len(label(run))
        if text not in widths:
            widths[text] = text_width(figure, text, fontsize=SMALL, weight="bold")
        return widths[text]

    markers = [_pixel(panel, view.records[i].x, view.records[i].value, sign) for i in mine]
    hard, soft = _obstacles(panel, view, ladder, sign)
    for numeral in place_numerals(markers, width, NUMERAL_HEIGHT, hard, soft, _room(panel, sign)):
        _draw_numeral(figure, numeral, label(numeral.run), sign)


def _pixel(panel: Axes, x: float, value: float, sign: float) -> tuple[float, float]:
    px, py = panel.transData.transform((x, value))
    return float(px), sign * float(py)


def _room(panel: Axes, sign: float) -> Box:
    box = panel.get_window_extent()
    low, high = sorted((sign * (float(box.y0) + 2.0), sign * (float(box.y1) + 6.0)))
    return float(box.x0) + 2.0, low, float(box.x1), high


def _obstacles(panel: Axes, view: Progress, ladder: Ladder, sign: float) -> tuple[Obstacles, Obstacles]:
    """Return what numerals must not cover (line, markers, stars, texts, leaders) and should not (dots, levels)."""

    def around(x: float, value: float, radius: float) -> Box:
        px, py = _pixel(panel, x, value, sign)
        return px - radius, py - radius, px + radius, py + radius

    def flat(value: float) -> Segment:
        y = _pixel(panel, 0.0, value, sign)[1]
        return left, y, right, y

    left, _, right, _ = _room(panel, sign)
    corners = [_pixel(panel, r.x, r.value, sign) for r in view.records]
    ends = [x for x, _ in corners[1:]] + [max(right, corners[-1][0])]
    line: list[Segment] = [(x, y, end, y) for (x, y), end in zip(corners, ends, strict=True)]
    line += [(b[0], a[1], b[0], b[1]) for a, b in pairwise(corners)]
    boxes = [around(r.x, r.value, 4.5) for r in view.records]
    boxes += [around(m.x, m.value, 10.0 if m.champion else 6.5) for m in view.confirmed]
    for text in ladder.boxes:
        low, high = sorted((sign * text[1], sign * text[3]))
        boxes.append((text[0], low, text[2], high))
    line += [(x, sign * y, end, sign * top) for x, y, end, top in ladder.leaders]
    line += [(*_pixel(panel, m.x, m.low, sign), *_pixel(panel, m.x, m.high, sign)) for m in view.confirmed]
    levels = [r.value for r in view.references]
    soft = Obstacles([around(p.x, p.value, 3.5) for p in view.points], [flat(v) for v in levels])
    return Obstacles(boxes, line), soft


def _draw_numeral(figure: Figure, numeral: Numeral, text: str, sign: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    flip = figure.transFigure.inverted()
    if numeral.leader is not None:
        x, y, end, top = numeral.leader
        ends = [flip.transform(p) for p in ((x, sign * y), (end, sign * top))]
        figure.add_artist(Line2D([p[0] for p in ends], [p[1] for p in ends], color=LINE, lw=0.6, zorder=6))
    box = numeral.box
    x, y = flip.transform(((box[0] + box[2]) / 2, min(sign * box[1], sign * box[3]) + 0.5))
    halo = [withStroke(linewidth=2.0, foreground="white")]
    figure.text(
        x, y, text, fontsize=SMALL, weight="bold", color=LINE, ha="center", va="baseline", gid="numeral",
        path_effects=halo, zorder=8,
    )  # fmt: skip
