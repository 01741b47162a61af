"""Unified diffs, read and applied exactly: no fuzz, no offsets, no guesses.

A diff by hand may leave the blank off an empty context line; nothing else is forgiven. "\\ No newline at end of
file" is understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from aster.domain.merging import split_lines

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@.*")
_NOISE = ("diff --git ", "index ", "new file mode ", "deleted file mode ", "old mode ", "new mode ")
_NO_NEWLINE = "\\"


class DiffError(ValueError):
    """The text is not a unified diff, or does not apply; says where."""


class Hunk(NamedTuple):
    """Lines from `start` (counted from 1) on: `old` is replaced by `new`. Lines keep their newlines."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


class FileDiff(NamedTuple):
    """The change of one file; `old` None: it is new, `new` None: it is deleted, otherwise both are its path."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]

    @property
    def path(self) -> str:
        """The file that is changed, created or deleted."""
        return self.new or self.old or ""

    def apply(self, text: str | None) -> str | None:
        """Return the file after the change; None stands for no file.

        Raises:
            DiffError: `text` is not what the diff says stands there.
        """
        if (text is None) != (self.old is None):
            raise DiffError(f"{self.path} {'does not exist' if text is None else 'exists already'}")
        lines = split_lines(text or "")
        result: list[str] = []
        done = 0
        for number, hunk in enumerate(self.hunks, 1):
            begin = hunk.start - 1 if hunk.old else hunk.start
            if begin < done:
                raise DiffError(f"hunk {number} of {self.path} overlaps the one before it")
            _expect(lines, begin, hunk, f"hunk {number} of {self.path}")
            result += lines[done:begin]
            result += hunk.new
            done = begin + len(hunk.old)
        result += lines[done:]
        if any(not line.endswith("\n") for line in result[:-1]):
            raise DiffError(f"{self.path} would have a line without a newline before its end")
        if self.new is None and result:
            raise DiffError(f"{self.path} is deleted, but the diff does not remove all of its lines")
        return None if self.new is None else "".join(result)


def parse_diff(text: str) -> list[FileDiff]:
    """Return the changes in a unified diff, one a file.

    Raises:
        DiffError: a line that does not belong there, a hunk whose counts are wrong, a file named twice, a rename.
    """
    lines = split_lines(text)
    changes: list[FileDiff] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].startswith(_NOISE):
            at += 1
            continue
        change, at = _file(lines, at)
        if change.path in [other.path for other in changes]:
            raise DiffError(f"{change.path} stands twice in the diff; join its hunks")
        changes.append(change)
    if not changes:
        raise DiffError("the diff changes nothing")
    return changes


def _file(lines: list[str], at: int) -> tuple[FileDiff, int]:
    if not lines[at].startswith("--- ") or at + 1 == len(lines) or not lines[at + 1].startswith("+++ "):
        raise DiffError(
            f'line {at + 1} of the diff is {_show(lines[at])}, where "--- a/FILE" and "+++ b/FILE" are due; '
            "if it belongs to the hunk above, the counts in that hunk's @@ line are too small"
        )
    old, new = _path(lines[at], "a/"), _path(lines[at + 1], "b/")
    if old is None and new is None:
        raise DiffError(f"line {at + 1} of the diff names /dev/null twice")
    if old and new and old != new:
        raise DiffError(f"the diff renames {old} to {new}; delete one and create the other")
    at += 2
    hunks: list[Hunk] = []
    while at < len(lines) and lines[at].startswith("@@"):
        hunk, at = _hunk(lines, at)
        hunks.append(hunk)
    if not hunks:
        raise DiffError(f"the diff names {new or old} but has no hunk for it")
    return FileDiff(old, new, tuple(hunks)), at


def _path(line: str, prefix: str) -> str | None:
    path = line[4:].split("\t")[0].strip()
    return None if path == "/dev/null" else path.removeprefix(prefix)


def _hunk(lines: list[str], at: int) -> tuple[Hunk, int]:
    head, where = _HUNK.fullmatch(lines[at].rstrip()), f"line {at + 1} of the diff"
    if head is None:
        raise DiffError(f"{where} is {_show(lines[at])}, which is no hunk header such as @@ -1,3 +1,4 @@")
    counts = [int(head[2] or 1), int(head[4] or 1)]
    sides: list[list[str]] = [[], []]
    at += 1
    while [len(side) for side in sides] != counts:
        if at == len(lines) or len(sides[0]) > counts[0] or len(sides[1]) > counts[1]:
            raise DiffError(
                f"the hunk at {where} does not have the {counts[0]} old and {counts[1]} new lines of its header"
            )
        marks = _marks(lines[at], at)
        for side in marks:
            sides[side].append(lines[at][1:] or "\n")
        at += 1
        if at < len(lines) and lines[at].startswith(_NO_NEWLINE):
            for side in marks:
                sides[side][-1] = sides[side][-1].removesuffix("\n")
            at += 1
    return Hunk(int(head[1]), tuple(sides[0]), tuple(sides[1])), at


def _marks(line: str, at: int) -> tuple[int, ...]:
    """Return on which sides a hunk's line stands: 0 old, 1 new."""
    marks = {"-": (0,), "+": (1,), " ": (0, 1), "\n": (0, 1)}.get(line[:1])
    if marks is None:
        raise DiffError(f'line {at + 1} of the diff is {_show(line)}; inside a hunk lines begin with " ", "-" or "+"')
    return marks


def _expect(lines: list[str], begin: int, hunk: Hunk, where: str) -> None:
    for offset, expected in enumerate(hunk.old):
        at = begin + offset
        found = lines[at] if at < len(lines) else None
        if found != expected:
            what = "the file has ended" if found is None else f"there is {_show(found)}"
            raise DiffError(f"{where} expects {_show(expected)} at line {at + 1}, but {what}{_elsewhere(lines, hunk)}")
    if begin > len(lines):
        raise DiffError(f"{where} begins at line {begin + 1}, after the end of the file")


def _elsewhere(lines: list[str], hunk: Hunk) -> str:
    starts = _places(lines, hunk)
    first = next(starts, None)
    return "" if first is None else f"; the hunk would fit at line {first + 1}: mend its @@ line"


def _places(lines: list[str], hunk: Hunk) -> Iterator[int]:
    size = len(hunk.old)
    return (start for start in range(len(lines) - size + 1) if tuple(lines[start : start + size]) == hunk.old)


def _show(line: str) -> str:
    text = repr(line.removesuffix("\n"))
    return text if len(text) <= 80 else text[:77] + "..."
