"""`aster compare` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import run_here

from aster.handle import Campaign


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return rows(tmp_path / "old.csv", [96.8, 97.1, 96.5, 96.9])


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return rows(tmp_path / "new.csv", [95.2, 95.6, 95.1, 95.4])


def rows(path: Path, seconds: list[float]) -> Path:
    losses = [3.2781, 3.2772, 3.2790, 3.2779]
    lines = [f"{a},{b},{seed}" for seed, (a, b) in enumerate(zip(seconds, losses, strict=True))]
    path.write_text("\n".join(["seconds,val_loss,seed", *lines]) + "\n")
    return path


def test_times_to_a_target(old: Path, new: Path) -> None:
    result = run_here("compare", old, new, "--time-to-target", "--target", 3.28)
    assert result.exit_code == 0, result.output
    assert "Ratio of seconds, B/A: 0.9845, 95% interval 0.98" in result.stdout
    assert "4 pairs by seed (Student's t on logs)" in result.stdout
    assert "is at most 3.28 (p = 0.0067, below 0.01)" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("B is faster")
    strict = run_here("compare", old, new, "--time-to-target", "--target", 3.28, "--p", 0.001)
    assert "are not shown to be at most 3.28" in strict.stdout


def test_a_metric_and_json(old: Path, new: Path) -> None:
    result = run_here("compare", old, new, "--metric", "seconds", "--goal", "minimize", "--unpaired", "--json")
    data = json.loads(result.stdout)
    assert (data["metric"], data["kind"], data["by"]) == ("seconds", "difference", None)
    assert data["effect"]["value"] == pytest.approx(-1.5)
    assert data["said"].startswith("B is better")


def test_two_candidates_of_a_campaign(finished: Campaign) -> None:
    words = ("compare", "baseline", "champion", "--campaign", finished.id, "--campaigns", finished.folder.parent)
    result = run_here(*words)
    assert result.exit_code == 0, result.output
    assert "fresh runs of claim" in result.stdout
    assert "B is better: its loss is lower than A's" in result.stdout
    assert run_here(*words, "--time-to-target").exit_code == 2
    timed = run_here(*words, "--time-to-target", "--target", 1e6, "--time", "loss", "--loss", "loss", "--json")
    assert json.loads(timed.stdout)["kind"] == "ratio"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--time-to-target"], "needs the target, such as --target 3.28"),
        (["--target", "3.28"], "--target goes with --time-to-target"),
        (["--time-to-target", "--target", "3.28", "--metric", "x"], "name the time with --time"),
        (["--time-to-target", "--target", "3.28", "--goal", "minimize"], "so --goal says nothing"),
        (["--campaign", "last"], "so --campaign says nothing"),
        (["--time-to-target", "--target", "nan"], "--target must be a number"),
        (["--time-to-target", "--target", "3.28", "--p", "0.7"], "--p must be above 0 and below 0.5"),
        (["--time-to-target", "--target", "3.28", "--loss", "bpb"], "no number 'bpb' in common"),
    ],
)
def test_options_that_do_not_go_together(old: Path, new: Path, words: list[str], said: str) -> None:
    result = run_here("compare", old, new, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_what_is_not_there(old: Path, tmp_path: Path) -> None:
    result = run_here("compare", old, tmp_path / "none.csv")
    assert result.exit_code == 2
    assert "There is no file" in result.stderr
    result = run_here("compare", "a", "b", "--campaigns", tmp_path)
    assert result.exit_code == 2
    assert "no campaigns in" in result.stderr
