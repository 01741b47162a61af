from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.merging import Matcher, merge_text

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
