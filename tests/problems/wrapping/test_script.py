from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.problems.wrapping.conftest import SCRIPT, Write, everything

from aster.errors import InitError
from aster.problems.problem import Problem, load_problem
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.sources import make

Wrap = Callable[..., tuple[Made, Problem]]


@pytest.fixture
def wrap(write: Write, tmp_path: Path) -> Wrap:
    """Wrap train.py among `files`, which stay as they are."""

    def wrapped(files: dict[str, str | bytes], **asked: object) -> tuple[Made, Problem]:
        code = write(files)
        before = everything(code)
        basic = Asked(folder=tmp_path / "p", script=code / "train.py", metrics=("val_loss",), goal="minimize")
        made = make(replace(basic, **asked))  # type: ignore[arg-type]
        assert everything(code) == before
        return made, load_problem(made.folder)

    return wrapped


def test_a_script_becomes_a_problem(wrap: Wrap) -> None:
    made, problem = wrap({"train.py": SCRIPT, "README.md": "mine"})
    (stage,) = problem.spec.stages
    assert (made.name, problem.spec.problem.title) == ("p", "Minimize val_loss of train.py")
    assert (stage.command, stage.trusted, stage.timeout_s) == (("python", "solution/train.py"), False, 600.0)
    assert problem.objective.self_reported
    assert problem.spec.metrics[0].pattern == r"^\s*val_loss\s*[:=]\s*([-+.\w]+)"
    assert set(problem.editable_files) == {"solution/train.py"}
    assert problem.solution_files["solution/train.py"].decode() == SCRIPT
    assert not problem.spec.takes_seed
    assert "self-reported" in problem.statement_text
    assert any("train.py:6 `random.seed(42)`" in note and "unpaired" in note for note in made.notes)
    assert "random.seed(42)" in problem.statement_text


def test_a_seed_variable_replaces_the_seed_in_the_copy(wrap: Wrap) -> None:
    made, problem = wrap({"train.py": SCRIPT}, seed_env="SEED")
    assert problem.spec.seeds.env == "SEED"
    assert b'random.seed(int(os.environ.get("SEED", "42")))' in problem.solution_files["solution/train.py"]
    assert any("in pairs" in note and "train.py:6" in note for note in made.notes)


def test_a_byte_order_mark_and_windows_line_ends_stay(wrap: Wrap) -> None:
    code = b"\xef\xbb\xbfSEED = 3  # first\r\nprint('val_loss:', SEED)\r\n"
    _, problem = wrap({"train.py": code}, seed_env="S")
    changed = b'int(__import__("os").environ.get("S", "3"))'
    assert problem.solution_files["solution/train.py"] == code.replace(b"= 3", b"= " + changed)


@pytest.mark.parametrize(("name", "first"), [("run.sh", ""), ("run", "#!/bin/bash\n")])
def test_only_python_is_wrapped(wrap: Wrap, tmp_path: Path, name: str, first: str) -> None:
    with pytest.raises(InitError, match="is not a Python script"):
        wrap({"train.py": SCRIPT, name: first + "echo val_loss: 3\n"}, script=tmp_path / "code" / name)


@pytest.mark.parametrize(
    ("line", "env", "words"),
    [
        ('s = os.environ["RUN_SEED"]', "RUN_SEED", ()),
        ('parser.add_argument("--seed")', None, ("--seed", "{seed}")),
    ],
)
def test_ways_for_a_seed_that_the_script_has_are_used(
    wrap: Wrap, line: str, env: str | None, words: tuple[str, ...]
) -> None:
    _, problem = wrap({"train.py": f"import os\n{line}\nprint('val_loss: 1')\n"})
    assert problem.spec.takes_seed
    assert problem.spec.seeds.env == env
    assert problem.spec.stages[0].command[2:] == words


def test_what_was_asked_for_is_there(wrap: Wrap) -> None:
    files = {"train.py": SCRIPT + "print('acc: 1')", "lib/a.py": "", "lib/b.txt": ""}
    _, problem = wrap(
        files,
        metrics=("val_loss", "acc"),
        pattern=r"val_loss: (\d+)",
        editable=("train.py", "lib/*.py"),
        timeout="90s",
        gpus=2,
        memory="3GiB",
        python=Path(sys.executable),
        arguments="--seed {seed} --out {outputs}/x",
        name="Other Name",
    )
    assert problem.spec.problem.name == "other-name"
    assert [metric.name for metric in problem.spec.metrics] == ["val_loss", "acc"]
    assert problem.spec.metrics[0].pattern == r"val_loss: (\d+)"
    assert set(problem.editable_files) == {"solution/train.py", "solution/lib/a.py"}
    assert problem.spec.stages[0].timeout_s == 90
    assert problem.spec.stages[0].command[-4:] == ("--seed", "{seed}", "--out", "{outputs}/x")
    assert (problem.spec.resources.gpus, problem.spec.resources.memory_mb) == (2, 3072)
    assert problem.spec.environment.interpreter == sys.executable


def test_data_that_the_code_names_is_linked_and_the_rest_only_told(wrap: Wrap, tmp_path: Path) -> None:
    big = b"0" * 1_100_000
    made, problem = wrap({"train.py": SCRIPT + 'open("data/x.bin")', "data/x.bin": big, "old.ckpt": big})
    (data,) = problem.spec.data
    assert (data.name, data.path, data.visible) == ("data", "data", ("run",))
    assert (made.folder / "data" / "x.bin").read_bytes() == big
    assert not any("x.bin" in path or "old.ckpt" in path for path in problem.files)
    assert any("old.ckpt" in note for note in made.notes)


def test_a_script_with_files_beside_it_runs_in_its_own_folder(wrap: Wrap, tmp_path: Path) -> None:
    reads = SCRIPT + 'print(open("config.json").read(), open("data/x.bin").read(3))\n'
    made, problem = wrap({"train.py": reads, "config.json": "{1}", "data/x.bin": b"0" * 1_100_000})
    assert problem.spec.stages[0].command == ("python", "solution/run_here.py", "solution/train.py")
    done = subprocess.run(
        [sys.executable, *problem.spec.stages[0].command[1:]],
        cwd=made.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("{1} 000\n")


def test_imports_that_are_missing_ask_for_an_environment(wrap: Wrap) -> None:
    files: dict[str, str | bytes] = {"train.py": "import not_here_at_all\nprint('val_loss: 1')"}
    made, _ = wrap(files)
    assert any("lacks not_here_at_all, and there is no requirements.txt" in note for note in made.notes)


def test_requirements_are_built_where_needed_and_offered_otherwise(wrap: Wrap, tmp_path: Path) -> None:
    needed = {"train.py": "import not_here_at_all\nprint('val_loss: 1')", "requirements.txt": "x"}
    _, problem = wrap(dict(needed))
    assert problem.spec.environment.requirements == "solution/requirements.txt"
    _, problem = wrap({"train.py": SCRIPT, "requirements.txt": "x"}, folder=tmp_path / "q")
    assert problem.spec.environment.requirements is None
    assert b'# requirements = "solution/requirements.txt"' in problem.files["problem.toml"]


def test_a_framework_gets_memory_and_a_word_about_devices(wrap: Wrap) -> None:
    made, problem = wrap({"train.py": "import os\nif os.path.exists('x'):\n    import torch\nprint('val_loss: 1')\n"})
    assert problem.spec.resources.memory_mb == 16 * 1024
    assert any("--gpus 1" in note for note in made.notes)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"metrics": ()}, "needs --metric NAME"),
        ({"goal": None}, "needs --metric NAME"),
        ({"metrics": ("val_los",)}, "never name val_los"),
        ({"metrics": ("val_loss", "acc")}, "never name acc"),
        ({"editable": ("*.txt",)}, r'"\*.txt" matches no copied file'),
        ({"pattern": "val_loss"}, "would be refused, so nothing was written.*exactly one group"),
        ({"timeout": "soon"}, "would be refused.*must be a time"),
        ({"python": Path("/no/python")}, "is not a program"),
        ({"arguments": "--name 'open"}, "cannot be split into words"),
        ({"script": Path("no.py")}, "There is no script no.py"),
        ({"openevolve": Path()}, "two sources"),
        ({"seed_env": "S", "metrics": ("nothing",)}, "never name nothing"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(wrap: Wrap, tmp_path: Path, asked: dict[str, object], said: str) -> None:
    with pytest.raises(InitError, match=said):
        wrap({"train.py": SCRIPT}, **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


def test_a_metric_that_is_not_named_can_have_a_pattern(wrap: Wrap) -> None:
    _, problem = wrap({"train.py": SCRIPT}, metrics=("final",), pattern=r"^val_loss: (\S+)")
    assert problem.objective.metric == "final"
