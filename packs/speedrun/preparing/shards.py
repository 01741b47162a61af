"""Shards of tokens in the contest's format: 256 int32 (magic, version, tokens), then uint16, all little-endian."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from preparing.files import sha256_of
from preparing.texts import Trouble

HUB = "https://huggingface.co/datasets/kjj0/fineweb10B-gpt2/resolve/main"
MOST_SHARDS = 103
MAGIC, VERSION, HEADER = 20240520, 1, 1024
_LOOK = 1 << 24


class Shards(NamedTuple):
    """Files of the training stream in their order, and that of validation."""

    train: list[Path]
    val: Path


def names(count: int) -> list[str]:
    """Names on the hub: the first `count` training shards, and that of validation, which comes last."""
    train = [f"fineweb_train_{index:06d}.bin" for index in range(1, min(count, MOST_SHARDS) + 1)]
    return [*train, "fineweb_val_000000.bin"]


def find(folder: Path) -> Shards:
    """The shards in a folder: *_train_*.bin in the order of their names, and the first *_val_*.bin.

    Raises:
        Trouble: there are none.
    """
    train, val = sorted(folder.glob("*_train_*.bin")), sorted(folder.glob("*_val_*.bin"))
    if not train or not val:
        raise Trouble(
            f"{folder} holds {len(train)} files *_train_*.bin and {len(val)} *_val_*.bin; one of each is needed. To "
            "make such shards of text, give the folder with --from instead of --data."
        )
    return Shards(train, val[0])


def write(path: Path, parts: list[NDArray[np.uint16]]) -> None:
    """Write a shard whole or not at all."""
    head = np.zeros(HEADER // 4, dtype="<i4")
    head[:3] = MAGIC, VERSION, sum(map(len, parts))
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(head.tobytes())
            for part in parts:
                file.write(part.astype("<u2").tobytes())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def place(path: Path, folder: Path) -> Path:
    """Bring a shard into a folder, as a link where that can be, and return where it is."""
    target = folder / path.name
    if target.exists() and target.samefile(path):
        return target
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(path)
    except OSError:  # another file system, or one without links
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            shutil.copyfile(path, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    return target


class Look(NamedTuple):
    """What to look for in a shard: `bos` where it begins with a document, else None."""

    path: Path
    vocab: int
    bos: int | None


def examine(look: Look) -> dict[str, Any]:
    """Look through a shard: its name, number of tokens and SHA-256.

    Raises:
        Trouble: it is cut off, or holds something else.
    """
    path = look.path
    with path.open("rb") as file:
        head = np.frombuffer(file.read(HEADER), dtype="<i4")
    if len(head) != HEADER // 4 or (int(head[0]), int(head[1])) != (MAGIC, VERSION):
        raise Trouble(f"{path} is no shard of tokens: it does not begin with {MAGIC} and version {VERSION}.")
    count, size = int(head[2]), path.stat().st_size
    if size != HEADER + 2 * count or not count:
        raise Trouble(f"{path} has {size} bytes, where its header tells of {count} tokens: bring it again.")
    tokens = np.memmap(path, dtype="<u2", mode="r", offset=HEADER)
    most = max(int(tokens[at : at + _LOOK].max()) for at in range(0, count, _LOOK))
    if most >= look.vocab:
        raise Trouble(f"{path} holds the token {most}, above a vocabulary of {look.vocab}: give --vocab.")
    if look.bos is not None and int(tokens[0]) != look.bos:
        raise Trouble(
            f"{path} begins with the token {int(tokens[0])}, not with {look.bos}, which begins documents: give --bos."
        )
    return {"name": path.name, "tokens": count, "sha256": sha256_of(path)}
