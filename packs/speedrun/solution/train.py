"""A small language model, trained for a fixed number of steps on 1 to 8 GPUs: model, optimizer, loop. The baseline.

The harness calls `train` in one process for each GPU, and `load` in another. R rows, T tokens a row, V tokens in the
padded vocabulary, L layers, H heads of D channels, C = H * D channels, W ranks.
"""

from __future__ import annotations

import gc
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
import torch.nn.functional as F
from fp8 import linear8
from kernels.cross_entropy import softcapped_cross_entropy
from kernels.linear_relu2 import linear_relu2
from kernels.polar import polar_express
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Run, Stream

# --- the model's sizes ---

# layers
DEPTH = 12  # tune: 8..16

# channels
WIDTH = 768  # tune: 512 | 640 | 768 | 896 | 1024

# channels of a head
HEAD_WIDTH = 128  # tune: 64 | 128

# the width of the MLP, in widths of the model
EXPANSION = 4  # tune: 2..6

# tables of value embeddings; each serves one of the first layers and one of the last
VALUE_TABLES = 3  # tune: 1..6

# the vocabulary is padded to a multiple of this
VOCABULARY_UNIT = 128  # tune: no

# layer by layer, repeated: S sees the short window, L the long one; the last layer is always L
WINDOWS = "LSSS"  # tune: no

# channels of a head that are turned; the others say nothing of positions
ROTARY_WIDTH = 64  # tune: 32 | 64 | 96 | 128

# wavelengths of the rotary embedding
ROTARY_BASE = 1024

# scale of the products of queries and keys
ATTENTION_SCALE = 0.12

# logits z become CAP * sigmoid((z + CAP_SHIFT) / CAP_WIDTH)
CAP = 30.0

# see CAP
CAP_SHIFT = 0.0

# see CAP
CAP_WIDTH = 7.5

# --- the start ---

# scale of the matrices that do not begin at zero
MATRIX_INIT = 0.5

# --- the optimizer ---

# token embedding
EMBED_LR = 0.6

# value embeddings
VALUE_LR = 0.6

# the head
HEAD_LR = 0.008

# scalars and gates
SCALAR_LR = 0.04

# of Adam
ADAM_BETAS = [0.8, 0.95]

# matrices, by Muon
MATRIX_LR = 0.06

# momentum of Muon at the start
MOMENTUM_FIRST = 0.85

# momentum of Muon from then on
MOMENTUM_LAST = 0.95

# steps between the two
MOMENTUM_STEPS = 300

# iterations of the orthogonalization, at most 5
POLAR_STEPS = 5  # tune: 3..5

# --- the schedule ---

# steps of the optimizer
STEPS = 2400

# tokens of a step in each stage of the run, over all ranks; stages are equally long. Taken are whole rows for RANKS
BATCHES = [262_144, 262_144, 262_144]

# tokens of the rows that a step is cut into
LENGTH = 8192  # tune: no

# ranks among which a step can be divided
RANKS = 8  # tune: no

# tokens back that an S layer sees, stage by stage
SHORT_WINDOWS = [128, 384, 640]

# tokens back that an L layer sees, stage by stage
LONG_WINDOWS = [384, 896, 1408]

# share of the run at its end in which rates fall, linearly
WARMDOWN = 0.45

# rates at the end, in peaks
FINAL_LR = 0.1

# --- the machine ---

# tokens that go through the model at once on a GPU, at most
MICRO_TOKENS = 65_536  # tune: no

# the product of the head in 8 bits, on a GPU
FP8_HEAD = False

# scale of the head's weights in 8 bits
FP8_WEIGHT = 2.0

# a smaller parameter is not shared out among ranks
SHARED_OUT = 65_536  # tune: no

# steps between points of the log
LOG_EVERY = 10  # tune: no

# dummy steps for each stage before the clock runs
DUMMY_STEPS = 2  # tune: no


# --- attention ---

BLOCKS: dict[tuple[int, int], BlockMask] = {}  # (window, T) -> the blocks that FlexAttention computes


def within(window: int) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Say which positions see which: themselves and `window` before."""

    def sees(_row: Tensor, _head: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (j <= i) & (i - j <= window)

    return sees


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Attention to the position itself and `window` before it: three of [R, T, H, D] -> [R, T, H, D]."""
    length = q.size(1)
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    if window >= length - 1:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=ATTENTION_SCALE)
    elif (window, length) in BLOCKS:
        y = flex_attention(q, k, v, block_mask=BLOCKS[window, length], scale=ATTENTION_SCALE)
    else:
        back = torch.arange(length, device=q.device)[:, None] - torch.arange(length, device=q.device)
        near = (back >= 0) & (back <= window)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=near, scale=ATTENTION_SCALE)
    return y.transpose(1, 2)


def windows(stage: int) -> list[int]:
    """Return how far back each layer sees in a stage, in tokens."""
    letters = [WINDOWS[layer % len(WINDOWS)] for layer in range(DEPTH - 1)] + ["L"]
    return [SHORT_WINDOWS[stage] if letter == "S" else LONG_WINDOWS[stage] for letter in letters]


# --- the model ---


def norm(x: Tensor) -> Tensor:
    """Scale to a root mean square of 1 over the last axis."""
    return F.rms_norm(x, (x.size(-1),), eps=1e-6)


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of [R, T, H, D] by the cosines and sines [T, 1, D / 2]."""
    cos, sin = turns
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos + two * sin, two * cos - one * sin], dim=-1)


def speeds() -> Tensor:
    """Return how fast the channels of a head turn, [D / 2], in radians a token."""
    turned = torch.linspace(0, 1, ROTARY_WIDTH // 2)
    return F.pad(ROTARY_BASE**-turned, (0, (HEAD_WIDTH - ROTARY_WIDTH) // 2))


def value_table(layer: int) -> int | None:
    """Return the table of value embeddings of a layer: those of the first layers serve the last, too."""
    tables = min(VALUE_TABLES, DEPTH // 2)
    from_last = layer - (DEPTH - tables)
    return layer if layer < tables else from_last if from_last >= 0 else None


class Head(nn.Module):
    """What the referee makes logits with: c * sigmoid((x @ weight^T + a) / b), with c, a, b in `cap`."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary, WIDTH))
        self.register_buffer("cap", torch.tensor([CAP, CAP_SHIFT, CAP_WIDTH]))

    def forward(self, x: Tensor) -> Tensor:
        """The logits before the cap: [N, C] -> [N, V]."""
        if FP8_HEAD and x.is_cuda:
            return linear8(x, self.weight, x.size(-1) ** 0.5, FP8_WEIGHT)
        return F.linear(x, self.weight)


class Model(nn.Module):
    """The language model. Its state dict is what is sealed.

    Matrices of one shape are one parameter: a rank updates some of them, and what a step moves is moved at once.
    """

    def __init__(self, vocabulary: int, length: int) -> None:
        super().__init__()
        self.gates, self.scalars = nn.ParameterDict(), nn.ParameterDict()
        # tables of tokens
        self.embed = nn.Parameter(torch.randn(vocabulary, WIDTH))
        self.values = nn.Parameter(torch.zeros(min(VALUE_TABLES, DEPTH // 2), vocabulary, WIDTH))
        self.head = Head(vocabulary)
        # of each layer: query, key, value, out
        self.attention = nn.Parameter(torch.zeros(4 * DEPTH, WIDTH, WIDTH))
        # of each layer: up, and down transposed
        self.mlp = nn.Parameter(torch.zeros(2 * DEPTH, EXPANSION * WIDTH, WIDTH))
        # of each layer: how much it reads of the stream and of the embedding
        self.scalars["keep"] = torch.ones(DEPTH)
        self.scalars["first"] = torch.zeros(DEPTH)
        # of the first half of the layers: what comes to the second
        self.scalars["skip"] = torch.ones(DEPTH // 2)
        # of values: what the stream says and what the token does
        self.scalars["mix"] = torch.full((DEPTH, 2), 0.5)
        # what ideas add is made here

        self.windows = windows(0)
        self.register_buffer("cos", torch.zeros(length, 1, HEAD_WIDTH // 2), persistent=False)
        self.register_buffer("sin", torch.zeros(length, 1, HEAD_WIDTH // 2), persistent=False)
        self.turn(speeds())
        self.begin()

    def turn(self, by: Tensor) -> None:
        """Fill the tables of the rotary embedding, for speeds [D / 2] in radians a token."""
        angles = torch.outer(torch.arange(len(self.cos), device=by.device), by)[:, None]
        self.cos.copy_(angles.cos())
        self.sin.copy_(angles.sin())

    @torch.no_grad()
    def begin(self) -> None:
        """Set the first values of matrices; what leads back to the stream stays at zero."""
        bound = MATRIX_INIT * math.sqrt(3 / WIDTH)
        attention, mlp = self.attention.unflatten(0, (DEPTH, 4)), self.mlp.unflatten(0, (DEPTH, 2))
        nn.init.uniform_(attention[:, :3], -bound, bound)
        nn.init.uniform_(mlp[:, 0], -bound, bound)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """[R, T], twice -> the mean loss in nats."""
        return self.loss(self.stream(tokens), targets)

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """What the head reads, [R, T, C], and targets [R, T] -> the mean loss in nats."""
        logits = self.head(x.flatten(0, 1))
        losses = softcapped_cross_entropy(logits, targets.flatten(), ("sigmoid", CAP, CAP_SHIFT, CAP_WIDTH))
        # what is minimised besides joins here

        return losses.mean()

    def stream(self, tokens: Tensor) -> Tensor:
        """[R, T] -> what the head reads, [R, T, C]."""
        matrices, mlps = self.attention.unbind(), self.mlp.unbind()
        values = self.values.unbind()
        scalars = {name: scalar.to(self.embed.dtype) for name, scalar in self.scalars.items()}
        x = F.embedding(tokens, self.embed)
        # what else a token is known by joins here

        x = first = norm(x)
        # from here on each layer reads `first` too

        early: list[Tensor] = []
        for layer in range(DEPTH):
            if layer >= DEPTH - DEPTH // 2:
                # what the second half gets from the first
                x = x + scalars["skip"][DEPTH - 1 - layer] * early.pop()

            x = scalars["keep"][layer] * x + scalars["first"][layer] * first
            # what a layer reads besides joins here

            table = value_table(layer)
            of_tokens = None if table is None else F.embedding(tokens, values[table])
            x = x + self.attend(layer, norm(x), matrices[4 * layer : 4 * layer + 4], of_tokens, scalars["mix"][layer])
            # between attention and the MLP

            x = x + self.think(norm(x), *mlps[2 * layer : 2 * layer + 2])
            # what a layer leaves to later ones is kept here

            if layer < DEPTH // 2:
                early.append(x)

        # what the head should not read goes here

        return norm(x)

    def attend(
        self, layer: int, x: Tensor, matrices: tuple[Tensor, ...], of_tokens: Tensor | None, mix: Tensor
    ) -> Tensor:
        """Causal attention with rotary positions, normed queries and keys: [R, T, C] -> [R, T, C].

        Args:
            layer: whose it is.
            x: what it reads.
            matrices: of queries, keys, values and what comes out, [C, C] each.
            of_tokens: value embeddings [R, T, C], where the layer has some.
            mix: of values, how much comes from the stream, and how much from the tokens.
        """
        weight = torch.cat(matrices[:3])  # one product is faster than three
        q, k, v = F.linear(x, weight).unflatten(-1, (3, WIDTH // HEAD_WIDTH, HEAD_WIDTH)).unbind(2)

        v = mix[0] * v
        if of_tokens is not None:
            more = of_tokens.view_as(v)
            v = v + mix[1] * more

        turns = self.cos[: x.size(1)], self.sin[: x.size(1)]
        q, k = norm(q), norm(k)
        q, k = rotate(q, turns), rotate(k, turns)
        # queries, keys and values are done

        y = attend(q, k, v, self.windows[layer])
        # [R, T, H, D]: the heads are apart until here

        y = y.flatten(-2)
        return F.linear(y, matrices[3])

    def think(self, x: Tensor, up: Tensor, down: Tensor) -> Tensor:
        """Two matrices with a squared ReLU between: [R, T, C], two of [E * C, C] -> [R, T, C]."""
        hidden = linear_relu2(x.flatten(0, 1), up)
        return (hidden @ down).view_as(x)


def build(vocabulary: int, length: int, device: torch.device, low: bool | None = None) -> Model:
    """Return a model with its first values; `low`, as on a GPU: all is in bfloat16 but scalars and gates."""
    with torch.device(device):
        model = Model(vocabulary, length)
    if low or (low is None and device.type == "cuda"):
        for name, param in model.named_parameters():
            if not name.startswith(("scalars.", "gates.")):
                param.data = param.data.bfloat16()
        model.cos, model.sin = model.cos.bfloat16(), model.sin.bfloat16()
    return model


def padded(vocabulary: int) -> int:
    """Return the size of the tables of tokens."""
    return -(-vocabulary // VOCABULARY_UNIT) * VOCABULARY_UNIT


# --- the optimizer ---

# these have new names from PyTorch 2.13 on
reduce_scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


@dataclass(frozen=True)
class Adam:
    """Settings of Adam for parameters of any shape."""

    rate: float
    betas: tuple[float, float]
    eps: float = 1e-10


@dataclass(frozen=True)
class Muon:
    """Settings of Muon for matrices."""

    rate: float


def settings() -> dict[str, Adam | Muon]:
    """Return how parameters are trained: the first prefix of a name decides. One prefix is one group."""
    betas = (ADAM_BETAS[0], ADAM_BETAS[1])
    return {
        "attention": Muon(MATRIX_LR),
        # the long ones first: while they travel, others are updated
        "mlp": Muon(MATRIX_LR),
        # rows of tables are one token's: sparse gradients, large steps
        "embed": Adam(EMBED_LR, betas),
        # likewise, layer by layer
        "values": Adam(VALUE_LR, betas),
        # small steps: it scales all logits
        "head": Adam(HEAD_LR, betas),
        # what the baseline has
        "scalars.": Adam(SCALAR_LR, betas),
        # what ideas bring
        "gates.": Adam(SCALAR_LR, betas),
    }


def adam_update(values: Tensor, grads: Tensor, state: dict[str, Tensor], numbers: dict[str, Tensor]) -> None:
    """Adam on flat tensors in place; `numbers` are scalars, as `AdamGroup.update` makes them."""
    grads, mean, square = grads.float(), state["mean"], state["square"]
    mean.add_((grads - mean) * numbers["new1"])
    square.add_((grads.square() - square) * numbers["new2"])
    update = mean / (square.sqrt() * numbers["root"] + numbers["eps"])
    # what bears on an update of Adam goes here

    values.sub_(update * numbers["stride"])


def muon_update(values: Tensor, grads: Tensor, state: dict[str, Tensor], numbers: dict[str, Tensor]) -> None:
    """Muon on matrices [N, rows, columns] in place; `numbers` are scalars, as `MuonGroup.update` makes them."""
    grads, mean = grads.float(), state["mean"]
    mean.add_((grads - mean) * numbers["new1"])
    update = grads + (mean - grads) * numbers["momentum"]
    # what bears on an update before it is orthogonalized goes here

    update = orthogonal(update).float()
    # what bears on it afterwards goes here

    values.sub_(numbers["rate"] * update)


def orthogonal(matrices: Tensor) -> Tensor:
    """Push the singular values of [N, rows, columns] towards 1."""
    return polar_express(matrices, POLAR_STEPS, torch.bfloat16 if matrices.is_cuda else matrices.dtype)


class Group:
    """Parameters that are updated together, each rank its own part where they are large: reduce, update, give back.

    Attributes:
        params: of the model.
        shared: whether each rank updates a part; otherwise each does all of it.
        parts: how many parts there are.
        own: the number of this rank's.
        values: what this rank updates, in float32.
    """

    def __init__(self, params: list[Tensor], rank: int, ranks: int, unit: int = 1) -> None:
        self.params = params
        self.ranks = ranks
        self.size = sum(p.numel() for p in params)
        self.unit = unit  # numbers that stay together
        self.shared = ranks > 1 and len(params) == 1 and self.size >= SHARED_OUT
        self.parts, self.own = (ranks, rank) if self.shared else (1, 0)
        self.part = -(-self.size // (self.unit * self.parts)) * self.unit
        self.values = self.mine(self.flat(params)).float().clone()
        self.state: dict[str, Tensor] = {}
        self.numbers: dict[str, Tensor] = {}
        self.moving: dist.Work | None = None

    def flat(self, tensors: list[Tensor]) -> Tensor:
        """All numbers in a row, with zeros behind them until all parts are equally long."""
        flat = tensors[0].reshape(-1) if len(tensors) == 1 else torch.cat([t.reshape(-1) for t in tensors])
        missing = self.parts * self.part - self.size
        return F.pad(flat, (0, missing)) if missing else flat

    def mine(self, flat: Tensor) -> Tensor:
        """This rank's part."""
        return flat[self.own * self.part : (self.own + 1) * self.part]

    def reduce(self) -> None:
        """Begin to bring this rank's part of the sum of all ranks' gradients here; missing ones count as zeros."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        self.sums = self.flat(grads)
        for param in self.params:
            param.grad = None
        if self.shared:
            self.whole, self.sums = self.sums, torch.empty_like(self.mine(self.sums))
            self.moving = reduce_scatter(self.sums, self.whole, async_op=True)
        elif self.ranks > 1:
            self.moving = dist.all_reduce(self.sums, async_op=True)

    def arrive(self) -> Tensor:
        """Wait for what is on its way."""
        if self.moving is not None:
            self.moving.wait()
            self.moving = None
        return self.sums

    def publish(self) -> None:
        """Put the values into the parameters, on all ranks; begins it where they are shared out."""
        values = self.values.to(self.params[0].dtype)
        if self.shared:
            whole = self.params[0].data.view(-1)
            exact = len(whole) == self.parts * self.part
            self.whole = whole if exact else values.new_empty(self.parts * self.part)
            self.moving = all_gather(self.whole, values, async_op=True)
        else:
            parts = values[: self.size].split([p.numel() for p in self.params])
            torch._foreach_copy_([p.data.view(-1) for p in self.params], list(parts))

    def finish(self) -> None:
        """Wait until `publish` is done."""
        if self.moving is not None:
            self.arrive()
            flat = self.params[0].data.view(-1)
            if self.whole.data_ptr() != flat.data_ptr():
                flat.copy_(self.whole[: self.size])

    def set(self, **numbers: float) -> None:
        """Set the scalars of the next update: tensors of the host, for a number would be compiled in."""
        for name, number in numbers.items():
            self.numbers.setdefault(name, torch.zeros(())).fill_(number)

    def reset(self) -> None:
        """Take the values from the parameters, and forget all steps and gradients."""
        self.values.copy_(self.mine(self.flat([p.data for p in self.params])))
        for tensor in self.state.values():
            tensor.zero_()
        for param in self.params:
            param.grad = None


class AdamGroup(Group):
    """Numbers by Adam."""

    def __init__(self, how: Adam, update: Callable[..., None], params: list[Tensor], rank: int, ranks: int) -> None:
        super().__init__(params, rank, ranks)
        self.how, self.apply = how, update
        self.state = {"mean": torch.zeros_like(self.values), "square": torch.zeros_like(self.values)}

    def update(self, grads: Tensor, step: int) -> None:
        """One step; the first is 1."""
        beta1, beta2 = self.how.betas
        now = self.how.rate * rate(step - 1)
        self.set(new1=1 - beta1, new2=1 - beta2, eps=self.how.eps)
        self.set(root=(1 - beta2**step) ** -0.5, stride=now / (1 - beta1**step))
        # more numbers of an update by Adam are set here

        self.apply(self.values, grads, self.state, self.numbers)


class MuonGroup(Group):
    """Matrices of one shape by Muon."""

    def __init__(self, how: Muon, update: Callable[..., None], params: list[Tensor], rank: int, ranks: int) -> None:
        super().__init__(params, rank, ranks, params[0][0].numel())
        self.how, self.apply = how, update
        self.shape = (-1, *self.params[0].shape[1:])
        self.state["mean"] = torch.zeros_like(self.values).view(self.shape)
        # what else Muon remembers begins here

    def update(self, grads: Tensor, step: int) -> None:
        """One step; the first is 1."""
        rows, columns = self.shape[1:]
        kept = momentum(step - 1)
        now = self.how.rate * rate(step - 1) * math.sqrt(max(1.0, rows / columns))
        self.set(rate=now, momentum=kept, new1=1 - kept)
        # more numbers of an update by Muon are set here

        self.apply(self.values.view(self.shape), grads.view(self.shape), self.state, self.numbers)


class Optimizer:
    """Muon for matrices, Adam for all else; ranks share the work."""

    def __init__(self, model: Model, rank: int = 0, ranks: int = 1, compiled: bool = False) -> None:
        adam = torch.compile(adam_update, dynamic=False, fullgraph=True) if compiled else adam_update
        muon = torch.compile(muon_update, dynamic=False, fullgraph=True) if compiled else muon_update
        self.groups: list[AdamGroup | MuonGroup] = []
        self.steps = 0
        for how, params in self.grouped(model):
            if isinstance(how, Adam):
                self.groups.append(AdamGroup(how, adam, params, rank, ranks))
            else:
                self.groups.append(MuonGroup(how, muon, params, rank, ranks))

    def grouped(self, model: Model) -> list[tuple[Adam | Muon, list[Tensor]]]:
        """Put every parameter into one group, in the order of the settings.

        Raises:
            KeyError: `settings` has no prefix for a parameter.
        """
        hows = settings()
        found: dict[str, list[Tensor]] = {prefix: [] for prefix in hows}
        for name, param in model.named_parameters():
            prefix = next((prefix for prefix in hows if name.startswith(prefix)), None)
            if prefix is None:
                raise KeyError(f"settings() does not say how {name} is trained")
            found[prefix].append(param)
        return [(hows[prefix], params) for prefix, params in found.items() if params]

    def reset(self) -> None:
        """Forget all steps, and go on from what the parameters are."""
        self.steps = 0
        for group in self.groups:
            group.reset()

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by the sum of all ranks' gradients, and drop these."""
        self.steps += 1
        groups = self.groups
        # which groups take part in a step is said here

        for group in groups:
            group.reduce()
        for group in groups:
            group.update(group.arrive(), self.steps)
            group.publish()
        for group in groups:
            group.finish()


# --- schedules; the first step is 0 ---


def stage_of(step: int) -> int:
    """Return the stage of a step."""
    return min(len(BATCHES) - 1, step * len(BATCHES) // STEPS)


def rate(step: int) -> float:
    """Return the share of the peak rates."""
    left = min(1.0, (1 - step / STEPS) / WARMDOWN)
    return left + (1 - left) * FINAL_LR


def momentum(step: int) -> float:
    """Return the momentum of Muon."""
    share = min(1.0, step / MOMENTUM_STEPS)
    return MOMENTUM_FIRST + share * (MOMENTUM_LAST - MOMENTUM_FIRST)


def sizes(stage: int, ranks: int) -> tuple[int, int]:
    """Return how a rank goes through its rows of a step: (rows at once, how often).

    A step has the same rows for any number of ranks.

    Raises:
        ValueError: the rows cannot be divided among so many ranks.
    """
    if RANKS % ranks:
        raise ValueError(f"a step can be divided among {RANKS} ranks or a divisor of that, not among {ranks}")
    rows = max(1, BATCHES[stage] // (RANKS * LENGTH)) * RANKS // ranks
    most = max(1, MICRO_TOKENS // LENGTH)
    parts = next(parts for parts in range(1, rows + 1) if rows % parts == 0 and rows // parts <= most)
    return rows // parts, parts


# --- the loop ---


class Trace:
    """The losses on their way to the log: reading one at once would hold up the host."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.waiting: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def add(self, step: int, loss: Tensor) -> None:
        """Note a step's loss, the mean of this rank's rows."""
        loss = loss.float().clone()
        if self.run.world_size > 1:
            dist.all_reduce(loss)
            loss /= self.run.world_size
        event = None
        if loss.is_cuda:
            here = torch.empty((), pin_memory=True)
            loss = here.copy_(loss, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self.waiting.append((step, loss, event))
        self.tell(all_of_them=False)

    def tell(self, all_of_them: bool) -> None:
        """Log what has arrived, or wait for all.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        while self.waiting and (all_of_them or self.waiting[0][2] is None or self.waiting[0][2].query()):
            step, loss, event = self.waiting.popleft()
            if event is not None:
                event.synchronize()
            if not math.isfinite(float(loss)):
                raise FloatingPointError(f"the loss of step {step} is {float(loss)}")
            self.run.log(step=step, loss=float(loss))


Loss = "Callable[[Tensor, Tensor], Tensor]"


def learn(source: Stream, loss_of: Loss, optimizer: Optimizer, rows: int, parts: int, ranks: int) -> Tensor | None:
    """One step on `parts` micro-batches of `rows` rows; returns the mean loss of this rank's, on the device.

    None where the stream ends first: then nothing is updated.
    """
    total = torch.zeros(())
    for _ in range(parts):
        batch = source.next(rows * LENGTH)
        if batch is None:
            return None
        tokens, targets = (each.view(rows, LENGTH) for each in batch)
        loss = loss_of(tokens, targets) / parts
        (loss / ranks).backward()
        total = loss.detach() + total
    optimizer.step()
    return total


class Dummies:
    """A stream of random tokens, for warming up."""

    def __init__(self, run: Run) -> None:
        self.next = run.dummy


def enter(model: Model, optimizer: Optimizer, stage: int) -> None:
    """Bring the model into a stage of the run."""
    model.windows = windows(stage)
    # what else changes from stage to stage goes here


def blocks(length: int, device: torch.device, kinds: list[list[int]]) -> None:
    """Prepare FlexAttention for windows, those of layers in lists, where they are shorter than rows."""
    for window in {window for kind in kinds for window in kind if window < length - 1}:
        BLOCKS[window, length] = create_block_mask(within(window), None, None, length, length, device)


def warm_up(run: Run, model: Model, loss_of: Loss, optimizer: Optimizer) -> None:
    """Compile and fill caches by steps on dummy tokens, and then put everything back as it was."""
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for stage in range(len(BATCHES)):
        enter(model, optimizer, stage)
        rows, parts = sizes(stage, run.world_size)
        for _ in range(DUMMY_STEPS):
            learn(Dummies(run), loss_of, optimizer, rows, min(2, parts), run.world_size)
    model.load_state_dict(kept)
    enter(model, optimizer, 0)
    optimizer.reset()
    torch.manual_seed(run.seed)
    if run.device.startswith("cuda"):
        torch.cuda.synchronize()


def prepare(run: Run) -> tuple[Model, Loss, Optimizer]:
    """Return the model, its loss as a function of tokens and targets, and the optimizer; on a GPU compiled."""
    torch.manual_seed(run.seed)
    device = torch.device(run.device)
    model = build(padded(run.vocab_size), LENGTH, device)
    compiled = device.type == "cuda"
    if compiled:
        torch._dynamo.config.recompile_limit = 64  # one update function serves groups of many shapes
        blocks(LENGTH, device, [windows(stage) for stage in range(len(BATCHES))])
    loss_of = torch.compile(model, dynamic=False, fullgraph=True) if compiled else model
    return model, loss_of, Optimizer(model, run.rank, run.world_size, compiled)


def train(run: Run) -> dict[str, Tensor]:
    """Train for STEPS steps, or until the stream is over; returns the model's state, on every rank the same."""
    model, loss_of, optimizer = prepare(run)
    warm_up(run, model, loss_of, optimizer)
    gc.collect()
    gc.freeze()
    gc.disable()  # collecting takes long enough to be seen

    stream = run.go()
    trace, now = Trace(run), 0
    for step in range(STEPS):
        if stage_of(step) != now:
            now = stage_of(step)
            enter(model, optimizer, now)
        # what else changes from step to step goes here

        loss = learn(stream, loss_of, optimizer, *sizes(now, run.world_size), run.world_size)
        if loss is None:
            break
        if step % LOG_EVERY == 0 or step == STEPS - 1:
            trace.add(step + 1, loss)
    trace.tell(all_of_them=True)
    gc.enable()
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def load(state: dict[str, Tensor], device: str | torch.device) -> Callable[[Tensor], Tensor]:
    """Return the model of a sealed state, in a process that did not train it: [R, T] -> what the head reads."""
    device = torch.device(device)
    models: dict[int, Callable[[Tensor], Tensor]] = {}  # by the length of rows

    def made(length: int) -> Callable[[Tensor], Tensor]:
        model = build(len(state["head.weight"]), length, device)
        model.load_state_dict(state)
        model.windows = windows(len(BATCHES) - 1)
        # what is otherwise when it is scored goes here

        if device.type != "cuda":
            return model.stream
        torch._dynamo.config.recompile_limit = 64
        blocks(length, device, [model.windows])
        return torch.compile(model.stream, dynamic=False)

    @torch.no_grad()
    def stream(tokens: Tensor) -> Tensor:
        length = tokens.size(1)
        if length not in models:
            models[length] = made(length)
        return models[length](tokens)

    return stream
