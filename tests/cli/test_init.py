from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Aster, only

SCRIPT = """\
import os
import random

RATE = 0.1
random.seed(42)
loss = (10 * RATE - 3) ** 2 + random.gauss(0, 0.01)
print(f"val_loss: {loss:.4f}")
"""

IDEA = """\
+++
name = "faster"
surface = "rate"
title = "A larger rate"
[[knob]]
name = "solution/train.py::RATE"
values = [0.1, 0.2, 0.3]
+++
10 steps of 0.1 do not reach 3.
"""


def test_a_problem_to_begin_with_runs(aster: Aster, campaigns: Path, tmp_path: Path) -> None:
    made = aster("init", tmp_path / "tours")
    assert made.exit_code == 0
    assert f"  aster run {tmp_path / 'tours'} --experiments 40" in made.output
    ran = aster("run", tmp_path / "tours", "--experiments", 12, "--slots", 2, "--sandbox", "plain")
    assert ran.exit_code == 0, ran.output
    board = only(campaigns).board
    assert board.baseline is not None
    assert any(board.experiments[each].outcome is not None for each in board.experiments)


def test_a_script_runs_with_an_idea(
    aster: Aster, campaigns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("code").mkdir()
    Path("code/train.py").write_text(SCRIPT)
    words = ["--script", "code/train.py", "--metric", "val_loss", "--goal", "minimize", "--seed-env", "SEED"]
    made = aster("init", *words, "--editable", "train.py")
    assert made.exit_code == 0, made.output
    assert "Made train/: the problem train.\nNoticed:\n- Seeds reach the code by the variable SEED" in made.output
    Path("train/ideas").mkdir()
    Path("train/ideas/faster.md").write_text(IDEA)
    ran = aster("run", "train", "--experiments", 12, "--slots", 2, "--sandbox", "plain", "--researcher", "ideas")
    assert ran.exit_code == 0, ran.output
    campaign = only(campaigns)
    assert campaign.board.setup.objective.self_reported
    assert campaign.baseline == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name the problem to make, such as `aster init my-problem`"),
        (["p", "--metric", "x", "--gpus", "0"], "--metric and --gpus cannot go with a problem to begin with"),
        (["--script", "a.py", "--openevolve", "."], "--script and --openevolve are two sources: choose one."),
        (["--autoresearch", ".", "--pattern", "x"], "--pattern cannot go with --autoresearch."),
        (["--speedrun", "."], ". is no checkout of modded-nanogpt: it has no train_gpt.py."),
        (["--script", "a.py"], "--script needs --metric NAME"),
        (["no/such/folder"], "make it first, or name another place"),
    ],
)
def test_mistakes_are_a_paragraph_and_exit_code_2(
    aster: Aster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = aster("init", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
