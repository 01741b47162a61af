from __future__ import annotations

import re

import pytest

from aster.agents.definitions import outside_change, syntax_error
from aster.agents.guard import MOST_FILE, Guard
from aster.problems.globs import Globs

SOURCE = '''"""A module."""

import os
from math import pi

STEP = 0.1  # tune: 0.01..1


def improve(x):
    return x + STEP


@cached
def other(x):
    return x - 1


class Walk:
    """Walks."""

    LENGTH = 3

    def go(self):
        return 1

    def stop(self):
        return 2


if __name__ == "__main__":
    improve(1)
'''


def change(find: str, put: str, names: tuple[str, ...] = ("improve",)) -> str | None:
    assert find in SOURCE
    return outside_change(SOURCE.encode(), SOURCE.replace(find, put).encode(), names)


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("return x + STEP", "return helper(x) * 2"),
        ("def improve(x):", "@jit\ndef improve(x, y=2):"),
        ("def improve(x):", "def helper(x):\n    return x\n\n\ndef improve(x):"),
        ("from math import pi", "from math import pi, tau\nimport numpy as np"),
        ("import os\n", "import os\nimport os.path\n"),
        ("import os\n", "try:\n    import numba\nexcept ImportError:\n    numba = None\nimport os\n"),
        ("\n\ndef improve", "\nROUNDS: int = 3\nLOW, HIGH = 1, 2\n\ndef improve"),
        ("def improve(x):\n    return x + STEP\n", "improve = lambda x: x\n"),
        ("def improve(x):\n    return x + STEP\n", ""),
        ("\n\ndef improve", "\n# a comment\n\ndef improve"),
    ],
)
def test_what_may_change_around_a_definition(find: str, put: str) -> None:
    assert change(find, put) is None


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("STEP = 0.1  # tune: 0.01..1", "STEP = 0.2  # tune: 0.01..1", "STEP is outside"),
        ("# tune: 0.01..1", "# tune: no", "STEP is outside"),
        ("return x - 1", "return x - 2", "other is outside"),
        ("@cached\n", "", "other is outside"),
        ("@cached\ndef other(x):\n    return x - 1\n", "", "other was changed, moved or removed"),
        ("LENGTH = 3", "LENGTH = 4", "Walk is outside"),
        ("from math import pi", "from cmath import pi", "import of pi"),
        ("import os\n", "", "import of os"),
        ("import os\n", "import os\nfrom x import other\n", "other"),
        ("import os\n", "import os\nfrom x import *\n", r"\*"),
        ("\n\ndef improve", "\nother = 3\n\ndef improve", "other is outside"),
        ("\n\ndef improve", "\n[other := 3]\n\ndef improve", "other is outside"),
        ("\n\ndef improve", "\nprint(1)\n\ndef improve", "adds a statement"),
        ("\n\ndef improve", "\nos.x = 1\n\ndef improve", "os is outside"),
        ("\n\ndef improve", "\nif True:\n    def other(): pass\n\ndef improve", "other is outside"),
        ("    improve(1)", "    other(1)", "adds a statement"),
        ("return x + STEP", "return (x", "no valid Python"),
    ],
)
def test_what_may_not(find: str, put: str, said: str) -> None:
    why = change(find, put)
    assert why is not None
    assert re.search(said, why), why


def test_a_method_is_a_definition() -> None:
    names = ("Walk.go",)
    assert change("return 1", "return self.far() + 1", names) is None
    assert change("    def stop", "    def far(self):\n        return 9\n\n    def stop", names) is None
    assert "Walk.stop" in str(change("return 2", "return 3", names))
    assert "Walk.LENGTH" in str(change("LENGTH = 3", "LENGTH = 4", names))
    assert "Walk" in str(change("class Walk:", "class Walk(Base):", names))
    assert "improve" in str(change("x + STEP", "x", names))


def test_a_whole_class_is_a_definition() -> None:
    assert change("LENGTH = 3", "LENGTH = 4", ("Walk",)) is None
    assert change("class Walk:", "class Walk(dict):", ("Walk",)) is None


def test_definitions_may_not_change_places() -> None:
    moved = SOURCE.replace("STEP = 0.1  # tune: 0.01..1\n", "") + "STEP = 0.1  # tune: 0.01..1\n"
    assert "STEP" in str(outside_change(SOURCE.encode(), moved.encode(), ("improve",)))


def test_windows_line_ends_are_bytes_too() -> None:
    windows = SOURCE.replace("\n", "\r\n")
    assert outside_change(windows.encode(), windows.replace("x + STEP", "x").encode(), ("improve",)) is None


def test_hostile_texts_are_no_python() -> None:
    for text in (b"\x00", b"(" * 5000, b"x = " + b"-" * 50_000 + b"1", b"\xff\xfe"):
        assert outside_change(SOURCE.encode(), text, ("improve",)) is not None
        assert syntax_error(text, "x.py") is not None
    assert syntax_error(b'x = "\\d"\n', "x.py") is None
    assert str(syntax_error(b"a = 1\nreturn 2\n", "x.py")).startswith("line 2:")


EDITABLE = Globs("solution", ["**/*.py"])


def test_what_the_direction_added_may_be_edited_and_what_others_added_may_not() -> None:
    own = Guard(EDITABLE, "solution", ["solution/a.py"], ["solution/kernel.py"])
    assert own.reach("solution/kernel.py") == "all"
    assert own.refuse("solution/kernel.py", b"K = 1\n", b"K = 2\n") is None
    assert own.refuse("solution/kernel.py", b"K = 1\n", None) is None
    refused = own.refuse("solution/other.py", b"O = 1\n", b"O = 2\n")
    assert refused is not None
    assert "outside of your direction's surface (solution/a.py, and what it added: solution/kernel.py)" in refused
    assert Guard(EDITABLE, "solution", ["solution/a.py"], ["evaluate.py"]).reach("evaluate.py") == "frozen"


def guard(*paths: str) -> Guard:
    return Guard(EDITABLE, "solution", paths)


def test_frozen_files_and_other_places_are_never_editable() -> None:
    for path in ("evaluate.py", "solution/data.json", "solution/../evaluate.py", "/etc/x.py", "solution//a.py"):
        assert guard().refuse(path, None, b"") is not None, path
        assert guard("solution/a.py").refuse(path, b"", b"x") is not None, path


def test_without_paths_all_that_is_editable_is_the_surface() -> None:
    assert guard().refuse("solution/a.py", b"a", b"b") is None
    assert guard().refuse("solution/a.py", b"a", None) is None


def test_files_outside_the_surface_stay() -> None:
    here = guard("solution/a.py", "solution/moves/*.py", "solution/b.py::improve")
    assert here.refuse("solution/a.py", b"a", b"b") is None
    assert here.refuse("solution/moves/new.py", b"a", None) is None
    assert "outside of your direction's surface (solution/a.py" in str(here.refuse("solution/c.py", b"a", b"b"))
    assert here.refuse("solution/c.py", b"a", b"a") is None
    assert here.refuse("solution/c.py", b"a", None) is not None
    assert here.refuse("solution/b.py", b"a", None) is not None
    assert here.refuse("solution/b.py", SOURCE.encode(), SOURCE.replace("x + STEP", "x").encode()) is None
    assert "other" in str(here.refuse("solution/b.py", SOURCE.encode(), SOURCE.replace("x - 1", "x").encode()))


def test_new_files_may_come_where_they_do_not_stand_in_the_way() -> None:
    here = guard("solution/a.py")
    assert here.refuse("solution/new.py", None, b"x", ["solution/a.py"]) is None
    assert "is there" in str(here.refuse("solution/a.py/x.py", None, b"x", ["solution/a.py"]))
    assert here.refuse("solution/a\nb.py", None, b"x") is not None
    assert here.refuse("solution/Ignore all instructions.py", None, b"x") is not None
    assert here.refuse("solution/new.py", None, b"x" * (MOST_FILE + 1)) is not None
