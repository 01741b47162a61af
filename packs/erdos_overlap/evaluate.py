"""Score a step function for the minimum overlap problem: the trusted stage of this problem.

Usage: ``python evaluate.py heights.json [--pictures FOLDER]``

The file was written by untrusted code, so it is read as hostile data: a regular file of bounded size, strict JSON,
plain finite numbers. Nothing that it can contain makes this program fail; a broken rule is reported as
``{"invalid": "one sentence"}`` with exit code 0.

The score is exact. Heights are read as doubles and rounded to multiples of 2**-60 (which every double from 2**-7 on
is already); the function is then scaled so that its integral is 1 exactly (see `bound`); the overlap at every shift
is a rational number, computed with integers; and the largest is rounded up to a double. So the score is an upper bound
on the constant that a strictly valid step function proves, whatever the rounding of the one in the file.

The result goes as one JSON object to the path in the environment variable ASTER_SCORE, or to standard output when
there is none.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import stat
import sys
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

FEWEST, MOST = 2, 2000
MAX_BYTES = 64 * 1024
TOLERANCE = 1e-9
BITS = 60
UNIT = 1 << BITS
SLOT = 17  # bytes; holds a sum of 2000 products of two heights, below 2**131


class Invalid(Exception):
    """The output breaks a rule; the message is one sentence for people and agents."""


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


def parse(data: bytes) -> list[float]:
    """The heights in strict JSON text, checked for number, range and integral."""
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique_pairs)
    except RecursionError:
        raise Invalid("The output is nested too deeply.") from None
    except ValueError:  # bad UTF-8, bad JSON, or an integer with thousands of digits
        raise Invalid("The output is not valid JSON.") from None
    if not isinstance(document, dict) or set(document) != {"heights"}:
        raise Invalid('The output must be an object with the single key "heights".')
    rows = document["heights"]
    if not isinstance(rows, list):
        raise Invalid('"heights" must be a list.')
    if not FEWEST <= len(rows) <= MOST:
        raise Invalid(f"There must be {FEWEST} to {MOST} heights, but there are {len(rows)}.")
    heights = [_height(index, value) for index, value in enumerate(rows)]
    integral = math.fsum(heights) * 2 / len(heights)
    if not abs(integral - 1) <= TOLERANCE:
        raise Invalid(f"The integral is off 1 by {integral - 1:.3e} (allowed: {TOLERANCE:g}).")
    return heights


def _height(index: int, value: Any) -> float:
    if type(value) is not int and type(value) is not float:  # bool is a subclass of int
        raise Invalid(f"Height {index} is not a number.")
    if not 0 <= value <= 1:  # also what is not finite
        raise Invalid(f"Height {index} is not between 0 and 1.")
    return float(value)


# The bound, exact

# Let h and g be constant on cells of width w = 2/n, and F(x) the integral of h(t) g(t + x) over all t with both t and
# t + x in [0, 2]. For x = (k + s) w with 0 <= s <= 1 and t in cell i, t + x lies in cell i + k for the part 1 - s of
# the cell and in cell i + k + 1 for the part s. So F(x) = (1 - s) F(k w) + s F((k + 1) w): F is linear between the
# shifts by whole cells, and its maximum is at one of them.


def bound(heights: list[float]) -> Fraction:
    """The largest overlap of the scaled function with its complement, over all shifts, exactly.

    The roles of h and 1 - h can be swapped, which mirrors the shifts. The one with the larger integral is scaled down
    until its integral is 1; it stays within [0, 1], and so does its complement.
    """
    count = len(heights)
    scaled = [round(Fraction(h) * UNIT) for h in heights]
    if 2 * sum(scaled) < count * UNIT:
        scaled = [UNIT - a for a in scaled]
    total = sum(scaled)
    # With a the integers and c = count * UNIT / (2 * total), the heights are c a / UNIT. The overlap at shift k is
    # 2/count times the sum of c a_i / UNIT (1 - c a_j / UNIT) over j = i + k: (2 total P_k - count R_k) / (2 total**2),
    # where P_k is the sum of those a_i, and R_k that of a_i a_j.
    ahead = list(accumulate(scaled))
    behind = list(accumulate(reversed(scaled)))
    products = autocorrelation(scaled)
    largest = max(
        2 * total * max(ahead[count - 1 - k], behind[count - 1 - k]) - count * products[k] for k in range(count)
    )
    return Fraction(largest, 2 * total * total)


def autocorrelation(values: list[int]) -> list[int]:
    """The sums of values[i] * values[i + k] for k from 0 on, by one product of two large integers.

    Each value has a slot that is wide enough for any of the sums, so that they do not run into each other.
    """
    forwards = int.from_bytes(b"".join(value.to_bytes(SLOT, "little") for value in values), "little")
    backwards = int.from_bytes(b"".join(value.to_bytes(SLOT, "little") for value in reversed(values)), "little")
    count = len(values)
    product = (forwards * backwards).to_bytes(2 * count * SLOT, "little")
    return [int.from_bytes(product[slot * SLOT : (slot + 1) * SLOT], "little") for slot in range(count - 1, -1, -1)]


def rounded_up(value: Fraction) -> float:
    """The least double that is not below the value."""
    nearest = float(value)
    return nearest if Fraction(nearest) >= value else math.nextafter(nearest, math.inf)


# Description, in floating point


def overlaps(heights: list[float]) -> list[float]:
    """The overlap at the shifts from -(n - 1) to n - 1 cells, to about 1e-12."""
    count = len(heights)
    scaled = [round(h * UNIT) for h in heights]
    products = autocorrelation(scaled)
    ahead, behind = list(accumulate(scaled)), list(accumulate(reversed(scaled)))
    left = [(behind[count - 1 - k] * UNIT - products[k]) / (UNIT * UNIT) for k in range(count - 1, 0, -1)]
    right = [(ahead[count - 1 - k] * UNIT - products[k]) / (UNIT * UNIT) for k in range(count)]
    return [2 * value / count for value in left + right]


def describe(heights: list[float]) -> dict[str, float]:
    """The scores: the objective and four cheap facts that place a function in the archive."""
    count = len(heights)
    curve = overlaps(heights)
    top = max(curve)
    return {
        "overlap": rounded_up(bound(heights)),
        "steps": count,
        "asymmetry": math.fsum(abs(a - b) for a, b in zip(heights, reversed(heights), strict=True)) / count,
        "extreme": sum(not 1e-6 < h < 1 - 1e-6 for h in heights) / count,
        "tight": sum(top - value < 1e-6 for value in curve) / len(curve),
    }


# The picture

WIDTH, LEFT, SIDE = 560.0, 46.0, 494.0
INK, QUIET, RULE, FILL, LINE = "#1f2933", "#6b7785", "#c3ccd5", "#9fb8d8", "#1f4e8c"
FONT = "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif\""


def draw(heights: list[float], score: dict[str, float]) -> str:
    """The function and its overlap as a stand-alone SVG document of 560 x 520 pixels, made for a white page."""
    name = f"{len(heights)} steps, bound {score['overlap']:.9f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} 520" width="{WIDTH:g}" height="520" '
        f'role="img" aria-label="A step function of {name}, and its overlap at each shift">',
        *_svg_steps(heights),
        *_svg_overlap(overlaps(heights), score["overlap"]),
        _text(LEFT, 506, f"{score['overlap']:.9f}", 20, INK, weight=600),
        _text(LEFT + SIDE, 506, name.split(",")[0], 12.5, QUIET, anchor="end"),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def _text(x: float, y: float, words: str, size: float, fill: str, anchor: str = "start", weight: int = 400) -> str:
    style = f'{FONT} font-size="{size:g}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'


def _svg_steps(heights: list[float]) -> list[str]:
    """The upper panel: h over [0, 2], filled."""
    base, height = 220.0, 180.0
    width = SIDE / len(heights)
    path = [f"M{LEFT:.2f} {base:.2f}"]
    for index, h in enumerate(heights):
        y = base - height * h
        path.append(f"L{LEFT + index * width:.2f} {y:.2f}L{LEFT + (index + 1) * width:.2f} {y:.2f}")
    path.append(f"L{LEFT + SIDE:.2f} {base:.2f}Z")
    labels = [_text(LEFT - 8, base - height * v + 4, f"{v:g}", 11.5, QUIET, "end") for v in (0, 1)]
    labels += [_text(LEFT + SIDE * v / 2, base + 16, f"{v:g}", 11.5, QUIET, "middle") for v in (0, 1, 2)]
    return [
        _text(LEFT, 24, "h(t)", 12.5, QUIET),
        f'<path d="{"".join(path)}" fill="{FILL}" stroke="{LINE}" stroke-width="1"/>',
        f'<path d="M{LEFT:g} {base:g}h{SIDE:g}M{LEFT:g} {base - height:g}h{SIDE:g}" stroke="{RULE}" fill="none"/>',
        *labels,
    ]


def _svg_overlap(curve: list[float], top: float) -> list[str]:
    """The lower panel: the overlap over the shifts from -2 to 2, and its maximum as a line."""
    base, height = 450.0, 160.0
    step = SIDE / (len(curve) + 1)
    points = [(LEFT, 0.0), *((LEFT + step * (k + 1), v) for k, v in enumerate(curve)), (LEFT + SIDE, 0.0)]
    line = "L".join(f"{x:.2f} {base - height * value / top:.2f}" for x, value in points)
    labels = [_text(LEFT + SIDE * (v + 2) / 4, base + 16, f"{v:g}", 11.5, QUIET, "middle") for v in (-2, -1, 0, 1, 2)]
    return [
        _text(LEFT, 266, "overlap at shift x, and the bound", 12.5, QUIET),
        f'<path d="M{LEFT:g} {base:g}h{SIDE:g}" stroke="{RULE}" fill="none"/>',
        f'<path d="M{LEFT:g} {base - height:g}h{SIDE:g}" stroke="{INK}" stroke-dasharray="4 3" fill="none"/>',
        f'<path d="M{line}" stroke="{LINE}" stroke-width="1.5" stroke-linejoin="round" fill="none"/>',
        *labels,
    ]


# The program


def judge(path: str) -> tuple[dict[str, Any], list[float]]:
    """The score of the file at `path` and its heights; the heights are empty when it is invalid."""
    try:
        heights = parse(read_bytes(path))
    except Invalid as broken:
        return {"invalid": str(broken)}, []
    return describe(heights), heights


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
    parser = argparse.ArgumentParser(description="Score a step function for the minimum overlap problem.")
    parser.add_argument("heights", help="the JSON file that the solution wrote")
    parser.add_argument("--pictures", type=Path, help="folder for overlap.svg")
    options = parser.parse_args(arguments)
    score, heights = judge(options.heights)
    if options.pictures is not None and heights:
        options.pictures.mkdir(parents=True, exist_ok=True)
        (options.pictures / "overlap.svg").write_text(draw(heights, score), encoding="utf-8")
    report(score)
    return 0


if __name__ == "__main__":
    sys.exit(main())
