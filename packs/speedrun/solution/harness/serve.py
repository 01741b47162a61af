"""The service that is scored: the sealed state behind a function from tokens to hidden states. This file is frozen.

A request holds three unsigned integers of 4 bytes (rows R, tokens a row T, positions a row P), R x T tokens of 2 bytes and
R x P positions of 2 bytes. The answer holds R x P x D numbers in bfloat16 (all T positions where P is 0). Where the
solution's function gives something else, the answer is a sentence that says so.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from mmap import ACCESS_COPY, mmap
from pathlib import Path

SOLUTION = Path(__file__).resolve().parent.parent


class Server:
    """Answers requests with the model that the solution makes of a state."""

    def __init__(self, state: Path) -> None:
        import torch
        import train
        from harness.sealed import from_bytes

        self._torch = torch
        self._device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        with state.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
            loaded = from_bytes(data, self._device)
        self._model: Callable = train.load(loaded, self._device)
        self._buffer = torch.empty(0, dtype=torch.bfloat16)

    def answer(self, request: bytes) -> bytes | memoryview:
        """The hidden states for a request, or a sentence."""
        torch = self._torch
        rows, length, count = struct.unpack_from("<III", request)
        numbers = torch.frombuffer(bytearray(request[12:]), dtype=torch.int16).to(self._device).long() & 0xFFFF
        tokens = numbers[: rows * length].view(rows, length)
        with torch.inference_mode():
            hidden = self._model(tokens)
            wrong = not isinstance(hidden, torch.Tensor) or hidden.dim() != 3 or hidden.shape[:2] != tokens.shape
            if wrong or not hidden.is_floating_point():
                return f"load() made a function that returns {described(hidden)} for tokens {[rows, length]}".encode()
            if count:
                places = numbers[rows * length :].view(rows, count)
                hidden = hidden[torch.arange(rows, device=self._device)[:, None], places]
            if self._buffer.numel() < hidden.numel():
                self._buffer = torch.empty(
                    hidden.numel(), dtype=torch.bfloat16, pin_memory=self._device.type == "cuda"
                )
            found = self._buffer[: hidden.numel()].view(hidden.shape)
            found.copy_(hidden.bfloat16())  # on the GPU: copy_ to another device and type does not use pinned memory
        return memoryview(found.view(-1).view(torch.uint8).numpy())


def described(found: object) -> str:
    """What something is, in a few words."""
    shape = getattr(found, "shape", None)
    return f"{getattr(found, 'dtype', '')} {list(shape)}" if shape is not None else type(found).__name__


def main(state: Path) -> None:
    """Serve until the evaluator hangs up."""
    sys.path[0] = str(SOLUTION)  # not the harness's own folder
    from aster_channel import connect

    connect().serve(Server(state).answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
