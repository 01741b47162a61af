"""Inputs and signs from seeds: the same for the evaluator and for the service, which has a frozen copy of this file.

A task is a kernel, the sizes it works on, the type of its inputs, and constants that go with it:
xxt and polar, [batch, M, K]; caa, of a symmetric matrix, [batch, M, M]; linear and mlp, [N, K, F]; loss, [N, V].
"""

import torch
from torch import Tensor

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PART = 32  # one row in so many is summed for the answer


def draw(kernel: str, shape: list[int], kind: torch.dtype, seed: int, device: str = DEVICE) -> list[Tensor]:
    """The inputs of one step, those that have gradients first; the gradient of the output last, where there is one."""
    source = torch.Generator(device).manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=source, device=device)

    def tokens(count: int, most: int) -> Tensor:
        return torch.randint(0, most, (count,), generator=source, device=device)

    if kernel in ("xxt", "caa", "polar"):
        *_, rows, width = shape
        # singular values up to about one, and rows of unlike sizes
        x = some(*shape) * (0.5 * some(*shape[:-1], 1)).exp() / (rows**0.5 + width**0.5)
        return [((x + x.mT) if kernel == "caa" else x).to(kind)]
    if kernel == "loss":
        count, vocabulary = shape
        logits = some(count, vocabulary) * (some(count, 1) + 1.0).clamp(max=2.0).exp()
        return [logits.to(kind), tokens(count, vocabulary), some(count)]
    count, width, features = shape
    x = (some(count, width) * (0.5 * some(count, 1)).exp()).to(kind)
    w1, w2 = ((some(features, width) / width**0.5).to(kind) for _ in range(2))
    if kernel == "linear":
        return [x, w1, some(count, features).to(kind)]
    return [x, w1, w2, some(count, width).to(kind)]


def mixed(numbers: Tensor) -> Tensor:
    """Numbers below 2^32 made of others, as good as random (int64); the service's kernel does the same."""
    low = 0xFFFFFFFF
    numbers = numbers & low
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        numbers = ((numbers ^ (numbers >> shift)) * factor) & low
    return numbers ^ (numbers >> 16)


def flat(output: Tensor) -> Tensor:
    """An output as rows: [.., width] as [rows, width], and [N] as [N, 1]."""
    return output.reshape(-1, output.shape[-1] if output.ndim > 1 else 1)


def looked(keys: Tensor, rows: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """By keys [2]: which rows of an output [rows, width] are summed, one in PART, and the signs of rows and columns."""
    drawn = mixed(keys[0] + torch.arange(-(-rows // PART), device=keys.device))
    columns = mixed(keys[1] + torch.arange(width, device=keys.device))
    return (drawn >> 1) % rows, 1 - 2 * (drawn & 1), 1 - 2 * (columns & 1)


def signed_sum(output: Tensor, keys: Tensor) -> Tensor:
    """The sum of the rows that are looked at, with signs, in float32 (float64 for float64)."""
    where, down, across = looked(keys, *output.shape)
    each = output[where]
    each = each.to(torch.promote_types(each.dtype, torch.float32))
    return down.to(each.dtype) @ (each @ across.to(each.dtype))
