"""Models behind one small protocol: from proteins to log-probabilities of shape (length, 20)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gym.data import distributions
from gym.errors import GymError

Array = NDArray[np.float64]


class Query(NamedTuple):
    """One protein, and what else a model may want to know of it."""

    sequence: str
    structure: Path | None = None  # a PDB file of the whole sequence
    alignment: Path | None = None  # a2m or a3m, the sequence first
    tokens: Path | None = None  # structure tokens, one a residue


class Model(Protocol):
    """Raises GymError where a protein lacks what the model needs."""

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """Log-probabilities of each protein, rows normalised, residues in the order of ALPHABET; `nan` where a position
        is not modelled."""


class Precomputed:
    """Distributions from a file: `PATH.npz`, or `PATH.npz:ARRAY` where it holds several."""

    def __init__(self, path: Path, array: str | None) -> None:
        self.path, self.array = path, array

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """All queries must be of the sequence that the file is of."""
        return [distributions(self.path, self.array, each.sequence) for each in queries]


NAMES = """site-independent                 frequencies in an alignment; needs no weights
FILE.npz or FILE.npz:ARRAY       precomputed distributions
proteinsolver:WEIGHTS            ProteinSolver; needs torch and a structure with all heavy atoms
proteinsolver-structure:WEIGHTS  the same without seeing any residue
proteinmpnn:WEIGHTS              ProteinMPNN; needs torch and a structure with the backbone's atoms
proteinmpnn-structure:WEIGHTS    the same without seeing any residue
masked:NAME, visible:NAME        a masked language model (ESM, SaProt) of a local folder or the hub; needs transformers
prosst:NAME                      ProSST; needs transformers, structure tokens and --trust-remote-code"""


def load(name: str, device: str = "cpu", trust: bool = False) -> Model:
    """The model of a name as NAMES lists them.

    Args:
        trust: whether code that comes with a model may be run.

    Raises:
        GymError: there is no such model, or it cannot be loaded.
    """
    kind, _, place = name.partition(":")
    if kind == "site-independent":
        from gym.models.alignment import SiteIndependent

        return SiteIndependent()
    if kind in ("proteinsolver", "proteinsolver-structure") and place:
        from gym.models.proteinsolver import ProteinSolver

        return ProteinSolver(Path(place), context=kind == "proteinsolver", device=device)
    if kind in ("proteinmpnn", "proteinmpnn-structure") and place:
        from gym.models.proteinmpnn import ProteinMPNN

        return ProteinMPNN(Path(place), context=kind == "proteinmpnn", device=device)
    if kind in ("masked", "visible", "prosst") and place:
        from gym.models.hub import load_network
        from gym.models.masked import Masked

        network = load_network(place, prosst=kind == "prosst", device=device, trust=trust)
        return Masked(network, hide=kind == "masked")
    if kind.endswith(".npz"):
        return Precomputed(Path(kind), place or None)
    raise GymError(f'There is no model "{name}". Models are:\n{NAMES}')
