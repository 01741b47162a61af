"""The attention's epilogue y = g * x / sqrt(mean(x^2) + eps), forward and backward, into tensors that are given.

x, y, dy, dx are [B, T, H, D], g and dg [B, T, H], all contiguous and of one type, on one device.
"""

import torch
from torch import Tensor

EPS = 1e-6


def forward(x: Tensor, g: Tensor, y: Tensor) -> None:
    """Write y."""
    wide = x.float()
    inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPS)
    y.copy_(wide * inverse * g.float().unsqueeze(-1))


def backward(x: Tensor, g: Tensor, dy: Tensor, dx: Tensor, dg: Tensor) -> None:
    """Write the gradients of x and g for the gradient dy of y."""
    wide, slope = x.float(), dy.float()
    inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPS)
    normed = wide * inverse
    along = (normed * slope).sum(-1, keepdim=True)
    dg.copy_(along.squeeze(-1))
    dx.copy_((slope - normed * along / x.shape[-1]) * inverse * g.float().unsqueeze(-1))
