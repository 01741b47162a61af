"""A small solution and a way to write ideas about it as a user would: as texts, with diffs made by difflib."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

import pytest

SOLVE = """\
import math

STEPS = 10
RATE = 0.5


def start(seed):
    return seed


def move(x):
    return x + 1


def stop(x):
    return x > 3


class Solver:
    DEPTH = 2

    def run(self):
        return math.pi
"""

BASELINE = {"solution/solve.py": SOLVE, "solution/extra.py": "FLAG = True\n", "solution/frozen.txt": "keep\n"}

Page = Callable[..., str]


def write_diff(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the unified diff between two trees of texts."""
    parts = []
    for path in sorted({*old, *new}):
        if old.get(path) == new.get(path):
            continue
        names = (f"a/{path}" if path in old else "/dev/null", f"b/{path}" if path in new else "/dev/null")
        lines = difflib.unified_diff(
            old.get(path, "").splitlines(keepends=True), new.get(path, "").splitlines(keepends=True), *names
        )
        parts.append(
            "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        )
    return "".join(parts)


def write_page(
    name: str, new: Mapping[str, str | None] | None = None, front: str = "", old: Mapping[str, str] = BASELINE
) -> str:
    """Return an idea's Markdown; `new` overrides files of `old`, None deletes one."""
    diff = ""
    if new is not None:
        tree = {path: text for path, text in {**old, **new}.items() if text is not None}
        diff = f"\n```diff\n{write_diff(old, tree)}```\n"
    return f'+++\nname = "{name}"\nsurface = "s"\ntitle = "T"\n{front}\n+++\nIt should help.\n{diff}'


@pytest.fixture
def page() -> Page:
    return write_page


@pytest.fixture
def solution() -> dict[str, bytes]:
    return {path: text.encode() for path, text in BASELINE.items()}


@pytest.fixture
def edit() -> Callable[[str, str], dict[str, str]]:
    """Return the baseline's solve.py with one text replaced, as the `new` of a page."""

    def replaced(old: str, new: str) -> dict[str, str]:
        assert SOLVE.count(old) == 1
        return {"solution/solve.py": SOLVE.replace(old, new)}

    return replaced
