"""Packed rows on disk, as prepare.py writes them and the referee reads them.

    DIR/tokens/meta.json         what this is: counts, hashes, the source, and the conditions of a result
    DIR/tokens/tokenizer.json    the byte-pair encoding
    DIR/tokens/token_bytes.npy   int32 [V]: bytes of each token, 0 for special ones
    DIR/tokens/train_00000.npy   uint16 [N, T + 1], and so on: one file for each file of text
    DIR/tokens/val.npy           uint16 [N, T + 1]
    DIR/sealed/sealed.npy        uint16 [N, T + 1]: of documents that are nowhere in val.npy

Each row begins with the token that begins a document; inputs are its first T tokens, targets its last T.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint16]
BLOCK_ROWS = 2048


class NotPrepared(Exception):
    """The folder does not hold what prepare.py writes."""


@dataclass(frozen=True)
class Conditions:
    """What a result holds for, besides the hardware.

    Attributes:
        vocab_size: tokens V. length: tokens in a sequence, T.
        seconds: the budget of a run.
        train_rows: how many of the training rows a run may see (0: all), so that runs can be cut by data, not by time.
    """

    vocab_size: int
    length: int
    seconds: float
    train_rows: int = 0


class Corpus:
    """A prepared folder.

    Args:
        folder: DIR above, or DIR/tokens.

    Raises:
        NotPrepared: it holds no readable meta.json.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        self.tokens = folder if (folder / "meta.json").is_file() else folder / "tokens"
        self.sealed_file = self.tokens.parent / "sealed" / "sealed.npy"
        try:
            self.meta = json.loads((self.tokens / "meta.json").read_text())
            self.conditions = Conditions(**self.meta["conditions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotPrepared(f"{folder} holds no prepared data ({error}): run prepare.py") from error

    @cached_property
    def token_bytes(self) -> NDArray[np.int32]:
        """Bytes of each token, [V]."""
        loaded: NDArray[np.int32] = np.load(self.tokens / "token_bytes.npy")
        return loaded

    @cached_property
    def train(self) -> Shards:
        """The training rows, in the order in which they were written."""
        return Shards([open_rows(path) for path in sorted(self.tokens.glob("train_*.npy"))])

    @cached_property
    def val(self) -> Rows:
        """The validation rows."""
        return open_rows(self.tokens / "val.npy")

    @cached_property
    def sealed(self) -> Rows:
        """The sealed validation rows."""
        return open_rows(self.sealed_file)

    def blocks(self, seed: int, rows: int = BLOCK_ROWS) -> tuple[int, Iterator[Rows]]:
        """How many training rows a run with this seed sees, and these, in its order, in blocks of `rows`."""
        order = permutation(len(self.train), seed)
        if self.conditions.train_rows:
            order = order[: self.conditions.train_rows]
        return len(order), (self.train.take(order[at : at + rows]) for at in range(0, len(order), rows))


class Shards:
    """Rows that lie in several files, indexed as one."""

    def __init__(self, parts: list[Rows]) -> None:
        if not parts:
            raise NotPrepared("there are no training rows: run prepare.py")
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """A copy of the rows with these numbers, in their order."""
        part = np.searchsorted(self._ends, rows, side="right")
        starts = np.concatenate([[0], self._ends])
        found = np.empty((len(rows), self._parts[0].shape[1]), dtype=np.uint16)
        for index in np.unique(part):
            here = part == index
            found[here] = self._parts[index][rows[here] - starts[index]]
        return found


def permutation(rows: int, seed: int) -> NDArray[np.int64]:
    """The order of a run's rows."""
    return np.random.default_rng(seed).permutation(rows)


def open_rows(path: Path) -> Rows:
    """A file of rows, mapped into memory.

    Raises:
        NotPrepared: it is not there, or holds something else.
    """
    try:
        rows: Rows = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise NotPrepared(f"{path} cannot be read ({error}): run prepare.py") from error
    if rows.dtype != np.uint16 or rows.ndim != 2:
        raise NotPrepared(f"{path} holds {rows.dtype} {rows.shape}, not packed rows: run prepare.py")
    return rows
