"""What an experiment's pictures compare a candidate with: made once, when the problem is prepared, of the search set.

It lies beside the labels of the search set and holds nothing of the hidden one: a picture is for people, and whoever
sees it must not learn from it what only confirmations may know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.aggregate import average
from gym.metrics import spearman
from gym.packed import Entry, Labelled
from gym.scores import SCORINGS, sum_mutants

Array = NDArray[np.float64]
SHOWN = "shown.npz"
KNOWN = ("log-p", "log-odds", "calibrated")  # scorings of models that a candidate is shown beside
MOST_RESIDUES = 300  # of the protein whose scores are all shown, if one is that short


class Shown(NamedTuple):
    """Scores that need no candidate, and one protein to show.

    `names[k]` is (model, scoring) and `values` has shape (assays, k): Spearman's correlation in each assay of the
    labels. `first` is the column of the best model's log p. `protein` is an index into the inputs, `title` the
    protein's name, and `wild` and `logp` are of it, by that model.
    """

    names: list[tuple[str, str]]
    values: Array
    first: int
    protein: int
    title: str
    wild: NDArray[np.int8]
    logp: Array


def make(labelled: Sequence[Labelled], entries: Sequence[Entry]) -> Shown:
    """Score all models by KNOWN, and choose the protein."""
    names = [(model, scoring) for model in entries[0].logp for scoring in KNOWN]
    values = np.array([[_spearman(each, entries[each.protein], *name) for name in names] for each in labelled])
    means = average([each.assay for each in labelled], values)
    first = max((at for at, name in enumerate(names) if name[1] == "log-p"), key=lambda at: float(means[at]))
    protein = _thorough(labelled, entries)
    title = next(each.assay.uniprot for each in labelled if each.protein == protein)
    entry = entries[protein]
    return Shown(names, values, first, protein, title, entry.wild, entry.logp[names[first][0]])


def write_shown(folder: Path, shown: Shown) -> None:
    """Write `shown.npz`."""
    np.savez(
        folder / SHOWN,
        names=np.array(shown.names),
        values=shown.values,
        first=shown.first,
        protein=shown.protein,
        title=np.array(shown.title),
        wild=shown.wild,
        logp=shown.logp,
    )


def read_shown(folder: Path) -> Shown | None:
    """Read what `write_shown` wrote; None where the data was prepared before there were pictures."""
    if not (folder / SHOWN).exists():
        return None
    with np.load(folder / SHOWN, allow_pickle=False) as file:
        names = [(str(model), str(scoring)) for model, scoring in file["names"]]
        first, protein, title = int(file["first"]), int(file["protein"]), str(file["title"])
        return Shown(names, file["values"], first, protein, title, file["wild"], file["logp"])


def _spearman(each: Labelled, entry: Entry, model: str, scoring: str) -> float:
    found = spearman(
        each.measured.fitness, sum_mutants(SCORINGS[scoring](entry.logp[model], entry.wild), each.measured.mutants)
    )
    return 0.0 if np.isnan(found) else found


def _thorough(labelled: Sequence[Labelled], entries: Sequence[Entry]) -> int:
    """The protein of which the largest share of single changes was measured, among those that are not too long."""
    sizes = {each.protein: len(entries[each.protein].wild) for each in labelled}
    short = {protein for protein, size in sizes.items() if size <= MOST_RESIDUES} or {min(sizes, key=sizes.__getitem__)}
    shares = dict.fromkeys(short, 0.0)
    for each in labelled:
        if each.protein in short:
            share = float((each.measured.mutants.depth == 1).sum()) / sizes[each.protein]
            shares[each.protein] = max(shares[each.protein], share)
    return max(sorted(shares), key=shares.__getitem__)
