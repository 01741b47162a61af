"""A linear layer and the square of a ReLU as one product, and the perceptron of two layers made of it, with their gradients.

Tensors are contiguous and of one type. Sums are kept in float32 (float64 for float64). Without a GPU, and without Triton's
interpreter, all is computed by PyTorch.
"""

import torch
from torch import Tensor

from .lang import configs, runs, tl, triton, wide

# tiles of N_ x F_ numbers, sums over STEP columns at a time, GROUP rows of tiles in turn
CONFIGS = configs(
    ({"N_": 128, "F_": 256, "STEP": 64, "GROUP": 8}, 8, 3),
    ({"N_": 128, "F_": 256, "STEP": 64, "GROUP": 8}, 8, 4),
    ({"N_": 128, "F_": 128, "STEP": 64, "GROUP": 8}, 8, 3),
    N_=16,
    F_=32,
    STEP=16,
    GROUP=2,
)

# numbers of a program that only multiplies
BLOCK = 4096


@triton.autotune(configs=CONFIGS, key=["N", "F", "K", "BACK"])
@triton.heuristics({"EVEN": lambda at: at["K"] % at["STEP"] == 0})
@triton.jit
def _product(x, w, pre, out, N, F, K, BACK: tl.constexpr, EVEN: tl.constexpr, ACC: tl.constexpr, N_: tl.constexpr,
             F_: tl.constexpr, STEP: tl.constexpr, GROUP: tl.constexpr):  # fmt: skip
    """One tile of s = x @ w^T. Forward, pre = s and out = relu(s)^2; backward, out = s * 2 * relu(pre)."""
    down, across = tl.cdiv(N, N_), tl.cdiv(F, F_)
    # GROUP rows of tiles column by column: tiles made together share what L2 holds
    first = tl.program_id(0) // (GROUP * across) * GROUP
    inside = tl.program_id(0) % (GROUP * across)
    rows = tl.minimum(GROUP, down - first)
    n = (first + inside % rows) * N_ + tl.arange(0, N_)
    f = (inside // rows) * F_ + tl.arange(0, F_)
    k = tl.arange(0, STEP)
    # rows past the last are the first again: they are loaded without a mask, and never stored
    left = x + (n % N).to(tl.int64)[:, None] * K + k[None, :]
    right = w + (f % F).to(tl.int64)[:, None] * K + k[None, :]
    total = tl.zeros((N_, F_), dtype=ACC)
    for start in range(0, K, STEP):
        if EVEN:
            one = tl.load(left)
            two = tl.load(right)
        else:
            one = tl.load(left, mask=(k < K - start)[None, :], other=0.0)
            two = tl.load(right, mask=(k < K - start)[None, :], other=0.0)
        total = tl.dot(one, tl.trans(two), total, input_precision="ieee", out_dtype=ACC)
        left += STEP
        right += STEP
    place = n.to(tl.int64)[:, None] * F + f[None, :]
    there = (n < N)[:, None] & (f < F)[None, :]
    if BACK:
        before = tl.load(pre + place, mask=there, other=0.0).to(ACC)
        total *= 2.0 * tl.maximum(before, 0.0)
    else:
        tl.store(pre + place, total.to(pre.dtype.element_ty), mask=there)
        total = tl.maximum(total, 0.0)
        total *= total
    tl.store(out + place, total.to(out.dtype.element_ty), mask=there)


@triton.jit
def _scale(slope, pre, out, count, ACC: tl.constexpr, BLOCK: tl.constexpr):
    """out = slope * 2 * relu(pre)."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < count
    before = tl.load(pre + place, mask=there, other=0.0).to(ACC)
    value = tl.load(slope + place, mask=there, other=0.0).to(ACC) * (2.0 * tl.maximum(before, 0.0))
    tl.store(out + place, value.to(out.dtype.element_ty), mask=there)


def _launch(x: Tensor, w: Tensor, pre: Tensor, back: bool) -> Tensor:
    (count, width), features = x.shape, w.shape[0]
    out = torch.empty_like(pre)
    _product[lambda at: (triton.cdiv(count, at["N_"]) * triton.cdiv(features, at["F_"]),)](
        x, w, pre, out, count, features, width, back, ACC=wide(x)
    )
    return out


def _before(x: Tensor, w: Tensor) -> Tensor:
    """Room for x @ w^T."""
    return torch.empty(x.shape[0], w.shape[0], dtype=x.dtype, device=x.device)


# A layer


@torch.library.custom_op("speedrun_kernels::linear_relu2", mutates_args=())
def _linear(x: Tensor, w1: Tensor) -> tuple[Tensor, Tensor]:
    x, w1 = x.contiguous(), w1.contiguous()
    pre = _before(x, w1)
    return _launch(x, w1, pre, back=False), pre


@torch.library.custom_op("speedrun_kernels::relu2_slope", mutates_args=())
def _relu2_slope(slope: Tensor, pre: Tensor) -> Tensor:
    out = torch.empty_like(pre)
    _scale[(triton.cdiv(pre.numel(), BLOCK),)](slope.contiguous(), pre, out, pre.numel(), wide(pre), BLOCK, num_warps=8)
    return out


def _linear_keep(ctx, inputs, output) -> None:
    ctx.set_materialize_grads(False)  # no zeros for what only the gradient reads
    ctx.save_for_backward(*inputs, output[1])


def _linear_slope(ctx, slope: Tensor, _) -> tuple:
    if slope is None:
        return None, None
    x, w1, pre = ctx.saved_tensors
    before = _relu2_slope(slope, pre)
    return before @ w1, before.T @ x


_linear.register_fake(lambda x, w1: (_before(x, w1), _before(x, w1)))
_relu2_slope.register_fake(lambda slope, pre: torch.empty_like(pre))
_linear.register_autograd(_linear_slope, setup_context=_linear_keep)


# Two layers


@torch.library.custom_op("speedrun_kernels::mlp_relu2", mutates_args=())
def _mlp(x: Tensor, w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, w1 = x.contiguous(), w1.contiguous()
    pre = _before(x, w1)
    post = _launch(x, w1, pre, back=False)
    return post @ w2, pre, post


@torch.library.custom_op("speedrun_kernels::product_times_relu2_slope", mutates_args=())
def _product_slope(slope: Tensor, w2: Tensor, pre: Tensor) -> Tensor:
    """(slope @ w2^T) * 2 * relu(pre)."""
    return _launch(slope.contiguous(), w2.contiguous(), pre, back=True)


def _mlp_keep(ctx, inputs, output) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*inputs, *output[1:])


def _mlp_slope(ctx, slope: Tensor, *_) -> tuple:
    if slope is None:
        return None, None, None
    x, w1, w2, pre, post = ctx.saved_tensors
    before = _product_slope(slope, w2, pre)
    return before @ w1, before.T @ x, post.T @ slope


_mlp.register_fake(lambda x, w1, w2: (x.new_empty(x.shape[0], w2.shape[1]), _before(x, w1), _before(x, w1)))
_product_slope.register_fake(lambda slope, w2, pre: torch.empty_like(pre))
_mlp.register_autograd(_mlp_slope, setup_context=_mlp_keep)


# In PyTorch's terms


def linear_relu2_eager(x: Tensor, w1: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 for x [N, K] and w1 [F, K]: [N, F]."""
    return torch.relu(x @ w1.T).square()


def mlp_relu2_eager(x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 @ w2 for x [N, K], w1 [F, K] and w2 [F, D]: [N, D]."""
    return linear_relu2_eager(x, w1) @ w2


def linear_relu2(x: Tensor, w1: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 for x [N, K] and w1 [F, K]: [N, F]. The product before the ReLU is kept for the gradient."""
    return _linear(x, w1)[0] if runs(x) else linear_relu2_eager(x, w1)


def mlp_relu2(x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """relu(x @ w1^T)^2 @ w2 for x [N, K], w1 [F, K] and w2 [F, D]: [N, D]."""
    return _mlp(x, w1, w2)[0] if runs(x) else mlp_relu2_eager(x, w1, w2)
