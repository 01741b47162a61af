from __future__ import annotations

import pytest

from aster.problems.globs import Globs


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("**/*.py", ["a.py", "b/c/d.py", ".h.py"], ["a.txt", "b/c.pyx"]),
        ("*.py", ["a.py"], ["b/a.py"]),
        ("lib/**", ["lib/a", "lib/b/c.txt"], ["lib", "library/a"]),
        ("**", ["a", "b/c"], []),
        ("a/**/b.py", ["a/b.py", "a/x/y/b.py"], ["b.py", "a/xb.py"]),
        ("./a?.[ch]", ["ab.c", "ab.h"], ["a/.c", "a.c"]),
        ("exact.py", ["exact.py"], ["exact.pyc", "x/exact.py"]),
    ],
)
def test_patterns(pattern: str, inside: list[str], outside: list[str]) -> None:
    globs = Globs("solution", [pattern])
    assert [path for path in inside if f"solution/{path}" not in globs] == []
    assert [path for path in outside if f"solution/{path}" in globs] == []


@pytest.mark.parametrize(
    "path", ["evaluate.py", "solution", "solutions/a.py", "solution/../evaluate.py", "solution//a.py"]
)
def test_nothing_outside_the_root_matches(path: str) -> None:
    assert path not in Globs("solution", ["**", "**/*.py", "../*.py"])
