"""Candidates as files: trees read from blobs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Protocol

import msgspec

from aster.board import Board
from aster.errors import StoreError


class Blobs(Protocol):
    """Where the bytes are."""

    def get_blob(self, blob: str, /) -> bytes:
        """Return the bytes whose content address is `blob`.

        Raises:
            StoreError: it is not there or cannot be read.
        """
        ...


def read_tree(blobs: Blobs, tree: str) -> dict[str, bytes]:
    """Return path -> content of the tree whose JSON object is blob `tree`, sorted by path.

    Raises:
        StoreError: the blob is not a tree, or a path in it leaves its folder.
    """
    return {path: blobs.get_blob(blob) for path, blob in sorted(_index(blobs, tree).items())}


def candidate_files(board: Board, blobs: Blobs, candidate: str) -> dict[str, bytes]:
    """Return the candidate's whole solution: its editable files and the frozen ones beside them.

    Paths are relative to the problem folder, so that the files can be laid over one. Frozen files are those of the
    snapshot under the solution's root that are not editable, which the baseline's tree tells.

    Raises:
        StoreError: a blob is missing or damaged.
    """
    own = read_tree(blobs, board.candidates[candidate].tree)
    editable = own.keys() | _index(blobs, board.candidates[board.baseline].tree).keys() if board.baseline else own
    snapshot = _index(blobs, board.snapshot)
    root = PurePosixPath(_solution_root(blobs, snapshot))
    frozen = {p: b for p, b in snapshot.items() if p not in editable and PurePosixPath(p).is_relative_to(root)}
    return dict(sorted((own | {p: blobs.get_blob(b) for p, b in frozen.items()}).items()))


def _index(blobs: Blobs, tree: str) -> dict[str, str]:
    try:
        index = msgspec.json.decode(blobs.get_blob(tree), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as trouble:
        raise StoreError(f"blob {tree} should be a tree of files and is not: {trouble}") from trouble
    for path in index:
        if not _inside(path):
            raise StoreError(f"blob {tree} names a file outside its folder: {path!r}")
    return index


def _inside(path: str) -> bool:
    parts = path.split("/")
    return "\0" not in path and all(part not in ("", ".", "..") for part in parts)


def _solution_root(blobs: Blobs, snapshot: Mapping[str, str]) -> str:
    """Return the solution's root as problem.toml names it, "solution" where it does not."""
    try:
        spec = tomllib.loads(blobs.get_blob(snapshot["problem.toml"]).decode())
        return str(spec["solution"]["root"])
    except (KeyError, TypeError, ValueError):
        return "solution"  # the problem was loaded once, so at worst the key is absent
