"""Coordinates out of PDB files: of the carbons or the backbone of each residue, and the model's confidence."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError

Coordinates = NDArray[np.float32]

BACKBONE = ("N", "CA", "C", "O")
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
    """Read the alpha and beta carbons, and the confidence.

    Raises:
        GymError: the chain is not the sequence, or the file is no PDB file.
    """
    found = no_structure(len(sequence))
    for atom in _of_sequence(path, sequence):
        if atom.name == "CA":
            found.alpha[atom.owner], found.confidence[atom.owner] = atom.place, atom.confidence
            if np.isnan(found.beta[atom.owner, 0]):
                found.beta[atom.owner] = atom.place
        elif atom.name == "CB":
            found.beta[atom.owner] = atom.place
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
    letters = {atom.owner: atom.letter for atom in atoms}
    if "".join(letters.values()) != sequence:
        raise GymError(f"{path}: its first chain is not the sequence of the assay; take a model of the whole sequence.")
    return atoms
