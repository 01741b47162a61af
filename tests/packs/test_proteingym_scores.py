"""Mutants as arrays, the layout of the data, and the scoring functions."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.packs.gym import SMALL, module

data, mutants, scores = module("gym.data"), module("gym.mutants"), module("gym.scores")
metrics, aggregate = module("gym.metrics"), module("gym.aggregate")
GymError = module("gym.errors").GymError
WHOLE = os.environ.get("ASTER_PROTEINGYM", "")


# Mutants


def test_mutants_are_parsed_all_at_once() -> None:
    found = mutants.parse(["A1C", "M10Y:D200E", "W3423Y"])
    assert found.row.tolist() == [0, 1, 1, 2]
    assert found.position.tolist() == [0, 9, 199, 3422]
    assert "".join(mutants.ALPHABET[i] for i in found.wild) == "AMDW"
    assert "".join(mutants.ALPHABET[i] for i in found.mutated) == "CYEY"
    assert found.depth.tolist() == [1, 2, 1]
    assert mutants.parse([]).count == 0


@pytest.mark.parametrize(
    "name", ["", "A", "AC", "A0C", "A1", "1C", "A1B", "A-1C", "A1.5C", "a1C", "A1C:", "A1C D2E", "A1234567C", "Ä1C"]
)
def test_a_name_that_is_none_is_refused_by_row(name: str) -> None:
    with pytest.raises(GymError, match=r'mutant 3, ".*", is not of the form A24C'):
        mutants.parse(["A1C", "D2E", name, "A1C"])


def test_a_wrong_wild_type_is_named() -> None:
    found = mutants.parse(["A1C", "C2D:E3F"])
    mutants.check_wild_types(found, "ACE")
    with pytest.raises(
        GymError, match=r"E3F \(mutant 2\) says that residue 3 is E, but the sequence has D there. 1 of 3"
    ):
        mutants.check_wild_types(found, "ACD")
    with pytest.raises(GymError, match="ends at 2"):
        mutants.check_wild_types(found, "AC")


# The layout


def test_the_small_data_is_read() -> None:
    gym = data.Gym(SMALL)
    assert [each.uniprot for each in gym.assays] == ["GRB2_HUMAN", "IF1_ECOLI", "RL40A_YEAST"]
    assert gym.models() == ["proteinsolver/allmask", "proteinsolver/seqcond"]
    for assay in gym.assays:
        measured = gym.measured(assay)
        assert measured.fitness.size == len(measured.names) == measured.mutants.count > 900
        assert 0 < measured.fit.sum() < measured.fit.size
        logp = gym.distributions("proteinsolver/seqcond", assay)
        assert np.exp(logp).sum(axis=1) == pytest.approx(np.ones(len(assay.sequence)))


def test_columns_of_another_order_are_brought_into_ours(tmp_path: Path) -> None:
    order = mutants.ALPHABET[::-1]
    values = np.log(np.arange(1.0, 21.0) / 210.0)[None, :]
    np.savez(tmp_path / "a.npz", logp=values, aa=np.array(order), pos0=np.array([1]))
    found = data.distributions(tmp_path / "a.npz", None, "ACD")
    assert np.isnan(found[[0, 2]]).all()
    assert np.exp(found[1]) == pytest.approx(np.arange(20.0, 0.0, -1.0) / 210.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mutant,score\nM1A,1\n", "has no column DMS_score"),
        ("mutant,DMS_score\nM1A,fit\n", "no number"),
        ("mutant,DMS_score\nM1A,nan\n", "variant 1 is not finite"),
        ("mutant,DMS_score\nM1A\n", "line 2"),
        ("mutant,DMS_score\nA1M,1\n", "residue 1 is A"),
    ],
)
def test_a_broken_assay_is_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(GymError, match=message):
        data.read_assay(path, "MK")


def test_what_is_fit_is_the_files_column_or_the_cut_or_the_median(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mutant,DMS_score\nM1A,1\nM1C,2\nM1D,3\n")
    assert data.read_assay(tmp_path / "a.csv", "M").fit.tolist() == [False, True, True]
    assert data.read_assay(tmp_path / "a.csv", "M", cutoff=3.0).fit.tolist() == [False, False, True]
    (tmp_path / "a.csv").write_text("mutant,DMS_score,DMS_score_bin\nM1A,1,1\nM1C,2,0\nM1D,3,0\n")
    assert data.read_assay(tmp_path / "a.csv", "M", cutoff=3.0).fit.tolist() == [True, False, False]


def test_a_folder_without_assays_is_told(tmp_path: Path) -> None:
    with pytest.raises(GymError, match="has no reference_files"):
        data.Gym(tmp_path)


# Scoring functions


def by_hand(row: list[float], a: int) -> float:
    """The calibrated score in probabilities, a residue at a time."""
    below = [b for b in range(20) if row[b] <= row[a]]
    return math.log(math.fsum(math.exp(row[b]) for b in below)) - math.log(len(below) / 20)


def some_logp(seed: int, rows: int = 30) -> Any:
    drawn = np.random.default_rng(seed).normal(size=(rows, 20)) * 3.0
    drawn = np.round(drawn, 1)  # with ties
    return drawn - np.log(np.exp(drawn).sum(axis=1, keepdims=True))


def test_the_calibrated_score_is_its_definition() -> None:
    logp = some_logp(0)
    found = scores.calibrated(logp, np.zeros(30, dtype=np.int8))
    assert found == pytest.approx(np.array([[by_hand(row, a) for a in range(20)] for row in logp.tolist()]))


def test_ties_count_as_no_more_likely_and_a_flat_row_is_zero() -> None:
    flat = np.full((1, 20), -math.log(20.0))
    assert scores.calibrated(flat, np.zeros(1, dtype=np.int8)) == pytest.approx(np.zeros((1, 20)))
    logp = np.log(np.array([[0.3, 0.3] + [0.4 / 18] * 18]))
    found = scores.calibrated(logp, np.zeros(1, dtype=np.int8))[0]
    assert found[:2] == pytest.approx([0.0, 0.0])  # each is summed with the other
    assert found[2:] == pytest.approx([math.log(0.4 / 0.9)] * 18)


def test_the_calibrated_score_is_stable_where_probabilities_vanish() -> None:
    logp = np.full((1, 20), -5000.0)
    logp[0, 0], logp[0, 1] = 0.0, -1000.0
    found = scores.calibrated(logp, np.zeros(1, dtype=np.int8))[0]
    assert found[0] == pytest.approx(0.0)
    assert found[1] == pytest.approx(-1000.0 - math.log(19 / 20))
    assert found[2] == pytest.approx(-5000.0 + math.log(20.0))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logp, wild = some_logp(1), np.zeros(30, dtype=np.int8)
    whole = scores.calibrated(logp, wild)
    monkeypatch.setattr(scores, "_BLOCK", 7)
    assert (scores.calibrated(logp, wild) == whole).all()


def test_odds_are_zero_for_the_wild_type_and_unmodelled_rows_stay_so() -> None:
    logp, wild = some_logp(2), np.arange(30, dtype=np.int8) % 21
    logp[4] = np.nan
    for name in ("log-odds", "calibrated-odds"):
        table = scores.SCORINGS[name](logp, wild)
        assert np.isnan(table[4]).all()
        known = [i for i in range(30) if wild[i] < 20 and i != 4]
        assert (table[known, wild[known]] == 0.0).all()
    assert (scores.log_odds(logp, wild)[20] == logp[20]).all()  # of an unknown residue nothing is taken off


def test_a_multiple_mutant_is_the_sum_of_its_changes() -> None:
    table = np.arange(60.0).reshape(3, 20)
    parsed = mutants.parse(["A1C", "A1C:C2D:D3A", "D3Y"])
    assert scores.sum_mutants(table, parsed).tolist() == [1.0, 1.0 + 22.0 + 40.0, 59.0]


# The whole data, where there is some


@pytest.mark.skipif(not WHOLE, reason="ASTER_PROTEINGYM names no folder with the assays")
@pytest.mark.parametrize(("scoring", "expected"), [("log-p", 0.387), ("log-odds", 0.404), ("calibrated", 0.413)])
def test_the_calibrated_score_gains_on_the_shared_assays(scoring: str, expected: float) -> None:
    gym = data.Gym(Path(WHOLE))
    assays = [each for each in gym.assays if gym.has("proteinsolver/seqcond", each)]
    assert len(assays) == 56
    found = []
    for assay in assays:
        measured = gym.measured(assay, singles=True)
        logp = gym.distributions("proteinsolver/seqcond", assay)
        table = scores.SCORINGS[scoring](logp, mutants.encode(assay.sequence))
        found.append([metrics.spearman(measured.fitness, scores.sum_mutants(table, measured.mutants))])
    assert round(float(aggregate.average(assays, np.array(found))[0]), 3) == expected
