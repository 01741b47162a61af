from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import run_here
from typer.testing import Result

from aster.handle import Campaign


@pytest.fixture
def home(finished: Campaign, tmp_path: Path) -> Path:
    """A copy of the folder that holds the finished campaign and the problem that it was made from."""
    shutil.copytree(finished.folder.parents[1] / "toy", tmp_path / "home" / "toy")
    place = tmp_path / "home" / "campaigns" / finished.id
    place.mkdir(parents=True)
    shutil.copy(finished.folder / "ledger.db", place)
    return tmp_path / "home"


def apply(home: Path, *words: object) -> Result:
    return run_here("apply", "last", *words, "--campaigns", home / "campaigns")


def values(home: Path) -> tuple[str, str]:
    return (home / "toy/solution/a.py").read_text(), (home / "toy/solution/b.py").read_text()


def test_the_champion_is_put_on_the_problem_that_it_came_from(finished: Campaign, home: Path) -> None:
    best = finished.best
    assert best is not None
    dry = apply(home, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "would change" in dry.output
    assert values(home) == ("A = 0.0\n", "B = 0.0\n")
    done = apply(home)
    assert done.exit_code == 0, done.output
    assert values(home) == tuple(best.files[f"solution/{name}.py"].decode() for name in "ab")
    assert "has all of" in apply(home).output


def test_a_conflict_writes_nothing_and_exits_2(home: Path) -> None:
    (home / "toy/solution/a.py").write_text("A = 0.5\n")
    for dry in ([], ["--dry-run"]):
        result = apply(home, *dry)
        assert result.exit_code == 2
        assert "same lines of solution/a.py" in result.stderr
    assert values(home) == ("A = 0.5\n", "B = 0.0\n")
    assert apply(home, "--force").exit_code == 0
    assert sorted(path.name for path in (home / "toy/solution").glob("*.orig")) == ["a.py.orig"]
    assert (home / "toy/solution/a.py.orig").read_text() == "A = 0.5\n"


def test_to_names_another_copy(home: Path) -> None:
    shutil.copytree(home / "toy", home / "mine")
    (home / "mine/evaluate.py").write_text("")
    result = apply(home, "--to", home / "mine")
    assert result.exit_code == 0
    assert "another in: evaluate.py" in result.output
    assert values(home) == ("A = 0.0\n", "B = 0.0\n")
    assert (home / "mine/solution/a.py").read_text() != "A = 0.0\n"


def test_the_problem_is_gone(home: Path) -> None:
    (home / "toy").rename(home / "moved")
    result = apply(home)
    assert result.exit_code == 2
    assert "--to DIR" in result.stderr


def test_a_candidate_without_a_claim_needs_a_word(finished: Campaign, home: Path) -> None:
    others = [c for c in finished.board.candidates if c not in (finished.board.champion, finished.board.baseline)]
    result = apply(home, others[0])
    assert result.exit_code == 2
    assert "--unconfirmed" in result.stderr
    assert apply(home, others[0], "--unconfirmed").exit_code == 0
    assert values(home) != ("A = 0.0\n", "B = 0.0\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_tree_that_cannot_be_written_is_the_machines_trouble(home: Path) -> None:
    (home / "toy/solution").chmod(0o555)
    result = apply(home)
    (home / "toy/solution").chmod(0o755)
    assert result.exit_code == 1
    assert "All files are as they were" in result.stderr
