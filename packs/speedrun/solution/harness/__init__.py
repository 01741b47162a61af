"""What a solution gets from the referee: `Run`, and after GO a `Stream` of tokens. This folder is frozen.

`train.py` defines two functions. Every rank calls `train`, each in a process of its own on a GPU of its own:

    def train(run):                             # build, compile, warm up on run.dummy(count); then
        stream = run.go()                       # GO: the clock runs from here, on all ranks
        for step in range(STEPS):
            batch = stream.next(count)          # this rank's share of the step: inputs and targets, int64 [count] each
            if batch is None:                   # the data is over, on all ranks alike
                break
            ...
            run.log(step=step, loss=...)        # heard from rank 0 alone
        return {name: tensor, ...}              # the sealed state, heard from rank 0 alone; the others may return {}

    def load(state, device):                    # in a fresh process, with one GPU or none
        return hidden                           # a function: tokens int64 [B, T] -> final hidden states [B, T, D]

The sealed state is a flat dict of tensors. Two of them belong to the referee, which makes the logits itself, in float32,
as cap(hidden @ head.weight^T), and applies log-softmax to them:

    head.weight   [V, D], float32 or bfloat16, V >= run.vocab_size: targets are below run.vocab_size, and the rows above
                  that take part in the softmax as they are
    head.cap      float32, one of: [] (or no such tensor) no cap; [c] c * tanh(x / c); [c, a, b] c * sigmoid((x + a) / b)

Hidden states go to the referee in bfloat16; everything before the product with head.weight, such as the last norm, is
part of `hidden`.

Where there are several ranks, torch.distributed is initialised before `train` is called, with nccl on GPUs and gloo on
CPUs; where there is one, it is not.
"""

from __future__ import annotations

import json
import queue
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

MOST_POINTS = 2000
"""Points of a log that are kept; when there are more, every second one goes."""
DOCUMENT = 600
"""Tokens of a document, on average, in what `Run.dummy` makes up."""


class Source(Protocol):
    """Where tokens come from once GO was said."""

    def go(self) -> tuple[int, Iterator[np.ndarray]]:
        """Block until GO; return how many tokens there are, and blocks of them: uint16, 1-D."""
        ...


class Run:
    """One training run as one rank sees it: what it is about, and its clock.

    Attributes:
        vocab_size: all tokens are below it; not padded.
        bos: the token that begins each document, GPT-2's end-of-text.
        length: tokens of the rows that the evaluation asks for, T; they are cut from one stream, and hold several
            documents or parts of them.
        target: mean nats per validation token that a run has to reach.
        batch: tokens of a step, over all ranks, that the conditions propose; a solution may take others.
        seed: of this run. The stream does not depend on it.
        rank, world_size: this process, from 0, and how many there are.
        device: "cuda:RANK" or "cpu".
        points: what `log` was told.
    """

    def __init__(
        self,
        source: Source,
        *,
        vocab_size: int,
        bos: int,
        length: int,
        target: float,
        batch: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        device: str | None = None,
    ) -> None:
        self.vocab_size, self.bos, self.length, self.target, self.batch = vocab_size, bos, length, target, batch
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.device = device or (f"cuda:{rank}" if torch.cuda.is_available() else "cpu")
        self.points: list[dict[str, float]] = []
        self._every, self._told = 1, 0
        self._source = source
        self._began: float | None = None
        self._dummies = np.random.default_rng((seed, rank))
        self._stream: Stream | None = None

    def dummy(self, count: int) -> tuple[Tensor, Tensor]:
        """Random documents as `Stream.next` would give them, to compile and warm up with before GO."""
        tokens = self._dummies.integers(0, self.vocab_size, count + 1, dtype=np.uint16)
        tokens[self._dummies.random(count + 1) < 1 / DOCUMENT] = self.bos
        tokens[0] = self.bos
        return _split(_on(self.device, tokens))

    def go(self) -> Stream:
        """Say that this rank is ready, and block until all are and the referee says GO, when the clock starts.

        Raises:
            RuntimeError: it was called before.
        """
        if self._stream is not None or self._began is not None:
            raise RuntimeError("run.go() may be called once")
        self._began = 0.0
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        tokens, blocks = self._source.go()
        self._began = time.monotonic()
        self._stream = Stream(tokens, blocks, self.device, self.rank, self.world_size)
        return self._stream

    def passed(self) -> float:
        """Seconds since GO, by this process's clock; 0 before."""
        return time.monotonic() - self._began if self._began else 0.0

    @property
    def tokens_taken(self) -> int:
        """Inputs that the stream has given, over all ranks."""
        return self._stream.given if self._stream else 0

    def log(self, **numbers: float) -> None:
        """Note a point, such as step=10, loss=3.2, with the seconds since GO: shown, and never trusted."""
        self._told += 1
        if (self._told - 1) % self._every:
            return
        self.points.append({"seconds": self.passed(), **{name: float(value) for name, value in numbers.items()}})
        if len(self.points) >= MOST_POINTS:
            del self.points[1::2]
            self._every *= 2

    def points_text(self) -> str:
        """The points as JSON, one a line; no number that JSON does not know."""
        lines = []
        for point in self.points:
            lines.append(json.dumps({name: value for name, value in point.items() if abs(value) < 1e100}))
        return "\n".join(lines)


class Stream:
    """The training tokens in the order of the shards, once: documents that follow each other, each begun by `Run.bos`.

    A call of `next` is made on all ranks, with the same number. It takes the next world_size x count tokens, of which
    rank r gets the r-th part; the last target of a part is the first input of the next one.
    """

    def __init__(self, tokens: int, blocks: Iterator[np.ndarray], device: str, rank: int = 0, world_size: int = 1) -> None:
        self.total = tokens
        self.given = 0
        self._blocks, self._device, self._rank, self._ranks = blocks, device, rank, world_size
        self._held: deque[tuple[int, np.ndarray]] = deque()
        self._end = 0

    @property
    def tokens_left(self) -> int:
        """Tokens, over all ranks, that can still be given as inputs."""
        return max(0, self.total - 1 - self.given)

    def next(self, count: int) -> tuple[Tensor, Tensor] | None:
        """This rank's inputs and targets, int64 [count] each on its device; None on all ranks once too few are left."""
        if count < 1:
            raise ValueError("stream.next(count) takes at least one token")
        taken = count * self._ranks
        if taken > self.tokens_left:
            return None
        start = self.given + count * self._rank
        self.given += taken
        while self._end < self.given + 1:
            block = next(self._blocks)
            self._held.append((self._end, block))
            self._end += len(block)
        while self._held[0][0] + len(self._held[0][1]) <= start:
            self._held.popleft()
        parts = [block[max(0, start - at) : max(0, start + count + 1 - at)] for at, block in self._held]
        return _split(_on(self._device, np.concatenate(parts)))


class Pushed:
    """A source that somebody else fills, block by block, from another thread: `begin`, then `push`."""

    def __init__(self) -> None:
        self._begun: queue.Queue[int] = queue.Queue()
        self._blocks: queue.Queue[np.ndarray] = queue.Queue()
        self.asked = False
        self.taken = 0
        self.pushed = 0

    def begin(self, tokens: int) -> None:
        """Say GO; there are `tokens` tokens in all."""
        self._begun.put(tokens)

    def push(self, block: np.ndarray) -> None:
        """Hand tokens over."""
        self.pushed += len(block)
        self._blocks.put(block)

    def go(self) -> tuple[int, Iterator[np.ndarray]]:
        """See `Source`."""
        self.asked = True
        return self._begun.get(), self._iterate()

    def _iterate(self) -> Iterator[np.ndarray]:
        while True:
            block = self._blocks.get()
            self.taken += len(block)
            yield block


class Known:
    """A source in this process: all tokens, uint16, 1-D, and GO at once; for trials without a referee."""

    def __init__(self, tokens: np.ndarray) -> None:
        self._tokens = tokens

    def go(self) -> tuple[int, Iterator[np.ndarray]]:
        """See `Source`."""
        return len(self._tokens), iter([self._tokens])


def _on(device: str, tokens: np.ndarray) -> Tensor:
    """Tokens on the device as int16: half the bytes of int32; those from 32,768 on are negative there."""
    part = torch.from_numpy(np.array(tokens, dtype=np.uint16).view(np.int16))  # a copy: what came may not be writable
    return part.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else part


def _split(tokens: Tensor) -> tuple[Tensor, Tensor]:
    wide = tokens.long() & 0xFFFF
    return wide[:-1].contiguous(), wide[1:].contiguous()
