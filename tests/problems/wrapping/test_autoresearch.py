from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.problems.wrapping.conftest import Write, everything

from aster.errors import InitError
from aster.problems.problem import Problem, load_problem
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.sources import make

TRAIN = """\
import os
import torch
from kernels import get_kernel
from prepare import TIME_BUDGET
fa3 = get_kernel("somebody/flash-attention-3")
torch.manual_seed(42)
pct_done, loss, val_bpb, seconds, steps = 12.5, 3.2, 0.99, 300.1, 953
print(f"\\rstep {1:05d} ({pct_done:.1f}%) | loss: {loss:.6f} | dt: 300ms", end="")
print("---")
print(f"training_seconds: {seconds:.1f}")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"num_steps:        {steps}")
"""
PREPARE = """\
import os
TIME_BUDGET = 300
CACHE_DIR = os.path.join(os.path.expanduser("~"), ".cache", "autoresearch")
"""
FILES: dict[str, str | bytes] = {
    "train.py": TRAIN,
    "prepare.py": PREPARE,
    "program.md": "# autoresearch\n\nGet the lowest val_bpb.\n",
    "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10"\ndependencies = ["not-here"]\n',
    "README.md": "x",
    "analysis.ipynb": "{}",
    "results.tsv": "x",
}  # fmt: skip


def wrap(code: Path, **asked: object) -> tuple[Made, Problem]:
    before = everything(code)
    made = make(replace(Asked(folder=code.parent / "p", autoresearch=code), **asked))  # type: ignore[arg-type]
    assert everything(code) == before
    return made, load_problem(made.folder)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that has the data, as after `aster prepare`."""
    home = tmp_path / "home"
    for name in ("autoresearch", "huggingface"):
        (home / ".cache" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


def test_a_checkout_becomes_a_problem(write: Write) -> None:
    made, problem = wrap(write(FILES))
    spec = problem.spec
    assert made.prepare
    assert set(problem.editable_files) == {"solution/train.py"}
    assert set(problem.frozen_solution_files) == {
        "solution/prepare.py",
        "solution/program.md",
        "solution/pyproject.toml",
    }
    assert problem.solution_files["solution/train.py"].decode() == TRAIN
    assert "Get the lowest val_bpb." in problem.statement_text
    assert [metric.name for metric in spec.metrics] == ["val_bpb", "training_seconds", "num_steps"]
    assert (spec.objective.goal, spec.objective.resolution, spec.objective.self_reported) == ("minimize", 1e-6, True)
    assert (spec.stages[0].timeout_s, spec.resources.gpus) == (600, 1)
    assert spec.prepare is not None
    assert spec.prepare.command == ("python", "prepare.py")
    assert [(data.path, data.visible) for data in spec.data] == [("~/.cache/autoresearch", ("run",))]
    assert spec.environment.requirements == "solution/pyproject.toml"
    assert spec.environment.python == ">=3.10"
    assert spec.environment.caches == ("~/.cache/huggingface",)
    assert [(each.metric, each.max) for each in spec.constraints] == [("training_seconds", 315)]
    assert any("train.py:6 `torch.manual_seed(42)`" in note and "unpaired" in note for note in made.notes)


def test_a_short_budget_leaves_room_for_the_step_that_passes_it(write: Write) -> None:
    long = FILES["prepare.py"]
    assert isinstance(long, str)
    short = long.replace("TIME_BUDGET = 300", "TIME_BUDGET = 4")
    assert short != long
    _, problem = wrap(write({**FILES, "prepare.py": short}))
    assert [(each.metric, each.max) for each in problem.spec.constraints] == [("training_seconds", 14)]


def test_its_patterns_find_what_it_prints(write: Write) -> None:
    _, problem = wrap(write(FILES))
    printed = (
        "\rstep 00001 (12.5%) | loss: 3.200000 | dt: 300ms\n---\ntraining_seconds: 300.1\nval_bpb:          0.990000\n"
    )
    lines = re.split(r"[\r\n]", printed)
    found = [match[1] for line in lines if (match := re.search(problem.spec.metrics[0].pattern or "", line))]
    assert found == ["0.990000"]
    assert problem.spec.progress is not None
    steps = [match.groups() for line in lines if (match := re.search(problem.spec.progress.pattern, line))]
    assert steps == [("12", "3.200000")]


def test_a_seed_variable_and_another_budget(write: Write) -> None:
    shorter = PREPARE.replace("300", "50")
    made, problem = wrap(write({**FILES, "prepare.py": shorter}), seed_env="ASTER_SEED", gpus=2)
    assert b'torch.manual_seed(int(os.environ.get("ASTER_SEED", "42")))' in problem.solution_files["solution/train.py"]
    assert problem.spec.seeds.env == "ASTER_SEED"
    assert (problem.spec.stages[0].timeout_s, problem.spec.resources.gpus) == (350, 2)
    assert any("in pairs" in note for note in made.notes)


def test_a_virtual_environment_of_the_checkout_is_used(write: Write) -> None:
    code = write(FILES)
    (code / ".venv" / "bin").mkdir(parents=True)
    (code / ".venv" / "bin" / "python").symlink_to(sys.executable)
    _, problem = wrap(code)
    assert problem.spec.environment.interpreter == str(code / ".venv" / "bin" / "python")
    assert problem.spec.environment.requirements is None


def test_preparing_runs_the_checkouts_own_and_fetches_kernels(write: Write, home: Path) -> None:
    prepares = "import pathlib\nTIME_BUDGET = 300\nprint('prepared', pathlib.Path.cwd().name, flush=True)\n"
    made, _ = wrap(write({**FILES, "prepare.py": prepares}))
    (made.folder / "kernels.py").write_text("def get_kernel(name):\n    print('fetched', name)\n")
    done = subprocess.run([sys.executable, "prepare.py"], cwd=made.folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "prepared solution", "fetched somebody/flash-attention-3", "kernels: 1 of 1 fetched",
    ]  # fmt: skip


def test_data_elsewhere_is_told(write: Write) -> None:
    made, problem = wrap(write({**FILES, "prepare.py": 'TIME_BUDGET = 300\nCACHE_DIR = "/mnt/data"\n'}))
    assert problem.spec.data == ()
    assert any("declare where it is as [[data]]" in note for note in made.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"program.md": None, "prepare.py": None}, "has no prepare.py and no program.md"),
        ({"train.py": "print(1)"}, 'has no line that prints "val_bpb'),
    ],
)
def test_what_is_no_checkout(write: Write, change: dict[str, str | None], said: str) -> None:
    code = write({path: text for path, text in {**FILES, **change}.items() if text is not None})
    with pytest.raises(InitError, match=said):
        wrap(code)
    assert sorted(path.name for path in code.parent.iterdir()) == ["code", "home"]
