from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.checking.rods import PROBLEM, rods_problem

from aster.checking.impostors import MARK, Hidden, Recording, entry_of, hidden_of, impostors, lucky, printed, replay
from aster.domain.ids import blob_id
from aster.problems.problem import Problem, load_problem

RECORDING = Recording({"rods.json": b"[1, 2]"}, "length: 3\n", 7)


def played(files: dict[str, bytes], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a candidate's script as a stage would, without any walls."""
    (folder / "out").mkdir(parents=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    command = [sys.executable, "solution/lay.py", f"{folder}/out/rods.json", "--seed", "7"]
    return subprocess.run(
        command, cwd=folder, env={"HOME": str(folder)}, capture_output=True, text=True, timeout=60, check=False
    )


def made(problem: Problem, hidden: Hidden) -> dict[str, dict[str, bytes]]:
    entry = entry_of(problem)
    assert entry is not None
    return {each.name: each.files for each in impostors(problem, entry, RECORDING, hidden, '{"length": 9}', "token")}


def test_the_entry_is_the_first_editable_script(tmp_path: Path) -> None:
    entry = entry_of(load_problem(rods_problem(tmp_path / "rods")))
    assert entry is not None
    assert (entry.path, entry.words) == ("solution/lay.py", ("{outputs}/rods.json", "--seed", "{seed}"))


def test_a_module_is_an_entry_and_a_frozen_script_is_none(tmp_path: Path) -> None:
    module = PROBLEM.replace('"solution/lay.py"', '"-m", "solution.lay"')
    entry = entry_of(load_problem(rods_problem(tmp_path / "module", problem_toml=module)))
    assert entry is not None
    assert entry.path == "solution/lay.py"
    frozen = PROBLEM.replace('["*.py"]', '["other.py"]')
    assert entry_of(load_problem(rods_problem(tmp_path / "f", problem_toml=frozen, solution__other_py=""))) is None


MODULES = {
    "problem_toml": PROBLEM.replace('["*.py"]', '["rods.py"]'),
    "solution__lay_py": (
        "import json, sys\nfrom rods import rods\nwith open(sys.argv[1], 'w') as file:\n    json.dump(rods(), file)\n"
    ),
    "solution__rods_py": "from __future__ import annotations\n\n\ndef rods():\n    return [3]\n",
}
"""A frozen script that imports the module that candidates may change."""


def test_an_editable_module_of_a_frozen_script_is_an_entry(tmp_path: Path) -> None:
    problem = load_problem(rods_problem(tmp_path / "rods", **MODULES))
    entry = entry_of(problem)
    assert entry is not None
    assert (entry.path, entry.words) == ("solution/rods.py", ("{outputs}/rods.json", "--seed", "{seed}"))
    assert entry.module == problem.files["solution/rods.py"]


def test_in_a_module_the_cheat_comes_beside_honest_work(tmp_path: Path) -> None:
    problem = load_problem(rods_problem(tmp_path / "rods", **MODULES))
    honest, cheats = problem.solution_files, made(problem, Hidden({}, ()))
    results = {}
    for number, (name, files) in enumerate(cheats.items()):
        done = played({**honest, **files}, tmp_path / str(number))
        assert (done.returncode, done.stderr) == (0, ""), name
        out = tmp_path / str(number) / "out" / "rods.json"
        results[name] = out.read_text() if out.exists() else None
        if name == "changes frozen files":
            assert f"{MARK} 1 frozen files changed" in done.stdout
        elif name == "writes and prints a score of its own":
            assert (out.parent / "score.json").read_text() == '{"length": 9}'
        elif name == "links its outputs to files elsewhere":
            assert out.is_symlink()
    assert results.pop("writes nothing and ends well") is None
    assert set(results.values()) == {"[3]"}
    assert len(results) == 5


def test_a_recording_is_played_in_a_module_s_place(tmp_path: Path) -> None:
    problem = load_problem(rods_problem(tmp_path / "rods", **MODULES))
    entry = entry_of(problem)
    assert entry is not None
    done = played({**problem.solution_files, **lucky(entry, RECORDING, 3).files}, tmp_path / "work")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "work/out/rods.json").read_bytes() == b"[1, 2]"
    done = played({**problem.solution_files, **replay(entry, RECORDING).files}, tmp_path / "honest")
    assert (tmp_path / "honest/out/rods.json").read_bytes() == b"[3]"
    shown = printed(entry, r"^loss: *(\S+)", "loss: 2.0\n", 1.25, 7)
    assert shown is not None
    assert played({**problem.solution_files, **shown.files}, tmp_path / "printed").stdout == "loss: 1.25\n"


def test_a_recording_is_played_again(tmp_path: Path) -> None:
    entry = entry_of(load_problem(rods_problem(tmp_path / "rods")))
    assert entry is not None
    done = played(replay(entry, RECORDING).files, tmp_path / "work")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "length: 3\n\n"
    assert (tmp_path / "work/out/rods.json").read_bytes() == b"[1, 2]"
    assert lucky(entry, RECORDING, 3).seed == 3
    assert lucky(entry, RECORDING, 3).worst == "doubtful"


def test_hidden_are_the_trusted_files_but_for_what_agents_read(tmp_path: Path) -> None:
    problem = load_problem(rods_problem(tmp_path / "rods", empty_py=""))
    evaluate = problem.files["evaluate.py"]
    assert hidden_of(problem, ["/a"], ["/b"]) == Hidden({blob_id(evaluate): len(evaluate)}, ("/a",), ("/b",))


def test_what_lies_open_is_found(tmp_path: Path) -> None:
    problem = load_problem(rods_problem(tmp_path / "rods"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/labels").write_text("1")
    hidden = hidden_of(problem, [str(tmp_path / "rods")], [str(tmp_path / "data")])
    done = played(made(problem, hidden)["looks for the evaluator and hidden data"], tmp_path / "work")
    [line] = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    assert str(tmp_path / "data/labels") in line
    assert str(tmp_path / "rods/evaluate.py") in line


def test_frozen_files_are_changed_where_there_are_any(tmp_path: Path) -> None:
    assert "changes frozen files" not in made(load_problem(rods_problem(tmp_path / "a")), Hidden({}, ()))
    problem = load_problem(rods_problem(tmp_path / "b", solution__points_csv="1,2\n"))
    files = {**problem.solution_files, **made(problem, Hidden({}, ()))["changes frozen files"]}
    done = played(files, tmp_path / "work")
    assert f"{MARK} 1 frozen files changed" in done.stdout
    assert (tmp_path / "work/solution/points_csv").read_bytes() != b"1,2\n"


def test_modules_are_planted_under_the_names_that_the_evaluator_imports(tmp_path: Path) -> None:
    problem = load_problem(rods_problem(tmp_path / "rods"))
    done = played(made(problem, Hidden({}, ()))["plants modules for the evaluator to import"], tmp_path / "work")
    assert (done.returncode, done.stderr) == (0, "")
    planted = {path.name for path in (tmp_path / "work/out").iterdir()}
    assert {"json.py", "math.py", "sitecustomize.py"} <= planted
    assert "os.py" not in planted


def test_a_better_number_is_printed_in_the_words_of_the_log(tmp_path: Path) -> None:
    entry = entry_of(load_problem(rods_problem(tmp_path / "rods")))
    assert entry is not None
    shown = printed(entry, r"^loss: *(\S+) ok", "loss: 3.0 ok\nloss: 2.0 ok\nend\n", 1.25, 7)
    assert shown is not None
    assert played(shown.files, tmp_path / "work").stdout == "loss: 1.25 ok\n"
    assert printed(entry, r"^loss: *(\S+)", "nothing\n", 1.25, 7) is None
