"""The loss of a run against its seconds, as the candidate noted it: numbers out of a text that may hold anything."""

from __future__ import annotations

import json
import math
from pathlib import Path

MOST_BYTES, MOST_POINTS = 1 << 20, 4000
FONT = "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif\""
Point = tuple[float, float]


def points(path: Path) -> list[Point]:
    """Seconds and loss of each line that has both, in order."""
    try:
        with path.open("rb") as file:
            lines = file.read(MOST_BYTES).splitlines()
    except OSError:
        return []
    found = [point for line in lines[:MOST_POINTS] if (point := _point(line)) is not None]
    return sorted(found)


def _point(line: bytes) -> Point | None:
    try:
        said = json.loads(line)
        seconds, loss = float(said["seconds"]), float(said["loss"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return (seconds, loss) if 0 <= seconds < 1e5 and math.isfinite(loss) and abs(loss) < 1e3 else None


def draw(found: list[Point], end: str) -> str:
    """A stand-alone SVG document of 480 x 260 pixels, made for a white page; `found` holds a point at least, `end` says
    what came of the run."""
    losses = sorted(loss for _, loss in found)
    low, high = losses[0], losses[int(0.98 * (len(losses) - 1))]
    high = max(high, low + 0.1)
    last = max(found[-1][0], 1e-9)
    heights = [210 - 180 * (min(loss, high) - low) / (high - low) for _, loss in found]
    path = " ".join(f"{60 + 400 * at / last:.1f},{y:.1f}" for (at, _), y in zip(found, heights, strict=True))
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 260" width="480" height="260" role="img" '
        f'aria-label="Training loss against seconds, {end} at the end">'
    ]
    for value in (low, (low + high) / 2, high):
        y = 210 - 180 * (value - low) / (high - low)
        parts.append(f'<path d="M60 {y:.1f}h400" stroke="#c3ccd5" stroke-width="0.6"/>')
        parts.append(_text(52, y + 4, f"{value:.2f}", "end", 11.5))
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(60 + 400 * share, 226, f"{share * last:.0f} s", "middle", 11.5))
    parts.append(f'<polyline points="{path}" fill="none" stroke="#1f4e8c" stroke-width="1.5"/>')
    parts.append(_text(60, 248, f"{end}; the loss (nats) as the candidate noted it", "start", 13))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, anchor: str, size: float) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} {FONT} fill="#4a5560">{text}</text>'
