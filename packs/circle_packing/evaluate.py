"""Score a packing of 26 circles in the unit square: the trusted stage of this problem.

Usage: ``python evaluate.py circles.json [--pictures FOLDER]``

The file was written by untrusted code, so it is read as hostile data: a regular file of bounded size,
strict JSON, plain finite numbers. Nothing that it can contain makes this program fail; a broken rule
is reported as ``{"invalid": "one sentence"}`` with exit code 0.

The rules are checked in exact rational arithmetic on the doubles in the file. Overlaps and overhangs
of up to 1e-9 are let through as rounding, but earn nothing: before the radii are summed every one of
them is reduced by the least amount that makes the packing valid exactly (rounded up by under 1e-20).

The result goes as one JSON object to the path in the environment variable ASTER_SCORE, or to standard
output when there is none. Lengths are in sides of the square.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import stat
import sys
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

COUNT = 26
MAX_BYTES = 64 * 1024
TOLERANCE = Fraction(1, 10**9)
CONTACT_GAP = 1e-7
ROOT_DIGITS = 10**20


class Invalid(Exception):
    """The output breaks a rule; the message is one sentence for people and agents."""


class Circle(NamedTuple):
    """One circle: centre and radius, as the doubles that stand in the file."""

    x: float
    y: float
    r: float


# Reading


def read_bytes(path: str) -> bytes:
    """The content of a regular file of at most MAX_BYTES; never follows a link, never blocks on a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "bad path"
        raise Invalid(f"The output file cannot be opened ({reason}).") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Invalid("The output is not a regular file.")
        chunks: list[bytes] = []
        left = MAX_BYTES + 1
        while left > 0 and (chunk := os.read(fd, left)):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise Invalid(f"The output file cannot be read ({os.strerror(error.errno or 0)}).") from None
    finally:
        os.close(fd)
    if left <= 0:
        raise Invalid(f"The output file is larger than {MAX_BYTES} bytes.")
    return b"".join(chunks)


def _refuse_constant(token: str) -> Any:
    raise Invalid(f"The output holds {token}, which is not a JSON number.")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Invalid("The output holds an object with a repeated key.")
    return result


def parse(data: bytes) -> list[Circle]:
    """The 26 circles in strict JSON text, checked for shape and for plain finite numbers."""
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique_pairs)
    except RecursionError:
        raise Invalid("The output is nested too deeply.") from None
    except ValueError:  # bad UTF-8, bad JSON, or an integer with thousands of digits
        raise Invalid("The output is not valid JSON.") from None
    if not isinstance(document, dict) or set(document) != {"circles"}:
        raise Invalid('The output must be an object with the single key "circles".')
    rows = document["circles"]
    if not isinstance(rows, list):
        raise Invalid('"circles" must be a list.')
    if len(rows) != COUNT:
        raise Invalid(f"There must be {COUNT} circles, but there are {len(rows)}.")
    return [_circle(index, row) for index, row in enumerate(rows)]


def _circle(index: int, row: Any) -> Circle:
    if not isinstance(row, list) or len(row) != 3:
        raise Invalid(f"Circle {index} must be a list of three numbers [x, y, r].")
    x, y, r = (_number(index, name, value) for name, value in zip("xyr", row, strict=True))
    if r < 0:
        raise Invalid(f"The radius of circle {index} is negative ({r:.3g}).")
    return Circle(x, y, r)


def _number(index: int, name: str, value: Any) -> float:
    if type(value) is not int and type(value) is not float:  # bool is a subclass of int
        raise Invalid(f"{name} of circle {index} is not a number.")
    if type(value) is float and not math.isfinite(value):
        raise Invalid(f"{name} of circle {index} is not finite.")
    if not -1000 <= value <= 1000:  # also keeps a huge integer from overflowing a float
        raise Invalid(f"{name} of circle {index} lies far outside the square.")
    return float(value)


# Geometry, exact


def root_below(square: Fraction) -> Fraction:
    """A lower bound of the square root, short of it by at most 1e-20."""
    return Fraction(math.isqrt(square.numerator * ROOT_DIGITS**2 // square.denominator), ROOT_DIGITS)


def overhang(circle: Circle) -> Fraction:
    """How far the circle reaches over the nearest wall, exactly; negative inside the square."""
    x, y, r = map(Fraction, circle)
    return r - min(x, 1 - x, y, 1 - y)


def overlap(a: Circle, b: Circle) -> Fraction:
    """How deep two circles overlap, rounded up by at most 1e-20; zero or less when they do not."""
    square = (Fraction(a.x) - Fraction(b.x)) ** 2 + (Fraction(a.y) - Fraction(b.y)) ** 2
    reach = Fraction(a.r) + Fraction(b.r)
    if reach * reach <= square:
        return Fraction(0)
    return reach - root_below(square)


def overlaps_beyond(a: Circle, b: Circle, tolerance: Fraction) -> bool:
    """Whether two circles overlap by more than the tolerance, decided exactly without a root."""
    square = (Fraction(a.x) - Fraction(b.x)) ** 2 + (Fraction(a.y) - Fraction(b.y)) ** 2
    reach = Fraction(a.r) + Fraction(b.r) - tolerance
    return reach > 0 and reach * reach > square


def check(circles: list[Circle]) -> None:
    """Raise Invalid for the first circle over a wall, or the first overlapping pair, beyond TOLERANCE."""
    for index, circle in enumerate(circles):
        if overhang(circle) > TOLERANCE:
            excess = float(overhang(circle))
            raise Invalid(f"Circle {index} reaches {excess:.3e} outside the square (allowed: 1e-9).")
    for (i, a), (j, b) in combinations(enumerate(circles), 2):
        if overlaps_beyond(a, b, TOLERANCE):
            raise Invalid(f"Circles {i} and {j} overlap by {float(overlap(a, b)):.3e} (allowed: 1e-9).")


def excess(circles: list[Circle]) -> Fraction:
    """The least common reduction of all radii that leaves no overhang and no overlap."""
    walls = max(overhang(circle) for circle in circles)
    pairs = max(overlap(a, b) / 2 for a, b in combinations(circles, 2))
    return max(walls, pairs, Fraction(0))


def exact_sum(circles: list[Circle]) -> float:
    """The sum of the radii after the reduction by `excess`, rounded once; never below zero."""
    total = sum((Fraction(circle.r) for circle in circles), Fraction(0))
    return float(max(total - COUNT * excess(circles), Fraction(0)))


# Description, in floating point


def wall_gaps(circle: Circle) -> list[float]:
    """The gaps to the left, right, lower and upper wall."""
    return [circle.x - circle.r, 1 - circle.x - circle.r, circle.y - circle.r, 1 - circle.y - circle.r]


def touching_pairs(circles: list[Circle]) -> list[tuple[Circle, Circle]]:
    """The pairs with a gap below CONTACT_GAP."""
    return [(a, b) for a, b in combinations(circles, 2) if math.hypot(a.x - b.x, a.y - b.y) - a.r - b.r < CONTACT_GAP]


def describe(circles: list[Circle]) -> dict[str, float]:
    """The scores: the objective and three cheap facts that place a packing in the archive."""
    mean = math.fsum(circle.r for circle in circles) / COUNT
    variance = math.fsum((circle.r - mean) ** 2 for circle in circles) / COUNT
    walls = [sum(gap < CONTACT_GAP for gap in wall_gaps(circle)) for circle in circles]
    return {
        "sum_of_radii": exact_sum(circles),
        "radius_spread": math.sqrt(variance) / mean if mean > 0 else 0.0,
        "contacts": len(touching_pairs(circles)) + sum(walls),
        "wall_circles": sum(count > 0 for count in walls),
    }


# The picture

SIDE, LEFT, TOP, WIDTH, HEIGHT = 440.0, 20.0, 20.0, 480.0, 536.0
PALETTE = ((0.47, -0.035, -0.105), (0.66, -0.085, -0.045), (0.83, -0.06, 0.075), (0.92, 0.0, 0.115))
INK, QUIET, RULE = "#1f2933", "#6b7785", "#c3ccd5"
FONT = "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif\""


def colour(t: float) -> str:
    """The palette at t in 0..1: blue to gold, interpolated in Oklab so that equal steps look equal."""
    place = min(max(t, 0.0), 1.0) * (len(PALETTE) - 1)
    index = min(int(place), len(PALETTE) - 2)
    mix = [p + (q - p) * (place - index) for p, q in zip(PALETTE[index], PALETTE[index + 1], strict=True)]
    return oklab_to_hex(*mix)


def oklab_to_hex(lightness: float, a: float, b: float) -> str:
    """An Oklab colour as #rrggbb in sRGB (matrices from Ottosson 2020, "A perceptual color space")."""
    cone_l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    cone_m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    cone_s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * cone_l - 3.3077115913 * cone_m + 0.2309699292 * cone_s,
        -1.2684380046 * cone_l + 2.6097574011 * cone_m - 0.3413193965 * cone_s,
        -0.0041960863 * cone_l - 0.7034186147 * cone_m + 1.7076147010 * cone_s,
    )
    return "#" + "".join(f"{round(255 * _gamma(value)):02x}" for value in linear)


def _gamma(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def draw(circles: list[Circle], score: dict[str, float]) -> str:
    """The packing as a stand-alone SVG document of 480 x 536 pixels, made for a white page."""
    smallest, largest = min(c.r for c in circles), max(c.r for c in circles)
    span = max(largest - smallest, 1e-12)
    total = f"{score['sum_of_radii']:.9f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" '
        f'height="{HEIGHT:g}" role="img" aria-label="26 circles in the unit square, sum of radii {total}">',
        f'<rect x="{LEFT:g}" y="{TOP:g}" width="{SIDE:g}" height="{SIDE:g}" fill="#f6f8fa"/>',
    ]
    parts += [_svg_circle(c, colour((c.r - smallest) / span)) for c in circles]
    parts += _svg_contacts(circles)
    parts.append(
        f'<rect x="{LEFT:g}" y="{TOP:g}" width="{SIDE:g}" height="{SIDE:g}" fill="none" stroke="{INK}" '
        'stroke-width="1.5"/>'
    )
    parts += _svg_caption(total, int(score["contacts"])) + _svg_legend(smallest, largest)
    return "\n".join([*parts, "</svg>", ""])


def _at(x: float, y: float) -> tuple[float, float]:
    """From the unit square (y upwards) to pixels."""
    return LEFT + SIDE * x, TOP + SIDE * (1 - y)


def _svg_circle(circle: Circle, fill: str) -> str:
    x, y = _at(circle.x, circle.y)
    radius = max(SIDE * circle.r - 0.4, 0.0)
    return (
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="{fill}" stroke="#ffffff" '
        f'stroke-width="0.8"><title>r = {circle.r:.9f}</title></circle>'
    )


def _svg_contacts(circles: list[Circle]) -> list[str]:
    """Thin lines between touching centres, and to the walls that a circle touches."""
    lines = [((a.x, a.y), (b.x, b.y)) for a, b in touching_pairs(circles)]
    for c in circles:
        feet = ((0.0, c.y), (1.0, c.y), (c.x, 0.0), (c.x, 1.0))
        near = zip(wall_gaps(c), feet, strict=True)
        lines += [((c.x, c.y), foot) for gap, foot in near if gap < CONTACT_GAP]
    path = " ".join("M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*_at(*start), *_at(*end)) for start, end in lines)
    dots = " ".join("M{:.1f} {:.1f}h0".format(*_at(c.x, c.y)) for c in circles)
    return [
        f'<path d="{path}" stroke="#ffffff" stroke-opacity="0.6" stroke-width="1.1" fill="none"/>',
        f'<path d="{dots}" stroke="#ffffff" stroke-width="4" stroke-linecap="round" fill="none"/>',
    ]


def _svg_caption(total: str, contacts: int) -> list[str]:
    return [
        f'<text x="{LEFT:g}" y="492" {FONT} font-size="20" font-weight="600" fill="{INK}">Σ r = {total}</text>',
        f'<text x="{LEFT:g}" y="514" {FONT} font-size="12.5" fill="{QUIET}">'
        f"{COUNT} circles, {contacts} contacts</text>",
    ]


def _svg_legend(smallest: float, largest: float) -> list[str]:
    """A colour bar of 120 pixels with the least and the largest radius."""
    left, steps = LEFT + SIDE - 120, 24
    width = 120 / steps
    bar = [
        f'<rect x="{left + k * width:.2f}" y="479" width="{width + 0.4:.2f}" height="11" '
        f'fill="{colour(k / (steps - 1))}"/>'
        for k in range(steps)
    ]
    frame = f'<rect x="{left:g}" y="479" width="120" height="11" fill="none" stroke="{RULE}" stroke-width="0.6"/>'
    style = f'{FONT} font-size="11.5" fill="{QUIET}"'
    return [
        *bar,
        frame,
        f'<text x="{left:g}" y="507" {style}>{smallest:.3f}</text>',
        f'<text x="{left + 60:g}" y="507" {style} text-anchor="middle">radius</text>',
        f'<text x="{left + 120:g}" y="507" {style} text-anchor="end">{largest:.3f}</text>',
    ]


# The program


def judge(path: str) -> tuple[dict[str, Any], list[Circle]]:
    """The score of the file at `path` and its circles; the circles are empty when it is invalid."""
    try:
        circles = parse(read_bytes(path))
        check(circles)
    except Invalid as broken:
        return {"invalid": str(broken)}, []
    return describe(circles), circles


def report(score: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE or to standard output."""
    text = json.dumps(score, allow_nan=False)
    target = os.environ.get("ASTER_SCORE")
    if target is None:
        print(text)
        return
    with open(target, "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(text)


def main(arguments: list[str] | None = None) -> int:
    """Judge the file, draw it when asked, report; always 0 for whatever a candidate wrote."""
    parser = argparse.ArgumentParser(description="Score a packing of 26 circles.")
    parser.add_argument("packing", help="the JSON file that the solution wrote")
    parser.add_argument("--pictures", type=Path, help="folder for packing.svg")
    options = parser.parse_args(arguments)
    score, circles = judge(options.packing)
    if options.pictures is not None and circles:
        options.pictures.mkdir(parents=True, exist_ok=True)
        (options.pictures / "packing.svg").write_text(draw(circles, score), encoding="utf-8")
    report(score)
    return 0


if __name__ == "__main__":
    sys.exit(main())
