"""What holds for the ideas of every built-in problem."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from tests.packs.pack import PACKS, composed, library, problem

from aster.agents.outline import definitions
from aster.domain.records import COMBINATION
from aster.problems.globs import Globs
from aster.proposers.compose import Conflict

FOLDERS = ("erdos_overlap", "function_speed", "proteingym")
EACH = [(folder, name) for folder in FOLDERS for name in library(folder)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_there_are_ideas_on_several_surfaces(folder: str) -> None:
    ideas = library(folder)
    assert len(ideas) >= 10
    assert len({idea.surface for idea in ideas.values()}) >= 4


@pytest.mark.parametrize(("folder", "name"), EACH)
def test_an_idea_states_its_case(folder: str, name: str) -> None:
    idea = library(folder)[name]
    assert idea.source
    assert idea.predicts is not None
    assert idea.predicts >= 0
    assert len(idea.text) > 150
    assert "efuted if" in idea.text
    assert idea.base != idea.patched
    for text in idea.patched.values():
        assert not re.search(r"\d\.\d{6,}", text), "a result learnt elsewhere does not belong in an idea"


@pytest.mark.parametrize(("folder", "name"), EACH)
def test_the_statement_names_the_surface(folder: str, name: str) -> None:
    assert f"| {library(folder)[name].surface} |" in (PACKS / folder / "README.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_conflicts_are_declared_or_resolved_and_the_rest_merges(folder: str) -> None:
    ideas = library(folder)
    for first, second in combinations(ideas.ordinary, 2):
        declared = second in ideas[first].conflicts
        assert declared == (first in ideas[second].conflicts)
        if ideas.declared_conflict(ideas.closure([first, second])) is None:
            assert not isinstance(composed(folder, first, second), Conflict), (first, second)
            assert not declared


@pytest.mark.parametrize("folder", ["circle_packing", *FOLDERS, "speedrun_kernels"])
def test_surfaces_are_those_of_the_code_the_ideas_and_the_statement(folder: str) -> None:
    """Every surface has a file; every idea has one and lies within it; the statement has a row for each."""
    found = problem(folder)
    surfaces = found.spec.solution.surfaces
    for name, entries in surfaces.items():
        for entry in entries:
            path, _, definition = entry.partition("::")
            matched = [each for each in found.editable_files if each in Globs("solution", [_below(path)])]
            assert matched, f"{name}: {entry} is no file"
            assert not definition or definition in definitions(found.editable_files[path])
    ideas = library(folder)
    assert {idea.surface for idea in ideas.values()} <= {*surfaces, COMBINATION}
    for idea in (idea for idea in ideas.values() if idea.surface != COMBINATION):
        own = Globs("solution", [_below(each.partition("::")[0]) for each in surfaces[idea.surface]])
        assert all(path in own for path in idea.patched if idea.patched[path] != idea.base.get(path)), idea.name
    text = (PACKS / folder / "README.md").read_text()
    for name in surfaces:
        row = rf"^\|(?: `[^|]*\|)?[^|]*\b{name}\b[^|]*\|"
        assert re.search(row, text, re.MULTILINE), f"{name} is not in the statement"


def _below(path: str) -> str:
    return path.removeprefix("solution/")


@pytest.mark.parametrize("folder", ["circle_packing", "function_speed"])
def test_the_statement_explains_every_metric(folder: str) -> None:
    text = (PACKS / folder / "README.md").read_text()
    for metric in problem(folder).spec.metrics[1:]:
        assert f"`{metric.name}`" in text, metric.name


def test_a_check_never_caps_what_a_run_may_take() -> None:
    stages = {stage.name: stage for stage in problem("circle_packing").spec.stages}
    assert stages["try"].timeout_s >= stages["solve"].timeout_s
