"""From records to bytes and back: what any store does before it opens a transaction."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from aster.domain.events import Event, decode, encode
from aster.domain.ids import blob_id
from aster.ledger.protocol import Batch

SMALLEST_PACKED = 128
"""Blobs of fewer bytes are not worth compressing."""


class Prepared(Struct, frozen=True):
    """A batch with the JSON of its events, and (id, codec, data) of the blobs that are new."""

    batch: Batch
    bodies: list[bytes]
    blobs: list[tuple[str, str, bytes]]


def prepare(batch: Batch, known: Callable[[str], bool]) -> Prepared | ValueError:
    """Return the batch ready to be written, or why it cannot be; `known` tells which blobs are stored already."""
    try:
        if not math.isfinite(batch.time):
            raise ValueError(f"an append at time {batch.time}")
        return Prepared(batch, [_body(event) for event in batch.events], _new_blobs(batch.blobs, known))
    except ValueError as error:
        return error


def _body(event: Event) -> bytes:
    """Return the event's JSON, or raise ValueError if another event would be read back from it."""
    kind = type(event).__name__
    try:
        body = encode(event)
        same = decode(body) == event
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{kind} cannot be stored: {error}") from error
    if not same:
        raise ValueError(f"{kind} would read back as another: it holds a number that is not finite, or a wrong type")
    return body


def _new_blobs(blobs: Mapping[str, bytes], known: Callable[[str], bool]) -> list[tuple[str, str, bytes]]:
    for blob, data in blobs.items():
        if blob_id(data) != blob:
            raise ValueError(f"the content given for blob {blob} has another hash")
    return [(blob, *_pack(data)) for blob, data in blobs.items() if not known(blob)]


def _pack(data: bytes) -> tuple[str, bytes]:
    """Return (codec, data): compressed where that saves a tenth."""
    if len(data) >= SMALLEST_PACKED:
        packed = zlib.compress(data)
        if len(packed) < 0.9 * len(data):
            return "zlib", packed
    return "raw", data


def unpack(blob: str, codec: str, data: bytes) -> bytes | None:
    """Return the content of `blob`, or None if it is damaged."""
    try:
        content = zlib.decompress(data) if codec == "zlib" else bytes(data)
    except (zlib.error, TypeError):  # TypeError: damage can turn the bytes into another SQL type
        return None
    return content if blob_id(content) == blob else None
