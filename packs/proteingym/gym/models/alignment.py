"""Frequencies in an alignment: each position by itself, similar sequences sharing one vote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError
from gym.models import Query
from gym.mutants import OTHER, encode

Array = NDArray[np.float64]
IDENTITY = 0.8  # sequences that agree in so many places are one vote together
FRAGMENT = 0.5  # of the columns; sequences that fill fewer are left out
MOST = 8000  # sequences; of more, every so manyth is read, since all are compared with all
PSEUDO = 5.0  # votes, spread over the residues as the whole alignment has them


def read_alignment(path: Path, sequence: str) -> NDArray[np.int8]:
    """The sequences as numbers, shape (sequences, length): insertions dropped, gaps as OTHER.

    In an a2m of the benchmark the query's lower-case columns are not aligned; they come back as gaps but for the query.

    Raises:
        GymError: the first sequence is not (a part of) `sequence`, or the rows are of unequal length.
    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise GymError(f"{path} cannot be read as an alignment: {error}.") from error
    rows = ["".join(part.split("\n")[1:]) for part in text.split(">")[1:]]
    if not rows:
        raise GymError(f"{path} holds no sequence; it has to be in FASTA, a2m or a3m form.")
    query = rows[0].replace("-", "").replace(".", "")
    start = sequence.find(query.upper())
    if start < 0:
        raise GymError(f"{path}: its first sequence is not a part of the protein's; take the protein's own alignment.")
    if path.suffix == ".a2m" or len({len(row) for row in rows}) == 1:
        kept = [at for at, letter in enumerate(rows[0]) if letter not in "-."]
        rows = ["".join(row[at] if at < len(row) else "" for at in kept) for row in rows]
        rows = [rows[0].upper(), *("".join(c if c.isupper() else "-" for c in row) for row in rows[1:])]
    else:
        rows = ["".join(letter for letter in row if not letter.islower()) for row in rows]
    if len({len(row) for row in rows}) != 1:
        raise GymError(f"{path}: its rows are of unequal length; it is not an alignment of the first sequence.")
    found = np.full((len(rows), len(sequence)), OTHER, dtype=np.int8)
    found[:, start : start + len(rows[0])] = np.stack([encode(row) for row in rows])
    return found


def without_fragments(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """The rows that fill at least FRAGMENT of the columns that are aligned, and the query in any case."""
    aligned = (rows[1:] != OTHER).any(axis=0) if len(rows) > 1 else rows[0] != OTHER
    enough = (rows[:, aligned] != OTHER).sum(axis=1) >= FRAGMENT * aligned.sum()
    enough[0] = True
    return rows[enough]


def votes(rows: NDArray[np.int8]) -> Array:
    """One over the number of sequences that agree with each in IDENTITY of its residues, itself among them."""
    found = np.empty(len(rows))
    filled = rows != OTHER
    onehot = (rows[:, :, None] == np.arange(20, dtype=np.int8)).reshape(len(rows), -1).astype(np.float32)
    for start in range(0, len(rows), 256):
        block = slice(start, start + 256)
        same = onehot[block] @ onehot.T
        least = IDENTITY * np.maximum(filled[block].sum(axis=1), 1)[:, None]
        found[block] = 1.0 / np.maximum((same >= least).sum(axis=1), 1)
    return found


class SiteIndependent:
    """Log-frequencies of each position; `nan` where the alignment has no column."""

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """Needs an alignment each."""
        return [self._one(each) for each in queries]

    def _one(self, query: Query) -> Array:
        if query.alignment is None:
            raise GymError("The site-independent model needs an alignment: give --msa FILE (a2m or a3m).")
        rows = read_alignment(query.alignment, query.sequence)
        rows = without_fragments(rows)
        rows = rows[:: -(-len(rows) // MOST)]
        weight = votes(rows)
        counts = np.stack([weight @ (rows == residue) for residue in range(20)], axis=1)
        background = (counts.sum(axis=0) + 1.0) / (counts.sum() + 20.0)
        covered = (rows[1:] != OTHER).any(axis=0) if len(rows) > 1 else rows[0] != OTHER
        p = (counts + PSEUDO * background) / (counts.sum(axis=1, keepdims=True) + PSEUDO)
        return np.where(covered[:, None], np.log(p), np.nan)
