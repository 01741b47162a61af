"""From a folder of the layout to the two sets of the problem: one to search on, one that only confirmations read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gym.aggregate import weights
from gym.data import Assay, Gym
from gym.errors import GymError
from gym.families import families, is_hidden
from gym.mutants import encode, repeated
from gym.packed import Entry, Labelled, write_inputs, write_labels
from gym.shown import make, write_shown
from gym.structure import Structure, no_structure, read_structure

Array = NDArray[np.float64]
SETS = ("search", "hidden")


def usable(gym: Gym, models: Sequence[str]) -> list[Assay]:
    """The assays whose protein all of these models cover."""
    return [each for each in gym.assays if all(gym.has(model, each) for model in models)]


def common_models(gym: Gym) -> list[str]:
    """The models that cover the most assays, and all others that cover the same ones; by name."""
    covered = {model: [each.name for each in gym.assays if gym.has(model, each)] for model in gym.models()}
    if not covered:
        raise GymError(
            f"{gym.folder} holds no distributions: put log-probabilities at probs/<model>/<UniProt_ID>.npz (see the "
            "pack's README), or write them with `python -m aster.cli.pack proteingym score --write-probs`."
        )
    widest = max(covered.values(), key=len)
    return [model for model, names in covered.items() if set(names) >= set(widest)]


def split(
    gym: Gym, out: Path, models: Sequence[str], tell: Callable[[str], None], forgiving: bool = False
) -> dict[str, list[Assay]]:
    """Write `search` and `hidden` below `out`, each with `inputs` and `labels`; return the assays of each.

    `forgiving`: a structure that is not of its protein's sequence is said and left out.

    Raises:
        GymError: a file is broken, or one of the sets is empty.
    """
    if unknown := sorted(set(models) - set(gym.models())):
        raise GymError(f"{gym.folder} has no distributions of {', '.join(unknown)}; it has {', '.join(gym.models())}.")
    assays = usable(gym, models)
    proteins = sorted({(each.uniprot, each.sequence) for each in assays})
    tell(f"{len(assays)} of {len(gym.assays)} assays have {', '.join(models)}; aligning {len(proteins)} proteins")
    family = dict(zip(proteins, families(proteins), strict=True))
    found: dict[str, list[Assay]] = {}
    for name in SETS:
        found[name] = [each for each in assays if is_hidden(family[each.uniprot, each.sequence]) == (name == "hidden")]
        if not found[name]:
            raise GymError(
                f"No protein family of {gym.folder} falls into the {name} set: the split needs more assays than the "
                f"{len(assays)} with distributions here."
            )
    draft = out / "unfinished"  # what was prepared before stays as it is until all of the new is there
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for name in SETS:
            _write(gym, draft / name, found[name], models, family, tell, forgiving)
            worth = effective([family[each.uniprot, each.sequence] for each in found[name]], weights(found[name]))
            tell(f"{name}: its families scatter like {worth:.1f} of equal weight")
        for name in SETS:  # both go first: whoever stops us in between has no data, and not sets of two folders
            shutil.rmtree(out / name, ignore_errors=True)
        for name in SETS:
            (draft / name).rename(out / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return found


def filled(logp: Array) -> Array:
    """Positions that a model does not cover get a flat distribution: every measured variant needs a score."""
    return np.where(np.isnan(logp), -np.log(20.0), logp)


def effective(names: Sequence[str], shares: Array) -> float:
    """How many families of equal weight would give a mean that scatters as much."""
    total = dict.fromkeys(names, 0.0)
    for name, share in zip(names, shares, strict=True):
        total[name] += float(share)
    return sum(total.values()) ** 2 / sum(each**2 for each in total.values())


def _structure(path: Path | None, sequence: str, tell: Callable[[str], None] | None) -> Structure:
    """The protein's structure, or none; without `tell` one that does not fit is an error."""
    try:
        if path is not None:
            return read_structure(path, sequence)
    except GymError as error:
        if tell is None:
            raise
        tell(f"left out: {error}")
    return no_structure(len(sequence))


def _write(
    gym: Gym,
    out: Path,
    assays: Sequence[Assay],
    models: Sequence[str],
    family: dict[tuple[str, str], str],
    tell: Callable[[str], None],
    forgiving: bool,
) -> None:
    proteins = sorted(
        {(each.uniprot, each.sequence): each for each in assays}.items(),
        key=lambda item: hashlib.sha256("\n".join(item[0]).encode()).digest(),
    )
    entries = []
    for (_, sequence), assay in proteins:
        structure = _structure(gym.structure(assay), sequence, tell if forgiving else None)
        entries.append(Entry(encode(sequence), {m: filled(gym.distributions(m, assay)) for m in models}, structure))
    place = {key: at for at, (key, _) in enumerate(proteins)}
    labelled = []
    for assay in assays:
        key = (assay.uniprot, assay.sequence)
        measured = gym.measured(assay)
        if np.ptp(measured.fitness) == 0:
            raise GymError(
                f"{gym.path(assay)} has nothing to rank: {len(measured.names)} variants, all of the same DMS_score. "
                "Remove it."
            )
        if (twice := repeated(measured.names)) is not None:
            tell(f"{gym.path(assay)} holds {measured.names[twice[0]]} more than once: each counts")
        labelled.append(Labelled(assay, family[key], place[key], measured))
    write_inputs(out / "inputs", entries)
    write_labels(out / "labels", labelled, [len(each.wild) for each in entries])
    if out.name == "search":  # pictures are of nothing else
        write_shown(out / "labels", make(labelled, entries))
