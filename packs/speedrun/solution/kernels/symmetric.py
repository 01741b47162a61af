"""Products of a matrix with its own transpose, which are symmetric: half of the tiles are computed and the rest mirrored.

All tensors are contiguous; leading dimensions are a batch. Sums are kept in float32 (float64 for float64). Without a GPU, and
without Triton's interpreter, both functions are computed by PyTorch.
"""

import torch
from torch import Tensor

from .lang import runs


def xxt_eager(x: Tensor) -> Tensor:
    """x @ x^T for x [.., M, K]: [.., M, M]."""
    return x @ x.mT


def ba_plus_caa_eager(a: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * a + alpha * a @ a^T for a [.., M, M]: [.., M, M]."""
    flat = a.reshape(-1, *a.shape[-2:])
    return torch.baddbmm(flat, flat, flat.mT, beta=beta, alpha=alpha).view(a.shape)


def xxt(x: Tensor) -> Tensor:
    """x @ x^T for x [.., M, K]: [.., M, M]."""
    return xxt_eager(x)


def ba_plus_caa(a: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * a + alpha * a @ a^T for a symmetric a [.., M, M]: [.., M, M]. That a is symmetric is not looked at."""
    return ba_plus_caa_eager(a, beta, alpha)
