"""Checking [solution].surfaces against the folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from aster.domain.records import COMBINATION
from aster.problems.globs import Globs
from aster.problems.model import Solution
from aster.problems.troubles import nearest


def surface_troubles(solution: Solution, files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield the key of each entry that names nothing that candidates can edit, and what is wrong with it."""
    editable = {path: data for path, data in files.items() if path in Globs(solution.root, solution.editable)}
    for surface, entries in solution.surfaces.items():
        key = f"solution.surfaces.{surface}"
        if surface == COMBINATION:
            yield key, f'"{COMBINATION}" stands for changes of several surfaces; choose another name'
        for index, entry in enumerate(entries):
            trouble = _trouble(entry, solution.root, editable)
            if trouble is not None:
                yield f"{key}[{index}]", trouble


def _trouble(entry: str, root: str, editable: Mapping[str, bytes]) -> str | None:
    """Return what is wrong with "GLOB" or "FILE::DEFINITION", relative to the problem folder."""
    path, _, definition = entry.partition("::")
    if not definition:
        pattern = Globs(root, [path.removeprefix(root + "/")])
        known = path.startswith(root + "/") and any(each in pattern for each in editable)
        return None if known else f'"{entry}" matches no editable file; it is relative to the problem folder'
    if path not in editable:
        return f'there is no editable file "{path}"{nearest(path, editable)}'
    try:
        node: ast.AST = ast.parse(editable[path])
    except (SyntaxError, ValueError):
        return f'"{path}" is not Python, so nothing in it has a name'
    for name in definition.split("."):
        named = {getattr(inner, "name", None): inner for inner in ast.iter_child_nodes(node)}
        if name not in named:
            return f'there is no class or function "{name}" in "{path}"'
        node = named[name]
    return None
