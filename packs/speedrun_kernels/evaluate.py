"""Time a candidate's kernels against cuBLAS and a copy: the trusted stage of this problem.

Usage: ``python evaluate.py [--answers-only]``, beside the service that runs the candidate.

The clock is this program's: it runs from before a request for a round of steps until the answer is here. The answer
holds, for each step, sums over rows of every output; which rows, and with which signs, only the request says, so it
cannot be given before the outputs are there. Afterwards rows are asked for and compared number by number. What is right
comes from float64. The result goes as one JSON object to the path in ASTER_SCORE.
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
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from inputs import DEVICE, draw, flat, looked

ROUNDS = 5
PATIENCE_S = 120.0
ROWS = 512
CONTEST = ("sigmoid", 23.0, 5.0, 7.5)
UNIT_32 = 64 * 2.0**-23
"""What float32 may be off by, of a number, after sums, exponentials and divisions."""


class Invalid(Exception):
    """An answer breaks a rule; the message is one sentence for people and agents."""


class Task(NamedTuple):
    """A kernel at a size: so many steps in a round, each on its own inputs."""

    kernel: str
    shape: tuple[int, ...]
    steps: int
    caps: tuple[Any, ...] = CONTEST

    def constants(self) -> list[Any]:
        """A cap, or coefficients about those of Polar Express's later polynomials, drawn anew."""
        if self.kernel == "loss":
            return list(self.caps)
        a, b, c = ((1 + secrets.randbelow(1000) / 5000) * middle for middle in (2.8, -2.0, 0.42))
        return {"polar": [a, b, c], "caa": [b, c]}.get(self.kernel, [])


# the matrices of twelve layers of width 768 that Muon steps along: four of attention and two of the perceptron each
TASKS = (
    Task("xxt", (48, 768, 768), 96),
    Task("xxt", (24, 768, 3072), 32),
    Task("polar", (48, 768, 768), 48),
    Task("polar", (24, 768, 3072), 16),
    Task("mlp", (16384, 768, 3072), 8),
    Task("loss", (4096, 50304), 12),
)
SMALL = (
    Task("xxt", (2, 40, 24), 2),
    Task("xxt", (33, 80), 2),
    Task("caa", (2, 37, 37), 2),
    Task("polar", (2, 20, 33), 2),
    Task("linear", (37, 20, 50), 2),
    Task("mlp", (33, 24, 40), 2),
    Task("loss", (9, 71), 2),
    Task("loss", (5, 64), 1, ("tanh", 15.0)),
    Task("loss", (5, 64), 1, ("none",)),
)


class Output(NamedTuple):
    """What is right, [rows, width] in float64, and how far numbers may be off it.

    `own` is in units of the number itself, `row` in units of its row's largest; `mean` is of all, as root mean squares.
    `extra` comes on top, [rows, width] or [1, 1].
    """

    right: Any
    unit: float
    own: float
    row: float
    mean: float
    extra: Any

    def of_rows(self, where: Any) -> Output:
        """The same for some of the rows."""
        extra = self.extra if self.extra.numel() == 1 else self.extra[where]
        return self._replace(right=self.right[where], extra=extra)

    def room(self) -> Any:
        """How far each number may be off."""
        size = self.right.abs()
        return self.unit * (self.own * size + self.row * size.amax(1, keepdim=True)) + self.extra


def right(task: Task, kind: torch.dtype, constants: list[Any], inputs: list[Any]) -> list[Output]:
    """The outputs of a step in float64."""
    unit = max(torch.finfo(kind).eps, UNIT_32)
    wide = [each.double() if each.is_floating_point() else each for each in inputs]
    nothing = torch.zeros(1, 1, dtype=torch.float64, device=wide[0].device)
    if task.kernel in ("xxt", "caa", "polar"):
        (x,) = wide
        gram = x @ x.mT
        if task.kernel == "polar":
            a, b, c = constants
            return [Output(flat(a * x + (b * gram + c * gram @ gram) @ x), unit, 0.0, 6.0, 3.0, nothing)]
        made = gram if task.kernel == "xxt" else constants[0] * x + constants[1] * gram
        return [Output(flat(made), unit, 1.0, min(1.0, 2.0**-13 / unit), 0.75, nothing)]
    if task.kernel == "loss":
        least = nothing + 4.0 * torch.finfo(kind).smallest_normal * torch.finfo(kind).eps
        return losses(unit, least, constants, *wide)
    leaves = [each.requires_grad_() for each in wide[:-1]]
    out = torch.relu(leaves[0] @ leaves[1].mT).square()
    if task.kernel == "mlp":
        out = out @ leaves[2]
    slopes = torch.autograd.grad(out, leaves, wide[-1])
    return [Output(flat(each.detach()), unit, 0.0, 4.0, 2.0, nothing) for each in (out, *slopes)]


def losses(unit: float, least: Any, cap: list[Any], logits: Any, targets: Any, weights: Any) -> list[Output]:
    """Losses, and the gradient of their weighted sum, whose small numbers are as exact as its large ones."""
    name, *numbers = cap
    leaf = logits.requires_grad_()
    bent, steep = 1.0 * leaf, 0.0
    if name == "tanh":
        bent, steep = numbers[0] * torch.tanh(leaf / numbers[0]), 4.0
    elif name == "sigmoid":
        bent, steep = numbers[0] * torch.sigmoid((leaf + numbers[1]) / numbers[2]), numbers[0] / numbers[2]
    loss = torch.nn.functional.cross_entropy(bent, targets, reduction="none")
    (slope,) = torch.autograd.grad(loss, leaf, weights, retain_graph=True)
    chance = weights.abs()[:, None] * bent.detach().softmax(-1)
    # a target's is its probability less one, and as exact as the probability; far from the cap's middle its slope is
    # one less a sigmoid, and as exact as the sigmoid
    (around,) = torch.autograd.grad(bent, leaf, chance)
    extra = UNIT_32 * (4.0 * around + steep / 8 * chance) + least
    return [
        Output(flat(loss.detach()), UNIT_32, 4.0, 0.0, 4.0, 4.0 * UNIT_32 + 0.0 * least),
        Output(slope, unit, 2.0, 0.0, 0.75, extra),
    ]


class Trial:
    """One task: the evaluator's own inputs, and what it asks of the service."""

    def __init__(self, channel: Any, task: Task, kind: str) -> None:
        self.channel, self.task, self.kind = channel, task, getattr(torch, kind)
        self.constants = task.constants()
        self.worst = 0.0
        self.sizes = [tuple(each.right.shape) for each in self.right(0)]
        asked = {"kernel": task.kernel, "shape": task.shape, "kind": kind, "steps": task.steps}
        self.ask({"do": "prepare", **asked, "constants": self.constants}, 5)

    def ask(self, request: dict[str, Any], most: int) -> bytes:
        answer: bytes = self.channel.call(json.dumps(request).encode(), timeout_s=PATIENCE_S, most=most + 1)
        if len(answer) != most:
            raise Invalid(f"An answer has {len(answer)} bytes where {most} were asked for.")
        return answer

    def right(self, seed: int) -> list[Output]:
        inputs = draw(self.task.kernel, list(self.task.shape), self.kind, seed)
        return right(self.task, self.kind, self.constants, inputs)

    def round(self) -> float:
        """Seconds of a step; raises Invalid if the sums, or rows, of a step are wrong."""
        steps, seed = self.task.steps, secrets.randbits(50)
        self.ask({"do": "fill", "seed": seed}, 6)
        keys = [secrets.randbits(31) for _ in range(2)]
        began = time.perf_counter()
        answer = self.ask({"do": "run", "keys": keys}, 4 * steps * len(self.sizes))
        took = time.perf_counter() - began
        found = np.frombuffer(answer, dtype="<f4").reshape(steps, -1)
        for step in {secrets.randbelow(steps) for _ in range(3)}:
            outputs = self.right(seed + step)
            for number, output in enumerate(outputs):
                self.check_sum(f"output {number} of step {step}", float(found[step, number]), output, keys)
            self.check_rows(step, outputs)
        return took / steps

    def check_sum(self, name: str, found: float, output: Output, keys: list[int]) -> None:
        where, down, across = looked(torch.tensor(keys, device=output.right.device), *output.right.shape)
        looked_at = output.of_rows(where)
        each = looked_at.right
        wanted = float(down.double() @ (each @ across.double()))
        # rounding is as good as random: errors add up as their root sum of squares
        extra = float(looked_at.extra.expand(each.shape).norm())
        most = 8 * math.hypot(output.unit * float(each.norm()), extra) + 1e-6 * float(each.abs().sum())
        if not abs(found - wanted) <= most:
            raise Invalid(f"{self.task.kernel}: the sum over {name} is {found:.6g}, but {wanted:.6g} is right.")

    def check_rows(self, step: int, outputs: list[Output]) -> None:
        rows = [
            sorted(secrets.randbelow(n) for _ in range(min(ROWS, n, 2**20 // width + 1))) for n, width in self.sizes
        ]
        sizes = [len(where) * width for where, (_, width) in zip(rows, self.sizes, strict=True)]
        values = np.frombuffer(self.ask({"do": "show", "step": step, "rows": rows}, 4 * sum(sizes)), dtype="<f4")
        parts = np.split(values.astype(np.float64), np.cumsum(sizes)[:-1])
        for number, (where, part, output) in enumerate(zip(rows, parts, outputs, strict=True)):
            self.check_numbers(f"{self.task.kernel}: output {number}", part, output.of_rows(where))

    def check_numbers(self, name: str, found: Any, output: Output) -> None:
        wanted = output.right.cpu()
        error = (torch.from_numpy(found).reshape(wanted.shape) - wanted).abs()
        room = output.room().cpu()
        if not bool((error <= room).all()):
            worst = float((error / room).nan_to_num(math.inf).max())
            raise Invalid(f"{name}: a number is off by {worst:.3g} times what rounding allows.")
        size = float(wanted.square().mean().sqrt())
        mean = float(error.square().mean().sqrt())
        if mean > output.mean * output.unit * size + float(output.extra.square().mean().sqrt()):
            raise Invalid(f"{name} is off by {mean / size:.2e} as a root mean square.")
        self.worst = max(self.worst, mean / (size + 1e-300))


def yardstick(task: Task) -> Callable[[list[Any]], Any]:
    """What a step's time is compared with: the products it needs, each in full by cuBLAS, or one copy of the logits."""
    if task.kernel == "loss":
        return lambda inputs: inputs[0].clone()
    if task.kernel == "mlp":

        def products(inputs: list[Any]) -> Any:
            x, w1, w2, slope = inputs
            hidden = x @ w1.mT
            before = slope @ w2.mT
            return hidden @ w2, before @ w1, before.mT @ x, hidden.mT @ slope

        return products
    if task.kernel == "xxt":
        return lambda inputs: inputs[0] @ inputs[0].mT

    def polynomial(inputs: list[Any]) -> Any:
        gram = inputs[0] @ inputs[0].mT
        return (gram @ gram.mT) @ inputs[0]

    return polynomial


def yardstick_seconds(task: Task) -> float:
    """Its time on this GPU, over inputs that take turns, recorded as a graph like the candidate's steps."""
    inputs = [draw(task.kernel, list(task.shape), torch.bfloat16, step) for step in range(3)]
    call = yardstick(task)
    for each in inputs:
        call(each)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for step in range(task.steps):
            call(inputs[step % len(inputs)])
    times = []
    for _ in range(6):
        torch.cuda.synchronize()
        began = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / task.steps)
    return min(times[1:])


def answers(channel: Any) -> float:
    """The largest error on small shapes, as a root mean square; raises Invalid."""
    worst = 0.0
    for task in SMALL:
        # the interpreter's products are wrong in bfloat16
        for kind in ("float16", "bfloat16" if DEVICE == "cuda" else "float32"):
            trial = Trial(channel, task, kind)
            for _ in range(2):
                trial.round()
            worst = max(worst, trial.worst)
    return worst


def score(channel: Any) -> dict[str, float]:
    """The geometric mean over kernels of time over that of the yardstick; each kernel's, over its shapes, besides."""
    error = answers(channel)
    found: dict[str, list[float]] = {}
    for task in TASKS:
        before = yardstick_seconds(task)
        torch.cuda.empty_cache()
        trial = Trial(channel, task, "bfloat16")
        trial.round()
        took = statistics.median(trial.round() for _ in range(ROUNDS))
        error = max(error, trial.worst)
        torch.cuda.empty_cache()
        found.setdefault(task.kernel, []).append(took / min(before, yardstick_seconds(task)))
    means = {name: math.exp(statistics.fmean(map(math.log, ratios))) for name, ratios in found.items()}
    return {"ratio": math.exp(statistics.fmean(map(math.log, means.values()))), **means, "error": error}


def report(result: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE."""
    with open(os.environ["ASTER_SCORE"], "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(json.dumps(result, allow_nan=False))


def main(arguments: list[str] | None = None) -> int:
    """Run and report; 1 if the service did not answer or there is no GPU to take times on."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Time a candidate's kernels against cuBLAS and a copy.")
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
