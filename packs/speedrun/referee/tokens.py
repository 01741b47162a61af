"""Shards of tokens on disk, in the contest's format, as prepare.py places them and the referee reads them.

    DIR/meta.json             what this is: counts, hashes, the source, and the conditions of a result
    DIR/NAME_train_000001.bin and so on: the training stream, in the order of the names
    DIR/NAME_val_000000.bin   validation: the first tokens count

A shard holds 256 int32 (20240520, 1, the number of its tokens, zeros), then its tokens as uint16, all little-endian.
Documents follow each other, each begun by the token `bos`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint16]
MAGIC, VERSION, HEADER = 20240520, 1, 1024
BLOCK = 1 << 20
"""Tokens that are handed over at once."""


class NotPrepared(Exception):
    """The folder does not hold what prepare.py writes."""


@dataclass(frozen=True)
class Conditions:
    """What a result holds for, besides the hardware.

    Attributes:
        vocab_size: all tokens are below it. bos: begins each document.
        length: tokens of a row of validation, T. val_tokens: how many are predicted, a multiple of T.
        target: nats per validation token to be reached.
        batch: tokens of a step, proposed to the solution.
        world_size: processes, each on a GPU of its own where there are any.
        seconds: the most that a run may take.
    """

    vocab_size: int
    bos: int
    length: int
    val_tokens: int
    target: float
    batch: int
    world_size: int
    seconds: float


class Corpus:
    """A prepared folder.

    Raises:
        NotPrepared: it holds no readable meta.json.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            self.meta = json.loads((self.folder / "meta.json").read_text())
            self.conditions = Conditions(**self.meta["conditions"])
            self._train, self._val = [str(name) for name in self.meta["train"]], str(self.meta["val"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotPrepared(f"{folder} holds no prepared data ({error}): run prepare.py") from error

    @cached_property
    def train(self) -> list[Rows]:
        """The shards of the training stream."""
        return [open_shard(self.folder / name) for name in self._train]

    @property
    def train_tokens(self) -> int:
        """Tokens of the training stream."""
        return sum(len(shard) for shard in self.train)

    @cached_property
    def val(self) -> Rows:
        """The first validation tokens as rows [N, T + 1]: the last of a row is the first of the next."""
        length, count = self.conditions.length, self.conditions.val_tokens // self.conditions.length
        tokens = open_shard(self.folder / self._val)
        if len(tokens) < count * length + 1:
            raise NotPrepared(f"{self._val} holds {len(tokens)} tokens; {count * length + 1} are needed")
        rows = np.empty((count, length + 1), dtype=np.uint16)
        rows[:, :-1] = tokens[: count * length].reshape(count, length)
        rows[:, -1] = tokens[length : count * length + 1 : length]
        return rows

    def blocks(self, size: int = BLOCK) -> Iterator[Rows]:
        """The training stream in its order, in blocks of `size` tokens at most."""
        for shard in self.train:
            for at in range(0, len(shard), size):
                yield np.array(shard[at : at + size])

    def digest(self, tokens: int) -> str:
        """The SHA-256 of the first `tokens` tokens of the training stream, 2 bytes each."""
        found, left = hashlib.sha256(), tokens
        for block in self.blocks():
            if left <= 0:
                break
            found.update(block[:left].astype("<u2").tobytes())
            left -= len(block)
        return found.hexdigest()


def open_shard(path: Path) -> Rows:
    """The tokens of a shard, mapped into memory.

    Raises:
        NotPrepared: it is not there, or holds something else.
    """
    try:
        with path.open("rb") as file:
            head = np.frombuffer(file.read(HEADER), dtype="<i4")
        size = path.stat().st_size
    except OSError as error:
        raise NotPrepared(f"{path} cannot be read ({error}): run prepare.py") from error
    if len(head) != HEADER // 4 or (int(head[0]), int(head[1])) != (MAGIC, VERSION):
        raise NotPrepared(f"{path} is no shard of tokens: it does not begin with {MAGIC} and version {VERSION}")
    if size != HEADER + 2 * int(head[2]):
        raise NotPrepared(f"{path} has {size} bytes, where its header tells of {int(head[2])} tokens: it was cut off")
    return np.memmap(path, dtype="<u2", mode="r", offset=HEADER) if int(head[2]) else np.empty(0, dtype="<u2")
