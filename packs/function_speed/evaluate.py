"""Time a candidate's function against the reference: the trusted stage of this problem.

Usage: ``python evaluate.py [--pictures FOLDER]``, beside the service that runs the candidate.

The candidate runs in another process and another sandbox; this program holds the clock, makes the inputs and checks
every answer. Each round draws fresh inputs from the system's entropy, has the candidate and the reference work on
them, in random order, and compares all numbers. So nothing can be known, remembered or prepared before its time
begins, and an answer that is late, wrong or from another input is worth nothing.

The candidate's time is wall time from before the request is written until the answer has been copied; whatever it puts
off, or has another process do, it waits for. The reference's time is the CPU time of this process alone: a candidate
that keeps a core busy meanwhile does not make it longer. The score is the logarithm, to base 2, of the reference's time
over the candidate's, in the upper quartile of the rounds: where something else had the core in between, the candidate
looks slower than it is, never faster.

The result goes as one JSON object to the path in the environment variable ASTER_SCORE.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import statistics
import struct
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from reference import matrix

Array = NDArray[np.float64]

COUNT = 8
LENGTHS = (36, 44)  # the shortest and the longest series
WARM, ROUNDS = 3, 25  # rounds that are checked only, and rounds that are timed too
PATIENCE_S = 20.0
TOLERANCE = 1e-9


class Invalid(Exception):
    """An answer breaks a rule; the message is one sentence for people and agents."""


class Round(NamedTuple):
    """Seconds of the candidate (wall) and of the reference (CPU, and wall) on the same input."""

    candidate: float
    reference: float
    reference_wall: float

    @property
    def doublings(self) -> float:
        """How often the candidate's time has to be doubled to be the reference's."""
        return math.log2(self.reference / self.candidate)


# Inputs


def fresh(rng: np.random.Generator) -> Array:
    """Series of shape (COUNT, length): random walks, and among them what a shortcut would get wrong.

    Two series have a jump at opposite ends, so that the cheapest path between them runs along the edges of the table;
    one is constant; one holds small integers, so that there are ties.
    """
    length = int(rng.integers(LENGTHS[0], LENGTHS[1] + 1))
    series = rng.normal(size=(COUNT, length)).cumsum(axis=1) * 10.0 ** rng.uniform(0.0, 2.0)
    early, late, flat, whole = rng.permutation(COUNT)[:4]
    height = 100.0 * (1.0 + rng.random())
    series[early] = np.where(np.arange(length) < rng.integers(1, 4), 0.0, height)
    series[late] = np.where(np.arange(length) < length - rng.integers(1, 4), 0.0, height)
    series[flat] = rng.normal()
    series[whole] = rng.integers(-3, 4, length)
    return series


def packed(series: Array) -> bytes:
    """A request: count and length as unsigned integers of 4 bytes, then the doubles, series by series."""
    return struct.pack("<II", *series.shape) + series.astype("<f8").tobytes()


# Answers


def check(answer: bytes, expected: Array) -> None:
    """Raise Invalid unless the answer holds the expected numbers, each to within TOLERANCE of 1 plus its size."""
    if len(answer) != expected.nbytes:
        raise Invalid(f"An answer has {len(answer)} bytes where {expected.nbytes} were asked for.")
    found = np.frombuffer(answer, dtype="<f8").reshape(expected.shape)
    if not np.isfinite(found).all():
        raise Invalid("An answer holds a number that is not finite.")
    error = np.abs(found - expected) / (1.0 + np.abs(expected))
    if error.max() > TOLERANCE:
        first, second = np.unravel_index(int(error.argmax()), error.shape)
        raise Invalid(
            f"The distance of series {first} and {second} is {found[first, second]:.12g}, "
            f"but {expected[first, second]:.12g} is right (allowed: {TOLERANCE:g} of 1 plus its size)."
        )


# Rounds


def measure(channel: Any, rng: np.random.Generator) -> Round:
    """Both times on one fresh input; raises Invalid for a wrong answer, and what the channel raises."""
    series = fresh(rng)
    if rng.random() < 0.5:
        answer, candidate = timed_call(channel, series)
        expected, *reference = timed_reference(series)
    else:
        expected, *reference = timed_reference(series)
        answer, candidate = timed_call(channel, series)
    check(answer, expected)
    return Round(candidate, *reference)


def timed_call(channel: Any, series: Array) -> tuple[bytes, float]:
    """The candidate's answer, at most a byte longer than it should be, and the wall seconds that it took."""
    request = packed(series)
    began = time.perf_counter()
    answer = channel.call(request, timeout_s=PATIENCE_S, most=8 * COUNT * COUNT + 1)
    return answer, time.perf_counter() - began


def timed_reference(series: Array) -> tuple[Array, float, float]:
    """The right answer, and the seconds that it took: of this process's CPU time, and of wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    expected = matrix(series)
    return expected, time.process_time() - cpu, time.perf_counter() - wall


def describe(rounds: list[Round]) -> dict[str, float]:
    """The scores: the objective, and for people the same as a factor, both times, and how busy the machine was."""
    lower, _, upper = statistics.quantiles([each.doublings for each in rounds], n=4, method="inclusive")
    return {
        "log2_speedup": upper,
        "speedup": 2.0**upper,
        "spread": upper - lower,
        "milliseconds": 1e3 * statistics.median(each.candidate for each in rounds),
        "reference_milliseconds": 1e3 * statistics.median(each.reference for each in rounds),
        "stretch": statistics.median(each.reference_wall / each.reference for each in rounds),
    }


# The picture


def draw(rounds: list[Round], score: dict[str, float]) -> str:
    """The ratio of each round, sorted, as a stand-alone SVG document of 480 x 260 pixels, made for a white page."""
    values = sorted(each.doublings for each in rounds)
    low, high = math.floor(values[0]), math.floor(values[-1]) + 1
    font = "font-family=\"Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif\""

    def y(value: float) -> float:
        return 210.0 - 180.0 * (value - low) / (high - low)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 260" width="480" height="260" role="img" '
        f'aria-label="Speedup of each of {len(values)} rounds, upper quartile {score["speedup"]:.3g}">'
    ]
    for tick in range(low, high + 1):
        parts.append(f'<path d="M60 {y(tick):.1f}h400" stroke="#c3ccd5" stroke-width="0.6"/>')
        parts.append(
            f'<text x="52" y="{y(tick) + 4:.1f}" {font} font-size="11.5" fill="#6b7785" text-anchor="end">'
            f"{2.0**tick:g}×</text>"
        )
    level = y(score["log2_speedup"])
    parts.append(f'<path d="M60 {level:.1f}h400" stroke="#1f2933" stroke-dasharray="4 3"/>')
    for index, value in enumerate(values):
        x = 72 + 376 * index / max(1, len(values) - 1)
        parts.append(f'<circle cx="{x:.1f}" cy="{y(value):.1f}" r="3.5" fill="#1f4e8c"/>')
    parts.append(
        f'<text x="60" y="244" {font} font-size="16" font-weight="600" fill="#1f2933">{score["speedup"]:.3g}× '
        f"(upper quartile of {len(values)} rounds, sorted)</text>"
    )
    return "\n".join([*parts, "</svg>", ""])


# The program


def report(score: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE."""
    with open(os.environ["ASTER_SCORE"], "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(json.dumps(score, allow_nan=False))


def main(arguments: list[str] | None = None) -> int:
    """Run all rounds and report; 1 if the service did not answer."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Time a candidate's function against the reference.")
    parser.add_argument("--pictures", type=Path, help="folder for speedup.svg")
    parser.add_argument("--answers-only", action="store_true", help="make the rounds that are not timed, and no score")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(secrets.randbits(128))
    try:
        with connect() as channel:
            rounds = [measure(channel, rng) for _ in range(WARM if options.answers_only else WARM + ROUNDS)][WARM:]
    except Invalid as broken:
        report({"invalid": str(broken)})
        return 0
    except (ServiceError, TimeoutError) as error:
        print(f"no answer from the candidate: {error}", file=sys.stderr)
        return 1
    if options.answers_only:
        return 0
    score = describe(rounds)
    if options.pictures is not None:
        (options.pictures / "speedup.svg").write_text(draw(rounds, score), encoding="utf-8")
    report(score)
    return 0


if __name__ == "__main__":
    sys.exit(main())
