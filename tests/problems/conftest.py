"""A whole small problem folder, as files in memory and on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TOML = """\
[problem]
name = "small"
title = "A small problem"
statement = "README.md"

[solution]
root = "solution"
editable = ["**/*.py"]

[[stage]]
name = "solve"
command = ["python", "solution/solve.py", "--out", "{outputs}/x.json", "--seed", "{seed}"]
timeout = "1.5h"

[[stage]]
name = "score"
command = ["python", "evaluate.py", "{outputs}/x.json", "{pictures}"]
trusted = true
timeout = 20

[[metric]]
name = "total"
goal = "maximize"
valid = [0.0, 10]
resolution = 1e-9

[[metric]]
name = "spread"
valid = [0, inf]

[archive]
descriptors = ["spread"]

[resources]
cpus = 2
memory = "1.5GiB"

[seeds]
search = 2
confirm = 5
env = "SEED"

[[reference]]
name = "Somebody"
value = 9
source = "a paper"
conditions = { same = true }
"""

Files = dict[str, bytes]


@pytest.fixture
def files() -> Files:
    return {
        "problem.toml": TOML.encode(),
        "README.md": b"Make the total large.\n",
        "evaluate.py": b"print()\n",
        "solution/solve.py": b"x = 1\n",
        "solution/lib/more.py": b"y = 1\n",
        "solution/data.txt": b"frozen\n",
        "ideas/one.md": b"+++\n+++\n",
        "ideas/drafts/two.md": b"not read\n",
    }


@pytest.fixture
def toml(files: Files) -> Callable[..., Files]:
    """Return the files with texts in problem.toml replaced: toml("old", "new", "old 2", "new 2", ...)."""

    def replaced(*texts: str) -> Files:
        text = TOML
        for old, new in zip(texts[::2], texts[1::2], strict=True):
            assert old in text
            text = text.replace(old, new, 1)
        return {**files, "problem.toml": text.encode()}

    return replaced


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    """The problem on disk."""
    root = tmp_path / "small"
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root
