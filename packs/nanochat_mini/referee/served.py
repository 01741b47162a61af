"""A sealed model behind a channel, as the evaluator sees it: rows in, logits out, several rows a message."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokens import Rows

if TYPE_CHECKING:
    from torch import Tensor

MOST = 64 << 20
"""Bytes of a message."""
START_S, PATIENCE_S = 600.0, 120.0
"""Seconds for the first answer, which waits for loading and compiling, and for the others."""


class Invalid(Exception):
    """An answer breaks a rule; the message is one sentence for people and agents."""


class Served:
    """The model at the other end of a channel.

    Args:
        length: tokens of a row, T. vocab_size: logits of a position, V.
        device: where what comes back is looked at.
    """

    def __init__(self, channel: Any, length: int, vocab_size: int, device: str) -> None:
        self._channel, self._length, self._vocab, self._device = channel, length, vocab_size, device
        self.rows = max(1, min(64, MOST // (length * vocab_size * 2)))
        pinned = device == "cuda"
        self._buffers = [torch.empty(MOST, dtype=torch.uint8, pin_memory=pinned) for _ in range(2)]
        self._patience = START_S

    def logits(self, inputs: Rows, places: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Yield slices of `inputs` [N, T] with their logits [n, T, V], or [n, P, V] at `places` [N, P] alone.

        What is yielded is good until the next is asked for. All messages have the same shape: the last is filled up.

        Raises:
            Invalid: an answer has another size, or holds a number that is not finite.
            ServiceError, TimeoutError: there is none.
        """
        slices = [slice(at, min(at + self.rows, len(inputs))) for at in range(0, len(inputs), self.rows)]
        count = self._length if places is None else places.shape[1]
        size = self.rows * count * self._vocab * 2
        requests = (self._request(inputs[part], None if places is None else places[part]) for part in slices)
        for part, answer in zip(slices, self._answers(requests, size), strict=True):
            logits = answer.to(self._device, non_blocking=True).view(torch.float16)
            logits = logits.view(self.rows, count, self._vocab)[: part.stop - part.start]
            if not bool(torch.isfinite(logits).all()):
                raise Invalid("The model gave logits that are not finite.")
            yield part, logits

    def _request(self, rows: Rows, places: NDArray[np.int64] | None) -> bytes:
        fill = np.resize(np.arange(len(rows)), self.rows)
        head = struct.pack("<III", self.rows, self._length, 0 if places is None else places.shape[1])
        tail = b"" if places is None else places[fill].astype("<u2").tobytes()
        return head + rows[fill].astype("<u2").tobytes() + tail

    def _answers(self, requests: Iterable[bytes], size: int) -> Iterator[Tensor]:
        """The answers, each while the next is being worked on."""
        coming = iter(requests)
        request, turn = next(coming, None), 0
        if request is not None:
            self._channel.ask(request)
        while request is not None:
            buffer = self._buffers[turn]
            got = self._channel.take(self._patience, memoryview(buffer.numpy()))
            self._patience = PATIENCE_S
            if got != size:
                text = bytes(buffer[: min(got, 200)].tolist()).decode(errors="replace")
                why = f": {text}" if got < 1000 and text.isprintable() else ""
                raise Invalid(f"An answer has {got} bytes where {size} were asked for{why}.")
            request = next(coming, None)
            if request is not None:
                self._channel.ask(request)
            yield buffer[:size]
            turn = 1 - turn


def log_p(logits: Tensor) -> Tensor:
    """Log-probabilities of logits [..., V], in float32: a distribution by construction."""
    return torch.log_softmax(logits.float(), dim=-1)


def shuffled(count: int, seed: Sequence[int] | int) -> NDArray[np.int64]:
    """An order of `count` rows."""
    return np.random.default_rng(seed).permutation(count)
