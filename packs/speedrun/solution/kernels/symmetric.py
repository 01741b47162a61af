"""Products of a matrix with its own transpose, which are symmetric: half of the tiles are computed and the rest mirrored.

All tensors are contiguous; leading dimensions are a batch. Sums are kept in float32 (float64 for float64). Without a GPU, and
without Triton's interpreter, both functions are computed by PyTorch.
"""

import torch
from torch import Tensor

from .lang import configs, runs, tl, triton, wide

# warps that share a tile
WARPS = 4

# tiles of TILE x TILE numbers, sums over STEP columns at a time, GROUP columns of tiles in turn
CONFIGS = configs(
    ({"TILE": 128, "STEP": 64, "GROUP": 8}, WARPS, 4),
    TILE=16,
    STEP=16,
    GROUP=2,
)


@triton.jit
def _triangle(place):
    """Row and column of a place among those on and above a diagonal: (0, 0), (0, 1), (1, 1), (0, 2), .."""
    column = ((tl.sqrt(8.0 * place + 1.0) - 1.0) * 0.5).to(tl.int32)
    # the root is rounded
    column -= (column * (column + 1) // 2 > place).to(tl.int32)
    column += ((column + 1) * (column + 2) // 2 <= place).to(tl.int32)
    return place - column * (column + 1) // 2, column


@triton.jit
def _tile(place, tiles, GROUP: tl.constexpr):
    """The same for tiles, GROUP columns row by row, then the next, so that tiles made together share what L2 holds."""
    _, column = _triangle(place)
    first = column // GROUP * GROUP
    across = tl.minimum(GROUP, tiles - first)
    inside = place - first * (first + 1) // 2
    above = first * across  # tiles of this group above its own triangle
    row, column = _triangle(tl.maximum(inside - above, 0))
    row = tl.where(inside < above, inside // across, first + row)
    column = tl.where(inside < above, first + inside % across, first + column)
    return row, column


@triton.jit
def _finish(x, out, total, row, column, M, beta, alpha, ADD: tl.constexpr, TILE: tl.constexpr):
    """Write a tile of alpha * total, plus beta * x if ADD, and its mirror image."""
    i = row * TILE + tl.arange(0, TILE)
    j = column * TILE + tl.arange(0, TILE)
    total *= alpha
    inside = (i < M)[:, None] & (j < M)[None, :]
    place = i.to(tl.int64)[:, None] * M + j[None, :]
    if ADD:
        total += beta * tl.load(x + place, mask=inside, other=0.0).to(total.dtype)
    value = total.to(out.dtype.element_ty)
    tl.store(out + place, value, mask=inside)
    if row != column:
        mirrored = j.to(tl.int64)[:, None] * M + i[None, :]
        tl.store(out + mirrored, tl.trans(value), mask=(j < M)[:, None] & (i < M)[None, :])


@triton.autotune(configs=CONFIGS, key=["M", "K", "ADD"])
@triton.heuristics({"EVEN": lambda at: at["K"] % at["STEP"] == 0})
@triton.jit
def _symmetric(x, out, M, K, beta, alpha, ADD: tl.constexpr, EVEN: tl.constexpr, ACC: tl.constexpr, TILE: tl.constexpr,
               STEP: tl.constexpr, GROUP: tl.constexpr):  # fmt: skip
    """One tile of alpha * x @ x^T, plus beta * x if ADD, and its mirror image."""
    tiles = tl.cdiv(M, TILE)
    each = tiles * (tiles + 1) // 2
    batch = (tl.program_id(0) // each).to(tl.int64)
    row, column = _tile(tl.program_id(0) % each, tiles, GROUP)
    x += batch * M * K
    out += batch * M * M
    i = row * TILE + tl.arange(0, TILE)
    j = column * TILE + tl.arange(0, TILE)
    k = tl.arange(0, STEP)
    # rows past the last are the first again: they are loaded without a mask, and never stored
    left = x + (i % M).to(tl.int64)[:, None] * K + k[None, :]
    right = x + (j % M).to(tl.int64)[None, :] * K + k[:, None]
    total = tl.zeros((TILE, TILE), dtype=ACC)
    for start in range(0, K, STEP):
        if EVEN:
            one = tl.load(left)
            two = tl.load(right)
        else:
            one = tl.load(left, mask=(k < K - start)[None, :], other=0.0)
            two = tl.load(right, mask=(k < K - start)[:, None], other=0.0)
        total = tl.dot(one, two, total, input_precision="ieee", out_dtype=ACC)
        left += STEP
        right += STEP
    _finish(x, out, total, row, column, M, beta, alpha, ADD, TILE)


def _launch(x: Tensor, beta: float, alpha: float, add: bool) -> Tensor:
    x = x.contiguous()
    *batch, rows, width = x.shape
    out = torch.empty(*batch, rows, rows, dtype=x.dtype, device=x.device)
    count = x.shape[:-2].numel()

    def grid(at: dict) -> tuple[int]:
        tiles = triton.cdiv(rows, at["TILE"])
        return (count * (tiles * (tiles + 1) // 2),)

    _symmetric[grid](x, out, rows, width, beta, alpha, add, ACC=wide(x))
    return out


@torch.library.custom_op("speedrun_kernels::xxt", mutates_args=())
def _xxt(x: Tensor) -> Tensor:
    return _launch(x, 0.0, 1.0, add=False)


@torch.library.custom_op("speedrun_kernels::ba_plus_caa", mutates_args=())
def _ba_plus_caa(a: Tensor, beta: float, alpha: float) -> Tensor:
    return _launch(a, beta, alpha, add=True)


def _xxt_slope(ctx, slope: Tensor) -> Tensor:
    return (slope + slope.mT) @ ctx.saved_tensors[0]


def _ba_plus_caa_slope(ctx, slope: Tensor) -> tuple:
    return ctx.beta * slope + ctx.alpha * ((slope + slope.mT) @ ctx.saved_tensors[0]), None, None


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(inputs[0])
    _, ctx.beta, ctx.alpha = inputs if len(inputs) == 3 else (None, 0.0, 1.0)


_xxt.register_fake(lambda x: x.new_empty(*x.shape[:-1], x.shape[-2]))
_xxt.register_autograd(_xxt_slope, setup_context=_keep)
_ba_plus_caa.register_fake(lambda a, beta, alpha: torch.empty(a.shape, dtype=a.dtype, device=a.device))
_ba_plus_caa.register_autograd(_ba_plus_caa_slope, setup_context=_keep)


def xxt_eager(x: Tensor) -> Tensor:
    """x @ x^T for x [.., M, K]: [.., M, M]."""
    return x @ x.mT


def ba_plus_caa_eager(a: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * a + alpha * a @ a^T for a [.., M, M]: [.., M, M]."""
    flat = a.reshape(-1, *a.shape[-2:])
    return torch.baddbmm(flat, flat, flat.mT, beta=beta, alpha=alpha).view(a.shape)


def xxt(x: Tensor) -> Tensor:
    """x @ x^T for x [.., M, K]: [.., M, M]."""
    return _xxt(x) if runs(x) else xxt_eager(x)


def ba_plus_caa(a: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * a + alpha * a @ a^T for a symmetric a [.., M, M]: [.., M, M]. That a is symmetric is not looked at."""
    return _ba_plus_caa(a, beta, alpha) if runs(a) else ba_plus_caa_eager(a, beta, alpha)
