"""The sealed state as bytes: a line of JSON that says what there is, then the tensors' own bytes. This file is frozen.

Nothing in it can be code, unlike a pickle: reading makes tensors of plain numbers or raises ValueError.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping

import torch
from torch import Tensor

TYPES = {
    name: getattr(torch, name)
    for name in ("float32", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "bool")
}
MOST_TENSORS, MOST_HEADER = 100_000, 16 << 20


def to_bytes(state: Mapping[str, Tensor]) -> bytearray:
    """The state as bytes.

    Raises:
        ValueError: it is no flat dict of name -> tensor of one of TYPES.
    """
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError("train() must return a flat dict of name -> tensor")
    names = {dtype: name for name, dtype in TYPES.items()}
    entries, at = [], 0
    for name, tensor in state.items():
        if tensor.dtype not in names:
            raise ValueError(f"{name} is of {tensor.dtype}; sealed tensors are of {', '.join(TYPES)}")
        entries.append([str(name), names[tensor.dtype], list(tensor.shape)])
        at += tensor.numel() * tensor.element_size()
    header = json.dumps(entries).encode()
    data = bytearray(8 + len(header) + at)
    data[:8] = struct.pack("<Q", len(header))
    data[8 : 8 + len(header)] = header
    place = 8 + len(header)
    for tensor in state.values():
        size = tensor.numel() * tensor.element_size()
        if size:
            room = torch.frombuffer(data, dtype=torch.uint8, offset=place, count=size)
            room.copy_(tensor.detach().contiguous().reshape(-1).view(torch.uint8))
        place += size
    return data


def from_bytes(data: bytearray) -> dict[str, Tensor]:
    """The state again; its tensors share memory with `data`.

    Raises:
        ValueError: these bytes are no sealed state.
    """
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
        flat = bytearray(data[place : place + size])
        state[name] = torch.frombuffer(flat, dtype=dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)
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
