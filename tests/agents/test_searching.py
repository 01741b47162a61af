from __future__ import annotations

import asyncio
import re

import pytest

from aster.agents import searching
from aster.agents.searching import MOST_MATCHES, TooSlow, is_harmless, search

FILES = {"a.py": "def one():\n    return STEP\n", "b.py": "STEP = 1\nstep = 2\n"}


def find(pattern: str, files: dict[str, str] = FILES) -> searching.Matches:
    return asyncio.run(search(pattern, files))


@pytest.mark.parametrize("pattern", ["STEP", r"S(T|X)EP", r"(STE)+P"])
def test_matches_come_by_file_and_line(pattern: str) -> None:
    assert find(pattern) == [("a.py", 2, "    return STEP"), ("b.py", 1, "STEP = 1")]


@pytest.mark.parametrize(
    ("pattern", "harmless"),
    [("STEP|HOPS", True), (r"def \w+", True), ("import .*x", True), (r"improve\(", True)]
    + [(each, False) for each in ("(a+)+", "(a|aa)*b", ".*.*x", r"(a)\1", "a{9}{9}", "(?:a?){50}", "a?a?b*")],
)
def test_expressions_that_may_take_long_are_told(pattern: str, harmless: bool) -> None:
    assert is_harmless(pattern) is harmless


def test_an_endless_expression_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "TIME_S", 0.5)
    with pytest.raises(TooSlow):
        find("(a+)+$", {"a.py": "a" * 60 + "b"})


def test_matches_are_bounded() -> None:
    assert len(find("x", {"a.py": "x\n" * 500})) == MOST_MATCHES + 1
    assert len(find("(x)+", {"a.py": "x\n" * 500})) == MOST_MATCHES + 1


def test_what_is_no_expression_is_an_error() -> None:
    for pattern in ("(", "x" * 1000):
        with pytest.raises(re.error):
            find(pattern)
