"""A subagent's own version of the solution: what it changed, in memory, over its parent's files."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aster.agents.converse import Misuse
from aster.agents.definitions import syntax_error
from aster.agents.guard import Guard
from aster.agents.near import near_matches
from aster.problems.troubles import nearest

MOST_NEW = 50
"""Files that may be added."""


class Entry(NamedTuple):
    """A file as it is listed."""

    path: str
    lines: int
    size: int
    note: str


class Workspace:
    """Files that can be read, and changed as the guard allows. Nothing touches a disk.

    Args:
        parent: the editable files that the work starts from.
        fixed: files that can only be read, such as the problem's statement.
        guard: judges edits.
        root: the solution's folder; paths below it may be named without it.
    """

    def __init__(self, parent: Mapping[str, bytes], fixed: Mapping[str, bytes], guard: Guard, root: str) -> None:
        self._parent, self._fixed, self._guard, self._root = parent, fixed, guard, root
        self._changes: dict[str, bytes | None] = {}
        self._readable: dict[str, bytes] | None = None

    # --- reading -----------------------------------------------------------------------------------------

    @property
    def changed(self) -> dict[str, bytes | None]:
        """What differs from the parent, by path; None: it is gone."""
        return dict(sorted(self._changes.items()))

    @property
    def guard(self) -> Guard:
        """Who judges edits."""
        return self._guard

    @property
    def frozen(self) -> Mapping[str, bytes]:
        """The files that can only be read."""
        return self._fixed

    @property
    def root(self) -> str:
        """The solution's folder."""
        return self._root

    def files(self) -> dict[str, bytes]:
        """Return the editable files as they are now."""
        now = {**self._parent, **self._changes}
        return {path: data for path, data in sorted(now.items()) if data is not None}

    def readable(self) -> Mapping[str, bytes]:
        """Return every file that can be read, by path."""
        if self._readable is None:
            self._readable = dict(sorted({**self._fixed, **self.files()}.items()))
        return self._readable

    def text(self, path: str) -> str:
        """Return a file as text with plain line ends.

        Raises:
            Misuse: there is no such file, or it is no text.
        """
        return self._text(self._find(path))

    def shown(self, path: str) -> str | None:
        """Return a known file's text, or None if it is no text."""
        try:
            return _decoded(path, self.readable()[path])
        except Misuse:
            return None

    def text_before(self, path: str) -> str:
        """Return a file of the parent as text with plain line ends.

        Raises:
            Misuse: the parent has no such file, or it is no text.
        """
        known = next((each for each in self.names_for(path) if each in self._parent), None)
        if known is None:
            raise Misuse(f"The parent has no file {path[:200]!r}{nearest(path, self._parent)}.")
        return _decoded(known, self._parent[known])

    def names_for(self, path: str) -> tuple[str, str]:
        """Return the paths that a name may mean: itself, and itself below the solution's folder."""
        path = path.strip().removeprefix("./")
        return path, f"{self._root}/{path}"

    def listing(self) -> Iterator[Entry]:
        """Yield every file, by path."""
        for path, data in self.readable().items():
            yield Entry(
                path, data.count(b"\n") + (not data.endswith(b"\n") and bool(data)), len(data), self._note(path)
            )

    def diff(self) -> str:
        """Return all changes as one unified diff; "" if there are none."""
        return "".join(diff_of(path, self._parent.get(path, b""), data or b"") for path, data in self.changed.items())

    def troubles(self) -> list[str]:
        """Return what is wrong with the syntax of Python files that were changed, a line a file."""
        return [
            f"{path}: {why}"
            for path, data in self.changed.items()
            if data is not None and path.endswith(".py") and (why := syntax_error(data, path)) is not None
        ]

    # --- changing ----------------------------------------------------------------------------------------

    def replace(self, path: str, find: str, put: str, every: bool = False) -> tuple[str, int]:
        """Replace a text in a file, which must stand there exactly once; return the file and the line where it began.

        Args:
            every: all places are meant.

        Raises:
            Misuse: it is not there, or more than once; or the change is not allowed.
        """
        path = self._find(path)
        text = self._text(path)
        find, put = _plain(find), _plain(put)
        if not find:
            raise Misuse("`find` is empty; give the text to replace, or use write_file for a whole file.")
        count = text.count(find)
        if count == 0:
            raise Misuse(f"`find` does not stand in {path}.{near_matches(text, find)}")
        if count > 1 and not every:
            lines = ", ".join(str(line) for line in _lines_of(text, find)[:10])
            raise Misuse(f"`find` stands {count} times in {path} (lines {lines}); take in more lines around it.")
        if find == put:
            raise Misuse("`find` and `replace` are the same, so nothing would change.")
        self._put(path, text.replace(find, put))
        return path, text[: text.index(find)].count("\n") + 1

    def write(self, path: str, text: str) -> str:
        """Make a file what `text` says, new or not, and return which one that is.

        Raises:
            Misuse: that is not allowed.
        """
        path = self._find(path, new=True)
        self._put(path, _plain(text))
        return path

    def remove(self, path: str) -> None:
        """Remove a file.

        Raises:
            Misuse: there is no such file, or it has to stay.
        """
        path = self._find(path)
        self._set(path, None)

    def revert(self, path: str) -> None:
        """Make a file what it is in the parent.

        Raises:
            Misuse: it was not changed.
        """
        named = next((each for each in self.names_for(path) if each in self._changes), None)
        if named is None:
            raise Misuse(f"{path[:200]} was not changed. Changed files: {', '.join(self.changed) or 'none'}.")
        del self._changes[named]
        self._readable = None

    # --- the rest ----------------------------------------------------------------------------------------

    def _find(self, path: str, new: bool = False) -> str:
        """Return a path as it is known; a name below the solution's folder is taken as such."""
        path, below = self.names_for(path)
        known = self.readable()
        if path in known:
            return path
        if below in known or (new and self._guard.reach(path) == "frozen" and self._guard.reach(below) != "frozen"):
            return below
        if new:
            return path
        raise Misuse(f"There is no file {path[:200]!r}{nearest(path, known)}. Use list_files to see what there is.")

    def _text(self, path: str) -> str:
        return _decoded(path, self.readable()[path])

    def _put(self, path: str, text: str) -> None:
        before = self.readable().get(path, b"")
        ends = "\r\n" if b"\r\n" in before else "\n"
        try:
            self._set(path, text.replace("\n", ends).encode("utf-8"))
        except UnicodeEncodeError:
            raise Misuse("The text holds half a character (a lone surrogate), which no file can hold.") from None

    def _set(self, path: str, data: bytes | None) -> None:
        before = self._parent.get(path)
        others = [other for other in self.readable() if other != path]
        why = self._guard.refuse(path, before, data, others)
        if why is None and before is None and data is not None and self._is_one_more(path):
            why = f"You have added {MOST_NEW} files; that is the most."
        if why is not None:
            raise Misuse(f"Not changed: {why}")
        self._readable = None
        if data == before:
            self._changes.pop(path, None)
        else:
            self._changes[path] = data

    def _is_one_more(self, path: str) -> bool:
        return path not in self._changes and sum(each not in self._parent for each in self._changes) >= MOST_NEW

    def _note(self, path: str) -> str:
        if path in self._fixed:
            return "read only"
        changed = ", changed" if path in self._parent and path in self._changes else ""
        if path not in self._parent:
            return "new"
        match self._guard.reach(path):
            case "all":
                return "may be edited" + changed
            case "parts":
                return "may be edited: " + ", ".join(self._guard.names(path)) + changed
            case _:
                return "outside of the surface"


def diff_of(path: str, before: bytes, after: bytes) -> str:
    """Return the unified diff of a file; "" if it is the same."""
    old, new = (_plain(data.decode("utf-8", "replace")).splitlines(keepends=True) for data in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _decoded(path: str, data: bytes) -> str:
    try:
        return _plain(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Misuse(f"{path} is not UTF-8 text, so it cannot be read or edited here.") from None


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _lines_of(text: str, find: str) -> list[int]:
    lines, at = [], text.find(find)
    while at >= 0:
        lines.append(text.count("\n", 0, at) + 1)
        at = text.find(find, at + len(find))
    return lines
