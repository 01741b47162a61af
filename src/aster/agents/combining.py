"""Two candidates' changes in one tree: a three-way merge over what both come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aster.board import Board
from aster.domain.merging import clashing_lines, is_python, merge_text
from aster.domain.records import Candidate

MOST_LINES = 20_000
"""Files that both changed and that have more lines count as a conflict: merging them would take too long."""

FilesOf = Callable[[Candidate], Mapping[str, bytes]]


def combined(board: Board, first: str, second: str, files_of: FilesOf) -> dict[str, bytes] | None:
    """Return the files of `first` with the change of `second` merged in.

    The change of `second` is what it differs by from the nearest candidate that both come from. None: they change the
    same lines in different ways, or what comes out is no Python.
    """
    base = common_ancestor(board, first, second)
    trees = [_texts(files_of(board.candidates[name])) for name in (base, first, second)]
    merged: dict[str, str] = {}
    for path in sorted({path for tree in trees for path in tree}):
        versions = [tree.get(path) for tree in trees]
        if len({*versions}) == 3 and any((text or "").count("\n") > MOST_LINES for text in versions):
            return None
        clash, text = merge_text(*versions)
        if clash:
            return None
        if text is not None:
            merged[path] = text
    if not all(is_python(path, text) for path, text in merged.items() if text != trees[1].get(path)):
        return None
    return {path: text.encode("utf-8", "surrogateescape") for path, text in merged.items()}


def clashes(board: Board, first: str, second: str, files_of: FilesOf) -> dict[str, str]:
    """Return the files in which two candidates' changes clash, and in each the lines of both, place by place."""
    base = common_ancestor(board, first, second)
    trees = [_texts(files_of(board.candidates[name])) for name in (base, first, second)]
    found: dict[str, str] = {}
    for path in sorted({path for tree in trees for path in tree}):
        versions = [tree.get(path) for tree in trees]
        if len({*versions}) != 3:
            continue
        if any(text is None or text.count("\n") > MOST_LINES for text in versions):
            found[path] = "one of them adds or removes it, or it is too long to be merged"
        elif places := clashing_lines(*(text or "" for text in versions)):
            found[path] = "\n".join(f"<<<<<<<\n{ours}=======\n{theirs}>>>>>>>" for ours, theirs in places)
        elif not is_python(path, merge_text(*versions)[1] or ""):
            found[path] = "merged line by line, it is no Python"
    return found


def common_ancestor(board: Board, first: str, second: str) -> str:
    """Return the nearest candidate that both come from by their first parents; the baseline if there is none."""
    line = set(lineage(board, first))
    assert board.baseline is not None
    return next((name for name in lineage(board, second) if name in line), board.baseline)


def lineage(board: Board, candidate: str) -> list[str]:
    """Return a candidate, its first parent, that one's, and so on, to the baseline."""
    found: dict[str, None] = {}
    at: str | None = candidate
    while at is not None and at not in found:
        found[at] = None
        parents = board.candidates[at].parents
        at = parents[0] if parents else None
    return list(found)


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return files as text; bytes that are no UTF-8 come back as they were."""
    return {path: data.decode("utf-8", "surrogateescape") for path, data in files.items()}
