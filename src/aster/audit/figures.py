"""The figures of an audit: what the run claims against what is likely, and the kept gains one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aster.audit.summary import Summary, chance_text, gain_text
from aster.evidence.audit import Estimate, Step, Verdict
from aster.report.canvas import (
    DOT,
    FAINT,
    GRID,
    INK,
    LINE,
    MISS,
    SOFT,
    VERDICTS,
    drawable,
    fitted,
    new_figure,
    style,
    text_width,
)  # fmt: skip
from aster.report.wording import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[Verdict, str] = {
    "likely real": VERDICTS["confirmed"],
    "unclear": VERDICTS["undecided"],
    "likely noise": VERDICTS["refuted"],
    "not better": SOFT,
}
HONEST = "#7a4fa3"

WIDTH = 10.0
LEFT, RIGHT = 0.085, 0.80
"""Of the panels of the running figure; the right edge names levels."""

MOST_STEPS = 40
"""Rows of the forest; the largest gains are shown."""

ZOOM_BELOW = 0.3
"""The later half of the versions has a panel of its own if it fills less than this share of the first panel."""


def running(view: Summary) -> Figure:
    """Return the figure of the run: every experiment, the best as claimed, and the same after shrinkage."""
    versions = [view.audit.baseline, *(step.value for step in view.audit.steps)]
    honest = [view.audit.baseline_honest, *(step.honest for step in view.audit.steps)]
    ranges = _ranges(versions, honest)
    with style():
        height = 5.2 if len(ranges) == 1 else 7.2
        figure = new_figure(WIDTH, height)
        foot, top, gap = 0.88 / height, 1 - 0.98 / height, 0.34 / height
        each = (top - foot - gap * (len(ranges) - 1)) / len(ranges)
        for at, (low, high) in enumerate(ranges):
            panel = figure.add_axes((LEFT, top - (at + 1) * each - at * gap, RIGHT - LEFT, each))
            _draw_run(panel, view, versions, honest)
            panel.set_ylim(low, high)
            if at == 0 and len(ranges) == 2:
                panel.axhspan(*ranges[1], color=LINE, alpha=0.08, lw=0, zorder=0)
            _name_levels(figure, panel, view, named=at == len(ranges) - 1)
            _dress(panel, last=at == len(ranges) - 1)
        _draw_misses(panel, view)
        _draw_header(figure, view, height)
        _draw_caption(figure, view, ranges, height)
        return figure


def _ranges(versions: Sequence[float], honest: Sequence[Estimate]) -> list[tuple[float, float]]:
    """Return the range of values of the panel, and that of a second one if the later versions would be squashed."""

    def span(first: int) -> tuple[float, float]:
        ends = [end for each in honest[first:] for end in (each.low, each.high)]
        low, high = min([*versions[first:], *ends]), max([*versions[first:], *ends])
        pad = 0.12 * (high - low) or 1.0
        return low - pad, high + pad

    whole, late = span(0), span(len(versions) // 2)
    squashed = len(versions) >= 6 and late[1] - late[0] < ZOOM_BELOW * (whole[1] - whole[0])
    return [whole, late] if squashed else [whole]


def _draw_run(panel: Axes, view: Summary, versions: Sequence[float], honest: Sequence[Estimate]) -> None:
    thrown = [(x, value) for x, value in view.points if x not in set(view.places)]
    panel.scatter([x for x, _ in thrown], [v for _, v in thrown], s=13, color=DOT, alpha=0.7, lw=0, zorder=2)
    end = max([x for x, _ in view.points]) + 0.5
    xs = [*view.places, end]
    common: dict[str, Any] = {"step": "post", "color": HONEST, "lw": 0}
    lows, highs = [[*(getattr(e, side) for e in honest), getattr(honest[-1], side)] for side in ("low", "high")]
    panel.fill_between(xs, lows, highs, alpha=0.16, zorder=1, **common)
    means = [*(each.mean for each in honest), honest[-1].mean]
    panel.plot(xs, means, color=HONEST, lw=1.8, drawstyle="steps-post", zorder=4)
    panel.plot(xs, [*versions, versions[-1]], color=LINE, lw=1.3, drawstyle="steps-post", zorder=3)
    panel.plot(xs[:1], versions[:1], "s", color=INK, ms=5.5, mec="white", mew=0.9, zorder=5)
    for x, step in zip(xs[1:], view.audit.steps, strict=False):
        panel.plot([x], [step.value], "o", color=COLOURS[step.verdict], ms=6.0, mec="white", mew=0.9, zorder=6)
    panel.set_xlim(0.3 if end > 20 else 0.7, end)


def _name_levels(figure: Figure, panel: Axes, view: Summary, named: bool) -> None:
    """Name the claimed and the honest end at the right edge, and keep the names apart."""
    step = view.best
    if not named or step is None:
        return
    places = view.places_of_values
    texts = [
        (step.value, LINE, "claimed best", number(step.value, places)),
        (
            step.honest.mean,
            HONEST,
            "honest best",
            f"{number(step.honest.mean, places)}\n{_interval(step.honest, places)}",
        ),
    ]
    texts.sort(key=lambda each: -each[0])
    box = panel.get_position()
    low, high = panel.get_ylim()
    spots = [box.y0 + box.height * (value - low) / (high - low) for value, *_ in texts]
    least = 58 / figure.bbox.height
    middle, apart = sum(spots) / 2, max(spots[0] - spots[1], least)
    for spot, (_, colour, name, words) in zip((middle + apart / 2, middle - apart / 2), texts, strict=True):
        figure.text(RIGHT + 0.012, spot, f"{name}\n{words}", color=colour, fontsize=8.2, va="center", linespacing=1.35)


def _interval(estimate: Estimate, places: int) -> str:
    return f"95%: {number(estimate.low, places)} to {number(estimate.high, places)}"


def _dress(panel: Axes, last: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.grid(axis="y", color=GRID, lw=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if last:
        panel.set_xlabel("experiment, in the order of the file", fontsize=8)
    else:
        panel.tick_params(labelbottom=False)


def _draw_misses(panel: Axes, view: Summary) -> None:
    if view.crashes:
        panel.vlines(view.crashes, 0.0, 0.025, transform=panel.get_xaxis_transform(), color=MISS, lw=1.1, zorder=2)


def _draw_header(figure: Figure, view: Summary, height: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def dot(colour: str, label: str, form: str = "o") -> Line2D:
        return Line2D([], [], ls="none", marker=form, ms=5.5, color=colour, mew=0, label=label)

    better = "higher is better" if view.audit.goal == "maximize" else "lower is better"
    title = fitted(figure, drawable(view.title, 200), 900.0, fontsize=13, weight="bold")
    figure.text(0.03, 1 - 0.24 / height, title, fontsize=13, weight="bold", va="center")
    line = f"{drawable(view.metric, 40)}, {better}: what was kept, and what it is likely worth"
    figure.text(0.03, 1 - 0.50 / height, line, fontsize=9.5, color=SOFT, va="center")
    verdicts: list[Verdict] = ["likely real", "unclear", "likely noise", "not better"]
    handles: list[Any] = [dot(COLOURS[v], f"{v} ({view.audit.count(v)})") for v in verdicts if view.audit.count(v)]
    handles += [
        dot(INK, "baseline", "s"),
        dot(DOT, "not kept"),
        Line2D([], [], color=LINE, lw=1.3, label="as claimed"),
        Line2D([], [], color=HONEST, lw=1.8, label="honest estimate"),
        Patch(color=HONEST, alpha=0.16, lw=0, label="its 95% interval"),
    ]
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0.022, 1 - 0.76 / height), ncols=len(handles),
        frameon=False, fontsize=8, labelcolor=SOFT, handletextpad=0.6, columnspacing=1.3, handlelength=1.3,
    )  # fmt: skip


def _draw_caption(figure: Figure, view: Summary, ranges: Sequence[tuple[float, float]], height: float) -> None:
    low, high = ranges[0]
    outside = sum(not low <= value <= high for _, value in view.points)
    parts = [
        f"{view.audit.measured:,} measured",
        f"{view.audit.crashed:,} crashed" + (" (ticks below)" if view.crashes else ""),
    ]
    parts += [f"{count(outside, 'value')} outside the range"] if outside else []
    parts += ["the lower panel enlarges the shaded strip of the upper"] if len(ranges) > 1 else []
    second = drawable(f"noise: {view.noise_in_short}", 160)
    for y, words in ((0.26, " · ".join(parts)), (0.10, second)):
        figure.text(0.03, y / height, words, fontsize=7.5, color=SOFT, va="center")


def forest(view: Summary) -> Figure:
    """Return the figure of the kept gains: as claimed, and as they are likely, with intervals and chances."""
    steps = view.audit.steps
    chosen = sorted(sorted(range(len(steps)), key=lambda k: -steps[k].gain)[:MOST_STEPS])
    with style():
        height = 1.55 + 0.245 * max(len(chosen), 2)
        figure = new_figure(WIDTH, height)
        foot, top = 0.72 / height, 1 - 0.80 / height
        panel = figure.add_axes((0.36, foot, 0.40, top - foot))
        for row, k in enumerate(reversed(chosen)):
            _draw_step(panel, row, steps[k], view)
        names = [f"{k + 1}. {drawable(steps[k].label or '(no description)', 200)}" for k in reversed(chosen)]
        names = [_cut(figure, name, 320.0) for name in names]
        panel.set_yticks(range(len(chosen)), names, fontsize=8)
        panel.set_ylim(-0.7, len(chosen) - 0.3)
        _dress_forest(panel, [steps[k] for k in chosen], view)
        for x, words in ((1.05, "as claimed"), (1.24, "likely"), (1.40, "chance of\nno gain")):
            panel.text(x, 1.0, words, transform=panel.transAxes, fontsize=7.5, color=SOFT, va="bottom")
        figure.text(0.02, 1 - 0.22 / height, "The kept gains, one by one", fontsize=12, weight="bold", va="center")
        line = (
            "hollow: as claimed · filled: likely, with its 95% interval · grey band: one sd of a difference of two runs"
        )
        figure.text(0.02, 1 - 0.47 / height, line, fontsize=8, color=SOFT, va="center")
        left_out = len(steps) - len(chosen)
        caption = f"n = {count(len(steps), 'kept step')}" + (f", the {MOST_STEPS} largest shown" if left_out else "")
        caption = drawable(f"{caption} · noise: {view.noise_in_short}", 170)
        figure.text(0.02, 0.12 / height, caption, fontsize=7.5, color=SOFT, va="center")
        return figure


def _cut(figure: Figure, text: str, width: float) -> str:
    """Return the text, cut at its end until it is at most `width` pixels wide: descriptions begin with what matters."""
    short = text
    while text_width(figure, short, fontsize=8) > width:
        short = short[:-4].rstrip() + "…"
    return short


def _draw_step(panel: Axes, row: int, step: Step, view: Summary) -> None:
    colour, places = COLOURS[step.verdict], view.places_of_values
    panel.plot([step.likely.low, step.likely.high], [row, row], color=colour, lw=2.2, solid_capstyle="butt", zorder=3)
    panel.plot([step.likely.mean], [row], "o", color=colour, ms=5.5, mec="white", mew=0.8, zorder=5)
    panel.plot([step.gain], [row], "o", mfc="none", mec=INK, ms=5.2, mew=1.0, zorder=6)
    transform = panel.get_yaxis_transform()
    words = (gain_text(step.gain, places), gain_text(step.likely.mean, places), chance_text(step.chance))
    for x, text in zip((1.05, 1.24, 1.40), words, strict=True):
        panel.text(x, row, text, color=colour, fontsize=8, va="center", transform=transform)


def _dress_forest(panel: Axes, shown: Sequence[Step], view: Summary) -> None:
    sd = view.audit.noise.sd * 2**0.5
    panel.axvspan(-sd, sd, color=FAINT, alpha=0.15, lw=0, zorder=0)
    panel.axvline(0, color=FAINT, lw=1.0, zorder=1)
    label = f"gain in {drawable(view.metric, 30)}, right of 0: better"
    widest = max([abs(end) for step in shown for end in (step.gain, step.likely.low, step.likely.high)] + [sd])
    if widest > 40 * sd:
        panel.set_xscale("symlog", linthresh=4 * sd, linscale=1.0)
        _few_ticks(panel, 4 * sd, [end for step in shown for end in (step.gain, step.likely.low, step.likely.high)])
        label += " (linear near 0, logarithmic beyond)"
    else:
        panel.locator_params(axis="x", nbins=6)
    panel.set_xlabel(label, fontsize=8)
    panel.margins(x=0.06)
    panel.grid(axis="x", color=GRID, lw=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _few_ticks(panel: Axes, threshold: float, ends: Sequence[float]) -> None:
    """Set ticks at zero and at powers of ten beyond the linear part, which do not run into each other."""
    import math

    from matplotlib.ticker import NullLocator

    powers = [10.0**p for p in range(math.ceil(math.log10(threshold)), math.ceil(math.log10(max(map(abs, ends)))) + 1)]
    ticks = (
        [-p for p in reversed(powers) if -p >= 1.3 * min([*ends, 0.0])]
        + [0.0]
        + [p for p in powers if p <= 1.3 * max(ends)]
    )
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.xaxis.set_minor_locator(NullLocator())
