"""The benchmark's averages: per UniProt entry, then per function type, then their mean.

A plain mean over assays is another number, and a larger one: proteins with many assays and function types with many
proteins would weigh more. Tables are float arrays of shape (assays, models); a cell that is `nan` is left out of the
means that it would enter.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.data import Assay

Array = NDArray[np.float64]

FUNCTIONS = ("Activity", "Binding", "Expression", "OrganismalFitness", "Stability")
MSA_DEPTHS = {"Low": "Low_MSA_depth", "Medium": "Medium_MSA_depth", "High": "High_MSA_depth"}
TAXA = {
    "Human": "Taxa_Human",
    "Eukaryote": "Taxa_Other_Eukaryote",
    "Prokaryote": "Taxa_Prokaryote",
    "Virus": "Taxa_Virus",
}
DEPTHS = ("1", "2", "3", "4", "5+")
PLACES = 3  # the published per-assay values have three decimals, and averages are of these


class Cells(NamedTuple):
    """Means over assays of one key: the keys, sorted, and an array of shape (keys, models)."""

    keys: list[tuple[str, ...]]
    values: Array


def mean_by(keys: Sequence[tuple[str, ...]], values: Array) -> Cells:
    """The mean of the rows of each key, `nan` cells left out; `nan` where nothing is left."""
    names = sorted(set(keys))
    place = {name: index for index, name in enumerate(names)}
    rows = np.array([place[key] for key in keys], dtype=np.intp)
    there = ~np.isnan(values)
    counts = np.zeros((len(names), values.shape[1]))
    np.add.at(counts, rows, there)
    sums, lost = np.zeros_like(counts), np.zeros_like(counts)
    for row, cells in zip(rows, np.where(there, values, 0.0), strict=True):
        more = cells - lost[row]  # Kahan's sum: with a naive one means of exactly half a thousandth round astray
        total = sums[row] + more
        lost[row], sums[row] = (total - sums[row]) - more, total
    with np.errstate(invalid="ignore"):
        return Cells(names, sums / counts)


def by_two(assays: Sequence[Assay], values: Array, kind: Callable[[Assay], str]) -> Cells:
    """The mean per UniProt entry and kind, then per kind."""
    inner = mean_by([(each.uniprot, kind(each)) for each in assays], values)
    return mean_by([key[1:] for key in inner.keys], inner.values)


def average(assays: Sequence[Assay], values: Array) -> Array:
    """The headline average of each model, shape (models,)."""
    return _mean(by_two(assays, values, lambda each: each.function).values)


def weights(assays: Sequence[Assay]) -> Array:
    """What each assay weighs in the headline average where no cell is empty: shape (assays,), with sum 1."""
    return np.array([average(assays, row[:, None])[0] for row in np.eye(len(assays))])


def summary(
    assays: Sequence[Assay], values: Array, depths: dict[str, Array] | None = None, places: int | None = PLACES
) -> dict[str, Array]:
    """The columns of the benchmark's summary table, each of shape (models,), not rounded.

    Args:
        values: shape (assays, models); rounded to `places` first, as the benchmark does.
        depths: such a table for each of DEPTHS, over the variants with so many mutations; without it those columns
            are left out.
    """
    values = values if places is None else np.round(values, places)
    functions = by_two(assays, values, lambda each: each.function)
    found = {"Average": _mean(functions.values)}
    found |= _named(functions, {name: f"Function_{name}" for name in FUNCTIONS})
    found |= _named(by_two(assays, values, lambda each: each.msa_depth), MSA_DEPTHS)
    found |= _named(by_two(assays, values, lambda each: each.taxon), TAXA)
    for depth, table in (depths or {}).items():
        table = table if places is None else np.round(table, places)
        found[f"Depth_{depth}"] = _mean(mean_by([(each.uniprot, each.function) for each in assays], table).values)
    return found


def rounded(values: Array) -> Array:
    """To three decimals as the benchmark's tables are: halves of a thousandth to the even one."""
    return np.round(values, PLACES)


def bootstrap_errors(
    assays: Sequence[Assay], values: Array, samples: int = 10_000, seed: int = 0, against: int | None = None
) -> Array:
    """The standard error of each model's average less that of a reference model, shape (models,).

    Proteins are drawn with replacement within each function type. `against`: the column of the reference model; by
    default the one with the highest average, whose own error is 0.
    """
    inner = mean_by([(each.uniprot, each.function) for each in assays], values)
    if against is None:
        against = int(np.nanargmax(average(assays, values)))
    less = inner.values - inner.values[:, against : against + 1]
    rng, total = np.random.default_rng(seed), np.zeros((samples, values.shape[1]))
    kinds = sorted({key[1] for key in inner.keys})
    for kind in kinds:
        rows = less[[key[1] == kind for key in inner.keys]]
        total += _resampled(rows, samples, rng)
    means = [column[~np.isnan(column)] for column in total.T / len(kinds)]  # nan: only empty cells were drawn
    return np.array([each.std(ddof=1) if each.size > 1 else np.nan for each in means])


def average_error(assays: Sequence[Assay], values: Array, samples: int = 2_000, seed: int = 0) -> Array:
    """The standard error of each model's average itself, proteins drawn as in `bootstrap_errors`."""
    beside = np.concatenate([values, np.zeros((len(assays), 1))], axis=1)
    return bootstrap_errors(assays, beside, samples, seed, against=values.shape[1])[:-1]


def _resampled(rows: Array, samples: int, rng: np.random.Generator) -> Array:
    """Means of rows drawn with replacement, `nan` left out: shape (samples, columns)."""
    drawn = rng.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)), size=samples).astype(np.float64)
    there = ~np.isnan(rows)
    with np.errstate(invalid="ignore"):
        return np.asarray((drawn @ np.where(there, rows, 0.0)) / (drawn @ there))


def _named(cells: Cells, names: dict[str, str]) -> dict[str, Array]:
    found: dict[Hashable, Array] = {key[0]: row for key, row in zip(cells.keys, cells.values, strict=True)}
    nothing = np.full(cells.values.shape[1], np.nan)
    return {column: found.get(name, nothing) for name, column in names.items()}


def _mean(values: Array) -> Array:
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0.0).sum(axis=0) / there.sum(axis=0))
