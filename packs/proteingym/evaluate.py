"""Score a candidate's tables against the measured fitness: the trusted stage of this problem.

Usage: ``python evaluate.py SCORES LABELS [HIDDEN_LABELS] [--seed S] [--pictures FOLDER]``.

In a search there are only the labels of the search set, and the score is the benchmark's average over it: per UniProt
entry, per function type, then their mean. In an experiment that confirms a claim the hidden labels are there, and the
score is a sample of the same average over the hidden set: DRAWS families are drawn with replacement, each with the
chance that it weighs in that average, and the mean over them is reported. The seed decides who is drawn, so that two
candidates are compared on the same families, and the scatter of the pairs of a claim is that between families: what is
confirmed should hold for proteins of other families too.

The result goes as one JSON object to the path in the environment variable ASTER_SCORE.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gym import drawing
from gym.aggregate import average, average_error, weights
from gym.metrics import MEASURES, measures
from gym.packed import LABELS, Labelled, read_labels
from gym.scores import sum_mutants
from gym.shown import Shown, read_shown
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 1  # families in one experiment of a claim; more would repeat them, and make the interval look too narrow
NAMES = {"Spearman": "spearman", "NDCG": "ndcg", "AUC": "auc", "MCC": "mcc", "Top_recall": "top_recall"}


class Invalid(Exception):
    """The candidate's file breaks a rule; the message is one sentence for people and agents."""


def read_tables(path: Path, sizes: NDArray[np.int64]) -> list[Array]:
    """The tables of all proteins from the candidate's file, each of shape (length, 20)."""
    wanted = int(sizes.sum()) * 160
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Invalid("The scores are not a regular file.")
            content = file.read(wanted + 1)
    except OSError as error:
        raise Invalid(f"The file of scores cannot be opened: {error.strerror}.") from error
    if len(content) != wanted:
        more = "more" if len(content) > wanted else f"{len(content)}"
        raise Invalid(f"The file of scores has {more} bytes where {wanted} were asked for.")
    return np.split(np.frombuffer(content, dtype="<f8").reshape(-1, 20), np.cumsum(sizes)[:-1])


def judge(labelled: list[Labelled], tables: list[Array]) -> Array:
    """All measures of every assay, shape (assays, measures), in the order of MEASURES."""
    rows = []
    for number, each in enumerate(labelled, 1):
        score = sum_mutants(tables[each.protein], each.measured.mutants)
        if not np.isfinite(score).all():
            bad = int((~np.isfinite(score)).sum())
            raise Invalid(f"In assay {number} of {len(labelled)}, {bad} of {score.size} variants have no finite score.")
        found = measures(each.measured.fitness, each.measured.fit, score)
        rows.append([0.0 if np.isnan(found[name]) else found[name] for name in MEASURES])  # a constant orders nothing
    return np.array(rows)


def searched(labelled: list[Labelled], values: Array) -> dict[str, float]:
    """The benchmark's averages over all assays, and for people the plain mean and the lowest function type."""
    assays = [each.assay for each in labelled]
    found = {NAMES[name]: float(value) for name, value in zip(MEASURES, average(assays, values), strict=True)}
    kinds = sorted({each.function for each in assays})
    column = values[:, [MEASURES.index("Spearman")]]
    each = [
        float(average([a for a in assays if a.function == kind], column[[a.function == kind for a in assays]])[0])
        for kind in kinds
    ]
    return found | {"plain_mean": float(column.mean()), "weakest_function": min(each)}


def drawn(labelled: list[Labelled], values: Array, seed: int) -> dict[str, float]:
    """The mean over families drawn by their weight in the average; each family's score is that of its assays."""
    chances, scores = by_family(labelled, values)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 20231]))
    picked = rng.choice(len(chances), size=DRAWS, p=chances)
    return {NAMES[name]: float(value) for name, value in zip(MEASURES, scores[picked].mean(axis=0), strict=True)}


def by_family(labelled: list[Labelled], values: Array) -> tuple[Array, Array]:
    """What each family weighs in the average, adding up to 1, and its scores, shape (families, measures)."""
    shares = weights([each.assay for each in labelled])
    names = sorted({each.family for each in labelled})
    member = np.array([[each.family == name for each in labelled] for name in names]) * shares
    return member.sum(axis=1) / shares.sum(), member @ values / member.sum(axis=1, keepdims=True)


def main(arguments: list[str] | None = None) -> int:
    """Judge the file and report."""
    parser = argparse.ArgumentParser(description="Score a candidate's tables.")
    parser.add_argument("scores", type=Path)
    parser.add_argument("labels", type=Path, nargs="+", help="the last folder that is there is used")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args(arguments)
    there = [each for each in options.labels if (each / LABELS).exists()]
    if not there:
        print(f"there are no labels at {options.labels[0]}: prepare the problem", file=sys.stderr)
        return 1
    labelled, sizes = read_labels(there[-1])
    try:
        tables = read_tables(options.scores, sizes)
        values = judge(labelled, tables)
    except Invalid as broken:
        report({"invalid": str(broken)})
        return 0
    confirms = there[-1] != options.labels[0]
    report(drawn(labelled, values, options.seed) if confirms else searched(labelled, values))
    if options.pictures and not confirms and (shown := read_shown(there[-1])) is not None:
        draw(options.pictures, labelled, values, tables, shown)
    return 0


def report(score: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE."""
    with open(os.environ["ASTER_SCORE"], "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(json.dumps(score, allow_nan=False))


def draw(folder: Path, labelled: list[Labelled], values: Array, tables: list[Array], shown: Shown) -> None:
    """The pictures of the report; all are of the search set."""
    about, names = [each.assay for each in labelled], [each.assay.name for each in labelled]
    after = values[:, MEASURES.index("Spearman")]
    before, label = shown.values[:, shown.first], f"{shown.names[shown.first][0]}, log p"
    beside = np.concatenate([shown.values, after[:, None]], axis=1)
    rows = zip(average(about, beside).tolist(), average_error(about, beside, 500).tolist(), strict=True)
    labels = [*(f"{model} {scoring}" for model, scoring in shown.names), "this candidate"]
    bars = [drawing.Bar(name, *row, name == labels[-1]) for name, row in zip(labels, rows, strict=True)]
    table = tables[shown.protein]
    pictures = {
        "assays": drawing.assays(names, before, after, label),
        "averages": drawing.averages(bars),
        "scatter": drawing.scatter(names, before, after, label),
        "variants": drawing.heat_map(table, shown.wild, shown.title),
    }
    if (found := drawing.find_flip(shown.logp, table, shown.wild)) is not None:
        pictures["flip"] = drawing.flip(found, shown.logp, shown.wild, shown.title)
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
