from __future__ import annotations

from tests.agents.books import FILES, SEARCH

from aster.agents.outline import MOST_DEFINITIONS, definitions, imported, outline
from aster.agents.sections import Section, tokens_of, written


def test_files_are_listed_with_what_they_define() -> None:
    assert outline(FILES, 1000).splitlines() == [
        "- `solution/run.py` (8 lines): Runs it.",
        "  - `STEPS = 10`",
        "  - `run(seed)`: All of it.",
        "- `solution/search.py` (10 lines)",
        "  - `search(seed)`",
        "  - `class Walk`",
        "  - `Walk.step(self)`",
    ]
    assert definitions(SEARCH) == ["search", "Walk", "Walk.step"]


def test_what_does_not_fit_is_listed_by_name_then_counted() -> None:
    many = {f"solution/m{number}.py": SEARCH for number in range(40)}
    text = outline(many, 300)
    assert tokens_of(text) < 340
    assert "`solution/m0.py` (10 lines)\n  - `search(seed)`" in text
    assert text.splitlines()[-1].endswith("more files")
    long = b"".join(b"def f%d():\n    return 1\n\n\n" % number for number in range(MOST_DEFINITIONS + 5))
    assert "... and 5 more" in outline({"solution/long.py": long}, 5000)


def test_what_is_no_python_is_listed_by_name() -> None:
    deep = b"x = " + b"(" * 5000 + b")" * 5000
    text = outline({"a.py": b"def (", "b.bin": b"\xff\x00", "c.py": deep, "d.py": b"\xff"}, 1000)
    assert text.splitlines() == [
        "- `a.py` (1 lines)",
        "- `b.bin` (1 lines)",
        "- `c.py` (1 lines)",
        "- `d.py` (1 lines)",
    ]
    assert definitions(b"def (") == []


# --- sections ------------------------------------------------------------------------------------------------


def test_a_section_keeps_within_its_share_and_says_what_it_left_out() -> None:
    items = [f"- item {number} " + "x" * 60 for number in range(50)]
    text = written([Section("Things", items, 200)])
    assert tokens_of(text) <= 200
    assert text.startswith("## Things\n\n- item 0 ")
    assert text.endswith("more left out)")


def test_an_empty_section_says_so_or_is_left_out() -> None:
    assert written([Section("A", [], 10), Section("B", [], 10, "None yet."), Section("C", ["c"], 50)]) == (
        "## B\n\nNone yet.\n\n## C\n\nc"
    )


def test_what_a_file_imports_is_found_beside_it_and_at_the_root() -> None:
    known = ("solution/a.py", "solution/moves/a.py", "solution/moves/b/__init__.py", "solution/deep/c.py", "other/d.py")

    def found(text: bytes, path: str = "solution/moves/x.py") -> list[str]:
        return imported(path, text, known, "solution")

    assert found(b"import a, numpy") == ["solution/moves/a.py", "solution/a.py"]
    assert found(b"from . import b\nfrom .a import one") == ["solution/moves/b/__init__.py", "solution/moves/a.py"]
    assert found(b"from ..deep import c\nimport d") == ["solution/deep/c.py"]
    assert found(b"def late():\n    import deep.c") == ["solution/deep/c.py"]
    assert found(b"from ....... import a") == []
    assert found(b"import (") == found(b"import a", "solution/notes.txt") == []
