"""What a direction may be about: its surface, the paths on it, and why one cannot be opened. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aster.agents.outline import definitions
from aster.agents.quoting import in_line
from aster.board import Board
from aster.domain.records import COMBINATION
from aster.domain.research import DirectionDraft
from aster.problems.globs import Globs
from aster.problems.problem import Problem
from aster.problems.troubles import nearest

MOST_PATHS = 40

_PATTERN = re.compile(r"[A-Za-z0-9_./*?-]{1,200}")
"""Of files: others are told the paths of a direction as they stand, so no sentences in them."""


def paths_of(problem: Problem, draft: DirectionDraft) -> tuple[str, ...]:
    """Return what belongs to a direction's surface: as the problem says, else as the draft does; empty: all.

    Paths are "FILE" or "FILE::DEFINITION", relative to the problem folder; the problem's may be globs of files.
    """
    own = problem.spec.solution.surfaces.get(draft.surface)
    return tuple(dict.fromkeys(own if own is not None else (_globbed(problem, path) for path in draft.paths)))


def _globbed(problem: Problem, path: str) -> str:
    """Return a path as it is, or as all that a folder holds."""
    folder = path.rstrip("/") + "/"
    return f"{folder}**" if any(each.startswith(folder) for each in problem.editable_files) else path


def why_not(problem: Problem, files: Mapping[str, bytes], board: Board, draft: DirectionDraft) -> str | None:
    """Return why a direction cannot be opened, and what would do; None if it can.

    Args:
        files: the editable files in the version that paths are looked up in.
    """
    surface, surfaces = draft.surface, problem.spec.solution.surfaces
    if not surface.strip() or len(surface) > 80 or surface != " ".join(surface.split()):
        return "a surface needs a name of one line, 80 characters at most"
    if surface.lower() == COMBINATION:
        return f"{COMBINATION!r} is no surface; ask for combinations under `combine`"
    if surfaces and surface not in surfaces:
        return f"the problem has no surface {in_line(surface, 80)}; it has: {', '.join(sorted(surfaces))}"
    paths = paths_of(problem, draft)
    if len(paths) > MOST_PATHS:
        return f"a surface has {MOST_PATHS} paths at most; name the files, or leave the paths out for all"
    wrong = [] if surfaces else [why for path in paths if (why := _no_such(problem, files, path))]
    return wrong[0] if wrong else _open_already(board, surface, paths)


def _no_such(problem: Problem, files: Mapping[str, bytes], path: str) -> str | None:
    file, _, definition = path.partition("::")
    if "*" in file or "?" in file:
        if definition or _PATTERN.fullmatch(file) is None:
            return f"{in_line(path)} names no files: letters, digits and _ - . / * ? only, and no definition"
        root = problem.spec.solution.root
        matched = Globs(root, [file.removeprefix(root + "/")])
        return None if any(each in matched for each in files) else f"no editable file matches {in_line(file)}"
    if file not in files:
        return f"there is no editable file {in_line(file)}{nearest(file, list(files))}"
    if definition and definition not in definitions(files[file]):
        known = definitions(files[file])
        return f"{file} defines no {in_line(definition, 80)}{nearest(definition, known)}"
    return None


def _open_already(board: Board, surface: str, paths: tuple[str, ...]) -> str | None:
    for name, record_surface, record_paths in _open(board):
        if record_surface.lower() == surface.lower():
            return f"direction {name} is open on {in_line(surface, 80)}; give it your hypotheses by merging, or fund it"
        if paths and set(paths) == set(record_paths):
            return f"direction {name} is open on the same paths; choose others, or retire it first"
    return None


def _open(board: Board) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for name, line in board.research.lines.items():
        if board.directions[name].retired is None:
            yield name, line.record.surface, line.record.paths
