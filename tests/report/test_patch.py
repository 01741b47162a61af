import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.report.patch import make_patch

OLD = {
    "solution/same.py": b"x = 1\n",
    "solution/edit.py": b"".join(b"line %d\n" % i for i in range(40)),
    "solution/gone.py": b"bye\n",
    "solution/no newline.txt": b"a\nb",
    "solution/crlf.txt": b"a\r\nb\rc\r\n",
    "solution/empty-gone": b"",
}
NEW = {
    "solution/same.py": b"x = 1\n",
    "solution/edit.py": b"".join(b"line %d%s\n" % (i, b"!" if i in (3, 30) else b"") for i in range(40)),
    "solution/no newline.txt": b"a\nc",
    "solution/crlf.txt": b"a\r\nB\rc\r\n",
    "solution/new.py": b"hello\n",
    "solution/empty-new": b"",
    'solution/qu"ote\t\xc3\xa9.py': b"odd name\n",
    "solution/bytes.bin": b"\xff\xfe\x00raw\n\x80",
}


def git_apply(folder: Path, old: dict[str, bytes], patch: bytes) -> dict[str, bytes]:
    for path, data in old.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=folder, input=patch, check=True, timeout=20)
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_git_applies_it_and_gets_the_new_tree(tmp_path: Path) -> None:
    assert git_apply(tmp_path, OLD, make_patch(OLD, NEW)) == NEW


def test_it_can_be_reversed(tmp_path: Path) -> None:
    assert git_apply(tmp_path, NEW, make_patch(NEW, OLD)) == OLD


def test_equal_trees_give_no_patch() -> None:
    assert make_patch(OLD, dict(OLD)) == b""


def test_it_reads_as_git_would_have_written_it() -> None:
    patch = make_patch({"a.py": b"one\ntwo\n"}, {"a.py": b"one\nthree\n"})
    assert patch.decode().splitlines() == [
        "diff --git a/a.py b/a.py",
        "index 814f4a4..4c7442b 100644",
        "--- a/a.py",
        "+++ b/a.py",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+three",
    ]


lines = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\r\n", b"\x0c d\n"]), max_size=12)


@settings(max_examples=25, deadline=None)
@given(lines, lines, st.sampled_from([b"", b"tail"]))
def test_any_two_texts(tmp_path_factory: pytest.TempPathFactory, a: list[bytes], b: list[bytes], tail: bytes) -> None:
    old, new = {"f": b"".join(a)}, {"f": b"".join(b) + tail}
    if old != new:
        assert git_apply(tmp_path_factory.mktemp("apply"), old, make_patch(old, new)) == new
