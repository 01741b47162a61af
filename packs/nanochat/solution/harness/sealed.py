"""The sealed state as bytes: a line of JSON that says what there is, then the tensors' own bytes. This file is frozen.

Nothing in it can be code, unlike a pickle: reading makes tensors of plain numbers or raises ValueError.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from mmap import mmap
from queue import SimpleQueue

import torch
from torch import Tensor

TYPES = {
    name: getattr(torch, name)
    for name in ("float32", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "bool")
}
MOST_TENSORS, MOST_HEADER = 100_000, 16 << 20
PIECE = 32 << 20


class Sealed:
    """A state as pieces of bytes, each made when it is asked for.

    Nothing of the state's size is copied: what a large state costs on the clock is that its pieces are hashed, by
    several threads at once. Whoever changes a tensor afterwards changes a piece that was promised.

    Attributes:
        size: of the state in bytes.

    Raises:
        ValueError: it is no flat dict of name -> tensor of one of TYPES.
    """

    def __init__(self, state: Mapping[str, Tensor], piece: int = PIECE) -> None:
        if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
            raise ValueError("train() must return a flat dict of name -> tensor")
        names = {dtype: name for name, dtype in TYPES.items()}
        entries = []
        for name, tensor in state.items():
            if tensor.dtype not in names:
                raise ValueError(f"{name} is of {tensor.dtype}; sealed tensors are of {', '.join(TYPES)}")
            entries.append([str(name), names[tensor.dtype], list(tensor.shape)])
        header = json.dumps(entries).encode()
        start = torch.frombuffer(bytearray(struct.pack("<Q", len(header)) + header), dtype=torch.uint8)
        flat = [tensor.detach().contiguous().reshape(-1).view(torch.uint8) for tensor in state.values()]
        self._parts = [start, *(part for part in flat if len(part))]
        self._ends = list(accumulate(len(part) for part in self._parts))
        self._piece = piece
        self.size = self._ends[-1]

    def piece(self, index: int, room: Tensor) -> memoryview:
        """The bytes of a piece, written into `room`, uint8 [at least those of a piece] on the CPU."""
        at = index * self._piece
        end = min(at + self._piece, self.size)
        place = at
        number = bisect_right(self._ends, at)
        while place < end:
            part, first = self._parts[number], self._ends[number] - len(self._parts[number])
            stop = min(end, self._ends[number])
            room[place - at : stop - at].copy_(part[place - first : stop - first])
            place, number = stop, number + 1
        return memoryview(room.numpy())[: end - at]

    def hashes(self, rooms: Sequence[Tensor]) -> list[str]:
        """The SHA-256 of each piece, with a thread for each room."""
        free: SimpleQueue[Tensor] = SimpleQueue()
        for room in rooms:
            free.put(room)

        def digest(index: int) -> str:
            room = free.get()
            try:
                return hashlib.sha256(self.piece(index, room)).hexdigest()
            finally:
                free.put(room)

        with ThreadPoolExecutor(len(rooms)) as pool:
            return list(pool.map(digest, range(math.ceil(self.size / self._piece))))


def rooms(count: int, on_gpu: bool, piece: int = PIECE) -> list[Tensor]:
    """Memory for pieces on their way, best made before the clock runs; where there is a GPU, one that it can write to."""
    return [torch.zeros(piece, dtype=torch.uint8, pin_memory=on_gpu) for _ in range(count)]


def from_bytes(data: bytearray | mmap, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """The state again, in memory of its own on a device: its tensors are copied there once, one by one.

    `data` is memory that can be written (of an mmap: a private copy), as PyTorch asks of what it reads; nothing is written.

    Raises:
        ValueError: these bytes are no sealed state.
    """
    with memoryview(data) as view:
        return _tensors(view, torch.device(device))


def _tensors(data: memoryview, device: torch.device) -> dict[str, Tensor]:
    if len(data) < 8:
        raise ValueError("a sealed state has at least 8 bytes")
    [length] = struct.unpack_from("<Q", data)
    if length > min(MOST_HEADER, len(data) - 8):
        raise ValueError("the header of the sealed state is longer than the state")
    entries = json.loads(bytes(data[8 : 8 + length]))
    if not isinstance(entries, list) or len(entries) > MOST_TENSORS:
        raise ValueError("the header of the sealed state is no list of tensors")
    place, state = 8 + length, {}
    for entry in entries:
        name, dtype, shape = _entry(entry)
        size = math.prod(shape) * dtype.itemsize
        if size > len(data) - place:
            raise ValueError(f"the sealed state ends within {name!r}")
        state[name] = made = torch.empty(shape, dtype=dtype, device=device)
        if size:
            flat = torch.frombuffer(data, dtype=torch.uint8, count=size, offset=place)
            made.view(-1).view(torch.uint8).copy_(flat)
            del flat  # whoever closes the memory may not find it in use
        place += size
    if place != len(data):
        raise ValueError(f"the sealed state has {len(data) - place} bytes that belong to no tensor")
    return state


def _entry(entry: object) -> tuple[str, torch.dtype, list[int]]:
    match entry:
        case [str(name), str(kind), list(shape)] if kind in TYPES:
            if all(type(side) is int and 0 <= side < 1 << 40 for side in shape):
                return name, TYPES[kind], shape
    raise ValueError("the header of the sealed state names something that is no tensor")
