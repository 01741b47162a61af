"""A sealed model behind a channel, as the evaluator sees it: rows in, hidden states out, several rows a message."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from head import Invalid
from numpy.typing import NDArray
from tokens import Rows

if TYPE_CHECKING:
    from torch import Tensor

MOST = 64 << 20
"""Bytes of a message."""
START_S, PATIENCE_S = 600.0, 120.0
"""Seconds for the first answer, which waits for loading and compiling, and for the others."""


class Served:
    """The model at the other end of a channel.

    Args:
        length: tokens of a row, T. width: numbers of a hidden state, D.
        device: where what comes back is looked at.

    Raises:
        Invalid: the hidden states of one row are larger than a message may be.
    """

    def __init__(self, channel: Any, length: int, width: int, device: str) -> None:
        if length * width * 2 > MOST:
            raise Invalid(f"Hidden states of {width} numbers for {length} tokens are more than {MOST} bytes.")
        self._channel, self._length, self._width, self._device = channel, length, width, device
        self.rows = max(1, min(64, MOST // (length * width * 2)))
        pinned = device != "cpu"
        self._buffers = [torch.empty(MOST, dtype=torch.uint8, pin_memory=pinned) for _ in range(2)]
        self._patience = START_S

    def hidden(self, inputs: Rows, places: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Yield slices of `inputs` [N, T] with hidden states, bfloat16 [n, T, D], or [n, P, D] at `places` [N, P].

        What is yielded is good until the next is asked for. All messages have the same shape: the last is filled up.

        Raises:
            Invalid: an answer has another size.
            ServiceError, TimeoutError: there is none.
        """
        slices = [slice(at, min(at + self.rows, len(inputs))) for at in range(0, len(inputs), self.rows)]
        count = self._length if places is None else places.shape[1]
        size = self.rows * count * self._width * 2
        requests = (self._request(inputs[part], None if places is None else places[part]) for part in slices)
        for part, answer in zip(slices, self._answers(requests, size), strict=True):
            found = answer.to(self._device, non_blocking=True).view(torch.bfloat16)
            yield part, found.view(self.rows, count, self._width)[: part.stop - part.start]

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
