"""Draws the rows of benchmarks/nanochat.py: loss against seconds, the best against run time, gains by variant."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aster.report.canvas import DOT, GRID, INK, LINE, MISS, SOFT, STAR, new_figure, png, style

if __package__:
    from benchmarks.nanochat_table import Names, Row, gains, interval, label, legend, parts
else:  # run by nanochat.py as a script
    from nanochat_table import (  # type: ignore[import-not-found,no-redef]
        Names,
        Row,
        gains,
        interval,
        label,
        legend,
        parts,
    )

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (LINE, STAR, "#1a7f4b", "#7a4fa3", MISS, "#2aa3a3")
ANNOUNCED = 5.68
"""Per cent by which the announced system lay below the benchmark's mark: other hardware, data and budget."""
MOST_CURVES = 6
MOST_BARS = 16
"""The best; those of several seeds are always shown."""


# --- words ---


def wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


# --- figures ---


def bare(axes: Axes) -> None:
    """Take off what is not needed."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def records(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that were the best when they came, of the first run of each variant: other seeds find nothing."""
    found: list[Row] = []
    seen: set[str] = set()
    for row in rows:
        if row["variant"] not in seen and (not found or row["bpb"] < found[-1]["bpb"]):
            found.append(row)
        seen.add(row["variant"])
    return found


def smooth(values: Sequence[float], reach: int = 2) -> list[float]:
    """Return running means, over fewer points at the ends."""
    return [statistics.fmean(values[max(0, at - reach) : at + reach + 1]) for at in range(len(values))]


def shown(rows: Sequence[Row], names: Names) -> list[Row]:
    """Return the rows whose losses are drawn: the baseline, what the last letters stand for, and the last records."""
    first = {tuple(parts(row["variant"])): row for row in rows[::-1]}
    letters = [tuple(parts(meant)) for meant in names.values()][-MOST_CURVES + 1 :]
    named = [first[own] for own in ((), *letters) if own in first]
    best = [row for row in records(rows) if row["variant"] not in [each["variant"] for each in named]]
    return [*named, *best[max(0, len(best) + len(named) - MOST_CURVES) :]]


def curves(rows: Sequence[Row], names: Names) -> Figure:
    """Return the losses of some variants against seconds since GO, as the candidates say them."""
    figure = new_figure(7.2, 4.3)
    axes = figure.add_axes((0.085, 0.12, 0.89, 0.7))
    bare(axes)
    chosen = shown(rows, names)
    for row, colour in zip(chosen, (SOFT, *COLOURS), strict=False):
        seconds, losses = zip(*row["curve"], strict=True)
        name = f"{row['bpb']:.4f}  {label(row['variant'], names)}"
        axes.plot(seconds, smooth(losses), color=colour, linewidth=1.3, label="\n".join(textwrap.wrap(name, 62)))
    lows = [min(smooth([loss for _, loss in row["curve"]])) for row in chosen]
    axes.set_ylim(min(lows) - 0.05, min(lows) + 2.2)
    axes.set_xlim(left=0)
    axes.set_xlabel("training seconds (warm-up and compilation not counted)")
    axes.set_ylabel("training loss, nats per token")
    axes.legend(frameon=False, fontsize=7.5, loc="upper right", title="validation bits per byte", title_fontsize=7.5)
    head(figure, "Loss against training time", [row for row in rows if row in chosen], names)
    return figure


def progress(rows: Sequence[Row], names: Names) -> Figure:
    """Return the best bits per byte against the run time of all rows so far; each record has a number, and its name."""
    figure = new_figure(7.2, 4.9)
    axes = figure.add_axes((0.085, 0.115, 0.51, 0.7))
    bare(axes)
    ends, spent = [], 0.0
    for row in rows:
        spent += row["wall_seconds"] / 60
        ends.append(spent)
    best = records(rows)
    at = {id(row): end for row, end in zip(rows, ends, strict=True)}
    axes.plot(ends, [row["bpb"] for row in rows], "o", color=DOT, markersize=4, zorder=2)
    axes.step([*(at[id(row)] for row in best), ends[-1]], [*(row["bpb"] for row in best), best[-1]["bpb"]], color=LINE,
              where="post", linewidth=1.5, zorder=3)  # fmt: skip
    axes.plot([at[id(row)] for row in best], [row["bpb"] for row in best], "o", color=LINE, markersize=5, zorder=4)
    top = rows[0]["bpb"]
    axes.axhline(top, color=MISS, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(f"first run {top:.4f}", (ends[-1], top), (0, 4), textcoords="offset points", ha="right", color=MISS)
    low, high = min(row["bpb"] for row in rows), max(row["bpb"] for row in rows)
    axes.set_ylim(low - 0.12 * (high - low), high + 0.1 * (high - low))
    axes.set_xlim(0, ends[-1] * 1.04)
    listed(axes, best, at, names)
    axes.set_xlabel("cumulative run time in minutes (warm-up, training and scoring)")
    axes.set_ylabel("validation bits per byte")
    head(figure, "Best bits per byte against run time", rows, names)
    return figure


def listed(axes: Axes, best: Sequence[Row], at: Mapping[int, float], names: Names) -> None:
    """Number the records, and say beside the axes what they are."""
    said = []
    for number, row in enumerate(best):
        lift = -9 if number else 5  # below the line, which falls; the first has nothing above
        axes.annotate(str(number), (at[id(row)], row["bpb"]), (-2, lift), textcoords="offset points", fontsize=7,
                      color=INK, ha="right", va="center")  # fmt: skip
        name = wrapped(label(row["variant"], names), 36).replace("\n", "\n" + " " * 14)
        said.append(f"{number:>2}  {row['bpb']:.4f}  {name}")
    axes.text(1.03, 1.0, "\n".join(said), transform=axes.transAxes, fontsize=7, color=INK, va="top", linespacing=1.35)


def bars(rows: Sequence[Row], names: Names) -> Figure:
    """Return the gain of each variant over the baseline in per cent, a dot for each seed."""
    found = gains(rows)
    order = sorted(found, key=lambda name: statistics.fmean(found[name]))
    order = [name for name in order if len(found[name]) > 1 or name in order[-MOST_BARS:]]
    figure = new_figure(7.2, 1.3 + 0.36 * len(order))
    axes = figure.add_axes((0.37, 0.5 / figure.get_figheight(), 0.6, 0.8))
    bare(axes)
    axes.grid(axis="y", visible=False)
    for place, name in enumerate(order):
        mean = statistics.fmean(found[name])
        axes.barh(place, mean, height=0.62, color=LINE if place == len(order) - 1 else "#9fc1da", zorder=2)
        axes.plot(found[name], [place] * len(found[name]), "o", color=INK, markersize=3, zorder=4)
        reach = interval(found[name])
        if reach:
            axes.errorbar(mean, place, xerr=reach, color=INK, capsize=3, linewidth=1, zorder=3)
        axes.annotate(f"{mean:.2f}%", (max(*found[name], mean + reach, 0.0), place), (5, 0), va="center", fontsize=7.5,
                      textcoords="offset points")  # fmt: skip
    axes.axvline(ANNOUNCED, color=MISS, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(f"announced elsewhere: {ANNOUNCED}%", (ANNOUNCED, 0), (-4, 0), va="center", ha="right", color=MISS,
                  textcoords="offset points", fontsize=7.5)  # fmt: skip
    axes.set_yticks(range(len(order)), [wrapped(label(name, names), 40) for name in order])
    axes.tick_params(axis="y", labelsize=7, length=0, labelcolor=INK)
    axes.set_xlim(0, max(8.0, *(max(each) for each in found.values())) * 1.14)
    axes.set_xlabel("bits per byte below the baseline, in per cent")
    head(figure, "Gain by variant", rows, names)
    return figure


def head(figure: Figure, title: str, rows: Sequence[Row], names: Names) -> None:
    """Write the title, and under it what the rows stand on; the axes reach from below that to where they began."""
    counts = sorted({sum(row["variant"] == other["variant"] for other in rows) for row in rows})
    seeds = "one seed each" if counts == [1] else f"{counts[0]} to {counts[-1]} seeds each"
    said = f"{rows[0].get('device', '')}, {rows[0]['seconds']:g} s, {seeds}."
    said += f" {legend(names)}" if names else ""
    tall = figure.get_figheight()
    figure.text(0.012, 1 - 0.1 / tall, title, fontsize=11, weight="bold", color=INK, va="top")
    text = wrapped(said, 130)
    figure.text(0.012, 1 - 0.3 / tall, text, fontsize=7, color=SOFT, va="top")
    left, bottom, width, _ = figure.axes[0].get_position().bounds
    top = 1 - (0.42 + 0.125 * len(text.splitlines())) / tall
    figure.axes[0].set_position((left, bottom, width, top - bottom))


def draw(rows: Sequence[Row], folder: Path, names: Names) -> list[Path]:
    """Write the three pictures into a folder, from the rows that have a score; return the files.

    Raises:
        ValueError: there is no row of the baseline, or rows are of several budgets.
    """
    scored = [row for row in rows if "bpb" in row]
    if not any(not parts(row["variant"]) for row in scored):
        raise ValueError("the rows hold no score of the baseline (variant none)")
    if len({row["seconds"] for row in scored}) > 1:
        raise ValueError("the rows are of several budgets, which do not compare: put them into files of their own")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in (("loss", curves), ("progress", progress), ("gains", bars)):
        with style():
            figure = make(scored, names)
        path = folder / f"nanochat-{name}.png"
        path.write_bytes(png(figure, dpi=125))
        written.append(path)
    return written
