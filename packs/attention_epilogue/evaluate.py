"""Time a candidate's epilogue against a copy of its tensor: the trusted stage of this problem.

Usage: ``python evaluate.py [--answers-only]``, beside the service that runs the candidate.

The clock is this program's: it runs from before a request names what is to be worked on until the answer is here. The
answer holds, for each step, sums over every output with signs that the request named, so it cannot be given before the
outputs are there, and an output that is stale, poisoned or left out shows. Afterwards rows are asked for and compared
number by number. What is right comes from float64. The result goes as one JSON object to the path in ASTER_SCORE.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import statistics
import sys
import time
from typing import Any

import numpy as np
import torch
from inputs import DEVICE, RING, pool, weights

SHAPES = ((128, 2048, 4, 128), (32, 2048, 16, 128), (64, 2048, 6, 64))
SMALL = ((2, 5, 3, 16), (1, 4, 2, 64), (1, 3, 1, 24))
STEPS, ROUNDS = 60, 5
PATIENCE_S = 60.0
UNIT = {"bfloat16": 2.0**-8, "float32": 2.0**-23}
"""Between 1 and the next number."""
ROWS = 512


class Invalid(Exception):
    """An answer breaks a rule; the message is one sentence for people and agents."""


class Trial:
    """One shape: the evaluator's own inputs, and what it asks of the service."""

    def __init__(self, channel: Any, shape: tuple[int, ...], kind: str) -> None:
        self.channel, self.shape, self.kind = channel, list(shape), kind
        seed = secrets.randbits(62)
        self.inputs = pool(seed, self.shape, getattr(torch, kind))
        self.ask({"do": "fill", "seed": seed, "shape": self.shape, "kind": kind}, 6)
        self.worst = 0.0

    def ask(self, request: dict[str, Any], most: int) -> bytes:
        answer: bytes = self.channel.call(json.dumps(request).encode(), timeout_s=PATIENCE_S, most=most + 1)
        if len(answer) != most:
            raise Invalid(f"An answer has {len(answer)} bytes where {most} were asked for.")
        return answer

    def right(self, places: list[int]) -> list[Any]:
        """y, dx and dg in float64 for the stretches that begin at these tokens; each [rows, width]."""
        batch, length, heads, width = self.shape
        x, g, dy = (
            t[o : o + batch * length].reshape(batch * length * heads, -1).double()
            for t, o in zip(self.inputs, places, strict=True)
        )
        inverse = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        normed = x * inverse
        along = (normed * dy).sum(-1, keepdim=True)
        return [g * normed, (dy - normed * along / width) * inverse * g, along]

    def round(self, steps: int) -> float:
        """Seconds of a step; raises Invalid if a step's sums, or rows of the last steps, are wrong."""
        tokens = self.shape[0] * self.shape[1]
        offsets = [[secrets.randbelow(tokens) for _ in range(3)] for _ in range(steps)]
        key = secrets.randbits(62)
        began = time.perf_counter()
        answer = self.ask({"do": "run", "key": key, "offsets": offsets}, 12 * steps)
        took = time.perf_counter() - began
        sums = np.frombuffer(answer, dtype="<f4").reshape(steps, 3)
        signs = weights(key, self.shape, torch.float64)
        looked = range(steps) if steps <= 8 else {steps - 1, *(secrets.randbelow(steps) for _ in range(4))}
        for step in looked:
            self.check_sums(step, sums[step], self.right(offsets[step]), signs)
        step = steps - 1 - secrets.randbelow(min(RING, steps))
        self.check_rows(step % RING, self.right(offsets[step]))
        return took / steps

    def check_sums(self, step: int, sums: Any, right: list[Any], signs: list[Any]) -> None:
        channel, row = signs
        for name, found, each in zip(("y", "dx", "dg"), sums, right, strict=True):
            by_row = each @ channel if each.shape[1] > 1 else each[:, 0]
            # rounding is as good as random: errors add up as their root sum of squares, twice (outputs, rows' sums)
            most = 8 * UNIT[self.kind] * math.sqrt(float(each.square().sum())) * 2 + 1e-6 * float(by_row.abs().sum())
            wanted = float(by_row @ row)
            if not abs(float(found) - wanted) <= most:
                raise Invalid(f"The sum over {name} of step {step} is {found:.6g}, but {wanted:.6g} is right.")

    def check_rows(self, ring: int, right: list[Any]) -> None:
        count, width = right[0].shape
        rows = sorted(secrets.randbelow(count) for _ in range(min(ROWS, count)))
        answer = self.ask({"do": "show", "ring": ring, "rows": rows}, 4 * len(rows) * (2 * width + 1))
        values = np.frombuffer(answer, dtype="<f4")
        at = 0
        for name, each in zip(("y", "dx", "dg"), right, strict=True):
            wanted = each[rows].cpu().numpy()
            found = values[at : at + wanted.size].reshape(wanted.shape).astype(np.float64)
            at += wanted.size
            # a row's numbers are as exact as its largest: dg is a sum over a row, whose terms may cancel
            scale = np.abs(wanted).max(axis=1, keepdims=True) if width == wanted.shape[1] else np.sqrt(width)
            error = np.abs(found - wanted) / (scale + 1e-30)
            self.worst = max(self.worst, float(error.max()))
            units = 4 if width == wanted.shape[1] else 16  # of a sum of `width` products each rounding counts
            if not np.all(error <= units * UNIT[self.kind]):
                raise Invalid(f"A row of {name} is off by {error.max():.2e} of its largest number.")


def copy_seconds(shape: tuple[int, ...]) -> float:
    """What a copy of a tensor of this shape takes on this GPU, as a share of many in turn."""
    one = [torch.randn(shape, device=DEVICE).bfloat16() for _ in range(2)]
    two = torch.empty_like(one[0])
    times = []
    for _ in range(4):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for number in range(100):
            two.copy_(one[number % 2])
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / 100)
    return min(times[1:])


def answers(channel: Any) -> float:
    """The largest error on small shapes, in float32 and bfloat16; raises Invalid."""
    worst = 0.0
    for shape in SMALL:
        for kind in UNIT:
            trial = Trial(channel, shape, kind)
            for steps in (1, RING + 2):
                trial.round(steps)
            if kind == "bfloat16":
                worst = max(worst, trial.worst)
    return worst


def score(channel: Any) -> dict[str, float]:
    """Wall time of steps over that of copies, geometric mean over shapes; the first shape's times for people."""
    found, first = [], {}
    error = answers(channel)
    for shape in SHAPES:
        copy = copy_seconds(shape)
        trial = Trial(channel, shape, "bfloat16")
        trial.round(RING)  # compiles and tunes
        took = statistics.median(trial.round(STEPS) for _ in range(ROUNDS))
        error = max(error, trial.worst)
        found.append(took / min(copy, copy_seconds(shape)))
        first = first or {"microseconds": 1e6 * took, "copy_microseconds": 1e6 * copy}
        del trial
        torch.cuda.empty_cache()
    return {"copies": math.exp(statistics.fmean(map(math.log, found))), **first, "error": error}


def report(result: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE."""
    with open(os.environ["ASTER_SCORE"], "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(json.dumps(result, allow_nan=False))


def main(arguments: list[str] | None = None) -> int:
    """Run and report; 1 if the service did not answer or there is no GPU to take times on."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Time a candidate's epilogue against a copy.")
    parser.add_argument("--answers-only", action="store_true", help="small shapes, no times, no score; needs no GPU")
    options = parser.parse_args(arguments)
    if not options.answers_only and DEVICE != "cuda":
        print(
            "There is no GPU here, so no time is taken and there is no score; --answers-only checks answers.",
            file=sys.stderr,
        )
        return 1
    try:
        with connect() as channel:
            found = {} if options.answers_only else score(channel)
            if options.answers_only:
                answers(channel)
    except Invalid as wrong:
        report({"invalid": str(wrong)})
        return 0
    except (ServiceError, TimeoutError) as error:
        print(f"no answer from the candidate: {error}", file=sys.stderr)
        return 1
    if not options.answers_only:
        report(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
