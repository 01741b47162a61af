from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aster.errors import InitError
from aster.problems.problem import load_problem
from aster.problems.wrapping.scaffold import TEMPLATES, scaffold
from aster.proposers.ideas import load_ideas

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_a_problem_named_after_its_folder(tmp_path: Path) -> None:
    made = scaffold(tmp_path / "Short_Tours")
    problem = load_problem(made.folder)
    assert made.name == problem.spec.problem.name == "short-tours"
    assert not any(b"@NAME@" in data for data in problem.files.values())
    assert load_ideas(problem.idea_files, problem.solution_files, problem.editable)


def test_it_is_not_made_twice(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    with pytest.raises(InitError, match="exists"):
        scaffold(tmp_path / "p")
    assert list((tmp_path / "p").iterdir()) == []


@pytest.fixture
def score(tmp_path: Path) -> object:
    """Score a text as the output of a run."""
    folder = scaffold(tmp_path / "p").folder

    def scored(text: str) -> dict[str, object]:
        (tmp_path / "tours.json").write_text(text)
        subprocess.run(
            [sys.executable, "evaluate.py", str(tmp_path / "tours.json"), "1"],
            cwd=folder, env={**os.environ, "ASTER_SCORE": str(tmp_path / "score")}, check=True,
        )  # fmt: skip
        read: dict[str, object] = json.loads((tmp_path / "score").read_text())
        return read

    return scored


@pytest.mark.parametrize(
    "tours",
    [
        "nothing",
        [],
        [[0] * 60] * 5,
        [list(range(59))] * 5,
        [list(range(60))] * 4,
        [[*range(59), 59.0]] * 5,
        [[True, *range(1, 60)]] * 5,
        ["abc"] * 5,
    ],
)
def test_its_evaluator_lets_nothing_through(score, tours: object) -> None:  # type: ignore[no-untyped-def]
    assert set(score(json.dumps({"tours": tours}))) == {"invalid"}
    assert set(score("{" * 5000)) == {"invalid"}


def test_its_evaluator_measures_the_round_trip(score) -> None:  # type: ignore[no-untyped-def]
    tour = list(range(60))
    forward = score(json.dumps({"tours": [tour] * 5}))["length"]
    turned = score(json.dumps({"tours": [[*tour[7:], *tour[:7]]] * 5}))["length"]
    assert 20 < forward < 45
    assert turned == pytest.approx(forward)


def test_the_templates_ship_in_the_wheel() -> None:
    """The wheel holds all of src/aster; whatever git does not know would not be in a checkout either."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/aster"]
    assert not {"exclude", "include", "only-include"} & set(wheel)
    names = {path.name for path in Path(str(TEMPLATES)).rglob("*") if path.is_file()}
    assert {"problem.toml", "README.md", "tour.py", "nearest-first.md", "run_here.py", "openevolve_run.py"} <= names
    ignored = subprocess.run(
        ["git", "check-ignore", *map(str, Path(str(TEMPLATES)).rglob("*.*"))], cwd=ROOT, capture_output=True, text=True
    )
    assert [line for line in ignored.stdout.splitlines() if not line.endswith(".pyc")] == []
