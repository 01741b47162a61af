"""Finding tunable constants, and the marks beside them."""

from __future__ import annotations

import pytest

from aster.proposers.axes import Choice, Span
from aster.proposers.marks import read_mark
from aster.proposers.tunables import Tunable, check_marks, scan

SOURCE = b"""\
import os

LR = 0.04
BETAS = (0.8, 0.95)
SEED = 3
MODEL_NAME = "x"
DATA_DIR = 3.5
# how deep it is
# tune: 2..16
DEPTH = 8

ACT = "relu"  # tune: relu | gelu | "x y"
FLAG = True
N = 1
LONG = [1.0, 2.0, 3.0, 4.0, 6]
lower = 3.0
twice = 1
twice = 2  # not a mark


class Config:
    width: int = 64  # tune: no
    layers: int = 6

    def run(self):
        near = 3  # tune: 1..9
        far = 4
        if near:
            step = 0.5  # tune: 1e-4..1 log  # by ratio
        return step
"""


def found(source: bytes = SOURCE) -> dict[str, Tunable]:
    return {tunable.name: tunable for tunable in scan(source).tunables}


def test_capitals_and_fields_are_tuned_and_marks_say_what_else() -> None:
    assert not scan(SOURCE).troubles
    names = ["LR", "BETAS", "DEPTH", "ACT", "FLAG", "LONG", "Config.layers", "Config.run.near", "Config.run.step"]
    assert list(found()) == names
    assert found()["DEPTH"].axes == {None: Span(2.0, 16.0, whole=True)}
    assert found()["ACT"].axes == {None: Choice(("relu", "gelu", "x y"))}
    assert found()["Config.run.step"].axes == {None: Span(1e-4, 1.0, log=True)}


def test_short_lists_are_tuned_by_element_and_long_ones_as_a_whole() -> None:
    betas, long = found()["BETAS"], found()["LONG"]
    assert set(betas.axes) == {0, 1}
    assert betas.at({0: 0.0, 1: 1.0}) == [0.95, 0.8]  # in 1 - x: the first is nearest to 1
    assert betas.place([0.8, 0.95]) is not None
    assert long.scaled
    doubled = long.at({None: 0.75})
    assert doubled == [2.0, 4.0, 6.0, 8.0, 12]
    assert (long.place(doubled) or {})[None] == pytest.approx(0.75)
    assert long.place([1.0]) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("X = 3  # tune: 5..1", "from a lower to a higher"),
        ("X = 3  # tune: a..b", "no number"),
        ("X = 3  # tune: -1..1 log", "above 0"),
        ("X = 3  # tune: between 1 and 5", "cannot be read"),
        ("X = 3  # tune:", "cannot be read"),
        ("X = 3  # tune: 1..5 please", "cannot be read"),
        ("X = 3  # tune: 3 | what", "put texts in quotes"),
        ("X = 3  # tune: 3 | 3.0", "twice"),
        ('X = "a"  # tune: 1..5', "not a number"),
        ("X = f()  # tune: 1..5", "not a number, a text"),
        ("X = 1; Y = 2  # tune: 1..5", "beside no constant"),
        ("X = 1\nX = 2  # tune: 1..5", "bound more than once"),
        ("f()  # tune: 1..5", "beside no constant"),
    ],
)
def test_a_bad_mark_is_named_with_its_line(line: str, why: str) -> None:
    source = f"import os\n\n{line}\n".encode()
    [trouble] = check_marks({"solution/a.py": source, "solution/b.txt": b"# tune: what"})
    assert (trouble.where, trouble.key) == ("solution/a.py", f"line {3 + line.count(chr(10))}")
    assert why in trouble.text
    assert "# tune:" in trouble.text


def test_the_own_value_is_always_a_choice_and_numbers_are_sorted() -> None:
    assert read_mark("8 | 2", 4) == Choice((2, 4, 8))
    assert read_mark("(1, 2) | (3, 4)", [1, 2]) == Choice(([1, 2], [3, 4]))
    assert read_mark("no", 4) is None
    assert read_mark("1e2..1e4 log", 200) == Span(100.0, 10000.0, log=True, whole=True)
    assert read_mark("0.1..2", 1) == Span(0.1, 2.0)


def test_what_is_not_python_has_nothing_to_tune() -> None:
    for source in (b"def (", b"\xff\xfe", b""):
        assert scan(source) == ((), ())
