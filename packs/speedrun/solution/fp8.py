"""A matrix product in 8 bits, forward and backward, on GPUs that have one."""

from __future__ import annotations

import torch
from torch import Tensor

# largest numbers of the two types of 8 bits
MOST_VALUE, MOST_SLOPE = 448.0, 57344.0

# what the gradients of losses by logits are at most, when each of N losses counts 1 / N
SLOPE = 4.0


def rounded(x: Tensor, scale: Tensor, kind: torch.dtype) -> Tensor:
    """x / scale in 8 bits; what is too large becomes the largest."""
    most = MOST_VALUE if kind == torch.float8_e4m3fn else MOST_SLOPE
    return (x.float() / scale).clamp(-most, most).to(kind)


fused = torch.compile(rounded, dynamic=False, fullgraph=True)  # one pass, and no copy in float32


def small(x: Tensor, scale: Tensor, kind: torch.dtype) -> Tensor:
    """`rounded`, in one pass on a GPU."""
    return fused(x, scale, kind) if x.is_cuda else rounded(x, scale, kind)


def scales(x: Tensor, *numbers: float) -> list[Tensor]:
    """Numbers as tensors in float32 beside x, for which the host need not wait."""
    return [torch.full((), number, dtype=torch.float32, device=x.device) for number in numbers]


def multiply(one: Tensor, two: Tensor, scale1: Tensor, scale2: Tensor) -> Tensor:
    """[N, K] and [M, K] in 8 bits -> one @ two^T in bfloat16; both are contiguous."""
    return torch._scaled_mm(one, two.T, scale_a=scale1, scale_b=scale2, out_dtype=torch.bfloat16, use_fast_accum=True)


@torch.library.custom_op("speedrun_trainer::linear8", mutates_args=())
def product(x: Tensor, weight: Tensor, most_x: float, most_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    """[N, C] and [V, C] -> x @ weight^T, and both factors in 8 bits, where `most_...` are their largest numbers."""
    one, two = scales(x, most_x / MOST_VALUE, most_weight / MOST_VALUE)
    x8, weight8 = small(x, one, torch.float8_e4m3fn), small(weight, two, torch.float8_e4m3fn)
    return multiply(x8, weight8, one, two), x8, weight8


@product.register_fake
def _(x: Tensor, weight: Tensor, most_x: float, most_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    kind = torch.float8_e4m3fn
    out = x.new_empty(len(x), len(weight), dtype=torch.bfloat16)
    return out, torch.empty_like(x, dtype=kind), torch.empty_like(weight, dtype=kind)


@torch.library.custom_op("speedrun_trainer::linear8_slope", mutates_args=())
def slopes(slope: Tensor, x8: Tensor, weight8: Tensor, most_x: float, most_weight: float) -> tuple[Tensor, Tensor]:
    """The gradients by x and weight of what `product` made, from the gradient by its result [N, V]."""
    one, two = scales(x8, most_x / MOST_VALUE, most_weight / MOST_VALUE)
    [three] = scales(slope, SLOPE / len(slope) / MOST_SLOPE)
    slope8 = small(slope, three, torch.float8_e5m2)
    by_x = multiply(slope8, weight8.T.contiguous(), three, two)
    by_weight = multiply(slope8.T.contiguous(), x8.T.contiguous(), three, one)
    return by_x, by_weight


@slopes.register_fake
def _(slope: Tensor, x8: Tensor, weight8: Tensor, most_x: float, most_weight: float) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x8, dtype=torch.bfloat16), torch.empty_like(weight8, dtype=torch.bfloat16)


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*output[1:])
    ctx.scales = inputs[2:]
    ctx.set_materialize_grads(False)


def _slopes(ctx, slope: Tensor, *_unused: object) -> tuple[Tensor, Tensor, None, None]:
    return *slopes(slope.contiguous(), *ctx.saved_tensors, *ctx.scales), None, None


product.register_autograd(_slopes, setup_context=_keep)


def linear8(x: Tensor, weight: Tensor, most_x: float, most_weight: float) -> Tensor:
    """[N, C] and [V, C] in bfloat16 -> x @ weight^T in bfloat16, with gradients; N, C and V divide by 16."""
    return product(x, weight, most_x, most_weight)[0]
