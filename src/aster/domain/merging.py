"""Three-way merges of one file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import merge3


def merge_text(base: str | None, ours: str | None, theirs: str | None) -> tuple[bool, str | None]:
    """Merge two versions of a file that both come from `base`; None stands for no file.

    Returns:
        Whether they clash, and the merged text (`ours` if they clash).
    """
    if ours in (base, theirs):
        return False, theirs
    if theirs == base:
        return False, ours
    if base is None or ours is None or theirs is None:
        return True, ours
    lines = [split_lines(text) for text in (base, ours, theirs)]
    merged: list[str] = []
    for group in merge3.Merge3(lines[0], lines[1], lines[2], sequence_matcher=_MATCHER).merge_groups():
        if group[0] == "conflict":
            return True, ours
        merged += group[1]
    return False, "".join(merged)


def clashing_lines(base: str, ours: str, theirs: str) -> list[tuple[str, str]]:
    """Return (our lines, their lines) of each place where two versions of a file clash."""
    lines = [split_lines(text) for text in (base, ours, theirs)]
    groups = merge3.Merge3(lines[0], lines[1], lines[2], sequence_matcher=_MATCHER).merge_groups()
    return [("".join(group[2]), "".join(group[3])) for group in groups if group[0] == "conflict"]


class Matcher(difflib.SequenceMatcher[str]):
    """Matches the equal lines at both ends first, then every line between, however common.

    The default ignores frequent lines in files of 200 lines or more, and looks for matches all over the file.
    """

    def __init__(self, isjunk: None, a: Sequence[str], b: Sequence[str]) -> None:
        least = min(len(a), len(b))
        self._head = next((at for at in range(least) if a[at] != b[at]), least)
        least -= self._head
        self._tail = next((at for at in range(least) if a[-1 - at] != b[-1 - at]), least)
        self._sizes = len(a), len(b)
        head, tail = self._head, self._tail
        super().__init__(isjunk, a[head : len(a) - tail], b[head : len(b) - tail], autojunk=False)

    def get_matching_blocks(self) -> list[difflib.Match]:
        head, tail, (a, b) = self._head, self._tail, self._sizes
        inner = [difflib.Match(at + head, bt + head, size) for at, bt, size in super().get_matching_blocks() if size]
        ends = [difflib.Match(a - tail, b - tail, tail)] if tail else []
        start = [difflib.Match(0, 0, head)] if head else []
        return [*start, *inner, *ends, difflib.Match(a, b, 0)]


def split_lines(text: str) -> list[str]:
    """Split at "\\n" only, keeping it; other line ends are part of a line, as they are for diff and git."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


_MATCHER: Any = Matcher  # merge3's protocol asks for an `autojunk` argument that it never passes
