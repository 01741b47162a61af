from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.merging import split_lines
from aster.proposers.diffs import DiffError, parse_diff

HEAD = "--- a/f\n+++ b/f\n"
TEXTS = st.lists(
    st.sampled_from(["a\n", "b\n", "\n", "-- c\n", "++ d\n", "@@ -1 +1 @@\n", "e\r\n", "\x0cf\n"]), max_size=12
)


def unified(old: list[str], new: list[str], context: int) -> str:
    lines = difflib.unified_diff(old, new, "a/f", "b/f", n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@given(TEXTS, TEXTS, st.integers(0, 3), st.booleans(), st.booleans())
def test_applies_what_difflib_writes(
    old: list[str], new: list[str], context: int, cut_old: bool, cut_new: bool
) -> None:
    for lines, cut in ((old, cut_old), (new, cut_new)):
        if cut and lines and lines[-1].strip():
            lines[-1] = lines[-1].removesuffix("\n")
    if old == new:
        return
    (change,) = parse_diff(unified(old, new, context))
    assert change.apply("".join(old)) == "".join(new)


def test_new_and_deleted_files() -> None:
    new, gone = parse_diff(
        "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n--- a/g\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-y\n-z\n"
    )
    assert (new.path, new.apply(None)) == ("n", "x\n")
    assert (gone.path, gone.apply("y\nz\n")) == ("g", None)
    with pytest.raises(DiffError, match="exists already"):
        new.apply("")
    with pytest.raises(DiffError, match="does not exist"):
        gone.apply(None)
    with pytest.raises(DiffError, match="does not remove all"):
        gone.apply("y\nz\nmore\n")


def test_git_headers_and_bare_empty_context_lines_are_understood() -> None:
    text = "diff --git a/f b/f\nindex 12..34 100644\n" + HEAD + "@@ -1,3 +1,3 @@ def f():\n x\n\n-y\n+z\n"
    assert parse_diff(text)[0].apply("x\n\ny\n") == "x\n\nz\n"


@pytest.mark.parametrize(
    ("diff", "text", "why"),
    [
        ("@@ -1 +1 @@\n-a\n+b\n", "c\n", "hunk 1 of f expects 'a' at line 1, but there is 'c'"),
        ("@@ -2 +2 @@\n-a\n+b\n", "c\n", "the file has ended"),
        ("@@ -1 +1 @@\n-a\n+b\n", "c\na\n", "would fit at line 2"),
        ("@@ -1 +1 @@\n-a\n+b\n", "a", "expects 'a'"),
        ("@@ -9,0 +10 @@\n+b\n", "a\n", "after the end"),
        ("@@ -1 +1 @@\n-a\n+b\n@@ -1 +1 @@\n-b\n+c\n", "a\n", "hunk 2 of f overlaps"),
        ("@@ -1,0 +2 @@\n+b\n\\ No newline at end of file\n", "a\nc\n", "without a newline before its end"),
    ],
)
def test_says_why_a_diff_does_not_apply(diff: str, text: str, why: str) -> None:
    (change,) = parse_diff(HEAD + diff)
    with pytest.raises(DiffError, match=why):
        change.apply(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "changes nothing"),
        ("hello\n", "line 1 of the diff is 'hello'"),
        (HEAD, "no hunk"),
        (HEAD + "@@ -1 @@\n", "no hunk header"),
        (HEAD + "@@ -1,2 +1 @@\n-a\n+b\n", "does not have the 2 old and 1 new lines"),
        (HEAD + "@@ -1 +1,1 @@\n+b\n+c\n-a\n", "does not have the 1 old and 1 new lines"),
        (HEAD + "@@ -1 +1 @@\n-a\n+b\n c\n", "counts .* are too small"),
        (HEAD + "@@ -1,2 +1,2 @@\n-a\n+b\nc\n", 'lines begin with " "'),
        ("--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n", "renames f to g"),
        ("--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n", "twice"),
        ((HEAD + "@@ -1 +1 @@\n-a\n+b\n") * 2, "f stands twice"),
    ],
)
def test_refuses_what_is_no_unified_diff(text: str, why: str) -> None:
    with pytest.raises(DiffError, match=why):
        parse_diff(text)


@given(st.text())
def test_splitting_loses_nothing(text: str) -> None:
    assert "".join(split_lines(text)) == text


@given(st.text(st.sampled_from("-+@ a\n\\/1,0")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        changes = parse_diff(HEAD + text)
    except DiffError:
        return
    assert [change.path for change in changes] == ["f"]
    assert all(hunk.old != hunk.new or hunk.old for hunk in changes[0].hunks)
