"""The progress figure: the best so far over experiment time, every record with the change that made it.

One panel, or two where the late records would be squashed by the early ones: the lower shows everything, the upper
enlarges the shaded strip of it. Labels of records stand in rows beyond the best value, where no data is; levels
(references, baseline, champion) are named at the right edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from aster.report.canvas import (
    DOT,
    DPI,
    FAINT,
    GRID,
    INK,
    LINE,
    MISS,
    SOFT,
    STAR,
    drawable,
    new_figure,
    style,
    text_width,
)
from aster.report.ladder import Anchor, Spot, place_all, place_most, spread
from aster.report.progress import Mark, Progress, Record
from aster.report.scale import Scale, choose_scale
from aster.report.wording import count, number, percent, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 10.0, 5.6
LEFT, RIGHT, TOP, BOTTOM = 0.075, 0.775, 0.835, 0.145
ROW = 14.0
"""Pixels from one row of record labels to the next."""
MOST_ROWS, MOST_LABELS = 8, 18
RASTER_FROM = 3000
"""From so many dots on, the cloud is a picture inside the SVG, which would weigh megabytes otherwise."""


class _Side(Struct, frozen=True):
    """A label at the right edge: the value it belongs to, its lines of (text, colour, bold)."""

    value: float
    lines: tuple[tuple[str, str, bool], ...]
    dashes: str | None


def progress(view: Progress) -> Figure:
    """Return the progress figure, 10 x 5.6 inches. It can be drawn at any state of a campaign, even an empty one."""
    with style():
        figure = new_figure(WIDTH, HEIGHT)
        scale = choose_scale(view)
        panels = _panels(figure, view, scale)
        for panel, (low, high) in panels:
            _draw_levels(panel, view, low, high)
            _draw_points(panel, view)
            _draw_line(panel, view)
            _draw_marks(panel, view)
        _draw_misses(panels[-1][0], view)
        if scale.zoom is not None:
            panels[-1][0].axhspan(*scale.zoom, color=LINE, alpha=0.09, lw=0, zorder=0)
        left_out = _draw_ladder(figure, panels[0][0], panels[0][1], view)
        _draw_sides(figure, panels, view)
        _draw_header(figure, view)
        _draw_caption(figure, view, scale, left_out)
        return figure


# --- panels and axes -------------------------------------------------------------------------------------


def _panels(figure: Figure, view: Progress, scale: Scale) -> list[tuple[Axes, tuple[float, float]]]:
    """Return the panels, top first, each with the range of values that it shows."""
    if scale.zoom is None:
        axes = [figure.add_axes((LEFT, BOTTOM, RIGHT - LEFT, TOP - BOTTOM))]
        ranges = [(scale.low, scale.high)]
    else:
        foot = 0.165
        upper = BOTTOM + foot + 0.035
        axes = [
            figure.add_axes((LEFT, upper, RIGHT - LEFT, TOP - upper)),
            figure.add_axes((LEFT, BOTTOM, RIGHT - LEFT, foot)),
        ]
        ranges = [scale.zoom, (scale.low, scale.high)]
    for place, (panel, (low, high)) in enumerate(zip(axes, ranges, strict=True)):
        if scale.log:
            panel.set_yscale("log")
        last = place == len(axes) - 1
        _frame(panel, low, high, up=view.goal == "maximize", rows=0, strip=last and bool(view.misses))
        _time_axis(panel, view.seconds, labelled=last)
    return list(zip(axes, ranges, strict=True))


def _frame(panel: Axes, low: float, high: float, up: bool, rows: int, strip: bool) -> None:
    """Give the values all of the panel but `rows` of labels beyond the best and a `strip` for failures at the foot."""
    height = panel.get_window_extent().height
    ladder = (rows * ROW + 12.0) / height if rows else 0.0
    foot = 13.0 / height if strip else 0.0
    above, below = (ladder, foot) if up else (0.0, foot + ladder)
    log = panel.get_yscale() == "log"
    a, b = (_log(low), _log(high)) if log else (low, high)
    span = (b - a) / (1.0 - above - below)
    a, b = a - below * span, b + above * span
    panel.set_ylim(*((10**a, 10**b) if log else (a, b)))
    _value_axis(panel, low, high, log)


def _log(value: float) -> float:
    import math

    return math.log10(value)


def _value_axis(panel: Axes, low: float, high: float, log: bool) -> None:
    """Put ticks only where values are: not in the rows of labels, not in the strip of failures."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    room = panel.get_window_extent().height
    if log:
        ticks = [t for t in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low <= t <= high]
        texts = [f"{t:g}" for t in ticks]
    else:
        ticks = [t for t in MaxNLocator(max(2, int(room / 42))).tick_values(low, high) if low <= t <= high]
        step = min((b - a for a, b in zip(ticks, ticks[1:], strict=False)), default=1.0)
        places = max(0, min(12, round(-_log(step) + 0.49)))
        texts = [number(t, places) for t in ticks]
    panel.set_yticks(ticks, texts)
    panel.set_yticks([], minor=True)
    panel.grid(axis="y", color=GRID, lw=0.8, zorder=0)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines["left"].set_bounds(low, high)
    panel.tick_params(length=3)


def _time_axis(panel: Axes, seconds: float, labelled: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    unit, size = next(
        (name, s) for name, s in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
        if seconds >= 2.5 * s or s == 1.0
    )  # fmt: skip
    end = seconds or 1.0
    panel.set_xlim(-0.012 * end, 1.02 * end)
    ticks = [t * size for t in MaxNLocator(8).tick_values(0, end / size) if t * size <= 1.02 * end and t >= 0]
    panel.set_xticks(ticks)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:g}"))
    if labelled:
        panel.set_xlabel(f"experiment time, {unit} (all attempts summed)", fontsize=8.5)
    else:
        panel.tick_params(labelbottom=False)


# --- data ------------------------------------------------------------------------------------------------


def _draw_points(panel: Axes, view: Progress) -> None:
    """Dots for measured experiments; hollow on other hardware; carets where the value lies outside."""
    n = len(view.points)
    size = 20.0 if n < 100 else 11.0 if n < 700 else 6.0
    shown = [p for p in view.points if p.ranked]
    others = [p for p in view.points if not p.ranked]
    common: dict[str, Any] = {"s": size, "zorder": 2, "rasterized": n >= RASTER_FROM}
    panel.scatter([p.x for p in shown], [p.value for p in shown], color=DOT, alpha=0.75, lw=0, **common)
    panel.scatter([p.x for p in others], [p.value for p in others], fc="none", ec=DOT, lw=0.8, **common)


def _draw_line(panel: Axes, view: Progress) -> None:
    if not view.records:
        return
    xs = [r.x for r in view.records] + [max(view.seconds, view.records[-1].x)]
    ys = [r.value for r in view.records] + [view.records[-1].value]
    panel.plot(xs, ys, color=LINE, lw=2.0, drawstyle="steps-post", zorder=3, solid_joinstyle="miter")
    panel.plot(
        xs[:-1], ys[:-1], "o", color=LINE, ms=5.5, mec="white", mew=0.9, zorder=5, clip_on=True, ls="none"
    )


def _draw_marks(panel: Axes, view: Progress) -> None:
    for mark in view.confirmed:
        if mark.low < mark.high:
            panel.plot([mark.x, mark.x], [mark.low, mark.high], color=STAR, lw=2.0, zorder=6, solid_capstyle="butt")
            panel.plot([mark.x] * 2, [mark.low, mark.high], "_", color=STAR, ms=8, mew=1.6, zorder=6)
        form, size = ("*", 15.0) if mark.champion else ("D", 6.5)
        panel.plot([mark.x], [mark.value], form, color=STAR, ms=size, mec="white", mew=0.9, zorder=7)


def _draw_misses(panel: Axes, view: Progress) -> None:
    if view.misses:
        height = panel.get_window_extent().height
        panel.vlines(
            [m.x for m in view.misses], 2.0 / height, 9.0 / height, transform=panel.get_xaxis_transform(),
            color=MISS, lw=1.1, alpha=0.8, zorder=2, rasterized=len(view.misses) >= RASTER_FROM,
        )  # fmt: skip


def _draw_levels(panel: Axes, view: Progress, low: float, high: float) -> None:
    for side in _sides(view):
        if side.dashes is not None and low <= side.value <= high:
            panel.axhline(side.value, color=side.lines[0][1], lw=1.0, ls=side.dashes, zorder=1)
    base = view.baseline
    if base is not None and base.sd and not view.exact:
        panel.axhspan(base.mean - base.sd, base.mean + base.sd, color=FAINT, alpha=0.16, lw=0, zorder=0)


# --- labels of records -----------------------------------------------------------------------------------


def _draw_ladder(figure: Figure, panel: Axes, values: tuple[float, float], view: Progress) -> int:
    """Name the records in rows beyond the best value; returns how many found no room.

    The panel gives up only as many rows as are needed. A record outside of a zoom is tied to the panel's edge.
    """
    records = view.records[1:]  # the first is the baseline or the first value: it has its own label
    weights = _weights(view)
    named = sorted(sorted(range(len(records)), key=lambda i: -weights[i])[:MOST_LABELS])
    texts = [drawable(records[i].change, 30) for i in named]
    widths = [text_width(figure, text, fontsize=8) for text in texts]
    if not named:
        return 0
    up = view.goal == "maximize"
    sign = 1.0 if up else -1.0
    strip = len(figure.axes) == 1 and bool(view.misses)
    spots: dict[int, Spot] | None = None
    anchors: list[Anchor] = []
    for rows in range(1, MOST_ROWS + 1):
        _frame(panel, *values, up=up, rows=rows, strip=strip)
        anchors = [
            _anchor(panel, records[i], width, weights[i], sign, values)
            for i, width in zip(named, widths, strict=True)
        ]
        spots = place_all(anchors, _rows(panel, rows, up, strip), ROW - 2, *_ends(figure, panel))
        if spots is not None:
            break
    else:
        spots = place_most(anchors, _rows(panel, MOST_ROWS, up, strip), ROW - 2, *_ends(figure, panel))
    for i, spot in spots.items():
        _draw_label(figure, anchors[i], spot, texts[i], sign)
    return len(records) - len(spots)


def _weights(view: Progress) -> list[float]:
    """Return, for each record but the first, the share of the way to the last one that it closed; 1 for the last."""
    last = view.records[-1].value if view.records else 0.0
    pairs = zip(view.records, view.records[1:], strict=False)
    return [abs(b.value - a.value) / abs(last - a.value) if last != a.value else 0.0 for a, b in pairs]


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
    foot = float(box.y0) + (13.0 if strip else 0.0)
    return [-(foot + (rows - k - 0.5) * ROW) for k in range(rows)]


def _ends(figure: Figure, panel: Axes) -> tuple[float, float]:
    return float(panel.get_window_extent().x0) + 3.0, WIDTH * DPI - 8.0


def _draw_label(figure: Figure, anchor: Anchor, spot: Spot, text: str, sign: float) -> None:
    from matplotlib.lines import Line2D

    flip = figure.transFigure.inverted()
    foot = spot.middle - (ROW - 2) / 2
    ends = [flip.transform((x, sign * y)) for x, y in ((anchor.x, anchor.y), (spot.foot, foot))]
    figure.add_artist(Line2D([p[0] for p in ends], [p[1] for p in ends], color=FAINT, lw=0.7, zorder=1))
    x, y = flip.transform((spot.left, sign * spot.middle))
    figure.text(x, y, text, fontsize=8, color=INK, va="center_baseline", ha="left", gid="record")


# --- labels at the right edge ----------------------------------------------------------------------------


def _sides(view: Progress) -> list[_Side]:
    """Return what is named at the right edge: references, baseline, champion, and a better mean without a claim."""
    places, sides = view.places, []
    for ref in view.references:
        colour = SOFT if ref.same else FAINT
        lines = [(f"{drawable(ref.name, 22)} {number_of(ref.value)}", colour, False)]
        if not ref.same:
            lines.append((drawable(ref.conditions, 30) or "other conditions", colour, False))
        sides.append(_Side(ref.value, tuple(lines), "--" if ref.same else ":"))
    base = view.baseline
    if base is not None:
        spread_of = f" ± {number(base.sd, places)}" if base.sd and not view.exact else ""
        sides.append(_Side(base.mean, ((f"baseline {number(base.mean, places)}{spread_of}", SOFT, False),), None))
    champion = next((m for m in view.confirmed if m.champion), None)
    if champion is not None:
        sides.append(_Side(champion.value, _champion_lines(champion, places), None))
    last = view.records[-1] if view.records else None
    if last is not None and last.gain is not None and (not champion or champion.claim.candidate != last.candidate):
        text = f"best so far {number(last.value, places)}"
        sides.append(_Side(last.value, ((text, LINE, True), ("unconfirmed", LINE, False)), None))
    return sides


def _champion_lines(mark: Mark, places: int) -> tuple[tuple[str, str, bool], ...]:
    claim = mark.claim
    assert claim.gain is not None
    assert claim.low is not None
    assert claim.high is not None
    first = (f"confirmed {number(mark.value, places)}", STAR, True)
    gain = f"gain {signed(claim.gain, places)}"
    if claim.exact:
        return first, (f"{gain}, exact", STAR, False)
    interval = f"{percent(claim.level)}: {signed(claim.low, places)} to {signed(claim.high, places)}"
    return first, (f"{gain}, {count(len(claim.pairs), 'pair')}", STAR, False), (interval, STAR, False)


def number_of(value: float) -> str:
    """Return a published value as it was published."""
    return f"{value:g}" if abs(value) >= 1e7 else str(value).replace("-", "\N{MINUS SIGN}")


def _draw_sides(figure: Figure, panels: list[tuple[Axes, tuple[float, float]]], view: Progress) -> None:
    """Write each label beside the topmost panel that shows its value, spread so that none overlap."""
    left = list(_sides(view))
    for panel, (low, high) in panels:
        mine = [side for side in left if low <= side.value <= high]
        left = [side for side in left if side not in mine]
        _write_sides(figure, panel, (low, high), mine)


def _write_sides(figure: Figure, panel: Axes, values: tuple[float, float], sides: list[_Side]) -> None:
    from matplotlib.lines import Line2D

    if not sides:
        return
    line, flip = 11.5, figure.transFigure.inverted()
    ys = [float(panel.transData.transform((0, side.value))[1]) for side in sides]
    heights = [line * len(side.lines) + 4.0 for side in sides]
    low, high = (float(panel.transData.transform((0, v))[1]) for v in values)
    edge, text = RIGHT * WIDTH * DPI, RIGHT * WIDTH * DPI + 16.0
    for side, y, middle in zip(sides, ys, spread(ys, heights, low, high), strict=True):
        top = middle + line * (len(side.lines) - 1) / 2
        ends = [flip.transform(p) for p in ((edge, y), (edge + 6, y), (text - 3, top))]
        figure.add_artist(
            Line2D([p[0] for p in ends], [p[1] for p in ends], color=side.lines[0][1], lw=0.9, zorder=1)
        )
        for k, (words, colour, bold) in enumerate(side.lines):
            x, at = flip.transform((text, top - k * line))
            weight = "bold" if bold else "normal"
            size = 8.5 if k == 0 else 7.5
            figure.text(x, at, words, color=colour, fontsize=size, weight=weight, va="center_baseline", gid="side")


# --- header and caption ----------------------------------------------------------------------------------


def _draw_header(figure: Figure, view: Progress) -> None:
    better = "higher is better" if view.goal == "maximize" else "lower is better"
    figure.text(LEFT - 0.055, 0.955, drawable(view.title, 80), fontsize=13, weight="bold", va="center")
    line = f"{drawable(view.metric, 40)}, {better}: the best so far over experiment time"
    figure.text(LEFT - 0.055, 0.908, line, fontsize=9.5, color=SOFT, va="center")
    figure.legend(
        handles=_handles(view), loc="center left", bbox_to_anchor=(LEFT - 0.063, 0.866), ncols=6, frameon=False,
        fontsize=8, labelcolor=SOFT, handletextpad=0.4, columnspacing=1.6, borderpad=0.2, handlelength=1.4,
    )  # fmt: skip


def _handles(view: Progress) -> list[Any]:
    from matplotlib.lines import Line2D

    def dot(**how: Any) -> Line2D:
        return Line2D([], [], **({"ls": "none", "marker": "o", "ms": 5} | how))

    mean = "best mean so far" if view.search_seeds > 1 else "best so far"
    handles = [dot(color=DOT, mew=0, label="one measured experiment")]
    if any(not p.ranked for p in view.points):
        handles.append(dot(mfc="none", mec=DOT, label="on other hardware, not ranked"))
    if view.records:
        handles.append(dot(color=LINE, ls="-", lw=2, mec="white", label=mean))
    if view.confirmed:
        handles.append(dot(color=STAR, marker="*", ms=10, mew=0, label="confirmed claim"))
    if view.misses:
        handles.append(dot(color=MISS, marker="|", ms=7, label="failed, timed out or invalid"))
    return handles


def _draw_caption(figure: Figure, view: Progress, scale: Scale, left_out: int) -> None:
    seeds = "exact metric" if view.exact else f"{count(view.search_seeds, 'seed')} a candidate in search"
    outside = sum(not scale.low <= p.value <= scale.high for p in view.points)
    parts = [f"{len(view.points):,} measured, {len(view.misses):,} without a number", seeds, f"{view.mode} mode"]
    if view.hardware:
        parts.append(drawable(", ".join(view.hardware), 60))
    second = [scale.explained]
    if outside:
        second.append(f"{count(outside, 'value')} outside the range")
    if left_out:
        second.append(f"+{count(left_out, 'record')} not named")
    if not view.points:
        parts, second = ["nothing has been measured yet"], [scale.explained]
    for y, words in ((0.042, parts), (0.018, second)):
        figure.text(LEFT - 0.055, y, " · ".join(words), fontsize=7.5, color=SOFT, va="center")
