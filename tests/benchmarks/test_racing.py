"""The small functions of the benchmarks on evidence, and one small run of each."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks.racing", reason="the benchmarks are not in a source distribution")

from aster.problems.problem import load_problem
from benchmarks import machine, pure_noise, racing, regret


def test_an_exact_interval_of_a_share() -> None:
    low, high = machine.share_interval(50, 1000)
    assert 0.037 < low < 0.038
    assert 0.065 < high < 0.066
    assert machine.share_interval(0, 20)[0] == 0.0
    assert machine.share_interval(0, 20)[1] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_the_budget_that_a_power_needs_is_interpolated() -> None:
    assert racing.crossing([40, 60, 90], [0.1, 0.5, 0.9], 0.7) == pytest.approx(75.0)
    assert racing.crossing([40, 60, 90], [0.8, 0.8, 0.9], 0.7) == 40
    assert racing.crossing([40, 60, 90], [0.1, 0.5, 0.6], 0.7) is None


def test_a_cell_counts_what_campaigns_find() -> None:
    cell = racing.run_cell(racing.Kind(gain=6.0, seeds=4, racing=True, budget=60, campaigns=5, field=8))
    assert (cell.found, cell.wrong, cell.of) == (5, 0, 5)
    none = racing.run_cell(racing.Kind(gain=0.0, seeds=1, racing=False, budget=40, campaigns=5, field=8))
    assert none.experiments <= 40


def test_keeping_what_is_better_keeps_as_many_as_there_are_records() -> None:
    """Of n values drawn alike, each is a new record with a chance of one by its place: H(n) - 1 of them."""
    kept = statistics.fmean(pure_noise.greedy(seed, 100).gains for seed in range(400))
    assert abs(kept - sum(1 / k for k in range(2, 101))) < 4 * math.sqrt(3.6 / 400)


def test_simulated_noise_makes_claims_and_hardly_confirms_any() -> None:
    seen = [pure_noise.simulated(seed, 60) for seed in range(10)]
    assert sum(s.claims for s in seen) > 0
    assert sum(s.gains for s in seen) <= 3


def test_the_problem_of_noise_can_be_run(tmp_path: Path) -> None:
    problem = load_problem(pure_noise.write_problem(tmp_path / "noise"))
    assert problem.spec.takes_seed
    assert len(problem.idea_files) == 2


def test_the_optimum_is_known(tmp_path: Path) -> None:
    best = {"RATE": 0.006, "WIDTH": 96, "DEPTH": 5, "DROPOUT": 0.15, "DECAY": 0.02, "OPTIMIZER": "adam"}
    assert regret.regret(best) == 0.0
    assert regret.regret({}) == 1.0
    worse = [{**best, "WIDTH": 97}, {**best, "DEPTH": 4}, {**best, "OPTIMIZER": "lion"}, {**best, "RATE": 0.005}]
    assert all(regret.regret(settings) > 0 for settings in worse)
    assert load_problem(regret.write_problem(tmp_path / "known")).spec.objective.metric == "loss"


def test_the_script_that_is_wrapped_has_the_defaults(tmp_path: Path) -> None:
    folder = regret.write_problem(tmp_path / "known")
    out = tmp_path / "x.json"
    subprocess.run([sys.executable, str(folder / "solution/train.py"), str(out), "7"], check=True)
    assert f"[{list(regret.DEFAULTS.values())}, '7']".replace("'", '"') == out.read_text()


def test_a_row_has_the_median_and_its_interval() -> None:
    row = regret.row(0.05, "x", [k / 100 for k in range(1, 21)])
    assert row == "| 5% | x | 20 | 10.5% | 6.0% to 15.0% | 5.3% to 15.8% | 20.0% |"
