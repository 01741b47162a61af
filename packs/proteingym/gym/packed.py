"""What an experiment reads: all proteins in a few long arrays, and apart from them the labels.

The inputs hold no names, no mutants and no fitness; proteins are in the order of a hash of their sequences. The labels
say which changes were measured, with which fitness, and what the averages need to know of each assay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.data import Assay, Measured
from gym.mutants import Mutants
from gym.structure import Structure

Array = NDArray[np.float64]
INPUTS, LABELS = "inputs.npz", "labels.npz"


class Entry(NamedTuple):
    """One protein as candidates get it: its residues, log p of each model, and its structure."""

    wild: NDArray[np.int8]
    logp: dict[str, Array]
    structure: Structure


class Labelled(NamedTuple):
    """One assay as the evaluator reads it; `protein` is an index into the inputs, `family` a name."""

    assay: Assay
    family: str
    protein: int
    measured: Measured


def write_inputs(folder: Path, entries: Sequence[Entry]) -> None:
    """Write `inputs.npz`: the proteins one after the other, models in their order."""
    models = list(entries[0].logp)
    arrays = {
        "lengths": np.array([len(each.wild) for each in entries], dtype=np.int64),
        "models": np.array(models),
        "wild": np.concatenate([each.wild for each in entries]),
        "logp": np.stack([np.concatenate([each.logp[m] for each in entries]) for m in models]),
        "alpha": np.concatenate([each.structure.alpha for each in entries]),
        "beta": np.concatenate([each.structure.beta for each in entries]),
        "confidence": np.concatenate([each.structure.confidence for each in entries]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / INPUTS, **arrays)


def lengths(folder: Path) -> NDArray[np.int64]:
    """The number of residues of each protein of the inputs."""
    with np.load(folder / INPUTS, allow_pickle=False) as file:
        return np.asarray(file["lengths"])


def write_labels(folder: Path, labelled: Sequence[Labelled], sizes: Sequence[int]) -> None:
    """Write `labels.npz`; `sizes`: the number of residues of each protein of the inputs."""
    about = [
        {"name": each.assay.name, "uniprot": each.assay.uniprot, "function": each.assay.function}
        | {"taxon": each.assay.taxon, "msa_depth": each.assay.msa_depth, "family": each.family}
        | {"protein": each.protein, "variants": each.measured.mutants.count, "changes": len(each.measured.mutants.row)}
        for each in labelled
    ]
    parts = [each.measured for each in labelled]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / LABELS,
        about=np.array(json.dumps(about)),
        lengths=np.array(sizes, dtype=np.int64),
        row=np.concatenate([each.mutants.row for each in parts]).astype(np.int32),
        position=np.concatenate([each.mutants.position for each in parts]).astype(np.int32),
        wild=np.concatenate([each.mutants.wild for each in parts]),
        mutated=np.concatenate([each.mutants.mutated for each in parts]),
        fitness=np.concatenate([each.fitness for each in parts]),
        fit=np.concatenate([each.fit for each in parts]),
    )


def read_labels(folder: Path) -> tuple[list[Labelled], NDArray[np.int64]]:
    """Read what `write_labels` wrote: the assays (without names of mutants and sequences) and the proteins' lengths."""
    with np.load(folder / LABELS, allow_pickle=False) as file:
        about, sizes = json.loads(str(file["about"])), np.asarray(file["lengths"])
        arrays = {name: file[name] for name in ("row", "position", "wild", "mutated", "fitness", "fit")}
    found, variant, change = [], 0, 0
    for each in about:
        rows, cells = slice(variant, variant + each["variants"]), slice(change, change + each["changes"])
        mutants = Mutants(
            arrays["row"][cells].astype(np.int64),
            arrays["position"][cells].astype(np.int64),
            arrays["wild"][cells],
            arrays["mutated"][cells],
            each["variants"],
        )
        assay = Assay(
            each["name"], each["uniprot"], each["function"], each["taxon"], each["msa_depth"], "", float("nan")
        )
        measured = Measured([], mutants, arrays["fitness"][rows], arrays["fit"][rows])
        found.append(Labelled(assay, each["family"], each["protein"], measured))
        variant, change = rows.stop, cells.stop
    return found, sizes
