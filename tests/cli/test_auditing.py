"""`aster audit` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import run_here

REAL = Path(__file__).parents[1] / "data" / "autoresearch-mlx" / "results.tsv"


def test_a_real_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_here("audit", REAL, "--sd", 0.03)
    assert result.exit_code == 0, result.output
    assert "3 kept gains: " in result.output
    assert sorted(path.name for path in Path("results-audit").iterdir()) == ["audit.html", "gains.png", "running.png"]


def test_json_alone_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_here("audit", REAL, "--repeats", "2.66,2.69,2.70,2.67", "--json")
    data = json.loads(result.stdout)
    assert data["noise"]["degrees"] == 3
    assert data["steps"][-1]["verdict"] == "likely real"
    assert list(tmp_path.iterdir()) == []


def test_a_csv_with_a_stated_column(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("step,score\n1,0.50\n2,0.48\n3,0.61\n4,-999\n")
    result = run_here(
        "audit", file, "--column", "score", "--goal", "maximize", "--crash-value", "-999", "--sd", 0.02, "--json"
    )
    data = json.loads(result.stdout)
    assert (data["crashed"], len(data["steps"])) == (1, 1)
    assert data["claimed_gain"] == pytest.approx(0.11)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    result = run_here("audit", REAL, "--out", tmp_path / "x")
    assert result.exit_code == 2
    assert "4 measured changes are too few to bound it" in result.stderr
    assert "--repeats" in result.stderr
    assert not (tmp_path / "x").exists()
    assert run_here("audit", tmp_path / "none.tsv").exit_code == 2
