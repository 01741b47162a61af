"""The ideas of the NanoChat pack, and the script that trains variants of it: what needs no PyTorch."""

from __future__ import annotations

import re

import pytest
from tests.packs.nanochat import FOLDER, ideas, script

from aster.domain.records import Change
from aster.proposers.compose import Composed, Conflict, compose


def made(*names: str) -> Composed | Conflict:
    return compose(ideas(), [Change(name, {}) for name in sorted(ideas().closure(names))])


def test_there_are_twenty_ideas_on_many_surfaces() -> None:
    assert len(ideas()) >= 20
    assert len({idea.surface for idea in ideas().values()}) >= 8


@pytest.mark.parametrize("name", sorted(ideas()))
def test_an_idea_states_its_case(name: str) -> None:
    idea = ideas()[name]
    assert idea.source
    assert idea.predicts is not None
    assert idea.predicts >= 0
    assert len(idea.text) > 150
    assert "efuted if" in idea.text
    assert idea.base != idea.patched
    assert f"| {idea.surface} |" in (FOLDER / "README.md").read_text()
    assert not any(re.search(r"\d\.\d{6,}", text) for path, text in idea.patched.items() if path not in idea.base)


def test_what_should_pay_together_merges() -> None:
    together = "smaller-batch short-window longer-warmdown smear values-everywhere memory head-gates key-offset backout"
    tree = made(*together.split())
    assert isinstance(tree, Composed)
    text = tree.files["solution/train.py"].decode()
    assert all(part in text for part in ("STEP_TOKENS = 131_072", "SHORT_WINDOW = 256", "self.smear", "memory.write"))


# The script


def test_a_variant_is_ideas_and_settings() -> None:
    tree = script().tree_of("smaller-batch+smear@MATRIX_LR=0.03@WINDOWS=S", FOLDER, ideas())
    text = tree["solution/train.py"].decode()
    assert "STEP_TOKENS = 131_072" in text
    assert "\nMATRIX_LR = 0.03\n" in text
    assert re.search(r"WINDOWS = ['\"]S['\"]", text)
    with pytest.raises(ValueError, match="no constant NOPE"):
        script().tree_of("none@NOPE=1", FOLDER, ideas())
    with pytest.raises(ValueError, match="there is no idea no-such-idea; there are attention-epilogue"):
        script().tree_of("no-such-idea", FOLDER, ideas())
    with pytest.raises(ValueError, match="holds no files"):
        script().tree_of("/no/such/folder", FOLDER, ideas())
