"""Cross-entropy of softcapped logits, forward and backward, without logits or their gradient in float32 in memory.

A cap is a tuple: ("none",), ("tanh", c) for c * tanh(x / c), or ("sigmoid", c, a, b) for c * sigmoid((x + a) / b). Logits
[N, V] are contiguous. Without a GPU, and without Triton's interpreter, all is computed by PyTorch, in float32.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .lang import INTERPRETED, runs, tl, triton, wide

CONTEST = ("sigmoid", 23.0, 5.0, 7.5)

# logits that are read at once
BLOCK = 1024

# warps that share a row of logits
WARPS = 8


@triton.jit
def _losses(logits, targets, losses, norms, V, c, a, b, CAP: tl.constexpr, ACC: tl.constexpr, BLOCK: tl.constexpr):
    """The loss of one row, and the logarithm of its sum of exponentials."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * V
    top = tl.zeros((), dtype=ACC) - float("inf")
    total = tl.zeros((), dtype=ACC)

    for start in range(0, V, BLOCK):
        v = start + tl.arange(0, BLOCK)
        z = tl.load(logits + v, mask=v < V, other=0.0).to(ACC)
        if CAP:
            z = c * tl.sigmoid((z + a) / b)
        z = tl.where(v < V, z, -float("inf"))
        peak = tl.maximum(top, tl.max(z, axis=0))
        total = total * tl.exp(top - peak) + tl.sum(tl.exp(z - peak), axis=0)
        top = peak

    norm = top + tl.log(total)
    z = tl.load(logits + tl.load(targets + row)).to(ACC)
    if CAP:
        z = c * tl.sigmoid((z + a) / b)
    tl.store(losses + row, norm - z)
    tl.store(norms + row, norm)


@triton.jit
def _slopes(logits, targets, norms, weights, slopes, V, c, a, b, CAP: tl.constexpr, ACC: tl.constexpr,
            BLOCK: tl.constexpr):  # fmt: skip
    """The gradient of one row's loss by its logits, times the row's weight."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * V
    slopes += row * V
    target = tl.load(targets + row)
    norm = tl.load(norms + row)
    weight = tl.load(weights + row).to(ACC)

    for start in range(0, V, BLOCK):
        v = start + tl.arange(0, BLOCK)
        z = tl.load(logits + v, mask=v < V, other=0.0).to(ACC)
        bend = weight
        if CAP:
            share = tl.sigmoid((z + a) / b)
            z = c * share
            bend = weight * (c * share * (1.0 - share) / b)
        slope = (tl.exp(z - norm) - tl.where(v == target, 1.0, 0.0)) * bend
        tl.store(slopes + v, slope.to(slopes.dtype.element_ty), mask=v < V)


def _block() -> int:
    return 32 if INTERPRETED else BLOCK  # small, so that tests go around the loop


@torch.library.custom_op("speedrun_kernels::softcapped_cross_entropy", mutates_args=())
def _forward(logits: Tensor, targets: Tensor, c: float, a: float, b: float, cap: bool) -> tuple[Tensor, Tensor]:
    logits, (count, vocabulary) = logits.contiguous(), logits.shape
    losses, norms = _rows(logits), _rows(logits)
    _losses[(count,)](
        logits, targets.contiguous(), losses, norms, vocabulary, c, a, b, cap, wide(logits), _block(), num_warps=WARPS
    )
    return losses, norms


@torch.library.custom_op("speedrun_kernels::softcapped_cross_entropy_slope", mutates_args=())
def _backward(
    logits: Tensor, targets: Tensor, norms: Tensor, weights: Tensor, c: float, a: float, b: float, cap: bool
) -> Tensor:
    logits, (count, vocabulary) = logits.contiguous(), logits.shape
    slopes = torch.empty_like(logits)
    _slopes[(count,)](
        logits, targets.contiguous(), norms, weights.contiguous(), slopes, vocabulary, c, a, b, cap, wide(logits),
        _block(), num_warps=WARPS,
    )  # fmt: skip
    return slopes


def _rows(logits: Tensor) -> Tensor:
    """Room for a number for each row."""
    kind = torch.promote_types(logits.dtype, torch.float32)
    return torch.empty(logits.shape[0], dtype=kind, device=logits.device)


def _keep(ctx, inputs, output) -> None:
    ctx.set_materialize_grads(False)
    logits, targets, *ctx.cap = inputs
    ctx.save_for_backward(logits, targets, output[1])


def _slope(ctx, weights: Tensor, _) -> tuple:
    slope = None if weights is None else _backward(*ctx.saved_tensors, weights, *ctx.cap)
    return slope, None, None, None, None, None


_forward.register_fake(lambda logits, targets, c, a, b, cap: (_rows(logits), _rows(logits)))
_backward.register_fake(lambda logits, targets, norms, weights, c, a, b, cap: torch.empty_like(logits))
_forward.register_autograd(_slope, setup_context=_keep)


def _numbers(cap: tuple) -> tuple[float, float, float, bool]:
    """c, a, b of a cap as c * sigmoid((x + a) / b), up to a constant on which no loss depends; and whether there is a cap."""
    match cap:
        case ("none",):
            return 0.0, 0.0, 1.0, False
        case ("tanh", c):
            return 2.0 * c, 0.0, c / 2.0, True
        case ("sigmoid", c, a, b):
            return float(c), float(a), float(b), True
    raise ValueError(f"There is no cap {cap!r}; there are ('none',), ('tanh', c) and ('sigmoid', c, a, b).")


def capped(logits: Tensor, cap: tuple) -> Tensor:
    """Logits in float32 (float64 for float64) under a cap.

    Raises:
        ValueError: there is no such cap.
    """
    x = logits.to(torch.promote_types(logits.dtype, torch.float32))
    c, a, b, bent = _numbers(cap)
    if not bent:
        return x
    return cap[1] * torch.tanh(x / cap[1]) if cap[0] == "tanh" else c * torch.sigmoid((x + a) / b)


def softcapped_cross_entropy_eager(logits: Tensor, targets: Tensor, cap: tuple = CONTEST) -> Tensor:
    """Cross-entropies in nats [N] of logits [N, V] under a cap for targets [N]; float32 (float64 for float64)."""
    return F.cross_entropy(capped(logits, cap), targets.long(), reduction="none")


def softcapped_cross_entropy(logits: Tensor, targets: Tensor, cap: tuple = CONTEST) -> Tensor:
    """The same as one kernel each way. A target that is no token reads outside of the logits.

    Raises:
        ValueError: there is no such cap.
    """
    numbers = _numbers(cap)
    return _forward(logits, targets, *numbers)[0] if runs(logits) else softcapped_cross_entropy_eager(logits, targets, cap)
