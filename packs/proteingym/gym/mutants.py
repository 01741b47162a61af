"""Mutants as arrays: parsed once, all of an assay at a time.

A mutant is written `A24C`, or `A24C:D30E` with several changes: the wild type's residue, its position from 1, the new
residue. Residues are numbered in the order of ALPHABET, positions from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
OTHER = 20  # in an encoded sequence: a residue that is none of the twenty

_CODES = np.full(256, OTHER, dtype=np.int8)
_CODES[np.frombuffer(ALPHABET.encode(), dtype=np.uint8)] = np.arange(20)
_COLON, _LINE, _ZERO = 58, 10, 48
_MOST_DIGITS = 6


class Mutants(NamedTuple):
    """The single changes of `count` mutants, in order; the first four have one entry a change."""

    row: NDArray[np.int64]  # which mutant the change belongs to
    position: NDArray[np.int64]  # from 0
    wild: NDArray[np.int8]
    mutated: NDArray[np.int8]
    count: int

    @property
    def depth(self) -> NDArray[np.int64]:
        """How many changes each mutant has."""
        return np.bincount(self.row, minlength=self.count)


def encode(sequence: str) -> NDArray[np.int8]:
    """The residues as numbers, OTHER for those that are none of the twenty."""
    return _CODES[np.frombuffer(sequence.upper().encode("ascii", "replace"), dtype=np.uint8)]


def parse(names: Sequence[str], where: str = "the mutants") -> Mutants:
    """Parse all names at once.

    Raises:
        GymError: a name is not of the form `A24C` or `A24C:D30E`; it is named, with its row.
    """
    if not names:
        nothing = np.zeros(0, dtype=np.int64)
        return Mutants(nothing, nothing, nothing.astype(np.int8), nothing.astype(np.int8), 0)
    text = np.frombuffer(("\n".join(names) + "\n").encode("utf-8"), dtype=np.uint8)
    line = text == _LINE
    ends = np.flatnonzero(line | (text == _COLON))
    if int(line.sum()) != len(names):
        raise GymError(f"{where}: a mutant's name holds a line break.")
    starts = np.concatenate(([0], ends[:-1] + 1))
    row = np.cumsum(line)[ends] - line[ends]
    digits = ends - starts - 2
    sound = (digits >= 1) & (digits <= _MOST_DIGITS)
    position = np.zeros(ends.size, dtype=np.int64)
    for place in range(_MOST_DIGITS):
        at = np.where(sound & (place < digits), ends - 2 - place, -1)
        digit = text[at].astype(np.int64) - _ZERO
        sound &= (at < 0) | ((digit >= 0) & (digit <= 9))
        position += np.where(at < 0, 0, digit * 10**place)
    wild, mutated = _CODES[text[starts]], _CODES[text[np.maximum(ends - 1, 0)]]
    sound &= (wild != OTHER) & (mutated != OTHER) & (position >= 1)
    if not sound.all():
        bad = int(row[np.flatnonzero(~sound)[0]])
        raise GymError(
            f'{where}: mutant {bad + 1}, "{names[bad][:60]}", is not of the form A24C or A24C:D30E (the wild type\'s '
            f"residue, its position from 1, the new residue; residues are {ALPHABET}, in capitals). Mend or drop it."
        )
    return Mutants(row, position - 1, wild, mutated, len(names))


def repeated(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first name that is there twice, from 0; None if there is none."""
    seen: dict[str, int] = {}
    for at, name in enumerate(names):
        if seen.setdefault(name, at) != at:
            return seen[name], at
    return None


def check_once(mutants: Mutants, names: Sequence[str], where: str = "the mutants") -> None:
    """Raise GymError if a mutant changes a position twice."""
    order = np.lexsort((mutants.position, mutants.row))
    row, position = mutants.row[order], mutants.position[order]
    again = np.flatnonzero((row[1:] == row[:-1]) & (position[1:] == position[:-1]))
    if again.size:
        bad = int(row[again[0]])
        raise GymError(f"{where}: mutant {bad + 1}, {names[bad][:60]}, changes one position twice. Mend or drop it.")


def check_wild_types(mutants: Mutants, sequence: str, where: str = "the mutants") -> None:
    """Raise GymError unless every change starts from the residue that the sequence has there."""
    codes = encode(sequence)
    inside = mutants.position < codes.size
    wrong = ~inside
    wrong[inside] = codes[mutants.position[inside]] != mutants.wild[inside]
    if not wrong.any():
        return
    at = int(np.flatnonzero(wrong)[0])
    position = int(mutants.position[at])
    change = f"{ALPHABET[mutants.wild[at]]}{position + 1}{ALPHABET[mutants.mutated[at]]}"
    if position >= codes.size:
        found = f"the sequence ends at {codes.size}"
    else:
        found = f"the sequence has {sequence[position]} there"
    raise GymError(
        f"{where}: {change} (mutant {int(mutants.row[at]) + 1}) says that residue {position + 1} is "
        f"{ALPHABET[mutants.wild[at]]}, but {found}. {int(wrong.sum())} of {wrong.size} changes do not match: give the "
        f"sequence that the mutants were made from, or renumber them."
    )
