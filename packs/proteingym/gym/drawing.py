"""The pictures of one experiment, written as SVG by hand: they are drawn beside every score, so they have to be quick.

Each function returns a stand-alone document for a white page. Names come from files, and are escaped.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.metrics import ranks
from gym.mutants import ALPHABET

Array = NDArray[np.float64]
Codes = NDArray[np.int8]

INK, SOFT, LINE = "#1f2933", "#5b6773", "#c3ccd5"
BETTER, WORSE = "#1f4e8c", "#c8553d"
MOST_ASSAYS, MOST_BARS = 32, 9
_LEAST_P = 0.005  # of a change in `flip`: its bar should be seen
_MOST_FLIPS = 800
_LESS, _BOLD = "#7f9cc0", ' font-weight="700"'
_ROWS = "GAVILMCFWYPSTNQHKRDE"  # of the heat map: alike residues side by side
_STOPS = (
    (68, 1, 84),
    (59, 82, 139),
    (33, 145, 140),
    (94, 201, 98),
    (253, 231, 37),
)  # dark is low; for the colour-blind


class Bar(NamedTuple):
    """An average with its standard error; `own`: it is the candidate's."""

    name: str
    value: float
    error: float
    own: bool = False


class Flip(NamedTuple):
    """Two changes (position, residue) that log p ranks the other way round than the score, with their ranks from 1."""

    changes: tuple[tuple[int, int], tuple[int, int]]
    raw: tuple[int, int]
    scored: tuple[int, int]
    count: int


def assays(names: Sequence[str], before: Array, after: Array, label: str) -> str:
    """Each assay by name: a hollow dot for the score before, a full one for the candidate's."""
    rows = np.argsort(-np.abs(after - before), kind="stable")[:MOST_ASSAYS]
    rows = rows[np.argsort(-after[rows], kind="stable")]
    low, high = _range(np.concatenate([before[rows], after[rows]]), 0.02)
    left, right, step = 226.0, 470.0, 11.0
    bottom = 44 + step * len(rows)
    few = f", the {len(rows)} of {len(names)} that differ the most" if len(rows) < len(names) else ""
    parts = [_text(10, 18, f"Spearman by assay{few}", INK, 12.5)]
    parts += [_dot(14, 29.5, True, True), _text(22, 33, "this candidate", SOFT, 10)]
    parts += [_dot(104, 29.5, True, False), _text(112, 33, label, SOFT, 10)]
    for tick in _ticks(low, high):
        x = left + (right - left) * (tick - low) / (high - low)
        parts += [_line(x, 38, x, bottom, LINE), _text(x, bottom + 12, f"{tick:.1f}", SOFT, 9.5, "middle")]
    for at, row in enumerate(rows):
        y = 46 + step * at
        x0, x1 = (left + (right - left) * (float(v[row]) - low) / (high - low) for v in (before, after))
        good = after[row] >= before[row]
        parts += [_text(left - 10, y + 3, _short(names[row], 34), INK, 8.5, "end")]
        parts += [
            _line(x0, y, x1, y, BETTER if good else WORSE, 1.6),
            _dot(x0, y, good, False),
            _dot(x1, y, good, True),
        ]
        parts.append(_text(right + 12, y + 3, f"{after[row]:.3f}", INK, 8.5))
    return _document(520, bottom + 20, f"Spearman of {len(rows)} assays, {label} and this candidate", parts)


def averages(bars: Sequence[Bar]) -> str:
    """Bars with an interval of two standard errors each way, best on top; of the others only the best are shown."""
    others = sorted((bar for bar in bars if not bar.own), key=lambda bar: -bar.value)[:MOST_BARS]
    kept = sorted([*others, *(bar for bar in bars if bar.own)], key=lambda bar: -bar.value)
    least = min(0.0, *(bar.value - 2 * bar.error for bar in kept))
    most = max(0.1, *(bar.value + 2 * bar.error for bar in kept))
    left, right, step = 190.0, 470.0, 30.0
    bottom = 48 + step * len(kept)

    def place(value: float) -> float:
        return left + (right - left) * (value - least) / (most - least)

    parts = [_text(10, 18, "Average Spearman by the benchmark's rule", INK, 12.5)]
    parts.append(_text(10, 33, "search set; whiskers: two standard errors, were other proteins drawn", SOFT, 10))
    for tick in _ticks(least, most):
        x = place(tick)
        parts += [_line(x, 42, x, bottom, LINE), _text(x, bottom + 13, f"{tick:.1f}", SOFT, 9.5, "middle")]
    for at, bar in enumerate(kept):
        y = 46 + step * at
        start, end = sorted((place(0.0), place(bar.value)))
        low, high = place(bar.value - 2 * bar.error), place(bar.value + 2 * bar.error)
        model, _, scoring = bar.name.rpartition(" ")
        parts.append(_rect(start, y, end - start, 20, "#5b8dc9" if bar.own else LINE))
        parts += [_line(low, y + 10, high, y + 10, INK), *(_line(x, y + 6, x, y + 14, INK) for x in (low, high))]
        parts.append(
            _text(
                left - 8, y + (9 if model and not bar.own else 14), bar.name if bar.own else scoring, INK, 10.5, "end"
            )
        )
        if model and not bar.own:
            parts.append(_text(left - 8, y + 19, _short(model, 32), SOFT, 8.5, "end"))
        parts.append(_text(high + 6, y + 14, f"{bar.value:.3f}", INK, 10.5))
    return _document(520, bottom + 22, "Average Spearman of models and scores", parts)


def scatter(names: Sequence[str], before: Array, after: Array, label: str) -> str:
    """A point an assay with the diagonal: above it the candidate is better. The largest gain and loss are named."""
    low, high = _range(np.concatenate([before, after]), 0.04)
    left, top, size = 60.0, 44.0, 320.0

    def x_of(value: float) -> float:
        return left + size * (value - low) / (high - low)

    def y_of(value: float) -> float:
        return top + size - size * (value - low) / (high - low)

    better = int((after > before).sum())
    parts = [_text(10, 18, f"Better than {label} in {better} of {len(names)} assays", INK, 12.5)]
    parts.append(_text(10, 33, "Spearman in each assay; above the diagonal this candidate is better", SOFT, 10))
    for tick in _ticks(low, high):
        parts += [
            _line(x_of(tick), top, x_of(tick), top + size, LINE),
            _line(left, y_of(tick), left + size, y_of(tick), LINE),
        ]
        parts += [_text(x_of(tick), top + size + 14, f"{tick:.1f}", SOFT, 9.5, "middle")]
        parts += [_text(left - 6, y_of(tick) + 3, f"{tick:.1f}", SOFT, 9.5, "end")]
    parts.append(_line(left, top + size, left + size, top, SOFT))
    for x, y in zip(before.tolist(), after.tolist(), strict=True):
        parts.append(_dot(x_of(x), y_of(y), y > x, y > x, 3.6))
    gain = after - before
    for at in sorted({int(gain.argmax()), int(gain.argmin())}):
        x, y = x_of(float(before[at])), y_of(float(after[at]))
        if gain[at] > 0 and x > left + 0.5 * size:  # on the side of the diagonal where there is room
            parts.append(_text(x - 7, y - 3, _short(names[at], 30), INK, 9, "end"))
        else:
            parts.append(_text(x + 7, y + (-5 if gain[at] > 0 else 8), _short(names[at], 30), INK, 9))
    parts.append(_text(left + size / 2, top + size + 32, label, INK, 11, "middle"))
    middle = top + size / 2
    parts.append(
        f'<g transform="rotate(-90 22 {middle:.0f})">{_text(22, middle, "this candidate", INK, 11, "middle")}</g>'
    )
    return _document(520, top + size + 42, f"Spearman of {label} and of this candidate in each assay", parts)


def find_flip(logp: Array, table: Array, wild: Codes) -> Flip | None:
    """The two changes, at two positions, whose order is disputed by the most ranks; None: there are none."""
    changed = np.arange(20)[None, :] != wild[:, None]
    cells = np.flatnonzero(changed & np.isfinite(table))
    if cells.size < 2:
        return None
    raw, scored = ranks(-logp.ravel()[cells]), ranks(-table.ravel()[cells])  # 1 is the fittest
    seen = np.flatnonzero(logp.ravel()[cells] > np.log(_LEAST_P))
    seen = seen[:: -(-seen.size // _MOST_FLIPS) or 1]
    if seen.size < 2:
        return None
    places = cells[seen] // 20
    a, b = raw[seen][None, :] - raw[seen][:, None], scored[seen][:, None] - scored[seen][None, :]
    dispute = np.where(places[:, None] == places[None, :], -np.inf, np.minimum(a, b))
    one, two = np.unravel_index(int(dispute.argmax()), dispute.shape)
    if dispute[one, two] <= 0:
        return None
    i, j = int(seen[one]), int(seen[two])
    changes = tuple((int(cells[at]) // 20, int(cells[at]) % 20) for at in (i, j))
    order = ((int(raw[i]), int(raw[j])), (int(scored[i]), int(scored[j])))
    return Flip((changes[0], changes[1]), *order, cells.size)


def flip(found: Flip, logp: Array, wild: Codes, title: str) -> str:
    """The distributions of the two positions side by side, and what each change is ranked."""
    names = [f"{_letter(wild[at])}{at + 1}{ALPHABET[to]}" for at, to in found.changes]
    parts = [_text(10, 18, f"Two changes of {_short(title, 24)} that swap places", INK, 12.5)]
    told = f"log p puts {names[0]} first, this candidate {names[1]}"
    parts.append(_text(10, 33, f"{told}; ranks among {found.count:,} single changes, 1 is best", SOFT, 10))
    for panel, (at, to) in enumerate(found.changes):
        left = 34.0 + 258 * panel
        parts += _distribution(left, np.exp(logp[at]), to, int(wild[at]))
        parts.append(_text(left, 56, names[panel], INK, 12, more=_BOLD))
        parts.append(_text(left, 250, f"log p: rank {found.raw[panel]:,}", INK, 11, more="" if panel else _BOLD))
        told = f"this candidate: rank {found.scored[panel]:,}"
        parts.append(_text(left + 102, 250, told, INK, 11, more=_BOLD if panel else ""))
    for x, colour, told in (
        (34, WORSE, "the change"),
        (122, _LESS, "no more likely than it"),
        (262, LINE, "more likely"),
    ):
        parts += [_rect(x, 264, 9, 9, colour), _text(x + 14, 272, told, SOFT, 10)]
    parts.append(_text(350, 272, "bold: the wild type", SOFT, 10))
    return _document(540, 284, "Two positions, their distributions, and two changes whose order flips", parts)


def _distribution(left: float, p: Array, to: int, wild: int) -> list[str]:
    """Bars of 20 probabilities on a logarithmic scale from 0.001 to 1, the likeliest first."""
    floor, tall, width, parts = 216.0, 144.0, 11.2, []
    for power in range(4):
        y = floor - tall * power / 3
        parts += [
            _line(left, y, left + 20 * width, y, LINE, 0.5),
            _text(left - 4, y + 3, f"{10.0 ** (power - 3):g}", SOFT, 8, "end"),
        ]
    for slot, residue in enumerate(np.argsort(-p, kind="stable").tolist()):
        x, height = left + width * slot, tall * (np.log10(max(float(p[residue]), 1e-3)) + 3) / 3
        colour = WORSE if residue == to else _LESS if p[residue] <= p[to] else LINE
        parts.append(_rect(x + 1, floor - height, width - 2, max(height, 1.0), colour))
        ink, bold = (WORSE if residue == to else INK), (_BOLD if residue == wild else "")
        parts.append(_text(x + width / 2, floor + 12, ALPHABET[residue], ink, 9.5, "middle", bold))
    return parts


def heat_map(table: Array, wild: Codes, title: str) -> str:
    """The score of every change, up to 100 positions a row; a dot marks the wild type."""
    length = len(table)
    width = -(-length // -(-length // 100))
    finite = table[np.isfinite(table)]
    low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
    rows = [ALPHABET.index(residue) for residue in _ROWS]
    place = np.argsort(rows)
    shade = np.clip(np.nan_to_num((table[:, rows] - low) / max(high - low, 1e-300)), 0.0, 1.0)
    cell, tall, left = 1000.0 / width, 108.0, 30.0
    parts = [_text(10, 18, f"What this candidate says of every change of {_short(title, 24)}", INK, 12.5)]
    scale = _png(np.linspace(0, 1, 64)[None, :])
    parts.append(f'<image x="818" y="9" width="120" height="10" preserveAspectRatio="none" href="{scale}"/>')
    parts.append(_text(740, 18, "dot: the wild type", SOFT, 10, "end"))
    parts += [_text(812, 18, "harmful", SOFT, 10, "end"), _text(944, 18, "tolerated", SOFT, 10)]
    for row, start in enumerate(range(0, length, width)):
        part, y = shade[start : start + width], 32 + 130.0 * row
        size = f'width="{cell * len(part):.1f}" height="{tall:.0f}"'
        parts.append(
            f'<image x="{left:.0f}" y="{y:.0f}" {size} preserveAspectRatio="none" style="image-rendering:pixelated" '
            f'href="{_png(part.T)}"/>'
        )
        dots = [(at, int(place[wild[start + at]])) for at in range(len(part)) if wild[start + at] < 20]
        marks = "".join(f"M{left + cell * (at + 0.5):.1f} {y + tall * (of + 0.5) / 20:.1f}h.01" for at, of in dots)
        parts.append(f'<path d="{marks}" stroke="{INK}" stroke-width="2.6" stroke-linecap="round"/>')
        parts += [  # in two columns, so that they can be read
            _text(left - (6 if of % 2 else 14), y + tall * (of + 0.5) / 20 + 2.6, _ROWS[of], SOFT, 7.5, "middle")
            for of in range(20)
        ]
        parts += [
            _text(left + cell * (at - start - 0.5), y + tall + 11, str(at), SOFT, 8.5, "middle")
            for at in range(start + 1, start + len(part) + 1)
            if at % 10 == 0
        ]
    height = 32 + 130.0 * -(-length // width)
    return _document(1040, height, f"Scores of all single changes of {title}", parts)


def _png(shades: Array) -> str:
    """A data address of numbers from 0 to 1, one pixel each, row by row."""
    at = np.rint(shades * 63).astype(np.uint8)
    stops = np.linspace(0, 63, len(_STOPS))
    palette = np.stack([np.interp(np.arange(64), stops, [s[c] for s in _STOPS]) for c in range(3)], axis=1)
    lines = np.concatenate([np.zeros((len(at), 1), dtype=np.uint8), at], axis=1)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", at.shape[1], at.shape[0], 8, 3, 0, 0, 0)),
        (b"PLTE", np.rint(palette).astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 6)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def _range(values: Array, margin: float) -> tuple[float, float]:
    return float(values.min()) - margin, float(values.max()) + margin


def _ticks(low: float, high: float) -> list[float]:
    step = 0.1 if high - low < 0.75 else 0.2
    return [step * at for at in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _letter(code: int) -> str:
    return ALPHABET[code] if code < 20 else "X"


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "\u2026"


def _text(x: float, y: float, text: str, colour: str, size: float, anchor: str = "start", more: str = "") -> str:
    at = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f"<text {at}{where}{more}>{escape(text)}</text>"


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 0.8) -> str:
    return f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _dot(x: float, y: float, good: bool, full: bool, radius: float = 3.0) -> str:
    colour = BETTER if good else WORSE
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour if full else "#fff"}" stroke="{colour}"/>'


def _document(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    font = "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif\""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} role="img" aria-label="{escape(label)}">'
    return "\n".join([head, *parts, "</svg>", ""])
