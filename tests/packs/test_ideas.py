"""What holds for the ideas of every built-in problem."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from tests.packs.pack import PACKS, composed, library

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
