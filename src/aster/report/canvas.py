"""The look of the figures, and how they become bytes. Matplotlib is imported only when something is drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from aster.report.wording import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, FAINT, GRID = "#1c2733", "#5b6673", "#9aa4af", "#e7eaee"
LINE, DOT, MISS, STAR = "#0b5c92", "#a7b0bb", "#c2452d", "#e38b06"
VERDICTS = {"confirmed": "#1a7f4b", "refuted": "#b3391f", "undecided": "#a06a00", "testing": "#5b6673"}

DPI = 100.0
"""Figures are laid out at this resolution: a pixel below is 0.72 points."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a candidate's "$" is a dollar, not mathematics
    "axes.formatter.useoffset": False,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "svg.fonttype": "path",  # looks the same everywhere, needs no fonts
    "svg.hashsalt": "aster",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save inside this: matplotlib's defaults with our look, whatever the user's settings are."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure, in inches, that no global state knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG; the same figure gives the same bytes."""
    with style():
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": "Aster"})
        return file.getvalue()


def png(figure: Figure, dpi: float = 180.0) -> bytes:
    """Return the figure as PNG; the same figure gives the same bytes."""
    with style():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi, metadata={"Software": "Aster"})
        return file.getvalue()


def drawable(text: str, limit: int) -> str:
    """Return foreign text on one line, with "?" for characters that the font of the figures lacks."""
    known = _glyphs()
    return "".join(c if ord(c) in known else "?" for c in clean(text, limit))


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def text_width(figure: Figure, text: str, **font: Any) -> float:
    """Return the width of a text in pixels of the layout."""
    artist = figure.text(0, 0, text, **font)
    width = artist.get_window_extent(figure.canvas.get_renderer()).width  # type: ignore[attr-defined]
    artist.remove()
    return float(width)


def fitted(figure: Figure, text: str, width: float, **font: Any) -> str:
    """Return the text, shortened in its middle until it is at most `width` pixels wide."""
    short, kept = text, len(text)
    while text_width(figure, short, **font) > width:
        kept -= 2
        short = f"{text[: kept // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"
    return short
