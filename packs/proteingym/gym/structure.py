"""Coordinates out of PDB files: of the alpha and the beta carbon of each residue, and the model's confidence."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError

Coordinates = NDArray[np.float32]

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


def read_structure(path: Path, sequence: str) -> Structure:
    """Read the first chain of the first model of a PDB file.

    Raises:
        GymError: the chain is not the sequence, or the file is no PDB file.
    """
    found, residues, numbers = no_structure(len(sequence)), [], []
    try:
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(("ENDMDL", "TER", "END")):
                break
            atom = line[12:16].strip()
            if not line.startswith("ATOM") or atom not in ("CA", "CB"):
                continue
            if atom == "CA":
                residues.append(_RESIDUES.get(line[17:20], "X"))
                numbers.append(line[22:27])
            at = len(residues) - 1
            if at < 0 or at >= len(sequence) or numbers[at] != line[22:27]:
                continue
            place = [float(line[start : start + 8]) for start in (30, 38, 46)]
            if atom == "CA":
                found.alpha[at] = place
                found.confidence[at] = float(line[60:66] or "nan")
            found.beta[at] = place
    except (OSError, ValueError) as error:
        raise GymError(f"{path} cannot be read as a PDB file: {error}.") from error
    if "".join(residues) != sequence:
        raise GymError(f"{path}: its first chain is not the sequence of the assay; take a model of the whole sequence.")
    return found
