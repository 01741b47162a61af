"""Where the noise is known from."""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from aster.audit.noise import noise_of, pooled, repeated_values, upper_bound
from aster.audit.runs import Run
from aster.errors import UserError
from aster.evidence.audit import Noise, Tried
from aster.testing.greedy import WORLDS, greedy_run


def run_of(*tried: Tried, marked: tuple[int, ...] = ()) -> Run:
    return Run("loss", "minimize", tried, marked, "", ())


def test_stated_and_repeats() -> None:
    run = run_of(Tried(2, 1.0, True))
    assert noise_of(run, 0.5, "")[0] == Noise(0.5, "stated")
    assert noise_of(run, None, "1, 2,3")[0] == Noise(1.0, "repeats", 2)
    with pytest.raises(UserError, match="not both"):
        noise_of(run, 0.5, "1,2")
    with pytest.raises(UserError, match="must be above 0"):
        noise_of(run, 0.0, "")


def test_repeats_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "repeats.txt"
    file.write_text("val_bpb\n0.991\n0.993\n")
    assert repeated_values(str(file)) == [0.991, 0.993]
    file.write_text("0.991\nwrong\n")
    with pytest.raises(UserError, match="'wrong' is not a number"):
        repeated_values(str(file))
    with pytest.raises(UserError, match="neither numbers"):
        repeated_values(str(tmp_path / "none"))
    with pytest.raises(UserError, match="at least two"):
        repeated_values("0.991")
    with pytest.raises(UserError, match="all equal"):
        noise_of(run_of(Tried(2, 1.0, True)), None, "1,1,1")


def test_marked_rows_are_pooled_within_versions() -> None:
    values = [(1.0, True), (3.0, False), (9.0, False), (5.0, True), (7.0, True), (6.0, False)]
    run = run_of(*(Tried(n, value, kept) for n, (value, kept) in enumerate(values)), marked=(1, 4, 5))
    noise, tried = noise_of(run, None, "marked")
    assert [t.repeat for t in tried] == [False, True, False, False, True, True]
    assert noise.degrees == 3
    assert noise.sd == pytest.approx(((1 + 1 + 1 + 1 + 0) / 3) ** 0.5)
    with pytest.raises(UserError, match="no row of the file is marked"):
        pooled(run.tried)


def test_the_bound_is_near_the_noise_where_nothing_helps_and_above_it_elsewhere() -> None:
    for world, low, high in (("no effect", 0.8, 1.4), ("rare gains", 1.0, 3.0), ("large effects", 2.0, 60.0)):
        bounds = [upper_bound(greedy_run(Random(seed), 60, WORLDS[world]).tried) / 0.01 for seed in range(40)]
        assert low < fmean(bounds) < high, world


@pytest.mark.parametrize("sd", [1e-300, 1e300])
def test_a_noise_in_another_unit(sd: float) -> None:
    run = run_of(Tried(1, 1.0, True), Tried(2, 1.5, False))
    with pytest.raises(UserError, match="is it in their unit"):
        noise_of(run, sd, "")


def test_too_little_for_a_bound() -> None:
    with pytest.raises(UserError, match=r"2 measured changes are too few.*--repeats"):
        upper_bound([Tried(n, float(n), n == 0) for n in range(3)])
    with pytest.raises(UserError, match="Most changes measured the same, so the metric looks exact"):
        upper_bound([Tried(n, 1.0, n == 0) for n in range(9)])
