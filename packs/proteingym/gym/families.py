"""Protein families, and which of them are hidden.

Two sequences are of one family if the best local alignment of one with the other scores at least SHARE of what the
shorter scores with itself: a match counts 3, a mismatch -1, a gap -3 a residue. Families are closed under this. So
orthologues with a third of their residues in common are together, and unrelated sequences are not (2 %, short ones up
to 9 %). A family is hidden if the SHA-256 of its first UniProt name, as a fraction of its range, is below HIDDEN: the
rule does not look at any score, and a folder with more assays only moves a family where it joins two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from gym.mutants import encode

MATCH, MISMATCH, GAP = 3, -1, 3
SHARE = 0.10
HIDDEN = 0.4


def alignment_score(first: str, second: str) -> int:
    """The score of the best local alignment, a row of the table at a time."""
    short, long = sorted((encode(first), encode(second)), key=len)
    steps = GAP * np.arange(long.size + 1, dtype=np.int32)
    row, best = np.zeros(long.size + 1, dtype=np.int32), 0
    for residue in short:
        match = np.where(long == residue, MATCH, MISMATCH)
        new = np.maximum(row - GAP, 0)
        np.maximum(new[1:], row[:-1] + match, out=new[1:])
        row = np.maximum.accumulate(new + steps) - steps  # gaps along the row, all at once
        best = max(best, int(row.max()))
    return best


def families(proteins: Sequence[tuple[str, str]]) -> list[str]:
    """The family of each protein (UniProt name, sequence), named after its first member in the alphabet."""
    parent = list(range(len(proteins)))

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    for a, (name, sequence) in enumerate(proteins):
        for b, (other, beside) in enumerate(proteins[:a]):
            if root(a) != root(b) and (name == other or related(sequence, beside)):
                parent[root(a)] = root(b)
    first: dict[int, str] = {}
    for at, (name, _) in enumerate(proteins):
        first[root(at)] = min(first.get(root(at), name), name)
    return [first[root(at)] for at in range(len(proteins))]


def related(first: str, second: str) -> bool:
    """Whether two sequences are of one family."""
    shorter = min(len(first), len(second))
    return alignment_score(first, second) >= SHARE * MATCH * shorter


def is_hidden(family: str) -> bool:
    """Whether a family is kept for confirmations."""
    digest = hashlib.sha256(f"proteingym family {family}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < HIDDEN * 2.0**64
