from __future__ import annotations

import re

import pytest

from aster.intermediate import progress
from aster.problems.patterns import MOST_CHARACTERS, PROGRESS, metric_pattern, progress_pattern


@pytest.mark.parametrize(
    "pattern",
    [r"^val_bpb:\s*(\S+)", r"(?:loss|val)=(\d+(?:\.\d+)?)", r"(\d+)(?:x{2,5}y*){1,3}", r"(?P<value>.+?)$", r"(a*b*c*)"],
)
def test_ordinary_patterns_pass(pattern: str) -> None:
    assert metric_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not a regular expression"),
        ("(a)(b)", "exactly one group"),
        ("loss", "it has 0"),
        (r"(\d+)+", "repeats a repetition"),
        ("((?:ab*)*)", "repeats a repetition"),
        ("(?:a|b+)*(c)", "repeats a repetition"),
        ("(a{2,})*", "repeats a repetition"),
        ("(?=(a+))*b", "repeats a repetition"),
        ("(?:(?:(?:a*)b)?c)+(d)", "repeats a repetition"),
        ("(a)" + "b" * MOST_CHARACTERS, "at most 300"),
    ],
)
def test_patterns_that_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        metric_pattern(pattern)


def test_progress_has_a_step_and_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert progress_pattern(PROGRESS) == PROGRESS
    with pytest.raises(ValueError, match="exactly two groups"):
        progress_pattern(r"^loss (\S+)")
    progress(12, 0.1)
    found = re.search(PROGRESS, capsys.readouterr().out.rstrip("\n"))
    assert found is not None
    assert found.groups() == ("12", "0.1")
