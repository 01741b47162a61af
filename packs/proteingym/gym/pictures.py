"""Pictures of scores, each drawn on a white page and written as PNG or SVG, as the path's end says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gym.mutants import ALPHABET
from gym.scores import calibrated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
Codes = NDArray[np.int8]

DARK, MIDDLE, LIGHT, WARM = "#1f4e8c", "#6b7785", "#c3ccd5", "#c8553d"


def bars(path: Path, averages: Mapping[str, float], errors: Mapping[str, float], marked: Sequence[str] = ()) -> None:
    """A bar a model, best on top, with an interval of two standard errors each way; `marked` ones in a warm colour."""
    names = sorted(averages, key=lambda name: averages[name])
    figure, axes = _panel(6.4, 0.6 + 0.26 * len(names))
    axes.barh(
        names,
        [averages[name] for name in names],
        xerr=[2.0 * errors.get(name, 0.0) for name in names],
        color=[WARM if name in marked else DARK for name in names],
        error_kw={"ecolor": MIDDLE, "capsize": 2, "lw": 0.8},
        height=0.7,
    )
    for at, name in enumerate(names):
        axes.text(0.004, at, f"{averages[name]:.3f}", color="white", va="center", fontsize=7)
    axes.set_xlabel("average Spearman correlation (bars: 2 standard errors)")
    axes.margins(y=0.01)
    _save(figure, path)


def scatter(path: Path, before: Array, after: Array, labels: tuple[str, str] = ("log p", "calibrated")) -> None:
    """A point an assay with the diagonal: above it the second score is better."""
    figure, axes = _panel(4.2, 4.2)
    both = np.concatenate([before, after])
    low, high = float(np.nanmin(both)) - 0.03, float(np.nanmax(both)) + 0.03
    axes.plot([low, high], [low, high], color=LIGHT, lw=1.0, zorder=0)
    better = after > before
    axes.scatter(before[better], after[better], s=16, color=DARK, label=f"better: {int(better.sum())}")
    axes.scatter(before[~better], after[~better], s=16, color=WARM, label=f"not better: {int((~better).sum())}")
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=f"Spearman, {labels[0]}", ylabel=f"Spearman, {labels[1]}")
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    _save(figure, path)


def flip(logp: Array, wild: Codes) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Two changes (position, residue) that log p and the calibrated score rank the other way round, most clearly so."""
    tuned = calibrated(logp, wild)
    raw, score = np.exp(logp).ravel(), tuned.ravel()
    changed = (np.arange(20)[None, :] != wild[:, None]).ravel()  # the wild type's own residue is no change
    some = np.flatnonzero(changed & np.isfinite(score) & (raw > 0.005) & (raw < 0.3))
    some = some[np.argsort(-raw[some], kind="stable")][:2000]
    if some.size < 2:
        return None
    a, b = np.log(raw[some])[:, None] - np.log(raw[some])[None, :], score[some][:, None] - score[some][None, :]
    clear = np.minimum(a, -b)  # the first is more probable, and scores less
    first, second = np.unravel_index(int(clear.argmax()), clear.shape)
    if clear[first, second] <= 0:
        return None
    pair = [divmod(int(some[at]), 20) for at in (first, second)]
    return (pair[0][0], pair[0][1]), (pair[1][0], pair[1][1])


def two_positions(path: Path, logp: Array, sequence: str, changes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """The distributions of two positions, with what the calibrated score of a change at each sums up."""
    tuned = calibrated(logp, np.zeros(len(logp), dtype=np.int8))
    figure, panels = _panels(1, 2, 8.0, 3.0)
    for axes, (position, residue) in zip(panels, changes, strict=True):
        p = np.exp(logp[position])
        order = np.argsort(-p, kind="stable")
        colours = [WARM if at == residue else DARK if p[at] <= p[residue] else LIGHT for at in order]
        axes.bar([ALPHABET[at] for at in order], p[order], color=colours)
        change = f"{sequence[position]}{position + 1}{ALPHABET[residue]}"
        axes.set_title(
            f"{change}: log p {np.log(p[residue]):.2f}, calibrated {tuned[position, residue]:.2f}", fontsize=9
        )
        axes.set_ylabel("probability", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.supxlabel("red: the change; blue: no more likely, summed with it; grey: more likely", fontsize=8)
    _save(figure, path)


def heat_map(path: Path, table: Array, sequence: str, width: int = 100) -> None:
    """The scores of all changes, `width` positions a row; the wild type is marked by a dot."""
    rows = -(-len(sequence) // width)
    figure, panels = _panels(rows, 1, 0.11 * min(width, len(sequence)) + 1.6, 2.3 * rows)
    low, high = np.nanpercentile(table, [2, 98])
    image: Any = None
    for row, axes in enumerate(panels):
        start, stop = row * width, min((row + 1) * width, len(sequence))
        image = axes.imshow(table[start:stop].T, aspect="auto", cmap="viridis", vmin=low, vmax=high)
        wild = [(at, ALPHABET.find(sequence[start + at])) for at in range(stop - start)]
        axes.scatter([x for x, y in wild if y >= 0], [y for _, y in wild if y >= 0], s=1.5, color="white")
        axes.set_yticks(range(20), list(ALPHABET), fontsize=5)
        ticks = list(range(0, stop - start, 10))
        axes.set_xticks(ticks, [str(start + at + 1) for at in ticks], fontsize=6)
        axes.set_xlim(-0.5, width - 0.5 if rows > 1 else stop - start - 0.5)
    figure.colorbar(image, ax=panels, shrink=0.8, label="score (higher is fitter)")
    _save(figure, path)


def _panel(width: float, height: float) -> tuple[Any, Axes]:
    figure, panels = _panels(1, 1, width, height)
    return figure, panels[0]


def _panels(rows: int, columns: int, width: float, height: float) -> tuple[Any, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel().tolist()
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure, panels


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)
