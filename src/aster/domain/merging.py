"""Three-way merges of one file."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Sequence
from typing import Any

import merge3
from msgspec import Struct


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


class Edit(Struct, frozen=True):
    """Lines `start` to `end` of a text (`end` is not among them) are replaced by `lines`."""

    start: int
    end: int
    lines: tuple[str, ...]

    def bars(self, other: Edit) -> bool:
        """Whether both change the same lines, or it is open which of their new lines comes first."""
        if self == other:
            return False
        low, high = max(self.start, other.start), min(self.end, other.end)
        inside = any(a.start == a.end and b.start < a.start < b.end for a, b in ((self, other), (other, self)))
        return low < high or inside or (low == high and bool(self.lines) and bool(other.lines))


def edits(before: Sequence[str], after: Sequence[str]) -> list[Edit]:
    """Return what leads from one list of lines to another, from the top."""
    found = Matcher(None, before, after).get_opcodes()
    return [Edit(i1, i2, tuple(after[j1:j2])) for tag, i1, i2, j1, j2 in found if tag != "equal"]


def merge_touching(base: str, ours: str, theirs: str) -> tuple[bool, str]:
    """Merge two versions of a text as `merge_text` does, but for changes that stand directly beside each other.

    What one version removes and what the other inserts may touch. Where an edit could as well be one of lines further
    up (a block with an empty line after it, or before it), it is that if the merge needs it.

    Returns:
        Whether they clash, and the merged text (`ours` if they clash).
    """
    lines = split_lines(base)
    mine, yours = (edits(lines, split_lines(text)) for text in (ours, theirs))
    for first, second in ((mine, yours), (_raised(lines, mine), yours), (mine, _raised(lines, yours))):
        if not any(a.bars(b) for a in first for b in second):
            merged: list[str] = []
            at = 0
            for edit in sorted({*first, *second}, key=lambda edit: (edit.start, edit.end)):
                merged += [*lines[at : edit.start], *edit.lines]
                at = edit.end
            return False, "".join([*merged, *lines[at:]])
    return True, ours


def _raised(lines: Sequence[str], found: Sequence[Edit]) -> list[Edit]:
    """Return the same edits with each removal, and each insertion, as far up as it can stand."""
    raised: list[Edit] = []
    least = 0
    for edit in found:
        start, end, new = edit.start, edit.end, edit.lines
        while not new and start > least and lines[start - 1] == lines[end - 1]:
            start, end = start - 1, end - 1
        while start == end and start > least and lines[start - 1] == new[-1]:
            start, end, new = start - 1, end - 1, (new[-1], *new[:-1])
        raised.append(Edit(start, end, new))
        least = edit.end
    return raised


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


def is_python(path: str, text: str) -> bool:
    """Whether a file is no Python file, or can be parsed."""
    if not path.endswith(".py"):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested deeper than Python reads
        return False
    return True


def split_lines(text: str) -> list[str]:
    """Split at "\\n" only, keeping it; other line ends are part of a line, as they are for diff and git."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


_MATCHER: Any = Matcher  # merge3's protocol asks for an `autojunk` argument that it never passes
