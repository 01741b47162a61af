"""The claims figure: every claim's gain with its interval, and the seeds behind one of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from aster.domain.records import Goal
from aster.report.canvas import DOT, FAINT, GRID, LINE, SOFT, STAR, VERDICTS, drawable, new_figure, style
from aster.report.claims import ClaimView
from aster.report.wording import count, number, percent, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLAIMS = 12
"""The latest ones are drawn."""


def claims(views: Sequence[ClaimView], names: dict[str, str], metric: str, goal: Goal, places: int) -> Figure:
    """Return the claims figure, 10 inches wide and as high as it needs.

    Args:
        views: all claims, oldest first, at least one.
        names: what to call a candidate in a few words, by its id.
        metric: the objective's name, as people are to read it.
        goal: its goal.
        places: decimals worth printing.
    """
    shown = list(views[-MOST_CLAIMS:])
    seeded = _with_seeds(views)
    with style():
        height = max(1.2 + 0.42 * len(shown), 2.7 if seeded else 0.0)
        figure = new_figure(10.0, height)
        foot, top = 0.52 / height, 1.0 - 0.42 / height
        left = figure.add_axes((0.235, foot, 0.40 if seeded else 0.52, top - foot))
        _draw_intervals(left, shown, names, places)
        better = "higher" if goal == "maximize" else "lower"
        left.set_xlabel(f"gain in {drawable(metric, 46)} (right of 0: better; {better} values are better)", fontsize=8)
        figure.text(0.02, 1 - 0.2 / height, "Claims", fontsize=11, weight="bold", va="center")
        if seeded is not None:
            right = figure.add_axes((0.84, foot, 0.14, top - foot))
            _draw_seeds(right, seeded)
            title = f"Claim {seeded.number}, {count(len(seeded.pairs), 'seed')} each"
            right.set_title(title, fontsize=8.5, color=SOFT, loc="left")
        return figure


def _with_seeds(views: Sequence[ClaimView]) -> ClaimView | None:
    """Return the claim whose seeds are worth drawing: the latest confirmed one, else the latest with pairs."""
    noisy = [v for v in views if v.pairs and not v.exact]
    confirmed = [v for v in noisy if v.verdict == "confirmed"]
    return next(iter(confirmed[::-1] or noisy[::-1]), None)


def _draw_intervals(panel: Axes, shown: list[ClaimView], names: dict[str, str], places: int) -> None:
    for row, view in enumerate(reversed(shown)):
        colour = VERDICTS[view.verdict]
        if view.gain is None or view.low is None or view.high is None:
            words = "being tested" if view.verdict == "testing" else f"{view.verdict}, without an interval"
            panel.text(1.03, row, words, color=colour, fontsize=8, va="center", transform=_right_of(panel))
            continue
        panel.plot([view.low, view.high], [row, row], color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
        panel.plot([view.low, view.high], [row, row], "|", color=colour, ms=8, mew=1.8, zorder=3)
        panel.plot([view.gain], [row], "o", color=colour, ms=7, mec="white", mew=1.0, zorder=4)
        panel.plot([view.least], [row], "|", color=SOFT, ms=14, mew=1.0, zorder=2)
        panel.text(1.03, row, _verdict(view, places), color=colour, fontsize=8, va="center", transform=_right_of(panel))
    panel.axvline(0, color=FAINT, lw=1.0, zorder=1)
    panel.set_yticks(range(len(shown)), [_title(view, names) for view in reversed(shown)], fontsize=8)
    panel.set_ylim(-0.6, len(shown) - 0.4)
    panel.margins(x=0.08)
    panel.grid(axis="x", color=GRID, lw=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _right_of(panel: Axes):  # type: ignore[no-untyped-def]  # matplotlib's transforms are untyped
    return panel.get_yaxis_transform()


def _title(view: ClaimView, names: dict[str, str]) -> str:
    return f"{view.number}.  {drawable(names[view.candidate], 26)}\nagainst {drawable(names[view.against], 22)}"


def _verdict(view: ClaimView, places: int) -> str:
    assert view.gain is not None
    first = f"{view.verdict} {signed(view.gain, places)}"
    if view.exact or view.low is None or view.high is None:
        return f"{first}\nexact"
    return f"{first}\n{percent(view.level)}: {number(view.low, places)} to {number(view.high, places)}"


def _draw_seeds(panel: Axes, view: ClaimView) -> None:
    """Two columns of dots, one per seed; lines join the values of one seed where pairs share it."""
    old, new = [p.old for p in view.pairs], [p.new for p in view.pairs]
    if view.paired:
        for a, b in zip(old, new, strict=True):
            panel.plot([0, 1], [a, b], color=FAINT, lw=0.8, zorder=1)
    for x, values, colour in ((0, old, DOT), (1, new, LINE)):
        panel.scatter([x] * len(values), values, s=26, color=colour, lw=0, alpha=0.85, zorder=2)
        panel.plot([x - 0.2, x + 0.2], [fmean(values)] * 2, color=STAR, lw=2.2, zorder=3)
    panel.set_xticks([0, 1], ["against", "claimed"])
    panel.set_xlim(-0.5, 1.5)
    panel.grid(axis="y", color=GRID, lw=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(length=3)
