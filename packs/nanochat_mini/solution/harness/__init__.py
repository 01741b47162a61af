"""What a solution gets from the referee: `Run`, and after GO a `Stream` of packed rows. This folder is frozen.

    from harness import Run

    def train(run):                       # build, warm up on run.dummy(rows), then
        stream = run.go()                 # GO: the clock runs from here
        while run.left() > 0:
            batch = stream.next(64)       # inputs and targets, [64, run.length] each, on run.device
            if batch is None:             # one pass over the data, and it is over
                break
            ...
        return {name: tensor, ...}        # the sealed state, from which `load` makes the model again
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

MOST_POINTS = 2000
"""Points of a log that are kept; when there are more, every second one goes."""


class Source(Protocol):
    """Where rows come from once GO was said."""

    def go(self) -> tuple[int, Iterator[np.ndarray]]:
        """Block until GO; return how many rows there are, and blocks of them: uint16, [rows, T + 1]."""
        ...


class Run:
    """One training run: what it is about, and its clock.

    Attributes:
        vocab_size: number of tokens V; all tokens are below it.
        length: tokens in a sequence, T.
        seed: of this run; the order of the rows depends on it too.
        seconds: the budget, from GO until the sealed state is there.
        device: "cuda" or "cpu".
        points: what `log` was told.
    """

    def __init__(
        self, source: Source, *, vocab_size: int, length: int, seed: int, seconds: float, device: str | None = None
    ) -> None:
        self.vocab_size, self.length, self.seed, self.seconds = vocab_size, length, seed, seconds
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.points: list[dict[str, float]] = []
        self._every, self._told = 1, 0
        self._source = source
        self._began: float | None = None
        self._dummies = np.random.default_rng(seed)
        self._stream: Stream | None = None

    def dummy(self, rows: int) -> tuple[Tensor, Tensor]:
        """Random tokens as `Stream.next` would give them, to compile and warm up with before GO."""
        block = self._dummies.integers(0, self.vocab_size, (rows, self.length + 1), dtype=np.uint16)
        return _split(_on(self.device, block))

    def go(self) -> Stream:
        """Say that all is ready and block until GO, when the clock starts.

        Raises:
            RuntimeError: it was called before.
        """
        if self._began is not None:
            raise RuntimeError("run.go() may be called once")
        if self.device == "cuda":
            torch.cuda.synchronize()
        self._began = 0.0
        rows, blocks = self._source.go()
        self._began = time.monotonic()
        self._stream = Stream(rows, blocks, self.device)
        return self._stream

    @property
    def rows_taken(self) -> int:
        """Rows that the stream has given."""
        return self._stream.given if self._stream else 0

    def left(self) -> float:
        """Seconds of the budget that are left, by this process's clock; all of them before GO."""
        return self.seconds - (time.monotonic() - self._began if self._began else 0.0)

    def log(self, **numbers: float) -> None:
        """Note a point, such as step=10, loss=3.2, with the seconds since GO: shown, and never trusted."""
        self._told += 1
        if (self._told - 1) % self._every:
            return
        point = {"seconds": self.seconds - self.left(), **{name: float(value) for name, value in numbers.items()}}
        self.points.append(point)
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
    """The training rows, in the order of the seed, once."""

    def __init__(self, rows: int, blocks: Iterator[np.ndarray], device: str) -> None:
        self.total = rows
        self._blocks, self._device = blocks, device
        self._held: Tensor | None = None
        self._at = 0
        self.given = 0
        self._over = False

    @property
    def rows_left(self) -> int:
        """Rows that were not given yet; 0 once the stream has ended."""
        return 0 if self._over else self.total - self.given

    def next(self, rows: int) -> tuple[Tensor, Tensor] | None:
        """Inputs and targets of the next `rows` rows, int64 [rows, T] each, or None once fewer are left."""
        parts: list[Tensor] = []
        wanted = rows
        while wanted and not self._over:
            if self._held is None or self._at == len(self._held):
                self._refill()
                continue
            part = self._held[self._at : self._at + wanted]
            self._at += len(part)
            wanted -= len(part)
            parts.append(part)
        if wanted:
            return None
        self.given += rows
        return _split(parts[0] if len(parts) == 1 else torch.cat(parts))

    def _refill(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            self._over = True
        else:
            self._held, self._at = _on(self._device, block), 0


class Pushed:
    """A source that somebody else fills, block by block, from another thread: `begin`, then `push` and `end`."""

    def __init__(self) -> None:
        self._begun: queue.Queue[int] = queue.Queue()
        self._blocks: queue.Queue[np.ndarray | None] = queue.Queue()
        self.asked = False
        self.taken = 0
        self.pushed = 0

    def begin(self, rows: int) -> None:
        """Say GO; there are `rows` rows at most."""
        self._begun.put(rows)

    def push(self, block: np.ndarray) -> None:
        """Hand over rows."""
        self.pushed += len(block)
        self._blocks.put(block)

    def end(self) -> None:
        """Say that no more rows come."""
        self._blocks.put(None)

    def go(self) -> tuple[int, Iterator[np.ndarray]]:
        """See `Source`."""
        self.asked = True
        return self._begun.get(), self._iterate()

    def _iterate(self) -> Iterator[np.ndarray]:
        while (block := self._blocks.get()) is not None:
            self.taken += len(block)
            yield block


class Ahead:
    """A source in this process: blocks of rows, read ahead in a thread from GO on.

    Args:
        rows: how many there are in all.
        blocks: uint16 [rows, T + 1] each.
        depth: blocks that may wait.
    """

    def __init__(self, rows: int, blocks: Iterator[np.ndarray], depth: int = 8) -> None:
        self._rows, self._blocks = rows, blocks
        self._ready: queue.Queue[np.ndarray | None] = queue.Queue(depth)

    def go(self) -> tuple[int, Iterator[np.ndarray]]:
        """See `Source`."""
        threading.Thread(target=self._read, daemon=True).start()
        return self._rows, self._iterate()

    def _iterate(self) -> Iterator[np.ndarray]:
        while (block := self._ready.get()) is not None:
            yield block

    def _read(self) -> None:
        for block in self._blocks:
            self._ready.put(block)
        self._ready.put(None)


def _on(device: str, block: np.ndarray) -> Tensor:
    """Rows on the device, as int16: half the bytes of what torch can index with, and tokens lie below 32,768."""
    rows = torch.from_numpy(np.array(block, dtype=np.uint16).view(np.int16))  # a copy, as what came may not be writable
    return rows.pin_memory().to(device, non_blocking=True) if device == "cuda" else rows


def _split(rows: Tensor) -> tuple[Tensor, Tensor]:
    wide = rows.long()
    return wide[:, :-1].contiguous(), wide[:, 1:].contiguous()
