"""What an agent may edit: its direction's files and definitions. All else stays as it is, and it is told why. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from aster.agents.definitions import outside_change
from aster.problems.globs import Globs
from aster.problems.troubles import nearest

MOST_FILE = 512 * 1024
"""Bytes that a file may have."""

_NEW_PATH = re.compile(r"[A-Za-z0-9_./-]+")
"""Others read the names of files too: no sentences in them."""

Reach = Literal["all", "parts", "none", "frozen"]
"""How much of a file may be edited: all of it; definitions of it; nothing, as it is not on the surface; nothing, as it
is no part of what candidates may change."""


class Guard:
    """Judges edits.

    Args:
        editable: what candidates may change at all.
        root: the solution's folder.
        paths: the direction's: globs of files or "FILE::DEFINITION"; none: all that is editable.
        own: files that the direction added itself; they may be edited as if they were among `paths`.
    """

    def __init__(self, editable: Globs, root: str, paths: Sequence[str] = (), own: Sequence[str] = ()) -> None:
        self._editable, self._all = editable, not paths
        self._own = frozenset(own)
        self._files = Globs(root, [path.removeprefix(root + "/") for path in paths if "::" not in path])
        self._names: dict[str, list[str]] = {}
        for path, _, name in (each.partition("::") for each in paths if "::" in each):
            self._names.setdefault(path, []).append(name)
        self._paths = tuple(paths)
        self._reach: dict[str, Reach] = {}

    def reach(self, path: str) -> Reach:
        """Return how much of a file of the parent may be edited."""
        if path not in self._reach:
            self._reach[path] = self._look_up(path)
        return self._reach[path]

    def _look_up(self, path: str) -> Reach:
        if path not in self._editable:
            return "frozen"
        if self._all or path in self._files or path in self._own:
            return "all"
        return "parts" if path in self._names else "none"

    def names(self, path: str) -> tuple[str, ...]:
        """Return the definitions of a file that may be edited, where its reach is "parts"."""
        return tuple(self._names.get(path, ()))

    def refuse(self, path: str, before: bytes | None, after: bytes | None, others: Iterable[str] = ()) -> str | None:
        """Return why a file may not become `after`, or None if it may.

        Args:
            before: what the parent has there; None: nothing. A new file may be added wherever files are editable.
            after: None: it is to go.
            others: the paths of all other files, for a new one that stands in their way.
        """
        if path not in self._editable:
            return self._not_editable(path)
        if after is not None and len(after) > MOST_FILE:
            return f"{path} would have {len(after)} bytes; a file may have {MOST_FILE}."
        if before is None:
            return _misplaced(path, others)
        reach = self.reach(path)
        if before == after or reach == "all":
            return None
        if reach == "none":
            return f"{path} is outside of your direction's surface ({self.shown()}); leave it as it is."
        if after is None:
            return f"{path} is only partly on your direction's surface ({self.shown()}), so it has to stay."
        why = outside_change(before, after, self._names[path])
        return None if why is None else f"{path}: {why} Your direction's surface is {self.shown()}."

    def shown(self) -> str:
        """Return what may be edited, in a few words."""
        added = f", and what it added: {', '.join(sorted(self._own))}" if self._own and self._paths else ""
        return ", ".join(self._paths) + added or "every editable file"

    def _not_editable(self, path: str) -> str:
        near = nearest(path, self._files_named())
        return f"{path} is not a file that may be edited{near}. What may be: {self.shown()}."

    def _files_named(self) -> list[str]:
        return sorted({path.partition("::")[0] for path in self._paths})


def _misplaced(path: str, others: Iterable[str]) -> str | None:
    """Return why a new file cannot be where it is to be, or None."""
    if _NEW_PATH.fullmatch(path) is None or len(path) > 120:
        return "A new file's path may have letters, digits and _ - . / only, 120 at most."
    for other in others:
        if other.startswith(path + "/") or path.startswith(other + "/"):
            return f"{path} cannot be a file: {other} is there."
    return None
