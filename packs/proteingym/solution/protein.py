"""A protein as the modules here see it. This file is frozen.

Residues are numbered 0 to 19 in the order of ALPHABET; 20 in `wild` is any other. Rows are positions. Where a
model does not cover a position its distribution is flat; atoms that the structure lacks are `nan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

Array = np.ndarray
ALPHABET = "ACDEFGHIKLMNPQRSTVWY"


class Protein(NamedTuple):
    """What is known of one protein. `logp[name]` has shape (length, 20): log p of each residue by that model."""

    wild: Array  # (length,), integers
    logp: dict[str, Array]
    alpha: Array  # (length, 3): the alpha carbons, in Angstrom
    beta: Array  # (length, 3): the beta carbons, alpha for glycine
    confidence: Array  # (length,): of the structure's model, 0 to 100

    @property
    def known(self) -> Array:
        """The wild type's residue where it is one of the twenty, else 0."""
        return np.where(self.wild < 20, self.wild, 0)

    def own(self, table: Array) -> Array:
        """The table's entry of the wild type at each position, shape (length, 1)."""
        return np.take_along_axis(table, self.known[:, None], axis=1)

    def distances(self) -> Array:
        """Between beta carbons, shape (length, length); infinite where one is not known, 0 to itself."""
        square = np.sum(self.beta**2, axis=1)
        found = square[:, None] + square[None, :] - 2.0 * self.beta @ self.beta.T
        found = np.where(np.isnan(found), np.inf, np.sqrt(np.maximum(found, 0.0)))
        np.fill_diagonal(found, 0.0)
        return found


def read(folder: Path) -> Iterator[Protein]:
    """Yield the proteins of a folder, each normalised in double precision."""
    with np.load(folder / "inputs.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    end = 0
    for length in arrays["lengths"]:
        start, end = end, end + int(length)
        rows = slice(start, end)
        logp = {str(m): normalised(each[rows].astype(float)) for m, each in zip(arrays["models"], arrays["logp"])}
        places = (arrays[name][rows].astype(float) for name in ("alpha", "beta", "confidence"))
        yield Protein(arrays["wild"][rows].astype(int), logp, *places)


def normalised(logp: Array) -> Array:
    """The rows shifted so that their probabilities sum to 1."""
    top = logp.max(axis=1, keepdims=True)
    return logp - top - np.log(np.exp(logp - top).sum(axis=1, keepdims=True))
