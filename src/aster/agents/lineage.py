"""Which files of a version its own direction added: they belong to its surface, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from aster.board import Board
from aster.domain.records import Candidate

FilesOf = Callable[[Candidate], Mapping[str, bytes]]

MOST_BACK = 64
"""Ancestors that are looked at, so that a long line costs no more; what was added before them is not known."""


def own_files(
    board: Board, parent: Candidate, direction: str, files_of: FilesOf, known: Collection[str]
) -> tuple[str, ...]:
    """Return the files of `parent` that an ancestor of this direction added, or the parent itself, by path.

    Args:
        known: the problem's own files, which nobody added.
    """
    added = [path for path in files_of(parent) if path not in known]
    return tuple(path for path in sorted(added) if _adder(board, parent, path, files_of) == direction)


def _adder(board: Board, candidate: Candidate, path: str, files_of: FilesOf) -> str | None:
    """Return the direction in which a file came into a candidate's line; None: that is not known."""
    for _ in range(MOST_BACK):
        parents = (board.candidates[name] for name in candidate.parents)
        older = next((each for each in parents if path in files_of(each)), None)
        if older is None:
            return board.hypotheses[candidate.hypothesis].direction if candidate.hypothesis is not None else None
        candidate = older
    return None
