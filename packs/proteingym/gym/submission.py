"""What the benchmark's maintainers ask for: scores of all variants, one file an assay, and the summary tables.

scores/<DMS_id>.csv                                          mutant, DMS_score, DMS_score_bin, one column a model
<Measure>/DMS_substitutions_<Measure>_DMS_level.csv          one row an assay
<Measure>/DMS_substitutions_<Measure>_Uniprot_level.csv      a UniProt entry's mean, and last the rows' own
<Measure>/DMS_substitutions_<Measure>_Uniprot_Selection_Type_level.csv      the same of each function type
<Measure>/Summary_performance_DMS_substitutions_<Measure>.csv     one row a model, best first

As in the benchmark's own file of them, a UniProt entry's row is there once for each of its assays (and as often again
where those are said to be of several MSA depths), and the last row is the mean of all rows, not that of the entries.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.aggregate import DEPTHS, FUNCTIONS, MSA_DEPTHS, TAXA, bootstrap_errors, by_two, mean_by, rounded, summary
from gym.data import Assay, Measured
from gym.metrics import MEASURES, measures

Array = NDArray[np.float64]
_STEM = "DMS_substitutions"


class Scored(NamedTuple):
    """One assay with the scores of all models, shape (variants, models)."""

    assay: Assay
    measured: Measured
    scores: Array


class Tables(NamedTuple):
    """Values of shape (assays, models) for each measure, over all variants and over those of each depth."""

    values: dict[str, Array]
    depths: dict[str, dict[str, Array]]


def tables(scored: Sequence[Scored]) -> Tables:
    """All measures of all assays; a depth that an assay has not is `nan`."""
    values: dict[str, list[list[float]]] = {name: [] for name in MEASURES}
    depths: dict[str, dict[str, list[list[float]]]] = {n: {d: [] for d in DEPTHS} for n in MEASURES}
    for each in scored:
        depth = np.minimum(each.measured.mutants.depth, len(DEPTHS))
        columns = [each.scores[:, model] for model in range(each.scores.shape[1])]
        whole = [measures(each.measured.fitness, each.measured.fit, score) for score in columns]
        for name in MEASURES:
            values[name].append([found[name] for found in whole])
        for at, label in enumerate(DEPTHS, 1):
            rows = depth == at
            some = [
                measures(each.measured.fitness[rows], each.measured.fit[rows], score[rows], float(np.median(score)))
                for score in columns
            ]
            for name in MEASURES:
                depths[name][label].append([found[name] for found in some])
    return Tables(
        {name: np.array(rows) for name, rows in values.items()},
        {name: {label: np.array(rows) for label, rows in by.items()} for name, by in depths.items()},
    )


def write(folder: Path, models: Sequence[str], kinds: Sequence[str], scored: Sequence[Scored]) -> Tables:
    """Write all files; `kinds`: the "Model type" of each model. Return the tables."""
    for each in scored:
        head = ["mutant", "DMS_score", "DMS_score_bin", *models]
        rows = zip(each.measured.names, each.measured.fitness, each.measured.fit.astype(int), each.scores, strict=True)
        _write(folder / "scores" / f"{each.assay.name}.csv", head, ([n, f, b, *s] for n, f, b, s in rows))
    found, assays = tables(scored), [each.assay for each in scored]
    for name in MEASURES:
        _levels(folder / name, name, models, scored, found.values[name])
        columns = summary(assays, found.values[name], found.depths[name])
        _summary(folder / name, name, models, kinds, columns, bootstrap_errors(assays, np.round(found.values[name], 3)))
    return found


def _levels(folder: Path, name: str, models: Sequence[str], scored: Sequence[Scored], values: Array) -> None:
    values, assays = rounded(values), [each.assay for each in scored]
    _write(
        folder / f"{_STEM}_{name}_DMS_level.csv",
        ["DMS ID", *models, "Number of Mutants", "Selection Type", "UniProt ID", "MSA_Neff_L_category", "Taxon"],
        (
            [a.name, *row, each.measured.mutants.count, a.function, a.uniprot, a.msa_depth, a.taxon]
            for a, each, row in zip(assays, scored, values, strict=True)
        ),
    )
    proteins = mean_by([(a.uniprot,) for a in assays], values)
    about = {key: [a for a in assays if a.uniprot == key] for (key,) in proteins.keys}
    rows = [
        (row, [function, key, msa_depth, taxon])
        for (key,), row in zip(proteins.keys, proteins.values, strict=True)
        for msa_depth in dict.fromkeys(a.msa_depth for a in about[key])
        for taxon in dict.fromkeys(a.taxon for a in about[key])
        for function in [a.function for a in about[key]]
    ]
    _averaged(
        folder / f"{_STEM}_{name}_Uniprot_level.csv",
        [*models, "Selection Type", "UniProt_ID", "MSA_Neff_L_category", "Taxon"],
        rows,
    )
    functions = by_two(assays, values, lambda each: each.function)
    _averaged(
        folder / f"{_STEM}_{name}_Uniprot_Selection_Type_level.csv",
        [*models, "Selection Type"],
        [(row, [key]) for (key,), row in zip(functions.keys, functions.values, strict=True)],
    )


def _averaged(path: Path, head: Sequence[str], rows: Sequence[tuple[Array, list[str]]]) -> None:
    """Write values and what they are of; the last row is the values' mean, of nothing."""
    values, about = np.array([row for row, _ in rows]), [named for _, named in rows]
    last = mean_by([()] * len(rows), values).values
    about.append([""] * len(about[0]))
    _write(
        path, head, ([*row, *named] for row, named in zip(rounded(np.concatenate([values, last])), about, strict=True))
    )


def _summary(
    folder: Path, name: str, models: Sequence[str], kinds: Sequence[str], columns: dict[str, Array], errors: Array
) -> None:
    order = [f"Function_{each}" for each in FUNCTIONS] + [*MSA_DEPTHS.values(), *TAXA.values()]
    order += [f"Depth_{each}" for each in DEPTHS]
    prose = ["Model details", "References"]  # for whoever submits to fill in
    best = np.argsort(-columns["Average"], kind="stable")
    head = [
        "Model_rank",
        "Model_name",
        "Model type",
        f"Average_{name}",
        f"Bootstrap_standard_error_{name}",
        *order,
        *prose,
    ]
    rows = (
        [rank, models[at], kinds[at], *rounded(np.array([columns["Average"][at], errors[at]]))]
        + [rounded(columns[column])[at] for column in order]
        + ["" for _ in prose]
        for rank, at in enumerate(best, 1)
    )
    _write(folder / f"Summary_performance_{_STEM}_{name}.csv", head, rows)


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([_cell(cell) for cell in row] for row in rows)


def _cell(cell: object) -> object:
    return "" if isinstance(cell, float) and np.isnan(cell) else cell
