"""What problem.toml says of the interpreter, of preparing and of data, and what of it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aster.errors import ProblemError
from aster.problems.checks import read_spec
from aster.problems.folder import read_folder
from aster.problems.outside import data_paths
from aster.problems.problem import load_problem

Files = dict[str, bytes]
Toml = Callable[..., Files]

WHOLE = """\
[environment]
python = ">=3.11,<4"
requirements = "requirements.txt"
caches = ["~/.cache/things/", "/srv/cache"]
env = ["TOKEN"]
warm = ["python", "solution/solve.py", "--compile-only"]
[prepare]
command = ["python", "prepare.py"]
timeout = "30m"
[[data]]
name = "hidden"
path = "./data/hidden/"
visible = ["score"]
sealed = true
[[data]]
name = "train"
path = "~/train"
visible = ["solve", "score"]
[archive]
"""


def test_the_whole_of_it(toml: Toml) -> None:
    files = {**toml("[archive]", WHOLE, '"{outputs}/x.json", "--seed"', '"{data.train}", "--seed"')}
    spec = read_spec({**files, "requirements.txt": b"numpy\n", "prepare.py": b""}, "p")
    assert spec.environment.caches == ("~/.cache/things", "/srv/cache")
    assert spec.environment.warm == ("python", "solution/solve.py", "--compile-only")
    assert (spec.environment.python, spec.environment.requirements) == (">=3.11,<4", "requirements.txt")
    assert spec.prepare is not None
    assert (spec.prepare.timeout_s, spec.environment.env) == (1800.0, ("TOKEN",))
    assert [(each.path, each.sealed) for each in spec.data] == [("data/hidden", True), ("~/train", False)]


def test_none_of_it(files: Files) -> None:
    spec = read_spec(files, "p")
    assert (spec.prepare, spec.data) == (None, ())
    assert spec.environment.interpreter is None


def data(text: str) -> str:
    return f'[[data]]\nname = "d"\npath = "data"\nvisible = ["score"]\n{text}\n[archive]'


@pytest.mark.parametrize(
    ("new", "key", "why"),
    [
        ('[environment]\npython = "three"\n[archive]', "environment.python", '">=3.11"'),
        ('[environment]\npython = ">=3"\n[archive]', "environment.python", "needs requirements"),
        ('[environment]\nrequirements = "req.txt"\n[archive]', "environment.requirements", 'no file "req.txt"'),
        ('[environment]\ninterpreter = "../x"\n[archive]', "environment.interpreter", "below the problem folder"),
        ('[environment]\ncaches = ["data"]\n[archive]', "environment.caches[0]", "name it as [[data]]"),
        ('[environment]\nenv = ["A B"]\n[archive]', "environment.env[0]", "HF_TOKEN"),
        ('[environment]\nenv = ["TOKEN"]\n[archive]', "environment.env", "there is none"),
        ("[environment]\nwarm = []\n[archive]", "environment.warm", "a list of words"),
        ('[environment]\npip = "x"\n[archive]', "environment.pip", "unknown key"),
        ("[prepare]\n[archive]", "prepare.command", "missing"),
        ('[prepare]\ncommand = ["python", "prepare.py"]\n[archive]', "prepare.command[1]", 'no file "prepare.py"'),
        ('[environment]\nwarm = ["python", "evaluate.py"]\n[archive]', "environment.warm[1]", 'no file "evaluate.py"'),
        ('[prepare]\ncommand = ["x"]\ntimeout = "soon"\n[archive]', "prepare.timeout", "must be a time"),
        (data("").replace('"score"', '"scor"'), "data[0].visible", 'did you mean "score"'),
        (data("").replace('"data"', '"solution/data"'), "data[0].path", "keep data out of solution/"),
        (data("").replace('"data"', '"campaigns"'), "data[0].path", "uses itself"),
        (data("").replace('"data"', '"../x"'), "data[0].path", "below the problem folder, an absolute one"),
        (data("").replace('"data"', '"~/"'), "data[0].path", "below the problem folder, an absolute one"),
        (data('[[data]]\nname = "d"\npath = "e"\nvisible = ["score"]'), "data", "stands 2 times"),
        (data("size = 1"), "data[0].size", "unknown key"),
    ],
)
def test_one_trouble(new: str, key: str, why: str, toml: Toml) -> None:
    with pytest.raises(ProblemError) as caught:
        read_spec(toml("[archive]", new), "p")
    assert (caught.value.key, why in caught.value.trouble) == (key, True), caught.value


@pytest.mark.parametrize(
    ("changes", "key", "why"),
    [
        (("{pictures}", "{data.nothing}"), "stage[1].command[3]", 'no data "nothing"'),
        (("--seed", "{data.d}"), "stage[0].command[4]", 'not visible to "solve"'),
        (("valid = [0.0, 10]", "exact = true"), "data[0].sealed", "nothing can be sealed"),
    ],
)
def test_data_and_other_tables(changes: tuple[str, str], key: str, why: str, toml: Toml) -> None:
    with pytest.raises(ProblemError) as caught:
        read_spec(toml("[archive]", data("sealed = true"), *changes), "p")
    assert (caught.value.key, why in caught.value.trouble) == (key, True), caught.value


def test_interpreter_and_requirements_are_two_ways(toml: Toml) -> None:
    both = '[environment]\ninterpreter = "/usr/bin/python3"\nrequirements = "README.md"\n[archive]'
    with pytest.raises(ProblemError, match="not both"):
        read_spec(toml("[archive]", both), "p")


def test_data_is_no_part_of_the_snapshot(folder: Path, toml: Toml, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "problem.toml").write_bytes(toml("[archive]", data(""))["problem.toml"])
    (folder / "data").mkdir()
    with (folder / "data" / "large").open("wb") as large:
        large.truncate(100 << 20)
    (folder / "data" / "link").symlink_to("large")
    (folder / ".aster").mkdir()
    (folder / ".aster" / "prepared.json").write_text("{}")
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "env" / "python").symlink_to("/usr/bin/python3")
    problem = load_problem(folder)
    assert not [path for path in problem.files if path.startswith(("data", ".aster", "env"))]
    assert (problem.folder, problem.built_in) == (folder, False)
    with pytest.raises(ProblemError, match=r"MiB|symlink"):
        read_folder(folder, "small")


def test_data_is_found_in_what_is_hardly_a_file() -> None:
    assert data_paths(b'data = [{path = "./a/b/"}, {path = "/x"}, {path = "~/y"}, {path = 3}, {}]') == {"a/b"}
    assert data_paths(b'[[data]]\npath = "../up"\n[[data]]\npath = "."') == frozenset()
    for text in (b"\xff", b"[[", b"data = 1", b"data = [1]"):
        assert data_paths(text) == frozenset()
