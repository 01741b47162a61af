"""The data's layout: a folder with assays, the reference file, and where there are any structures and distributions.

reference_files/DMS_substitutions.csv     one row an assay: sequence, UniProt, function type, taxon, MSA depth
assays/<DMS_id>.csv                       columns mutant, DMS_score, and DMS_score_bin or none
assays_multi/<DMS_id>.csv                 the same, of assays with multiple mutants; goes before assays/
structures/<UniProt_ID>.pdb               a model of the sequence, or of a part of it
probs/<model>/<UniProt_ID>.npz            log-probabilities: see `distributions`
msa/<UniProt_ID>.a3m or .a2m              alignments

A file of distributions, or an alignment, that is named after an assay (<DMS_id>) goes before the UniProt entry's.
Where assays of an entry start from different sequences, its distributions are of the first assay's, in the alphabet.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from gym.errors import GymError
from gym.mutants import ALPHABET, Mutants, check_once, check_wild_types, parse

Array = NDArray[np.float64]

REFERENCE = Path("reference_files", "DMS_substitutions.csv")
TABLE = Path("benchmarks", "DMS_substitutions_Spearman_DMS_level.csv")
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)  # what np.load makes of such a file
_LEAST = -700.0  # of a log-probability: scores of what a model thinks impossible stay finite
_COLUMNS = ("DMS_id", "UniProt_ID", "target_seq", "coarse_selection_type", "taxon", "MSA_Neff_L_category")


class Assay(NamedTuple):
    """What the reference file says of one assay."""

    name: str
    uniprot: str
    function: str
    taxon: str
    msa_depth: str  # Low, Medium, High, or empty
    sequence: str
    cutoff: float  # fit from here on; nan: not known


class Measured(NamedTuple):
    """The variants of an assay: names, changes, fitness, and which count as fit."""

    names: list[str]
    mutants: Mutants
    fitness: Array
    fit: NDArray[np.bool_]


class Gym:
    """A folder of the layout above, whatever assays it holds.

    Raises (all methods): GymError, which names the file and says what to do.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / REFERENCE).is_file():
            raise GymError(
                f"{folder} {'has no ' + str(REFERENCE) if folder.is_dir() else 'is no folder'}: give one of the layout "
                "that gym/data.py describes, or run `aster prepare proteingym` without --data for the official one."
            )
        self.reference = {each.name: each for each in _reference(folder / REFERENCE)}
        there = {path.stem for name in ("assays", "assays_multi") for path in (folder / name).glob("*.csv")}
        self.assays = [each for name, each in sorted(self.reference.items()) if name in there]
        self.first = {each.uniprot: each.sequence for each in reversed(self.assays)}
        if not self.assays:
            raise GymError(
                f"{folder} holds no assay of its reference file: put files such as assays/BLAT_ECOLX_Stiffler_2015.csv "
                f"there, or run `aster prepare proteingym` without --data to download the official ones."
            )

    def path(self, assay: Assay, singles: bool = False) -> Path:
        """The assay's file; `singles`: the one in assays/, though there may be one with multiple mutants."""
        multi = self.folder / "assays_multi" / f"{assay.name}.csv"
        return multi if multi.exists() and not singles else self.folder / "assays" / f"{assay.name}.csv"

    def measured(self, assay: Assay, singles: bool = False) -> Measured:
        """The assay's variants, their wild types checked."""
        return read_assay(self.path(assay, singles), assay.sequence, assay.cutoff)

    def models(self) -> list[str]:
        """The names of the distributions that lie here: `model` or, where a file holds several, `model/array`."""
        return sorted({name for path in (self.folder / "probs").glob("*/*.npz") for name in _arrays(path)})

    def has(self, model: str, assay: Assay) -> bool:
        """Whether there is a file of this model for the assay's protein."""
        return self._npz(model, assay).exists()

    def distributions(self, model: str, assay: Assay) -> Array:
        """log p of shape (length, 20), residues in the order of ALPHABET; `nan` at positions that are not modelled."""
        return distributions(self._npz(model, assay), model.partition("/")[2] or None, assay.sequence)

    def structure(self, assay: Assay) -> Path | None:
        """The model of the protein's structure, or None."""
        path = self.folder / "structures" / f"{assay.uniprot}.pdb"
        return path if path.exists() else None

    def alignment(self, assay: Assay) -> Path | None:
        """The protein's alignment, or None."""
        names = (f"{name}.{end}" for name in (assay.name, assay.uniprot) for end in ("a3m", "a2m"))
        return next((path for name in names if (path := self.folder / "msa" / name).exists()), None)

    def _npz(self, model: str, assay: Assay) -> Path:
        folder = self.folder / "probs" / model.partition("/")[0]
        own = folder / f"{assay.name}.npz"
        other = self.first[assay.uniprot] != assay.sequence
        return own if other or own.exists() else folder / f"{assay.uniprot}.npz"


def read_assay(path: Path, sequence: str, cutoff: float = float("nan")) -> Measured:
    """Read one assay; fit is `DMS_score_bin` where there is one, else a fitness from the cut-off or the median on."""
    columns = read_columns(path, ("mutant", "DMS_score"))
    names = columns["mutant"]
    if not names:
        raise GymError(f"{path} holds no variants. Fill or remove it.")
    mutants = parse(names, path.name)
    check_wild_types(mutants, sequence, path.name)
    check_once(mutants, names, path.name)
    fitness = _numbers(columns["DMS_score"], path, "DMS_score")
    if "DMS_score_bin" in columns:
        fit = _numbers(columns["DMS_score_bin"], path, "DMS_score_bin") > 0
    else:
        fit = fitness >= (np.median(fitness) if np.isnan(cutoff) else cutoff)
    return Measured(names, mutants, fitness, fit)


def read_names(path: Path) -> list[str]:
    """The column `mutant` of a CSV."""
    return read_columns(path, ("mutant",))["mutant"]


def distributions(path: Path, array: str | None, sequence: str) -> Array:
    """Read log-probabilities of a sequence from an .npz: shape (length, 20) in the order of ALPHABET.

    The file holds one array of shape (positions, 20) (or `array` names it), the columns' residues as `aa` (ALPHABET by
    default), and where not all positions are modelled those that are as `pos0`, from 0; `seq` is the whole
    sequence or the residues at those. Rows are normalised in float64.
    """
    try:
        with _opened(path) as file:
            names = _tables(file)
            name = array or (names[0] if len(names) == 1 else "")
            if name not in names:
                held = f"the distributions {', '.join(names)}; say which of them" if names else "no array of two axes"
                raise GymError(f"{path} holds {held}.")
            values = np.asarray(file[name], dtype=np.float64)
            order = str(file["aa"]) if "aa" in file.files else ALPHABET
            places = np.asarray(file["pos0"] if "pos0" in file.files else np.arange(len(sequence)))
            said = str(file["seq"]) if "seq" in file.files else sequence
    except _BROKEN as error:
        raise GymError(f"{path} cannot be read as distributions: {error}. Make it again.") from error
    _check(path, values, order)
    there = "".join(sequence[at] for at in places.ravel().tolist() if type(at) is int and 0 <= at < len(sequence))
    same = len(there) == len(set(places.ravel().tolist())) and said in (sequence, there)
    if not same or places.shape != (len(values),):
        raise GymError(
            f"{path} is of another sequence: it has {len(values)} positions, this one {len(sequence)} residues. "
            "Positions that are not modelled are left out, and those that are listed as `pos0`, from 0."
        )
    full = np.full((len(sequence), 20), np.nan)
    values = values[:, [order.index(residue) for residue in ALPHABET]]
    top = values.max(axis=1, keepdims=True)
    less = np.maximum(values - top, _LEAST)
    full[places] = less - np.log(np.exp(less).sum(axis=1, keepdims=True))
    return full


def _check(path: Path, values: Array, order: str) -> None:
    """Raise GymError unless these are log-probabilities of the twenty residues."""
    if sorted(order) != sorted(ALPHABET) or values.shape[1] != len(ALPHABET):
        raise GymError(f"{path}: the columns are not the twenty residues: it has {values.shape[1]}, called {order}.")
    known = values[~np.isnan(values).all(axis=1)]  # whole rows of NaN are positions that are not modelled
    if not known.size or np.isnan(known).any() or (known == np.inf).any() or (known == -np.inf).all(axis=1).any():
        raise GymError(
            f"{path} holds values that are no log-probabilities (NaN or infinite). Leave such positions out."
        )
    if (known >= 0.0).all() and np.allclose(known.sum(axis=1), 1.0, atol=1e-3):
        raise GymError(f"{path} holds probabilities: it has to hold their logarithms.")


def read_table(path: Path) -> tuple[list[str], list[str], Array]:
    """Read a per-assay table of the benchmark: (assays, models, values), empty cells as `nan`."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    header, rows = rows[0], [row for row in rows[1:] if row]
    models = header[1 : header.index("Number of Mutants")]
    values = np.array([[float(cell) if cell else np.nan for cell in row[1 : len(models) + 1]] for row in rows])
    return [row[0] for row in rows], models, values


def _reference(path: Path) -> Iterator[Assay]:
    columns = read_columns(path, _COLUMNS)
    cutoffs = columns.get("DMS_binarization_cutoff", [""] * len(columns["DMS_id"]))
    for name, uniprot, sequence, function, taxon, depth, cutoff in zip(
        *(columns[column] for column in _COLUMNS), cutoffs, strict=True
    ):
        msa_depth = depth[:1].upper() + depth[1:]
        where = f"{path}: {name}"
        if not (sequence.isascii() and sequence.isalpha() and sequence.isupper()):
            raise GymError(f"{where} has no target_seq of capital letters: mend or drop its row.")
        yield Assay(name, uniprot, function, taxon, msa_depth, sequence, _cutoff(cutoff, where))


def _cutoff(cell: str, where: str) -> float:
    try:
        return float(cell) if cell else float("nan")
    except ValueError as error:
        raise GymError(f"{where} has a DMS_binarization_cutoff that is no number ({error}).") from error


def read_columns(path: Path, needed: tuple[str, ...]) -> dict[str, list[str]]:
    """Read a CSV by columns; those `needed` have to be there."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GymError(f"{path} cannot be read: {error}.") from error
    header = rows[0] if rows else []
    if not any(header):
        raise GymError(f"{path} is empty; it needs the columns {', '.join(needed)}.")
    missing = [name for name in needed if header.count(name) != 1]
    if missing:
        raise GymError(
            f"{path} has no column {', '.join(missing)}, or two of that name; it needs {', '.join(needed)}, once "
            f"each, with commas between, and has {', '.join(header)[:200]}."
        )
    body = [row for row in rows[1:] if row]
    short = next((number for number, row in enumerate(body, 2) if len(row) != len(header)), None)
    if short is not None:
        raise GymError(f"{path}: line {short} has not the {len(header)} cells of the header. Mend or drop it.")
    return dict(zip(header, map(list, zip(*body, strict=True)), strict=True)) if body else {name: [] for name in header}


def _numbers(cells: list[str], path: Path, column: str) -> Array:
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError as error:
        raise GymError(f"{path}: {column} holds something that is no number ({error}).") from error
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise GymError(f"{path}: {column} of variant {bad + 1} is not finite. Drop it.")
    return values


def _opened(path: Path) -> NpzFile:
    """Open an .npz; one of `_BROKEN` where it is none."""
    file = np.load(path, allow_pickle=False)
    if not isinstance(file, NpzFile):
        raise ValueError("it is no .npz")
    return file


def _tables(file: NpzFile) -> list[str]:
    return [name for name in file.files if file[name].ndim == 2]


def _arrays(path: Path) -> list[str]:
    try:
        with _opened(path) as file:
            names = _tables(file)
    except _BROKEN as error:
        raise GymError(f"{path} cannot be read as distributions: {error}. Make it again, or remove it.") from error
    return [path.parent.name] if len(names) == 1 else [f"{path.parent.name}/{name}" for name in names]
