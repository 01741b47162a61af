"""A problem folder with another baseline: which ideas are carried over, and that they make what they made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.packs.nanochat import module_of
from tests.packs.pack import PACKS

from aster.domain.records import Change
from aster.errors import UserError
from aster.problems.problem import load_problem
from aster.proposers.compose import Composed, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.knobs import read_knob
from aster.proposers.library import IdeaLibrary

SCRIPT = PACKS.parent / "benchmarks" / "rebase.py"
if not SCRIPT.exists():
    pytest.skip("the benchmarks are not in a source distribution", allow_module_level=True)


def script() -> Any:
    return module_of(SCRIPT, "benchmarks_rebase")


def library(folder: Path) -> IdeaLibrary:
    problem = load_problem(folder)
    return load_ideas(problem.idea_files, problem.solution_files, problem.editable)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKS / "speedrun", tmp_path / "copy"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in [*folder.glob("ideas/*.md"), *folder.glob("solution/*.py")]}


def text_of(made: object) -> str:
    assert isinstance(made, Composed)
    return made.files["solution/train.py"].decode()


def test_ideas_become_the_baseline_and_the_others_still_make_what_they_made(folder: Path) -> None:
    left = script().rebase(folder, ["stop-when-good"], ["STEPS=180", "STOP_AT=4.7"], ["growing-batch"])
    ideas, old = library(folder), library(PACKS / "speedrun")
    assert ideas.keys() == old.keys() - {"stop-when-good", "growing-batch"}
    assert "smear: its knob solution/train.py::STEPS" in left
    assert [knob.qualified for knob in ideas["smear"].knobs] == ["SMEAR_WIDTH"]
    new = text_of(compose(ideas, [Change("smear"), Change("backout", {"solution/train.py::BACKOUT_INIT": 0.25})]))
    assert read_knob(new, "STEPS") == 180
    assert read_knob(new, "STOP_AT") == 4.7
    want = compose(old, [Change("smear"), Change("stop-when-good"), Change("backout")])
    for constant, value in (("STEPS", "2400"), ("STOP_AT", "3.27"), ("BACKOUT_INIT", "0.5")):
        now = {"STEPS": "180", "STOP_AT": "4.7", "BACKOUT_INIT": "0.25"}[constant]
        new = new.replace(f"\n{constant} = {now}", f"\n{constant} = {value}")
    assert new == text_of(want)


def test_what_does_not_merge_with_the_new_baseline_is_left_out(folder: Path) -> None:
    left = script().rebase(folder, [], ["BATCHES=[65536]"], [])
    assert "growing-batch: it does not merge with the new baseline" in left
    assert "growing-batch" not in library(folder)
    assert "smear" in library(folder)


@pytest.mark.parametrize(
    ("names", "settings", "said"),
    [
        (["no-such-idea"], [], "there is no idea no-such-idea"),
        (["documents", "paired-heads"], [], "conflict"),
        ([], ["NO_SUCH=3"], "NO_SUCH"),
        ([], ["STEPS=many"], "STEPS=many"),
        ([], ["solution/none.py::STEPS=3"], "none.py"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    folder: Path, names: list[str], settings: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        script().rebase(folder, names, settings, [])
    assert files(folder) == files(PACKS / "speedrun")


def test_what_another_idea_requires_cannot_go_alone(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PACKS / "nanochat", tmp_path / "copy"))
    with pytest.raises(UserError, match="ngram-backoff requires ngram-input: --drop ngram-backoff too"):
        script().rebase(folder, ["ngram-input"], [], [])


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script().main([str(tmp_path / "nowhere"), "--set", "STEPS=3"]) == 2
    assert script().main([str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "no such folder" in said[0]
    assert "problem.toml" in said[1]
    assert len(said) == 2
