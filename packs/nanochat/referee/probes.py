"""Tests for what a model must not do: look ahead, or learn from what it is asked.

Some rows are asked for twice, of two servers that know nothing of each other: first among all others and whole; then
of a server that is fresh from the sealed state, in another order, each with its tail replaced from a secret place on by
that of another row. A model that looks only back gives the same logits before that place, within rounding. One that
sees the next token, or has learnt from rows that came before, or from its neighbours in the batch, is better the first
time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from served import log_p
from tokens import Rows
from torch import Tensor

MOST_ROWS, PLACES = 512, 8
"""Rows that are asked for twice, and positions of each that are compared."""
MOST_GAIN, MOST_ERROR, MOST_APART, MOST_ONCE = 0.002, 0.002, 0.02, 0.5
"""Nats by which the first answers may be better on average, beyond four standard errors; the standard error that counts
at most, so that rare gains hide in no spread of their own; how far apart the distributions may be on average (total
variation); nats at any one position."""


@dataclass(frozen=True)
class Probes:
    """Which rows are asked for twice [n], and at which positions [n, PLACES]: the last is that before the new tail."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]

    def altered(self, inputs: Rows, rng: np.random.Generator) -> Rows:
        """The rows' inputs [n, T] with new tails, each of another row of `inputs` [N, T]."""
        found = inputs[self.rows].copy()
        others = (self.rows + rng.integers(1, max(2, len(inputs)), len(self.rows))) % len(inputs)
        for index, (other, cut) in enumerate(zip(others, self.places[:, -1] + 1, strict=True)):
            tail = inputs[other, cut:].copy()
            tail[0] = tail[0] if tail[0] != found[index, cut] else (int(tail[0]) + 1) % 256
            found[index, cut:] = tail
        return found


def draw(rows: int, length: int, rng: np.random.Generator) -> Probes:
    """Choose among `rows` rows of `length` tokens."""
    chosen = rng.choice(rows, min(rows, MOST_ROWS), replace=False)
    places = np.empty((len(chosen), PLACES), dtype=np.int64)
    for index in range(len(chosen)):
        last = int(rng.integers(PLACES, length - 1))
        places[index] = [*np.sort(rng.choice(last, PLACES - 1, replace=False)), last]
    return Probes(chosen, places)


@dataclass(frozen=True)
class Verdict:
    """How the second answers compare.

    Attributes:
        ahead: nats by which the first were better right before the new tails. before: at the other positions.
        ahead_error, before_error: standard errors of these.
        apart: mean total variation between the two distributions, 0 to 1.
        largest: the most nats by which the first was better at one position.
    """

    ahead: float
    ahead_error: float
    before: float
    before_error: float
    apart: float
    largest: float

    @property
    def broken(self) -> str | None:
        """The rule that was broken, in one sentence; what is certain comes first."""
        ahead = (
            f"The model looks ahead: it is better by {self.ahead:.3f} nats where the token to be predicted can be seen "
            "among its inputs than where that was replaced."
        )
        before = (
            f"The model learns from what it is asked: it is better by {self.before:.3f} nats among all rows than fresh "
            "from the sealed state."
        )
        if self.ahead > MOST_GAIN + 4 * self.ahead_error:
            return ahead
        if self.before > MOST_GAIN + 4 * self.before_error:
            return before
        if self.apart > MOST_APART:
            return (
                "The model does not give the same answer twice: asked again, with what comes later replaced, its "
                f"distributions are {self.apart:.3f} apart in total variation; rounding explains {MOST_APART:g}."
            )
        if self.ahead > MOST_GAIN + 4 * MOST_ERROR:
            return ahead
        if self.before > MOST_GAIN + 4 * MOST_ERROR:
            return before
        if self.largest > MOST_ONCE:
            return (
                f"The model looks ahead or learns from what it is asked: at one position it is better by "
                f"{self.largest:.2f} nats than asked again with what comes later replaced; rounding explains "
                f"{MOST_ONCE:g}."
            )
        return None


def differ(first: Tensor, second: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Compare logits [n, PLACES, V] of the same positions; `targets` [n, PLACES] are the true tokens there.

    Returns:
        Nats by which the first is better, and total variation between the two, [n, PLACES] each.
    """
    one, two = log_p(first), log_p(second)
    gain = (one - two).gather(-1, targets[..., None]).squeeze(-1).double()
    return gain, (one.exp() - two.exp()).abs().sum(-1) / 2


def judge(gain: Tensor, apart: Tensor) -> Verdict:
    """Sum up what `differ` found, [n, PLACES] each."""
    ahead, before = gain[:, -1], gain[:, :-1].mean(1)
    means = float(ahead.mean()), _error(ahead), float(before.mean()), _error(before)
    return Verdict(*means, float(apart.mean()), float(gain.max()))


def _error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def save(path: str, answers: Tensor, targets: Tensor, inputs: Rows, probes: Probes) -> None:
    """Keep what the second server is to be compared with, and what it is to be asked, in one file."""
    np.savez(
        path,
        answers=answers.cpu().numpy(),
        targets=targets.cpu().numpy(),
        inputs=inputs,
        places=probes.places,
    )


def load(path: str) -> tuple[Tensor, Tensor, Rows, NDArray[np.int64]]:
    """Answers, targets, altered inputs and positions, as kept."""
    with np.load(path) as kept:
        answers, targets = torch.from_numpy(kept["answers"]), torch.from_numpy(kept["targets"])
        return answers, targets, kept["inputs"], kept["places"]
