"""What the tests of several packs share: their ideas as the idea library reads them, and evaluators as modules."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from aster.domain.records import Change
from aster.problems.problem import Problem, load_problem
from aster.proposers.compose import Composed, Conflict, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.library import IdeaLibrary

PACKS = Path(__file__).parents[2] / "packs"


def evaluate(folder: str, path: Path, score: Path, *extra: str) -> dict[str, Any]:
    """What a pack's evaluator reports in `score` about a file; it must exit with 0 and say nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-B", "-S", str(PACKS / folder / "evaluate.py"), str(path), *extra],
        env={"PATH": os.environ.get("PATH", ""), "ASTER_SCORE": str(score)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report: dict[str, Any] = json.loads(score.read_text())
    return report


@cache
def problem(folder: str) -> Problem:
    return load_problem(str(PACKS / folder))


@cache
def library(folder: str) -> IdeaLibrary:
    found = problem(folder)
    return load_ideas(found.idea_files, found.solution_files, found.editable)


def composed(folder: str, *names: str) -> Composed | Conflict:
    """The candidate with these ideas and all that they require."""
    ideas = library(folder)
    return compose(ideas, [Change(name, {}) for name in sorted(ideas.closure(names))])


def tree(folder: str, *names: str) -> dict[str, bytes]:
    """The files of the candidate with these ideas; it must not be a conflict."""
    made = composed(folder, *names)
    assert isinstance(made, Composed), made
    return made.files


def write(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@cache
def evaluator(folder: str) -> ModuleType:
    """The pack's evaluate.py as a module; modules beside it can be imported by it."""
    spec = importlib.util.spec_from_file_location(f"{folder}_evaluate", PACKS / folder / "evaluate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(PACKS / folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(PACKS / folder))
    return module
