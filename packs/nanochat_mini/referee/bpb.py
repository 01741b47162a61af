"""Bits per byte: what is summed, and over what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Sums:
    """Nats and bytes of the targets so far; targets without bytes (special tokens) count in neither."""

    nats: float = 0.0
    bytes: int = 0
    tokens: int = 0

    def add(self, nll: Tensor, targets: Tensor, token_bytes: Tensor) -> None:
        """Take in -log p of each target, of any shape; `token_bytes` [V] lies on the same device."""
        sizes = token_bytes[targets]
        self.nats += float((nll.double() * (sizes > 0)).sum())
        self.bytes += int(sizes.sum())
        self.tokens += targets.numel()

    @property
    def bits_per_byte(self) -> float:
        """Infinite where there was nothing to sum."""
        return self.nats / (math.log(2) * self.bytes) if self.bytes else math.inf


def nll_of(logits: Tensor, targets: Tensor) -> Tensor:
    """-log p of the targets [...] under softmax of logits [..., V], in float32: a distribution by construction."""
    import torch

    return torch.nn.functional.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), reduction="none").view(
        targets.shape
    )
