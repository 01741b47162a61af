from __future__ import annotations

import pytest

from aster.agents.converse import Misuse
from aster.agents.guard import Guard
from aster.agents.workspace import MOST_NEW, Workspace
from aster.problems.globs import Globs

PARENT = {
    "solution/a.py": b"def one():\n    return 1\n\n\ndef two():\n    return 1\n",
    "solution/b.py": b"B = 1\n",
    "solution/win.py": b"A = 1\r\nB = 2\r\n",
    "solution/raw.py": b"\xff\xfe",
}
FIXED = {"README.md": b"# Read me\n", "solution/serve.txt": b"frozen"}


def workspace(*paths: str) -> Workspace:
    return Workspace(PARENT, FIXED, Guard(Globs("solution", ["**/*.py"]), "solution", paths), "solution")


def test_a_replacement_is_exact_and_the_parent_is_left_alone() -> None:
    work = workspace()
    assert work.replace("solution/a.py", "def two():\n    return 1", "def two():\n    return 2") == ("solution/a.py", 5)
    assert work.files()["solution/a.py"].endswith(b"def two():\n    return 2\n")
    assert PARENT["solution/a.py"].endswith(b"def two():\n    return 1\n")
    assert list(work.changed) == ["solution/a.py"]
    assert work.diff().startswith("--- a/solution/a.py\n+++ b/solution/a.py\n")
    assert "-    return 1\n+    return 2\n" in work.diff()


def test_a_text_that_stands_twice_is_ambiguous_unless_all_are_meant() -> None:
    work = workspace()
    with pytest.raises(Misuse, match=r"2 times in solution/a.py \(lines 2, 6\)"):
        work.replace("solution/a.py", "return 1", "return 3")
    work.replace("solution/a.py", "return 1", "return 3", every=True)
    assert work.files()["solution/a.py"].count(b"return 3") == 2


def test_a_text_that_is_not_there_is_answered_with_what_is() -> None:
    work = workspace()
    with pytest.raises(Misuse, match=r"blanks or indentation only(.|\n)*     5\tdef two"):
        work.replace("solution/a.py", "def two():\n  return 1", "x")
    with pytest.raises(Misuse, match=r"most like it(.|\n)*     5\tdef two"):
        work.replace("solution/a.py", "def two(x):\n    return 1", "x")
    with pytest.raises(Misuse, match="Nothing like it"):
        work.replace("solution/a.py", "import something_else", "x")
    with pytest.raises(Misuse, match="line numbers"):
        work.replace("solution/a.py", "     5\tdef two():\n     6\t    return 1", "x")
    with pytest.raises(Misuse, match="is empty"):
        work.replace("solution/a.py", "", "x")
    assert work.changed == {}


def test_line_ends_stay_what_they_are() -> None:
    work = workspace()
    work.replace("solution/win.py", "A = 1\nB", "A = 3\nB")
    assert work.files()["solution/win.py"] == b"A = 3\r\nB = 2\r\n"
    work.write("solution/win.py", "A = 4\nB = 2\n")
    assert work.files()["solution/win.py"] == b"A = 4\r\nB = 2\r\n"


def test_paths_may_be_named_from_the_solutions_folder() -> None:
    work = workspace()
    assert work.text("b.py") == work.text("./solution/b.py") == "B = 1\n"
    work.write("new.py", "N = 1\n")
    work.write("b.py", "B = 2\n")
    assert sorted(work.changed) == ["solution/b.py", "solution/new.py"]


def test_what_may_not_be_edited_is_refused_with_a_reason_and_nothing_changes() -> None:
    work = workspace("solution/a.py")
    for path in ("README.md", "solution/serve.txt", "../x.py", "/etc/passwd", "evaluate.py.txt"):
        with pytest.raises(Misuse):
            work.write(path, "x")
    with pytest.raises(Misuse, match="outside of your direction's surface"):
        work.replace("solution/b.py", "B = 1", "B = 2")
    with pytest.raises(Misuse, match="outside of your direction's surface"):
        work.remove("solution/b.py")
    assert work.changed == {}


def test_files_can_be_removed_added_and_reverted() -> None:
    work = workspace()
    work.remove("solution/b.py")
    work.write("solution/n.py", "x = 1")
    assert "solution/b.py" not in work.files()
    assert "+x = 1\n\\ No newline at end of file" in work.diff()
    work.revert("b.py")
    work.remove("solution/n.py")
    assert work.changed == {}
    with pytest.raises(Misuse, match="was not changed"):
        work.revert("b.py")


def test_a_change_back_is_no_change() -> None:
    work = workspace()
    work.write("solution/b.py", "B = 2\n")
    work.write("solution/b.py", "B = 1\n")
    assert work.changed == {}


def test_texts_that_are_none_cannot_be_read_or_written() -> None:
    work = workspace()
    with pytest.raises(Misuse, match="not UTF-8"):
        work.text("solution/raw.py")
    with pytest.raises(Misuse, match="half a character"):
        work.write("solution/b.py", "x = '\ud800'")
    with pytest.raises(Misuse, match="did you mean"):
        work.text("solution/aa.py")


def test_the_number_of_new_files_is_bounded() -> None:
    work = workspace()
    for number in range(MOST_NEW):
        work.write(f"solution/n{number}.py", "")
    work.write("solution/n0.py", "x = 1\n")
    with pytest.raises(Misuse, match="the most"):
        work.write("solution/more.py", "")


def test_the_listing_says_what_may_be_edited() -> None:
    work = workspace("solution/a.py::one", "solution/win.py")
    work.write("solution/new.py", "x\ny")
    work.replace("solution/win.py", "A = 1", "A = 7")
    notes = {entry.path: (entry.lines, entry.note) for entry in work.listing()}
    assert notes == {
        "README.md": (1, "read only"),
        "solution/a.py": (6, "may be edited: one"),
        "solution/b.py": (1, "outside of the surface"),
        "solution/new.py": (2, "new"),
        "solution/raw.py": (1, "outside of the surface"),
        "solution/serve.txt": (1, "read only"),
        "solution/win.py": (2, "may be edited, changed"),
    }


def test_syntax_is_told_by_file_and_line() -> None:
    work = workspace()
    work.write("solution/b.py", "B = (\n")
    work.write("solution/n.py", "x = 1\n")
    assert work.troubles() == ["solution/b.py: line 1: '(' was never closed"]
