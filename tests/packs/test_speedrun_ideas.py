"""The ideas of the speedrun: what needs no PyTorch."""

from __future__ import annotations

import re

import pytest
from tests.packs.trainer import FOLDER, ideas

from aster.domain.records import Change
from aster.proposers.compose import Composed, Conflict, compose

STATEMENT = (FOLDER / "README.md").read_text()


def made(*names: str) -> Composed | Conflict:
    return compose(ideas(), [Change(name, {}) for name in sorted(ideas().closure(names))])


def test_there_are_many_ideas_on_many_surfaces() -> None:
    assert len(ideas()) >= 20
    assert len({idea.surface for idea in ideas().values()}) >= 8


@pytest.mark.parametrize("name", sorted(ideas()))
def test_an_idea_states_its_case(name: str) -> None:
    idea = ideas()[name]
    assert idea.source
    assert idea.predicts is not None
    assert 0 <= idea.predicts < 10  # seconds of about 100
    assert len(idea.text) > 150
    assert "efuted if" in idea.text
    assert idea.base != idea.patched
    assert f"| {idea.surface} |" in STATEMENT
    assert not any(re.search(r"\d\.\d{6,}", text) for path, text in idea.patched.items() if path not in idea.base)


@pytest.mark.parametrize("name", [name for name in sorted(ideas()) if "record" in ideas()[name].source])
def test_a_published_change_is_that_of_a_record_and_may_save_steps(name: str) -> None:
    assert re.search(r"record \d+, .*@\w+", ideas()[name].source)
    [steps] = [knob for knob in ideas()[name].knobs if knob.name == "solution/train.py::STEPS"]
    assert len(steps.values) >= 2


def test_what_came_with_one_record_after_the_other_merges() -> None:
    apart = {"paired-heads", "own-value-tables"}
    published = [name for name in ideas().ordinary if "record" in ideas()[name].source and name not in apart]
    tree = made(*published)
    assert isinstance(tree, Composed), tree
    text = tree.files["solution/train.py"].decode()
    assert all(part in text for part in ("SMEAR_WIDTH", "NORMUON_BETA", "PAIR_ROWS", "def offset(", "hand_on"))
