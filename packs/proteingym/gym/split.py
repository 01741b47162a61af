"""From a folder of the layout to the two sets of the problem: one to search on, one that only confirmations read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from gym.data import Assay, Gym
from gym.errors import GymError
from gym.families import families, is_hidden
from gym.mutants import encode
from gym.packed import Entry, Labelled, write_inputs, write_labels
from gym.structure import no_structure, read_structure

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
            "pack's README), or have them computed by `python score.py --write-probs`."
        )
    widest = max(covered.values(), key=len)
    return [model for model, names in covered.items() if set(names) >= set(widest)]


def split(gym: Gym, out: Path, models: Sequence[str], tell: Callable[[str], None]) -> dict[str, list[Assay]]:
    """Write `search` and `hidden` below `out`, each with `inputs` and `labels`; return the assays of each.

    Raises:
        GymError: a file is broken, or one of the sets is empty.
    """
    assays = usable(gym, models)
    proteins = sorted({(each.uniprot, each.sequence) for each in assays})
    tell(f"{len(assays)} of {len(gym.assays)} assays have {', '.join(models)}; aligning {len(proteins)} proteins")
    family = dict(zip(proteins, families(proteins), strict=True))
    found: dict[str, list[Assay]] = {}
    for name in SETS:
        found[name] = [
            each for each in assays if is_hidden(family[each.uniprot, each.sequence]) == (name == "hidden")
        ]
        if not found[name]:
            raise GymError(
                f"No protein family of {gym.folder} falls into the {name} set: the split needs more assays than the "
                f"{len(assays)} with distributions here."
            )
    for name in SETS:
        shutil.rmtree(out / name, ignore_errors=True)
        _write(gym, out / name, found[name], models, family)
    return found


def _write(
    gym: Gym, out: Path, assays: Sequence[Assay], models: Sequence[str], family: dict[tuple[str, str], str]
) -> None:
    proteins = sorted(
        {(each.uniprot, each.sequence): each for each in assays}.items(),
        key=lambda item: hashlib.sha256("\n".join(item[0]).encode()).digest(),
    )
    entries = []
    for (_, sequence), assay in proteins:
        path = gym.structure(assay)
        structure = no_structure(len(sequence)) if path is None else read_structure(path, sequence)
        entries.append(Entry(encode(sequence), {m: gym.distributions(m, assay) for m in models}, structure))
    place = {key: at for at, (key, _) in enumerate(proteins)}
    labelled = []
    for assay in assays:
        key = (assay.uniprot, assay.sequence)
        labelled.append(Labelled(assay, family[key], place[key], gym.measured(assay)))
    write_inputs(out / "inputs", entries)
    write_labels(out / "labels", labelled, [len(each.wild) for each in entries])
