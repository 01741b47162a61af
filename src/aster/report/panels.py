"""Panels and their axes: room for the values, for rows of labels beyond the best and for the ticks of failures."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from aster.report.canvas import DPI, GRID
from aster.report.progress import Progress
from aster.report.scale import Scale
from aster.report.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 10.0, 5.6
"""Of the progress figure, in inches."""
LEFT, RIGHT = 0.075, 0.79
"""The sides of the panels, in shares of the width."""
HEAD, FOOT = 92.0, 81.0
"""Pixels above the panels (title, legend) and below (time axis, caption; the key of records comes between these)."""
LOWER, BETWEEN = 92.0, 20.0
"""Pixels: the height of the lower of two panels, and the gap above it."""
ROW = 14.0
"""Pixels from one row of record labels to the next."""
STRIP = 13.0
"""Pixels at the foot of the last panel where failures are ticked off."""
EDGE = RIGHT * WIDTH * DPI
"""Where the panels end, in pixels."""


def make_panels(
    figure: Figure, view: Progress, scale: Scale, below: float, margin: float
) -> list[tuple[Axes, tuple[float, float]]]:
    """Return the panels, top first, each with the range of values that it shows.

    Args:
        below: pixels kept free between the time axis and the caption.
        margin: share of the time that is kept free before the start.
    """
    height = float(figure.bbox.height)
    foot, top = FOOT + below, height - HEAD

    def add(low: float, high: float) -> Axes:
        return figure.add_axes((LEFT, low / height, RIGHT - LEFT, (high - low) / height))

    if scale.zoom is None:
        axes, ranges = [add(foot, top)], [(scale.low, scale.high)]
    else:
        axes = [add(foot + LOWER + BETWEEN, top), add(foot, foot + LOWER)]
        ranges = [scale.zoom, (scale.low, scale.high)]
    for place, (panel, (low, high)) in enumerate(zip(axes, ranges, strict=True)):
        if scale.log:
            panel.set_yscale("log")
        last = place == len(axes) - 1
        frame(panel, low, high, up=view.goal == "maximize", rows=0, strip=last and bool(view.misses))
        _time_axis(panel, view.seconds, margin, labelled=last)
    return list(zip(axes, ranges, strict=True))


def frame(panel: Axes, low: float, high: float, up: bool, rows: int, strip: bool) -> None:
    """Give the values all of the panel but `rows` of labels beyond the best and a `strip` for failures at the foot."""
    height = panel.get_window_extent().height
    ladder = (rows * ROW + 12.0) / height if rows else 0.0
    foot = STRIP / height if strip else 0.0
    above, below = (ladder, foot) if up else (0.0, foot + ladder)
    log = panel.get_yscale() == "log"
    a, b = (math.log10(low), math.log10(high)) if log else (low, high)
    span = (b - a) / (1.0 - above - below)
    a, b = a - below * span, b + above * span
    panel.set_ylim(*((10**a, 10**b) if log else (a, b)))
    _value_axis(panel, low, high, log)


def _value_axis(panel: Axes, low: float, high: float, log: bool) -> None:
    """Put ticks only where values are: not in the rows of labels, not in the strip of failures."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    room = panel.get_window_extent().height
    if log:
        ticks = [t for t in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low <= t <= high]
        texts = [f"{t:g}" for t in ticks]
    else:
        locator = MaxNLocator(max(2, int(room / 42)), steps=[1, 2, 2.5, 5, 10])
        ticks = [float(t) for t in locator.tick_values(low, high) if low <= t <= high]
        texts = [number(t, _places(ticks)) for t in ticks]
    panel.set_yticks(ticks, texts)
    panel.set_yticks([], minor=True)
    panel.grid(axis="y", color=GRID, lw=0.8, zorder=0)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines["left"].set_bounds(low, high)
    panel.tick_params(length=3)


def _places(ticks: list[float]) -> int:
    """Return the fewest decimals that tell the ticks exactly."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return next((p for p in range(12) if all(abs(round(t, p) - t) < 1e-3 * step for t in ticks)), 12)


def _time_axis(panel: Axes, seconds: float, margin: float, labelled: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    unit, size = next(
        (name, s) for name, s in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
        if seconds >= 2.5 * s or s == 1.0
    )  # fmt: skip
    end = seconds or 1.0
    panel.set_xlim(-margin * end, 1.02 * end)
    ticks = [
        t * size
        for t in MaxNLocator(8, steps=[1, 2, 3, 5, 6, 10]).tick_values(0, end / size)
        if t * size <= 1.02 * end and t >= 0
    ]
    panel.set_xticks(ticks)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:g}"))
    if labelled:
        panel.set_xlabel(f"cumulative run time of experiments ({unit})", fontsize=8.5)
    else:
        panel.tick_params(labelbottom=False)
