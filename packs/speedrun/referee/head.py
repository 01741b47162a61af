"""The last product, which is the referee's: hidden states and the sealed head to the loss of each target.

The head is read out of the sealed state as numbers: `head.weight` [V, D], and `head.cap`, up to three constants. The
logits are cap(hidden @ weight^T) in float32 (on a GPU with TF32 products), and log-softmax is applied to all V of them,
so that what comes out is a distribution whatever the hidden states hold.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SIZES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "bool": 1,
}
MOST_HEADER, MOST_WIDTH, MOST_VOCAB = 16 << 20, 1 << 15, 1 << 17
CHUNK = 1 << 28
"""Logits that are made at once."""
_NOT_FINITE = "The hidden states and the head make logits that are not finite."


class Invalid(Exception):
    """The state or an answer breaks a rule; the message is one sentence for people and agents."""


@dataclass(frozen=True)
class Head:
    """The head, on the device where it is applied.

    Attributes:
        weight: float32 [V, D].
        cap: () none; (c,) c * tanh(x / c); (c, a, b) c * sigmoid((x + a) / b).
    """

    weight: Tensor
    cap: tuple[float, ...]

    def logits(self, hidden: Tensor) -> Tensor:
        """Float32 [n, V] of hidden states [n, D].

        Raises:
            Invalid: they are not finite.
        """
        found = self._product(hidden)
        if not bool(torch.isfinite(found).all()):
            raise Invalid(_NOT_FINITE)
        return found

    def losses(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """-log p of the targets [n], float32, for hidden states [n, D].

        Raises:
            Invalid: one is not finite.
        """
        step = max(1, CHUNK // len(self.weight))
        parts = [
            torch.nn.functional.cross_entropy(
                self._product(hidden[at : at + step]), targets[at : at + step], reduction="none"
            )
            for at in range(0, len(targets), step)
        ]
        found = torch.cat(parts)
        if not bool(torch.isfinite(found).all()):
            raise Invalid(_NOT_FINITE)
        return found

    def _product(self, hidden: Tensor) -> Tensor:
        if not bool(torch.isfinite(hidden).all()):
            raise Invalid("The model gave hidden states that are not finite.")
        found = hidden.float() @ self.weight.T
        if len(self.cap) == 1:
            return torch.tanh(found / self.cap[0]) * self.cap[0]
        if self.cap:
            scale, shift, spread = self.cap
            return torch.sigmoid((found + shift) / spread) * scale
        return found


def read_head(state: Path, vocab_size: int, device: str) -> Head:
    """The head in a sealed state.

    Raises:
        Invalid: there is none, or it is not of the form that the statement asks for.
    """
    with state.open("rb") as file:
        size = state.stat().st_size
        [length] = struct.unpack("<Q", file.read(8)) if size >= 8 else [size]
        if length > min(MOST_HEADER, size - 8):
            raise Invalid("The header of the sealed state is longer than the state.")
        places = _places(file.read(length), 8 + length)

        def tensor(name: str) -> Tensor:
            dtype, shape, at = places[name]
            count = math.prod(shape)
            if at + count * SIZES[dtype] > size:
                raise Invalid(f"The sealed state ends within {name}.")
            file.seek(at)
            data = bytearray(file.read(count * SIZES[dtype]))
            return torch.frombuffer(data, dtype=TYPES[dtype]).reshape(shape).float() if count else torch.empty(shape)

        _check(places, vocab_size)
        weight, cap = tensor("head.weight"), tensor("head.cap").tolist() if "head.cap" in places else []
    if not bool(torch.isfinite(weight).all()):
        raise Invalid("head.weight is not finite.")
    if not all(map(math.isfinite, cap)) or (cap and cap[-1 if len(cap) == 3 else 0] == 0):
        raise Invalid(f"head.cap holds {cap}: its constants are finite, and what is divided by is not 0.")
    return Head(weight.to(device), tuple(cap))


def _places(header: bytes, start: int) -> dict[str, tuple[str, list[int], int]]:
    """Type, shape and place of each tensor, by its name."""
    try:
        entries, found, at = json.loads(header), {}, start
        for name, dtype, shape in entries:
            if not isinstance(name, str) or not all(type(side) is int and 0 <= side < 1 << 40 for side in shape):
                raise ValueError("no tensor")
            found[name] = (dtype, shape, at)
            at += math.prod(shape) * SIZES[dtype]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Invalid("The header of the sealed state names something that is no tensor.") from error
    return found


def _check(places: dict[str, tuple[str, list[int], int]], vocab_size: int) -> None:
    dtype, shape, _ = places.get("head.weight", ("", [], 0))
    fits = len(shape) == 2 and vocab_size <= shape[0] <= MOST_VOCAB and 1 <= shape[1] <= MOST_WIDTH
    if dtype not in TYPES or not fits:
        raise Invalid(
            f"The sealed state needs head.weight [V, D] in {', '.join(TYPES)}, V from {vocab_size} to {MOST_VOCAB}; it "
            f"has {f'{dtype} {shape}' if shape else 'none'}."
        )
    dtype, shape, _ = places.get("head.cap", ("float32", [0], 0))
    if dtype not in TYPES or shape not in ([0], [1], [3]):
        raise Invalid(f"head.cap holds 0, 1 or 3 constants in float32; it is {dtype} {shape}.")
