"""Inputs and signs from seeds: the same for the evaluator and for the service, which has a frozen copy of this file."""

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RING = 3  # sets of outputs that take turns


def pool(seed: int, shape: list[int], kind: torch.dtype, device: str = DEVICE) -> list[torch.Tensor]:
    """Inputs x, g and dy for twice the tokens of the shape [B, T, H, D]; the scale of x differs from head to head."""
    source = torch.Generator(device).manual_seed(seed)
    batch, length, heads, width = shape
    tokens = 2 * batch * length

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=source, device=device)

    x = (draw(tokens, heads, width) * draw(tokens, heads, 1).exp()).to(kind)
    return [x, draw(tokens, heads).to(kind), draw(tokens, heads, width).to(kind)]


def weights(key: int, shape: list[int], kind: torch.dtype, device: str = DEVICE) -> list[torch.Tensor]:
    """Signs for the channels [D] and for tokens and heads [B * T * H], by which outputs are summed."""
    source = torch.Generator(device).manual_seed(key)
    batch, length, heads, width = shape
    sizes = (width, batch * length * heads)
    return [(2.0 * torch.randint(0, 2, (n,), generator=source, device=device) - 1.0).to(kind) for n in sizes]
