"""A small language model, trained for a fixed time: the model, its optimizer and the loop. The baseline.

The harness calls `train` in one process and `load` in another. B rows, T tokens a row, V tokens in the vocabulary,
L layers, H heads of D channels, C = H * D channels.
"""

from __future__ import annotations

import gc
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Run, Stream

# --- the model's sizes ---

# layers
DEPTH = 2

# channels
WIDTH = 64

# channels of a head
HEAD_WIDTH = 32

# the width of the MLP, in widths of the model
EXPANSION = 4

# layer by layer, repeated: S sees the short window, L the whole past; the last layer is always L
WINDOWS = "SSSL"  # tune: no

# tokens back that an S layer sees
SHORT_WINDOW = 64

# a layer has value embeddings if its number, counted from the last, divides by this
VALUE_EVERY = 2

# channels of the stream that the gates of value embeddings read
GATE_WIDTH = 32

# wavelengths of the rotary embedding
ROTARY_BASE = 10_000

# logits stay within plus and minus this
SOFTCAP = 15.0

# the longest row, for the tables of the rotary embedding
LENGTH = 256  # tune: no

# --- the start ---

# scale of the matrices that do not begin at zero
MATRIX_INIT = 1.0

# standard deviation of the head
HEAD_INIT = 0.001

# standard deviation of the token embedding
EMBED_INIT = 1.0

# what each layer begins to add of the embedding
FIRST_INIT = 0.1

# --- the optimizer; rates of Adam are for 768 channels and fall with the root of the width ---

# tokens of an optimizer step
STEP_TOKENS = 4_096

# rows that go through the model at once, at most
MICRO_ROWS = 16  # tune: no

# token embedding
EMBED_LR = 0.6

# value embeddings
VALUE_LR = 0.6

# the head
HEAD_LR = 0.004

# matrices, by Muon
MATRIX_LR = 0.04

# scalars of the layers
SCALAR_LR = 0.5

# of Adam
ADAM_BETAS = [0.8, 0.95]

# of matrices, where it agrees with the update; falls to zero over the run
WEIGHT_DECAY = 0.2

# momentum of Muon at the start
MOMENTUM_FIRST = 0.85

# momentum of Muon from then on
MOMENTUM_LAST = 0.95

# steps between the two
MOMENTUM_STEPS = 50

# how fast Muon forgets the size of its updates
MUON_BETA2 = 0.95

# iterations of the orthogonalization, at most 5
POLAR_STEPS = 5

# --- the schedule, in shares of the run ---

# rates rise
WARMUP = 0.0

# rates fall, linearly
WARMDOWN = 0.5

# rates at the end, in peaks
FINAL_LR = 0.0

# --- the machine ---

# seconds of the budget that are left for sealing
SPARE = 0.3  # tune: no

# steps that the host may be ahead of the device
AHEAD = 2  # tune: no

# dummy steps before the clock runs
DUMMY_STEPS = 3  # tune: no

# attention of L layers on a GPU
FULL_ATTENTION = "flash"  # tune: flash | cudnn

# attention of S layers on a GPU
SHORT_ATTENTION = "flex"  # tune: flex | mask

# how products are compiled for a GPU; what searches for the fastest takes minutes before the clock runs
COMPILATION = "default"  # tune: no


# --- attention ---

BLOCKS: dict[tuple[int, int], BlockMask] = {}  # (window, T) -> the blocks that FlexAttention computes


def within(window: int) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Say which positions see which: themselves and `window` before."""

    def sees(_row: Tensor, _head: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (j <= i) & (i - j <= window)

    return sees


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Attention to the position itself and `window` before it: three of [B, T, H, D] -> [B, T, H, D]."""
    length = q.size(1)
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    if window < length - 1:
        if (window, length) in BLOCKS and torch.compiler.is_compiling():
            return flex_attention(q, k, v, block_mask=BLOCKS[window, length]).transpose(1, 2)
        back = torch.arange(length, device=q.device)[:, None] - torch.arange(length, device=q.device)
        near = (back >= 0) & (back <= window)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=near).transpose(1, 2)
    if q.is_cuda and FULL_ATTENTION == "cudnn":
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def windows() -> list[int]:
    """Return how far back each layer sees, in tokens."""
    letters = [WINDOWS[layer % len(WINDOWS)] for layer in range(DEPTH - 1)] + ["L"]
    return [SHORT_WINDOW if letter == "S" else LENGTH for letter in letters]


# --- the model ---


class Linear(nn.Linear):
    """A matrix without bias that takes its input's type; zero until something else is said."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))


def norm(x: Tensor) -> Tensor:
    """Scale to a root mean square of 1 over the last axis."""
    return F.rms_norm(x, (x.size(-1),))


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of [B, T, H, D] by the cosines and sines [T, 1, D / 2]."""
    cos, sin = turns
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos + two * sin, two * cos - one * sin], dim=-1)


def has_values(layer: int) -> bool:
    """Whether a layer has value embeddings; the last has."""
    return (DEPTH - 1 - layer) % VALUE_EVERY == 0


class Attention(nn.Module):
    """Causal self-attention with rotary positions, normed queries and keys, and gated value embeddings."""

    def __init__(self, layer: int) -> None:
        super().__init__()
        self.heads = WIDTH // HEAD_WIDTH
        self.query = Linear(WIDTH, WIDTH)
        self.key = Linear(WIDTH, WIDTH)
        self.value = Linear(WIDTH, WIDTH)
        self.out = Linear(WIDTH, WIDTH)
        self.gate = Linear(GATE_WIDTH, self.heads) if has_values(layer) else None

    def forward(self, x: Tensor, values: Tensor | None, turns: tuple[Tensor, Tensor], window: int) -> Tensor:
        """[B, T, C], the tokens' value embeddings [B, T, C] or none -> [B, T, C]."""
        weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])  # one product is faster than three
        q, k, v = F.linear(x, weight.to(x.dtype)).unflatten(-1, (3, self.heads, HEAD_WIDTH)).unbind(2)

        if self.gate is not None and values is not None:
            gate = 2 * torch.sigmoid(self.gate(x[..., :GATE_WIDTH]))
            v = v + gate.unsqueeze(-1) * values.view_as(v)

        q, k = norm(rotate(q, turns)), norm(rotate(k, turns))

        y = attend(q, k, v, window)
        # [B, T, H, D]: the heads are apart until here

        return self.out(y.flatten(-2))


class Mlp(nn.Module):
    """Two matrices with a squared ReLU between."""

    def __init__(self) -> None:
        super().__init__()
        self.up = Linear(WIDTH, EXPANSION * WIDTH)
        self.down = Linear(EXPANSION * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.up(x)).square()
        return self.down(x)


class Block(nn.Module):
    """A layer."""

    def __init__(self, layer: int) -> None:
        super().__init__()
        self.attention = Attention(layer)
        self.mlp = Mlp()

    def forward(self, x: Tensor, values: Tensor | None, turns: tuple[Tensor, Tensor], window: int) -> Tensor:
        x = x + self.attention(norm(x), values, turns, window)

        return x + self.mlp(norm(x))


class Model(nn.Module):
    """The language model. Its state dict is what is sealed."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, WIDTH)
        self.values = nn.ModuleDict({str(i): nn.Embedding(vocabulary, WIDTH) for i in range(DEPTH) if has_values(i)})
        self.blocks = nn.ModuleList([Block(layer) for layer in range(DEPTH)])
        self.keep = nn.Parameter(torch.ones(DEPTH))
        self.first = nn.Parameter(torch.full((DEPTH,), FIRST_INIT))
        self.head = Linear(WIDTH, vocabulary)
        # what ideas add is made here

        self.windows = windows()
        angles = torch.outer(torch.arange(LENGTH), ROTARY_BASE ** -(torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH))
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)
        self.register_buffer("sin", angles.sin()[:, None], persistent=False)
        self.begin()

    @torch.no_grad()
    def begin(self) -> None:
        """Set the parameters' first values; what leads back to the stream, and the gates, stay at zero."""
        bound = MATRIX_INIT * math.sqrt(3 / WIDTH)
        for block in self.blocks:
            for matrix in (block.attention.query, block.attention.key, block.attention.value, block.mlp.up):
                nn.init.uniform_(matrix.weight, -bound, bound)
        nn.init.normal_(self.embed.weight, std=EMBED_INIT)
        for table in self.values.values():
            nn.init.uniform_(table.weight, -math.sqrt(3 / WIDTH), math.sqrt(3 / WIDTH))
        nn.init.normal_(self.head.weight, std=HEAD_INIT)

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> Tensor:
        """[B, T] -> logits [B, T, V]; with targets [B, T] -> the mean loss in nats."""
        x = self.stream(tokens)
        # what the head should read besides joins here

        logits = self.head(x)
        # what bears on the logits besides joins here

        logits = SOFTCAP * torch.tanh(logits.float() / SOFTCAP)
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def stream(self, tokens: Tensor) -> Tensor:
        """[B, T] -> what the head reads, [B, T, C]."""
        turns = self.cos[: tokens.size(1)], self.sin[: tokens.size(1)]
        x = self.embed(tokens)
        # what else a token is known by joins here

        x = first = norm(x)
        # from here on each layer reads `first` too

        for layer, block in enumerate(self.blocks):
            x = self.keep[layer] * x + self.first[layer] * first
            values = self.values[str(layer)](tokens) if has_values(layer) else None
            x = block(x, values, turns, self.windows[layer])

        return norm(x)

    def flops(self, length: int) -> float:
        """Estimate the operations of a token forward and backward, as upstream does: tables count nothing."""
        tables = sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Embedding))
        used = sum(p.numel() for p in self.parameters()) - tables
        return 6 * used + sum(12 * WIDTH * min(window, length) for window in self.windows)


def build(vocabulary: int, device: torch.device, low: bool | None = None) -> Model:
    """Return a model with its first values; `low`, as on a GPU: the stream and the tables of tokens are in bfloat16."""
    model = Model(vocabulary).to(device)
    if low or (low is None and device.type == "cuda"):
        for table in (model.embed, *model.values.values()):
            table.to(torch.bfloat16)
        model.cos, model.sin = model.cos.bfloat16(), model.sin.bfloat16()
    return model


# --- the optimizer ---


@dataclass(frozen=True)
class Adam:
    """Settings of AdamW for parameters of any shape."""

    rate: float
    betas: tuple[float, float]
    decay: float = 0.0
    eps: float = 1e-10


@dataclass(frozen=True)
class Muon:
    """Settings of Muon for matrices."""

    rate: float


def settings() -> dict[str, Adam | Muon]:
    """Return how parameters are trained: the first prefix of a name decides."""
    scale = (WIDTH / 768) ** -0.5
    betas = (ADAM_BETAS[0], ADAM_BETAS[1])
    return {
        "embed.": Adam(EMBED_LR * scale, betas),
        # one row a token: sparse gradients, large steps
        "values.": Adam(VALUE_LR * scale, betas),
        # likewise, layer by layer
        "head.": Adam(HEAD_LR * scale, betas),
        # small steps: it scales all logits
        "keep": Adam(SCALAR_LR * 0.01, betas),
        # scalars near 1
        "first": Adam(SCALAR_LR, (0.96, 0.95)),
        # scalars near 0
        "blocks.": Muon(MATRIX_LR),
    }


def adam_update(
    params: list[Tensor], grads: list[Tensor], means: list[Tensor], squares: list[Tensor], numbers: dict[str, Tensor]
) -> None:
    """AdamW on tensors in place; `numbers` are scalars, as `Optimizer.step_adam` makes them."""
    for param, grad, mean, square in zip(params, grads, means, squares, strict=True):
        param.mul_(numbers["keep"])
        mean.add_((grad - mean) * numbers["new1"])
        square.add_((grad.square() - square) * numbers["new2"])
        param.sub_(mean / (square.sqrt() * numbers["root"] + numbers["eps"]) * numbers["stride"])


# Polar Express (Amsel and others 2025, arXiv 2505.16932): the polynomials of five iterations, with a little safety
POLAR = (
    (8.156555, -22.483293, 15.878770),
    (4.042930, -2.808917, 0.500018),
    (3.891668, -2.772484, 0.506065),
    (3.285754, -2.368129, 0.464490),
    (2.346541, -1.709783, 0.423236),
)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Push the singular values of [N, rows, columns] towards 1."""
    x = matrices.bfloat16() if matrices.is_cuda else matrices.clone()
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in POLAR[:POLAR_STEPS]:
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x


def muon_update(params: Tensor, grads: Tensor, mean: Tensor, square: Tensor, numbers: dict[str, Tensor]) -> None:
    """Muon on matrices [N, rows, columns] in place; `numbers` are scalars, as `Optimizer.step_muon` makes them.

    Nesterov momentum, orthogonalized; then NorMuon (Li and others 2025, arXiv 2510.05491): rows (columns of wide
    matrices) are brought to one size, at the same norm of the whole; decay only where it agrees with the update.
    """
    axis = -1 if params.size(-2) >= params.size(-1) else -2
    mean.add_((grads - mean) * numbers["new1"])
    update = orthogonalize(grads + (mean - grads) * numbers["momentum"]).float()
    power = update.square().mean(dim=axis, keepdim=True)
    square.add_((power - square) * numbers["new2"])
    scale = square.clamp_min(1e-10).rsqrt()
    before = power.sum(dim=(-2, -1), keepdim=True).sqrt()
    after = (power * scale.square()).sum(dim=(-2, -1), keepdim=True).sqrt()
    update = update * (scale * before / after.clamp_min(1e-10))
    decay = numbers["decay"] * params * (update * params >= 0)
    params.sub_(numbers["rate"] * (update + decay))


class Group:
    """Parameters that are updated together: of one setting, for Muon also of one shape."""

    def __init__(self, how: Adam | Muon, params: list[Tensor]) -> None:
        self.how = how
        self.params = params
        if isinstance(how, Adam):
            self.means = [torch.zeros_like(p) for p in params]
            self.squares = [torch.zeros_like(p) for p in params]
        else:
            rows, columns = params[0].shape
            self.mean = torch.zeros(len(params), rows, columns, device=params[0].device)
            self.square = self.mean.new_zeros((len(params), *((rows, 1) if rows >= columns else (1, columns))))
        self.numbers: dict[str, Tensor] = {}

    def set(self, **numbers: float) -> None:
        """Set the scalars of the next update: tensors of the host, for a number would be compiled in."""
        for name, number in numbers.items():
            self.numbers.setdefault(name, torch.zeros(())).fill_(number)

    def reset(self) -> None:
        """Forget all steps."""
        kept = [*self.means, *self.squares] if isinstance(self.how, Adam) else [self.mean, self.square]
        for tensor in kept:
            tensor.zero_()


class Optimizer:
    """AdamW for tables, the head and scalars, Muon for matrices."""

    def __init__(self, model: Model, compiled: bool) -> None:
        self.groups = self.grouped(model)
        self.steps = 0
        self.adam_update = torch.compile(adam_update, dynamic=False, fullgraph=True) if compiled else adam_update
        self.muon_update = torch.compile(muon_update, dynamic=False, fullgraph=True) if compiled else muon_update

    def grouped(self, model: Model) -> list[Group]:
        """Put every parameter into one group.

        Raises:
            KeyError: `settings` has no prefix for a parameter.
        """
        found: dict[tuple[str, tuple[int, ...]], list[Tensor]] = {}
        hows = settings()
        for name, param in model.named_parameters():
            prefix = next((prefix for prefix in hows if name.startswith(prefix)), None)
            if prefix is None:
                raise KeyError(f"settings() does not say how {name} is trained")
            shape = tuple(param.shape) if isinstance(hows[prefix], Muon) else ()
            found.setdefault((prefix, shape), []).append(param)
        return [Group(hows[prefix], params) for (prefix, _), params in found.items()]

    def reset(self) -> None:
        """Forget all steps."""
        self.steps = 0
        for group in self.groups:
            group.reset()

    @torch.no_grad()
    def step(self, progress: float) -> None:
        """Update the parameters by their gradients at a share of the run, and drop the gradients."""
        self.steps += 1
        for group in self.groups:
            if isinstance(group.how, Adam):
                self.step_adam(group, group.how, progress)
            else:
                self.step_muon(group, group.how, progress)
            for param in group.params:
                param.grad = None

    def step_adam(self, group: Group, how: Adam, progress: float) -> None:
        beta1, beta2 = how.betas
        now = how.rate * rate(progress)
        group.set(keep=1 - now * how.decay, new1=1 - beta1, new2=1 - beta2, eps=how.eps)
        group.set(root=(1 - beta2**self.steps) ** -0.5, stride=now / (1 - beta1**self.steps))
        grads = [p.grad for p in group.params]
        self.adam_update(group.params, grads, group.means, group.squares, group.numbers)

    def step_muon(self, group: Group, how: Muon, progress: float) -> None:
        rows, columns = group.params[0].shape
        now = how.rate * rate(progress) * math.sqrt(max(1.0, rows / columns))
        kept = momentum(self.steps - 1, progress)
        group.set(rate=now, decay=WEIGHT_DECAY * (1 - progress), momentum=kept, new1=1 - kept, new2=1 - MUON_BETA2)
        params, grads = torch.stack(group.params), torch.stack([p.grad for p in group.params])
        self.muon_update(params, grads, group.mean, group.square, group.numbers)
        torch._foreach_copy_(group.params, list(params.unbind()))


# --- schedules ---


def rate(progress: float) -> float:
    """Return the share of the peak rates at a share of the run."""
    if progress < WARMUP:
        return progress / WARMUP
    left = min(1.0, (1 - progress) / WARMDOWN)
    return left + (1 - left) * FINAL_LR


def momentum(step: int, progress: float) -> float:
    """Return the momentum of Muon."""
    share = min(1.0, step / MOMENTUM_STEPS)
    return MOMENTUM_FIRST + share * (MOMENTUM_LAST - MOMENTUM_FIRST)


def step_tokens(progress: float) -> int:
    """Return how many tokens the next step takes at most."""
    return STEP_TOKENS


# --- the loop ---


class Pace:
    """Lets the host run some steps ahead of the device, and tells whether another step fits."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.began = time.perf_counter()
        self.done = 0
        self.loss = math.nan
        self.waiting: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def add(self, loss: Tensor) -> None:
        """Note a step that was handed to the device, and wait for the one that was `AHEAD` before it."""
        if loss.is_cuda:
            here = torch.empty((), pin_memory=True)
            here.copy_(loss, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self.waiting.append((here, event))
        else:
            self.waiting.append((loss, None))
        if len(self.waiting) > (AHEAD if loss.is_cuda else 0):
            self.finish()

    def finish(self) -> None:
        """Wait for the oldest step.

        Raises:
            FloatingPointError: its loss is not finite.
        """
        loss, event = self.waiting.popleft()
        if event is not None:
            event.synchronize()
        self.loss = float(loss)
        self.done += 1
        self.took = time.perf_counter() - self.began
        if not math.isfinite(self.loss):
            raise FloatingPointError(f"the loss of step {self.done} is {self.loss}")

    def fits(self) -> bool:
        """Whether one more step, and those on their way, will be done in time."""
        each = self.took / self.done if self.done else 0.0
        return self.run.left() > SPARE + each * (len(self.waiting) + 1)


Loss = "Callable[[Tensor, Tensor], Tensor]"


def learn(source: Stream, loss_of: Loss, optimizer: Optimizer, rows: int, parts: int, progress: float) -> Tensor | None:
    """One step on `parts` micro-batches of `rows` rows; returns the mean loss, on the device.

    None where the source ends first: then nothing is updated.
    """
    total = torch.zeros(())
    for _ in range(parts):
        batch = source.next(rows)
        if batch is None:
            return None
        loss = loss_of(*batch) / parts
        loss.backward()
        # what a step learns besides gradients, it learns here

        total = loss.detach() + total
    optimizer.step(progress)
    return total


class Dummies:
    """A stream of random tokens, for warming up."""

    def __init__(self, run: Run) -> None:
        self.next = run.dummy


def warm_up(run: Run, model: Model, loss_of: Loss, optimizer: Optimizer, rows: int) -> None:
    """Compile and fill caches by steps on dummy tokens, and then put everything back as it was."""
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(DUMMY_STEPS):
        learn(Dummies(run), loss_of, optimizer, rows, 2, 0.5)
    model.load_state_dict(kept)
    optimizer.reset()
    torch.manual_seed(run.seed)
    if run.device == "cuda":
        torch.cuda.synchronize()


def prepare(run: Run) -> tuple[Model, Loss, Optimizer]:
    """Return the model, its loss as a function of tokens and targets, and the optimizer; on a GPU compiled."""
    torch.manual_seed(run.seed)
    device = torch.device(run.device)
    model = build(run.vocab_size, device)
    compiled = device.type == "cuda"
    if compiled:
        torch.set_float32_matmul_precision("high")
        torch._dynamo.config.recompile_limit = 64  # one update function serves groups of many shapes
        for window in {window for window in model.windows if window < run.length - 1 and SHORT_ATTENTION == "flex"}:
            BLOCKS[window, run.length] = create_block_mask(within(window), None, None, run.length, run.length, "cuda")
    loss_of = torch.compile(model, dynamic=False, mode=COMPILATION) if compiled else model
    return model, loss_of, Optimizer(model, compiled)


def train(run: Run) -> dict[str, Tensor]:
    """Train until the time or the stream is over; returns the model's state."""
    model, loss_of, optimizer = prepare(run)
    rows = min(MICRO_ROWS, max(1, STEP_TOKENS // run.length))
    warm_up(run, model, loss_of, optimizer, rows)
    gc.collect()
    gc.freeze()
    gc.disable()  # collecting takes long enough to be seen

    stream = run.go()
    pace, offered = Pace(run), stream.rows_left
    run.log(step=0, flops_per_token=model.flops(run.length), rows=offered)
    while pace.fits():
        # the share of the run: of its time, or of its data where that ends before
        progress = max(0.0, 1 - (run.left() - SPARE) / (run.seconds - SPARE), 1 - stream.rows_left / offered)
        parts = max(1, step_tokens(progress) // (rows * run.length))
        loss = learn(stream, loss_of, optimizer, rows, parts, min(1.0, progress))
        if loss is None:
            break
        pace.add(loss)
        if optimizer.steps % 10 == 1:
            run.log(step=pace.done, loss=pace.loss, tokens=(offered - stream.rows_left) * run.length)

    while pace.waiting:
        pace.finish()
    gc.enable()
    run.log(step=pace.done, loss=pace.loss, tokens=(offered - stream.rows_left) * run.length)
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def load(state: dict[str, Tensor], device: str | torch.device) -> Callable[[Tensor], Tensor]:
    """Return the model of a sealed state, in a process that did not train it: [B, T] -> logits [B, T, V]."""
    model = build(len(state["head.weight"]), torch.device(device))
    model.load_state_dict(state)
    model.eval()

    @torch.no_grad()
    def logits(tokens: Tensor) -> Tensor:
        return model(tokens)

    return logits
