"""Glob patterns over relative paths, with `**` for any number of folders."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

MOST_KNOWN = 4096
"""Paths whose answer is remembered: thousands of agents ask about the same ones."""


class Globs:
    """The set of all paths under `root` that match one of `patterns`; ask with `path in globs`.

    Paths and root use "/" and are relative to the problem folder; patterns are relative to `root`. `*` and `?`
    stay inside one path segment, `**` stands for any number of folders, none included; at the end it stands for
    everything below.
    """

    def __init__(self, root: str, patterns: Iterable[str]) -> None:
        self._prefix = root + "/"
        self._patterns = [_segments(pattern) for pattern in patterns]
        self._known: dict[str, bool] = {}

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str) or not path.startswith(self._prefix):
            return False
        if path not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[path] = self._holds(path)
        return self._known[path]

    def _holds(self, path: str) -> bool:
        names = path.removeprefix(self._prefix).split("/")
        if any(name in ("", ".", "..") for name in names):
            return False  # "solution/../evaluate.py" is not under the root
        return any(_matches(names, pattern) for pattern in self._patterns)


def _segments(pattern: str) -> list[str]:
    segments = pattern.removeprefix("./").split("/")
    return [*segments, "*"] if segments[-1] == "**" else segments


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_matches(names[skip:], pattern[1:]) for skip in range(len(names)))
    return bool(names) and fnmatch.fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])
