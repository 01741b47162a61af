from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.problems.wrapping.conftest import Write, everything

from aster.errors import InitError
from aster.problems.problem import Problem, load_problem
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.sources import make

PROGRAM = """\
import random

# EVOLVE-BLOCK-START
def guess():
    return 3.0 + random.random()
# EVOLVE-BLOCK-END
"""

EVALUATOR = """\
import importlib.util
import threading
import time
import helper
from openevolve.evaluation_result import EvaluationResult


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    if not hasattr(program, "guess"):
        return EvaluationResult(metrics={"combined_score": 0.0, "error": "there is no guess"}, artifacts={"a": "b"})
    threading.Thread(target=time.sleep, args=(600,)).start()
    found = program.guess()
    print("combined_score: 99")
    return EvaluationResult(metrics={
        "combined_score": helper.score(found), "miss": found - 3.5, "fine": bool(found), "note": f"{found}",
    })
"""

FILES: dict[str, str | bytes] = {
    "initial_program.py": PROGRAM,
    "evaluator.py": EVALUATOR,
    "helper.py": "def score(found):\n    return -abs(found - 3.5)\n",
    "config.yaml": "prompt:\n  system_message: |\n    Guess the number.\nevaluator:\n  timeout: 20\n",
    "best_program.py": "# EVOLVE-BLOCK-START\nthe answer\n",
    "README.md": "the answer again",
    "picture.png": b"x",
    "compare.py": "import not_here_at_all",
}


def wrap(code: Path, **asked: object) -> Problem:
    before = everything(code)
    made = make(replace(Asked(folder=code.parent / "p", openevolve=code), **asked))  # type: ignore[arg-type]
    assert everything(code) == before
    return load_problem(made.folder)


def run(problem: Problem, seed: int = 1) -> subprocess.CompletedProcess[str]:
    """Run the stage's command in the problem folder."""
    words = [word.replace("{seed}", str(seed)) for word in problem.spec.stages[0].command]
    return subprocess.run([sys.executable, *words[1:]], cwd=problem.source, capture_output=True, text=True, timeout=60)


def test_an_example_becomes_a_problem(write: Write) -> None:
    problem = wrap(write(FILES))
    assert problem.objective.metric == "combined_score"
    assert problem.objective.goal == "maximize"
    assert problem.objective.self_reported
    assert [metric.name for metric in problem.spec.metrics] == ["combined_score", "miss", "fine"]
    assert set(problem.editable_files) == {"solution/initial_program.py"}
    assert {path.removeprefix("solution/") for path in problem.frozen_solution_files} == {
        "evaluator.py", "helper.py", "config.yaml", "compare.py", "openevolve_run.py",
    }  # fmt: skip
    assert problem.spec.stages[0].timeout_s == 50
    assert problem.spec.environment.requirements is None
    assert "Guess the number." in problem.statement_text
    assert "self-reported" in problem.statement_text
    assert "best_program.py" in problem.statement_text


def test_the_runner_seeds_scores_and_ends(write: Write) -> None:
    """The evaluator's own thread sleeps on, and what it printed itself is not the last word."""
    problem = wrap(write(FILES))
    first, again, other = run(problem, 1), run(problem, 1), run(problem, 2)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0] == "combined_score: 99"
    assert [line.split(":")[0] for line in lines[2:]] == ["combined_score", "miss"]
    assert float(lines[2].split()[1]) == -abs(float(lines[3].split()[1]))
    assert again.stdout == first.stdout != other.stdout


def test_a_failure_has_no_score(write: Write) -> None:
    done = run(wrap(write({**FILES, "initial_program.py": "# EVOLVE-BLOCK-START\n"})))
    assert done.returncode == 1
    assert done.stderr == "the evaluator says: there is no guess\n"


@pytest.mark.parametrize(
    ("returned", "code", "said"),
    [
        ('{"combined_score": 1, "timeout": True}', 1, "timeout"),
        ('{"metrics": {"combined_score": 2}, "artifacts": {}}', 0, "combined_score: 2.0"),
        ('{"combined_score": float("nan")}', 0, "combined_score: nan"),
        ('{"combined_score": 1, "error": ""}', 0, "combined_score: 1.0"),
        ("[1]", 1, "no metrics but list"),
    ],
)
def test_what_evaluators_return(write: Write, returned: str, code: int, said: str) -> None:
    evaluator = f"# combined_score\ndef evaluate(path):\n    return {returned}\n"
    done = run(wrap(write({**FILES, "evaluator.py": evaluator})))
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_another_metric_and_goal(write: Write) -> None:
    evaluator = 'def evaluate(path):\n    return {"loss": len(path), "size": len(path)}\n'
    code = write({**FILES, "evaluator.py": evaluator})
    with pytest.raises(InitError, match=r"returns no combined_score, so say with --metric.*it returns loss, size"):
        wrap(code)
    with pytest.raises(InitError, match='never names "lost"; it returns loss, size'):
        wrap(code, metrics=("lost",))
    problem = wrap(code, metrics=("loss",), goal="minimize")
    assert (problem.objective.metric, problem.objective.goal) == ("loss", "minimize")


def test_a_program_in_another_language(write: Write) -> None:
    files = {path: text for path, text in FILES.items() if path != "initial_program.py"}
    problem = wrap(write({**files, "initial_program.rs": "// EVOLVE-BLOCK-START\n"}))
    assert set(problem.editable_files) == {"solution/initial_program.rs"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evaluator.py": None}, "has no evaluator.py"),
        ({"initial_program.py": None}, "has no initial program"),
        ({"initial_other.py": PROGRAM}, "more than one initial program"),
        ({"config.yaml": "a: [1"}, "is not YAML"),
    ],
)
def test_what_is_no_example(write: Write, change: dict[str, str | None], said: str) -> None:
    files = {path: text for path, text in {**FILES, **change}.items() if text is not None}
    code = write(files)
    with pytest.raises(InitError, match=said):
        wrap(code)
    assert [path.name for path in code.parent.iterdir()] == ["code"]


def test_without_a_configuration_openevolves_own_timeout_holds(write: Write) -> None:
    problem = wrap(write({path: text for path, text in FILES.items() if path != "config.yaml"}))
    assert problem.spec.stages[0].timeout_s == 330
    assert "No configuration says what the task is" in problem.statement_text
