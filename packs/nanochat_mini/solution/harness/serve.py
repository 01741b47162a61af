"""The service that is scored: the sealed state behind a function from tokens to logits. This file is frozen.

A request holds three unsigned integers of 4 bytes (rows R, tokens a row T, positions a row P), R x T tokens of 2 bytes and
R x P positions of 2 bytes. The answer holds R x P x V logits in half precision (all T positions where P is 0), each
position's greatest moved to 0, which changes no probability and keeps those that matter exact. Where the solution's
function gives something else, the answer is a sentence that says so.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from mmap import ACCESS_COPY, mmap
from pathlib import Path

SOLUTION = Path(__file__).resolve().parent.parent
FLOOR = -1000.0


class Server:
    """Answers requests with the model that the solution makes of a state."""

    def __init__(self, state: Path) -> None:
        import torch
        import train
        from harness.sealed import from_bytes

        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with state.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
            loaded = from_bytes(data, self._device)
        self._model: Callable = train.load(loaded, self._device)
        self._buffer = torch.empty(0, dtype=torch.float16)

    def answer(self, request: bytes) -> bytes | memoryview:
        """The logits for a request, or a sentence."""
        torch = self._torch
        rows, length, count = struct.unpack_from("<III", request)
        numbers = torch.frombuffer(bytearray(request[12:]), dtype=torch.int16).to(self._device)
        tokens = numbers[: rows * length].view(rows, length).long()
        with torch.inference_mode():
            logits = self._model(tokens)
            wrong = not isinstance(logits, torch.Tensor) or logits.dim() != 3 or logits.shape[:2] != tokens.shape
            if wrong or not logits.is_floating_point():
                return f"load() made a function that returns {described(logits)} for tokens {[rows, length]}".encode()
            if count:
                places = numbers[rows * length :].view(rows, count).long()
                logits = logits[torch.arange(rows, device=self._device)[:, None], places]
            logits = logits.float()
            logits = (logits - logits.amax(-1, keepdim=True)).clamp_(min=FLOOR)
            if self._buffer.numel() < logits.numel():
                self._buffer = torch.empty(logits.numel(), dtype=torch.float16, pin_memory=self._device.type == "cuda")
            found = self._buffer[: logits.numel()].view(logits.shape)
            found.copy_(logits.half())  # on the GPU: copy_ to another device and type does not use pinned memory
        return memoryview(found.view(-1).numpy()).cast("B")


def described(logits: object) -> str:
    """What something is, in a few words."""
    shape = getattr(logits, "shape", None)
    return f"{getattr(logits, 'dtype', '')} {list(shape)}" if shape is not None else type(logits).__name__


def main(state: Path) -> None:
    """Serve until the evaluator hangs up."""
    sys.path[0] = str(SOLUTION)  # not the harness's own folder
    from aster_channel import connect

    connect().serve(Server(state).answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
