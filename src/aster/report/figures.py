"""The progress figure: the best so far over run time, every record with the change that made it.

One panel, or two where the late records would be squashed by the early ones: the lower shows everything, the upper
enlarges the shaded strip of it. Labels of records stand in rows beyond the best value, where no data is. Where they
do not all fit there, every record gets a numeral instead, and a key under the chart says what the numerals mean.
Levels (references, baseline, champion) are named at the right edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aster.report.canvas import DOT, DPI, FAINT, LINE, MISS, SOFT, STAR, drawable, new_figure, style
from aster.report.key import draw_key, draw_numerals, make_key
from aster.report.labels import draw_ladder, draw_sides, sides
from aster.report.panels import HEIGHT, LEFT, WIDTH, make_panels
from aster.report.progress import Progress
from aster.report.scale import Scale, choose_scale
from aster.report.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = LEFT - 0.055
MARGIN_OF_TIME, MARGIN_FOR_NUMERALS = 0.012, 0.04
"""Share of the time kept free before the start; more where numerals may stand left of the first records."""
RASTER_FROM = 1500
"""From so many dots on, the cloud is a picture inside the SVG, which would weigh megabytes otherwise."""


def progress(view: Progress) -> Figure:
    """Return the progress figure, 10 inches wide, 5.6 high and as much higher as its key of records needs.

    It can be drawn at any state of a campaign, even an empty one.
    """
    with style():
        scale = choose_scale(view)
        figure = new_figure(WIDTH, HEIGHT)
        panels = make_panels(figure, view, scale, 0.0, MARGIN_OF_TIME)
        ladder = draw_ladder(figure, *panels[0], view, keyed=False)
        keyed = ladder.left_out > 0
        if keyed:
            key = make_key(figure, view)
            figure = new_figure(WIDTH, HEIGHT + key.height / DPI)
            panels = make_panels(figure, view, scale, key.height, MARGIN_FOR_NUMERALS)
            ladder = draw_ladder(figure, *panels[0], view, keyed=True)
            draw_key(figure, key)
        for panel, (low, high) in panels:
            _draw_levels(panel, view, low, high)
            _draw_points(panel, view)
            _draw_line(panel, view)
            _draw_marks(panel, view)
        _draw_misses(panels[-1][0], view)
        if scale.zoom is not None:
            panels[-1][0].axhspan(*scale.zoom, color=LINE, alpha=0.09, lw=0, zorder=0)
        if keyed:
            draw_numerals(figure, panels, view, ladder)
        draw_sides(figure, panels, view)
        _draw_header(figure, view)
        _draw_caption(figure, view, scale)
        return figure


def _draw_points(panel: Axes, view: Progress) -> None:
    """Dots for measured experiments; hollow where they ran on other hardware and are not ranked."""
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
    size = 5.5 if len(view.records) < 40 else 3.5
    panel.plot(xs[:-1], ys[:-1], "o", color=LINE, ms=size, mec="white", mew=0.9, zorder=5, ls="none")


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
    for side in sides(view):
        if side.dashes is not None and low <= side.value <= high:
            panel.axhline(side.value, color=side.lines[0][1], lw=1.0, ls=side.dashes, zorder=1)
    base = view.baseline
    if base is not None and base.sd and not view.exact:
        panel.axhspan(base.mean - base.sd, base.mean + base.sd, color=FAINT, alpha=0.16, lw=0, zorder=0)


def _draw_header(figure: Figure, view: Progress) -> None:
    better = "higher is better" if view.goal == "maximize" else "lower is better"
    height = figure.bbox.height
    figure.text(MARGIN, 1 - 25 / height, drawable(view.title, 80), fontsize=13, weight="bold", va="center")
    line = f"{drawable(view.metric, 40)}, {better}: the best so far over cumulative run time"
    figure.text(MARGIN, 1 - 51.5 / height, line, fontsize=9.5, color=SOFT, va="center")
    figure.legend(
        handles=_handles(view), loc="center left", bbox_to_anchor=(MARGIN - 0.008, 1 - 75 / height), ncols=6,
        frameon=False, fontsize=8, labelcolor=SOFT, handletextpad=0.7, columnspacing=1.6, borderpad=0.2,
        handlelength=1.4,
    )  # fmt: skip


def _handles(view: Progress) -> list[Any]:
    from matplotlib.lines import Line2D

    def dot(**how: Any) -> Line2D:
        look: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 5}
        return Line2D([], [], **(look | how))

    mean = "best mean so far" if view.search_seeds > 1 else "best so far"
    handles = [dot(color=DOT, mew=0, label="one measured experiment")]
    if any(not p.ranked for p in view.points):
        handles.append(dot(mfc="none", mec=DOT, label="on other hardware, not ranked"))
    if view.records:
        handles.append(dot(color=LINE, ls="-", lw=2, mec="white", label=mean))
    if view.confirmed:
        proven = "confirmed claim, on sealed data" if view.sealed else "confirmed claim"
        handles.append(dot(color=STAR, marker="*", ms=10, mew=0, label=proven))
    if view.misses:
        handles.append(dot(color=MISS, marker="|", ms=7, label=_missed(view)))
    return handles


def _missed(view: Progress) -> str:
    """Return what the misses of this campaign may be."""
    kinds = {miss.kind for miss in view.misses}
    more = [kind for kind in ("stopped early", "infeasible") if kind in kinds]
    return " or ".join([", ".join(["failed", "timed out", "invalid", *more][:-1]), (["invalid", *more])[-1]])


def _draw_caption(figure: Figure, view: Progress, scale: Scale) -> None:
    seeds = "exact metric" if view.exact else f"{count(view.search_seeds, 'seed')} a candidate in search"
    outside = sum(not scale.low <= p.value <= scale.high for p in view.points)
    parts = [f"{len(view.points):,} measured, {len(view.misses):,} without a number that counts", seeds]
    parts += ["self-reported"] * view.self_reported + [f"{view.mode} mode"]
    if view.hardware:
        parts.append(drawable(", ".join(view.hardware), 60))
    second = [scale.explained]
    if outside:
        second.append(f"{count(outside, 'value')} outside the range")
    if not view.points:
        parts, second = ["nothing has been measured yet"], [scale.explained]
    for y, words in ((23.5, parts), (10.0, second)):
        figure.text(MARGIN, y / figure.bbox.height, " · ".join(words), fontsize=7.5, color=SOFT, va="center")
