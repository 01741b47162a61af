from __future__ import annotations

import tomllib
from dataclasses import replace

from aster.problems.wrapping.outline import DataLine, Environment, Limit, MetricLine, Outline, problem_toml

PLAIN = Outline(
    "a", 'A "title"', ["*.py"], ["python", "solution/a.py"], "10m", [MetricLine("m", r"^m: (\S+)", "minimize")]
)


def test_a_plain_outline() -> None:
    read = tomllib.loads(problem_toml(PLAIN))
    assert read == {
        "problem": {"name": "a", "title": 'A "title"', "statement": "README.md"},
        "solution": {"root": "solution", "editable": ["*.py"]},
        "stage": [{"name": "run", "command": ["python", "solution/a.py"], "timeout": "10m"}],
        "metric": [{"name": "m", "goal": "minimize", "pattern": r"^m: (\S+)"}],
        "resources": {"cpus": 1, "gpus": 0, "memory": "2GiB"},
        "seeds": {"search": 1, "confirm": 10},
    }


def test_a_full_outline() -> None:
    full = replace(
        PLAIN,
        metrics=[MetricLine("m", 'it\'s "(.)" \x07', "maximize", (0.0, 2.0), 1e-6), MetricLine("n", "n(.)")],
        environment=Environment(requirements="solution/requirements.txt", python=">=3.11", caches=("~/.cache/x",)),
        prepare=["python", "prepare.py"],
        data=[DataLine("d", "data", "a note")],
        progress=r"(\d+) (\S+)",
        limits=[Limit("n", 5.0, "why"), Limit("m", 1.0, "offered only", offered=True)],
        seed_env="SEED",
    )
    read = tomllib.loads(problem_toml(full))
    assert read["metric"][0] == {
        "name": "m", "goal": "maximize", "pattern": "it's \"(.)\" \x07", "valid": [0.0, 2.0], "resolution": 1e-6,
    }  # fmt: skip
    assert read["environment"] == {
        "python": ">=3.11", "requirements": "solution/requirements.txt", "caches": ["~/.cache/x"],
    }  # fmt: skip
    assert read["prepare"]["command"] == ["python", "prepare.py"]
    assert read["data"] == [{"name": "d", "path": "data", "visible": ["run"]}]
    assert read["progress"] == {"pattern": r"(\d+) (\S+)", "stop": False}
    assert read["constraint"] == [{"metric": "n", "max": 5.0}]
    assert read["seeds"]["env"] == "SEED"


def test_an_environment_that_is_offered_is_a_comment() -> None:
    offered = replace(PLAIN, environment=Environment(requirements="solution/requirements.txt", offered=True))
    text = problem_toml(offered)
    assert '# requirements = "solution/requirements.txt"' in text
    assert "environment" not in tomllib.loads(text)
