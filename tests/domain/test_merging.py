from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.merging import Matcher, edits, merge_text, merge_touching, split_lines

LINE = st.sampled_from(["a\n", "b\n", "\n", "c\n", "d\r\n"])
TEXTS = st.builds(lambda lines, cut: "".join(lines)[: -1 if cut else None], st.lists(LINE, max_size=14), st.booleans())


@given(TEXTS, TEXTS, TEXTS)
def test_merging_is_symmetric_and_never_glues_lines(base: str, ours: str, theirs: str) -> None:
    clash, merged = merge_text(base, ours, theirs)
    mirrored = merge_text(base, theirs, ours)
    assert clash == mirrored[0]
    if clash:
        assert merged == ours
    else:
        assert merged == mirrored[1]
        assert merged is not None
        known = {line for version in (base, ours, theirs) for line in version.splitlines()}
        assert set(merged.splitlines()) <= known


@given(st.lists(LINE, max_size=10), st.lists(LINE, max_size=10))
def test_matches_are_equal_and_in_order(one: list[str], two: list[str]) -> None:
    at, bt = 0, 0
    for a, b, size in Matcher(None, one, two).get_matching_blocks():
        assert a >= at
        assert b >= bt
        assert one[a : a + size] == two[b : b + size]
        at, bt = a + size, b + size
    assert (at, bt) == (len(one), len(two))


@pytest.mark.parametrize("count", [10, 400])
def test_frequent_lines_are_matched_too(count: int) -> None:
    base = "pass\n" * count
    assert merge_text(base, "x\n" + base, base + "y\n") == (False, "x\n" + base + "y\n")


@pytest.mark.parametrize(
    ("versions", "merged"),
    [
        (("a\nb", "x\na\nb", "a\nb\nc"), "x\na\nb\nc"),
        (("a\nb", "a\nx", "a\nb\nc"), None),
        (("a\nb\n", "x\na\nb\n", "a\nb\nc"), "x\na\nb\nc"),
        (("a\nb\nc", "a\nb\nc\n", "x\nb\nc"), "x\nb\nc\n"),
        (("a\r\nb\r\n", "x\r\nb\r\n", "a\r\nb\r\nc\r\n"), "x\r\nb\r\nc\r\n"),
        (("", "a\n", "b\n"), None),
    ],
)
def test_line_ends(versions: tuple[str, str, str], merged: str | None) -> None:
    clash, text = merge_text(*versions)
    assert clash == (merged is None)
    assert clash or text == merged


@given(TEXTS, TEXTS, TEXTS)
def test_touching_changes_are_never_glued(base: str, ours: str, theirs: str) -> None:
    clash, merged = merge_touching(base, ours, theirs)
    assert clash == merge_touching(base, theirs, ours)[0]
    assert merge_touching(base, base, theirs) == (False, theirs)
    assert merge_touching(base, ours, base) == (False, ours)
    known = {line for version in (base, ours, theirs) for line in split_lines(version)}
    assert clash or set(split_lines(merged)) <= known


@given(TEXTS, TEXTS)
def test_edits_lead_from_one_to_the_other(one: str, two: str) -> None:
    lines, made, at = split_lines(one), [], 0
    for edit in edits(lines, split_lines(two)):
        made += [*lines[at : edit.start], *edit.lines]
        at = edit.end
    assert "".join([*made, *lines[at:]]) == two


@pytest.mark.parametrize(
    ("versions", "merged"),
    [
        (("a\nb\nc\n", "b\nc\n", "a\nx\nb\nc\n"), "x\nb\nc\n"),  # one removes what the other writes behind
        (("a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n"), None),  # which new line comes first?
        (("a\nb\nc\n", "a\nx\nb\nc\n", "a\ny\nb\nc\n"), None),
        (("a\nb\nc\n", "x\n", "a\nb\ny\nc\n"), None),  # in the midst of what is replaced
        (("a\nb\n", "a\n", "a\n"), "a\n"),
        (("p\n\nq\n\nr\n", "p\n\nr\n", "p\n\nq\n\nR\n"), "p\n\nR\n"),  # "q" goes with the line before it or behind
    ],
)
def test_changes_that_touch(versions: tuple[str, str, str], merged: str | None) -> None:
    clash, text = merge_touching(*versions)
    assert clash == (merged is None)
    assert clash or text == merged
