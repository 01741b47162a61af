"""The benchmark's measures and averages, against its published tables and against definitions written out."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.packs.gym import SMALL, module

metrics, aggregate, data = module("gym.metrics"), module("gym.aggregate"), module("gym.data")
mutants, submission = module("gym.mutants"), module("gym.submission")
TABLE = SMALL / "benchmarks" / "DMS_substitutions_Spearman_DMS_level.csv"
PUBLISHED = SMALL / "benchmarks" / "Summary_performance_DMS_substitutions_Spearman.csv"


def official() -> tuple[list[Any], list[str], Any]:
    """The assays, the models and the per-assay Spearman correlations of the public table."""
    _, models, values = data.read_table(TABLE)
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assays = [
        data.Assay(
            row["DMS ID"], row["UniProt ID"], row["Selection Type"], row["Taxon"], row["MSA_Neff_L_category"], "", 0.0
        )
        for row in rows
    ]
    return assays, models, values


def published() -> dict[str, dict[str, str]]:
    with PUBLISHED.open(newline="") as file:
        return {row["Model_name"]: row for row in csv.DictReader(file)}


# The averages


def test_every_published_average_of_every_model_is_reproduced() -> None:
    assays, models, values = official()
    table = published()
    assert sorted(models) == sorted(table)
    assert len(models) == 97
    columns = aggregate.summary(assays, values)
    assert len(columns) == 13
    off = [
        (model, column)
        for column, found in columns.items()
        for model, value in zip(models, aggregate.rounded(found), strict=True)
        if float(table[model]["Average_Spearman" if column == "Average" else column]) != value
    ]
    assert off == []


def test_a_plain_mean_is_another_number() -> None:
    assays, models, values = official()
    column = models.index("ProSST (K=2048)")
    assert round(float(aggregate.average(assays, values)[column]), 3) == 0.507
    assert round(float(np.nanmean(values[:, column])), 4) == 0.5225


def test_bootstrap_errors_are_the_published_ones_but_for_the_draw() -> None:
    assays, models, values = official()
    errors = aggregate.bootstrap_errors(assays, values, samples=4000)
    table = published()
    for model, error in zip(models, errors, strict=True):
        assert error == pytest.approx(float(table[model]["Bootstrap_standard_error_Spearman"]), abs=0.0015)
    assert errors[models.index("AIDO Protein-RAG (16B)")] == 0.0


def test_weights_sum_to_one_and_give_the_average() -> None:
    assays, _, values = official()
    shares = aggregate.weights(assays)
    assert shares.sum() == pytest.approx(1.0)
    full = values[:, ~np.isnan(values).any(axis=0)]
    assert shares @ full == pytest.approx(aggregate.average(assays, full))


def test_empty_cells_are_left_out_of_every_mean() -> None:
    made = [data.Assay(str(i), "PQQ"[i], "AAB"[i], "Human", "Low", "", 0.0) for i in range(3)]
    values = np.array([[0.2, 0.1], [0.4, np.nan], [0.9, np.nan]])
    assert aggregate.average(made, values).tolist() == pytest.approx([(0.3 + 0.9) / 2, 0.1])
    low = aggregate.summary(made, values)["Low_MSA_depth"]
    assert low.tolist() == pytest.approx([(0.2 + (0.4 + 0.9) / 2) / 2, 0.1])
    assert math.isnan(aggregate.summary(made, values)["Taxa_Virus"][0])


def test_columns_by_mutation_depth_are_means_over_proteins_and_functions() -> None:
    made = [data.Assay(str(i), "PPQ"[i], "A", "Human", "Low", "", 0.0) for i in range(3)]
    values = np.zeros((3, 1))
    depths = {"1": np.array([[0.1], [0.3], [0.6]]), "2": np.array([[np.nan], [0.5], [np.nan]])}
    found = aggregate.summary(made, values, depths)
    assert (found["Depth_1"][0], found["Depth_2"][0]) == pytest.approx((0.4, 0.5))


def test_the_tables_of_proteins_and_functions_are_written_as_the_benchmark_writes_them(tmp_path: Path) -> None:
    assays, models, values = official()
    nothing = data.Measured([], mutants.parse([]), np.zeros(0), np.zeros(0, dtype=bool))
    scored = [submission.Scored(assay, nothing, np.zeros((0, len(models)))) for assay in assays]
    submission._levels(tmp_path, "Spearman", models, scored, values)
    functions, proteins = (
        list(csv.DictReader((tmp_path / f"DMS_substitutions_Spearman_{name}_level.csv").open()))
        for name in ("Uniprot_Selection_Type", "Uniprot")
    )
    table = published()
    assert [row["Selection Type"] for row in functions] == [*aggregate.FUNCTIONS, ""]  # last the mean
    for row, column in zip(
        functions, [*(f"Function_{f}" for f in aggregate.FUNCTIONS), "Average_Spearman"], strict=True
    ):
        assert {model: float(row[model]) for model in models} == {
            model: float(table[model][column]) for model in models
        }
    assert list(proteins[0])[len(models) :] == ["Selection Type", "UniProt_ID", "MSA_Neff_L_category", "Taxon"]
    names = [row["UniProt_ID"] for row in proteins]
    assert (len(names), len(set(names)), names[-1]) == (222, 187, "")  # an entry's row is there for each of its assays
    at = models.index("GEMME")
    mine = [row[at] for assay, row in zip(assays, values, strict=True) if assay.uniprot == "BLAT_ECOLX"]
    found = {row["GEMME"] for row in proteins if row["UniProt_ID"] == "BLAT_ECOLX"}
    assert [float(each) for each in found] == [round(float(np.mean(mine)), 3)]


# The measures


def drawn(seed: int, count: int = 400) -> tuple[Any, Any, Any]:
    """Fitness, what is fit, and a score with ties that knows a little of the fitness."""
    rng = np.random.default_rng(seed)
    fitness = rng.normal(size=count)
    score = np.round(fitness + 2.0 * rng.normal(size=count), 1)
    return fitness, fitness > 0.3, score


@pytest.mark.parametrize("seed", range(4))
def test_spearman_is_scipys(seed: int) -> None:
    fitness, _, score = drawn(seed)
    assert metrics.ranks(score).tolist() == stats.rankdata(score).tolist()
    assert metrics.spearman(fitness, score) == pytest.approx(stats.spearmanr(fitness, score)[0], abs=1e-12)


def test_auc_counts_pairs() -> None:
    fitness, fit, score = drawn(5, 60)
    pairs = [float(a > b) + 0.5 * float(a == b) for a in score[fit] for b in score[~fit]]
    assert metrics.auc(fit, score) == pytest.approx(sum(pairs) / len(pairs))
    assert math.isnan(metrics.auc(fitness > 99, score))


def test_mcc_is_the_correlation_of_two_splits() -> None:
    _, fit, score = drawn(6)
    assert metrics.mcc(fit, score) == pytest.approx(np.corrcoef(fit, score >= np.median(score))[0, 1])
    assert metrics.mcc(fit, np.zeros(400)) == 0.0
    assert metrics.mcc(fit, score, cut=1.0) == pytest.approx(np.corrcoef(fit, score >= 1.0)[0, 1])


def test_ndcg_and_top_recall_by_hand() -> None:
    fitness = np.arange(20.0)
    score = np.zeros(20)
    score[[18, 3]] = 2.0, 1.0  # the two that are looked at: a tenth of 20
    gains = fitness / 19.0
    found = gains[18] + gains[3] / math.log2(3)
    assert metrics.ndcg(fitness, score) == pytest.approx(found / (1.0 + gains[18] / math.log2(3)))
    assert metrics.ndcg(fitness, -fitness) == pytest.approx(gains[1] / math.log2(3) / (1 + gains[18] / math.log2(3)))
    score[[0, 1]] = 0.5
    assert metrics.top_recall(fitness, score) == 0.5
    assert metrics.top_recall(fitness, np.zeros(20)) == 1.0


def test_all_measures_at_once_are_the_single_ones() -> None:
    fitness, fit, score = drawn(7)
    single = {
        "Spearman": metrics.spearman(fitness, score),
        "AUC": metrics.auc(fit, score),
        "MCC": metrics.mcc(fit, score),
        "NDCG": metrics.ndcg(fitness, score),
        "Top_recall": metrics.top_recall(fitness, score),
    }
    assert metrics.measures(fitness, fit, score) == single


def test_the_edges_of_the_ndcg() -> None:
    assert metrics.ndcg(np.arange(19.0), np.arange(19.0)) == 1.0  # a tenth of 19 is the first alone
    first = np.arange(19.0)
    first[17] = 99.0
    assert metrics.ndcg(np.arange(19.0), first) == pytest.approx(17 / 18)
    assert metrics.ndcg(np.arange(20.0), np.where(np.arange(20) == 0, 1.0, -np.arange(20.0))) < 0.1
    assert math.isnan(metrics.ndcg(np.ones(20), np.arange(20.0)))
    assert metrics.ndcg(np.ones(9), np.arange(9.0)) == 0.0  # nothing is looked at
    assert metrics.ndcg(np.arange(10.0), -np.arange(10.0)) == 0.0


def test_variants_of_each_depth_are_judged_by_the_median_of_all() -> None:
    """And five changes or more are one depth."""
    rng, depths = np.random.default_rng(3), np.array([1] * 30 + [2] * 30 + [5] * 20 + [7] * 20)
    names = [":".join(f"A{at + 1}C" for at in rng.permutation(9)[:depth]) for depth in depths]
    measured = data.Measured(names, mutants.parse(names), rng.normal(size=100), rng.random(100) < 0.4)
    score = measured.fitness + rng.normal(size=100) - 0.5 * depths
    assay = data.Assay("a", "P", "Activity", "Human", "Low", "A" * 9, 0.0)
    found = submission.tables([submission.Scored(assay, measured, score[:, None])])
    for label, rows in (("1", depths == 1), ("2", depths == 2), ("5+", depths >= 5)):
        fit, high = measured.fit[rows], (score >= np.median(score))[rows]
        expected = 0.0 if len(set(high.tolist())) == 1 else np.corrcoef(fit, high)[0, 1]
        assert found.depths["MCC"][label][0, 0] == pytest.approx(expected)
        assert found.depths["Spearman"][label][0, 0] == pytest.approx(
            stats.spearmanr(measured.fitness[rows], score[rows])[0]
        )
    assert np.isnan(found.depths["Spearman"]["3"]).all()


def test_averages_are_of_values_as_they_are_published() -> None:
    made = [data.Assay(str(i), "PQ"[i], "A", "Human", "Low", "", 0.0) for i in range(2)]
    values = np.array([[0.1004], [0.2004]])
    found = aggregate.summary(made, values, {"1": values})
    assert (found["Average"][0], found["Depth_1"][0]) == pytest.approx((0.15, 0.15), abs=1e-12)


def test_a_constant_has_no_correlation() -> None:
    assert math.isnan(metrics.spearman(np.arange(5.0), np.ones(5)))
