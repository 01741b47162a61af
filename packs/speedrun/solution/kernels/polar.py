"""The polar factor of a matrix, which Muon steps along, by a few odd polynomials of degree 5."""

import torch
from torch import Tensor

from .symmetric import ba_plus_caa, ba_plus_caa_eager, xxt, xxt_eager

# Polar Express (Amsel and others 2025, arXiv 2505.16932): the polynomials of five iterations, with a little safety
POLYNOMIALS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
MARGIN = 0.02


def _added(x: Tensor, left: Tensor, a: float) -> Tensor:
    """a * x + left @ x, one rounding."""
    flat = x.reshape(-1, *x.shape[-2:])
    return torch.baddbmm(flat, left.reshape(-1, *left.shape[-2:]), flat, beta=a).view(x.shape)


def polar_step(x: Tensor, a: float, b: float, c: float) -> Tensor:
    """(a + b * s + c * s^2) @ x with s = x @ x^T, for x [.., M, K] with M <= K."""
    return _added(x, ba_plus_caa(xxt(x), b, c), a)


def polar_step_eager(x: Tensor, a: float, b: float, c: float) -> Tensor:
    """The same by PyTorch alone."""
    return _added(x, ba_plus_caa_eager(xxt_eager(x), b, c), a)


def _express(g: Tensor, steps: int, kind: torch.dtype, step) -> Tensor:
    if not 1 <= steps <= len(POLYNOMIALS):
        raise ValueError(f"steps is {steps}; there are polynomials for 1 to {len(POLYNOMIALS)}.")
    tall = g.shape[-2] > g.shape[-1]
    x = (g.mT if tall else g).to(kind)
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) * (1 + MARGIN) + 1e-6)).contiguous()
    for polynomial in POLYNOMIALS[:steps]:
        x = step(x, *polynomial)
    return x.mT.contiguous() if tall else x


def polar_express(g: Tensor, steps: int = 5, kind: torch.dtype = torch.bfloat16) -> Tensor:
    """The matrices g [.., M, K] with their singular values brought near 1; computed and returned in `kind`.

    Raises:
        ValueError: there are no polynomials for so many steps.
    """
    return _express(g, steps, kind, polar_step)


def polar_express_eager(g: Tensor, steps: int = 5, kind: torch.dtype = torch.bfloat16) -> Tensor:
    """The same by PyTorch alone."""
    return _express(g, steps, kind, polar_step_eager)
