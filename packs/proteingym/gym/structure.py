"""Coordinates out of PDB files: of the carbons or the backbone of each residue, and the model's confidence."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError

Coordinates = NDArray[np.float32]

BACKBONE = ("N", "CA", "C", "O")
SAME = 0.9  # of the residues have to agree for a structure to be of a sequence
_NAMES = "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR"
_RESIDUES = dict(zip(_NAMES.split(" "), "ACDEFGHIKLMNPQRSTVWY", strict=True))


class Structure(NamedTuple):
    """In Angstrom, `nan` where there is none; a glycine's beta carbon is its alpha carbon. Confidence from 0 to 100."""

    alpha: Coordinates  # (length, 3)
    beta: Coordinates  # (length, 3)
    confidence: Coordinates  # (length,)


def no_structure(length: int) -> Structure:
    """A structure of which nothing is known."""
    return Structure(*(np.full(shape, np.nan, np.float32) for shape in ((length, 3), (length, 3), (length,))))


class Atom(NamedTuple):
    """An atom: its name, the number of its residue from 0, the residue's letter, Angstrom, the model's confidence."""

    name: str
    owner: int
    letter: str
    place: tuple[float, float, float]
    confidence: float


def read_atoms(path: Path) -> list[Atom]:
    """All atoms of the first chain of the first model of a PDB file.

    Raises:
        GymError: the file is no PDB file.
    """
    found: list[Atom] = []
    numbers: list[str] = []
    try:
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(("ENDMDL", "TER", "END")):
                break
            if not line.startswith("ATOM"):
                continue
            if not numbers or numbers[-1] != line[22:27]:
                numbers.append(line[22:27])
            place = float(line[30:38]), float(line[38:46]), float(line[46:54])
            letter, sure = _RESIDUES.get(line[17:20], "X"), float(line[60:66].strip() or "nan")
            found.append(Atom(line[12:16].strip(), len(numbers) - 1, letter, place, sure))
    except (OSError, ValueError) as error:
        raise GymError(f"{path} cannot be read as a PDB file: {error}.") from error
    return found


def read_structure(path: Path, sequence: str) -> Structure:
    """Read the alpha and beta carbons, and the confidence; residues that the chain lacks have none.

    The chain may be of a part of the sequence, or go beyond it, and may differ from it in a few residues.

    Raises:
        GymError: the chain is not of the sequence, or the file is no PDB file.
    """
    found, atoms = no_structure(len(sequence)), read_atoms(path)
    first = _place(path, _chain(atoms), sequence)
    for atom in atoms:
        at = first + atom.owner
        if not 0 <= at < len(sequence):
            continue
        if atom.name == "CA":
            found.alpha[at], found.confidence[at] = atom.place, atom.confidence
            if np.isnan(found.beta[at, 0]):
                found.beta[at] = atom.place
        elif atom.name == "CB":
            found.beta[at] = atom.place
    return found


def read_backbone(path: Path, sequence: str) -> Coordinates:
    """Coordinates of N, CA, C and O of each residue, shape (length, 4, 3), `nan` where an atom is missing.

    Raises:
        GymError: the chain is not the sequence, or the file is no PDB file.
    """
    found = np.full((len(sequence), len(BACKBONE), 3), np.nan, dtype=np.float32)
    for atom in _of_sequence(path, sequence):
        if atom.name in BACKBONE:
            found[atom.owner, BACKBONE.index(atom.name)] = atom.place
    return found


def _of_sequence(path: Path, sequence: str) -> list[Atom]:
    atoms = read_atoms(path)
    if _chain(atoms) != sequence:
        raise GymError(f"{path}: its first chain is not the sequence of the assay; take a model of the whole sequence.")
    return atoms


def _chain(atoms: list[Atom]) -> str:
    return "".join({atom.owner: atom.letter for atom in atoms}.values())


def _place(path: Path, chain: str, sequence: str) -> int:
    """Where in the sequence the chain's first residue is: where the most residues agree, without gaps."""
    whole, part = (np.frombuffer(text.encode(), dtype=np.uint8) for text in (sequence, chain))
    agree = {0: 0}
    for at in range(1 - part.size, whole.size):
        overlap = min(whole.size, at + part.size) - max(at, 0)
        if 2 * overlap >= min(whole.size, part.size):
            agree[at] = int((whole[max(at, 0) :][:overlap] == part[max(-at, 0) :][:overlap]).sum())
    best = max(agree, key=lambda at: (agree[at], -abs(at)))
    overlap = min(whole.size, best + part.size) - max(best, 0)
    if agree[best] < max(SAME * overlap, 1):
        raise GymError(
            f"{path}: its first chain is not the sequence of the assay, nor a part of it; take a model of it."
        )
    return best
