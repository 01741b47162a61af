"""Code in outline: which files there are, and what is defined in them."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import product
from pathlib import PurePosixPath

from aster.agents.sections import tokens_of

MOST_DEFINITIONS = 24
"""Definitions and constants of a file that are listed."""

MOST_WIDTH = 110

MOST_KEPT = 64
"""Files whose outlines and imports are kept: a thousand subagents ask for those of the same few."""

FROZEN = "(frozen: read only)"
"""Stands behind the name of a file that nobody can change."""


def outline(files: Mapping[str, bytes], most: int) -> str:
    """Return files with their definitions, in at most about `most` tokens; what does not fit is listed by name."""
    parts: list[str] = []
    left = most
    for path, data in sorted(files.items()):
        full, bare = _outlined(path, data), _headline(path, data)
        text = full if tokens_of(full) <= left else bare
        left -= tokens_of(text)
        if left < 0:
            return "\n".join([*parts, f"- ... and {len(files) - len(parts)} more files"])
        parts.append(text)
    return "\n".join(parts)


def definitions(data: bytes) -> list[str]:
    """Return the qualified names of the classes and functions in Python source; none if it is none."""
    tree = _parsed(data)
    return [] if tree is None else [name for name, _ in _walk(tree.body, "")]


def imported(path: str, data: bytes, known: Collection[str], root: str) -> list[str]:
    """Return those of the known files that a Python file imports, in the order in which it does.

    Args:
        root: the solution's folder, where modules are looked for beside the file's own folder.
    """
    return [each for each in _imports(path, data, root) if each in known] if path.endswith(".py") else []


@lru_cache(maxsize=MOST_KEPT)
def _imports(path: str, data: bytes, root: str) -> list[str]:
    """The files that the imports of a file may mean, each once."""
    tree, found = _parsed(data), dict[str, None]()
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            within = [node.module] if node.module else []
            names = [*within, *(".".join([*within, each.name]) for each in node.names)]
        else:
            continue
        level = getattr(node, "level", 0)
        parents = PurePosixPath(path).parents
        folders = parents[level - 1 : level] if level else (parents[0], PurePosixPath(root))
        for folder, name in product(folders, names):
            module = folder / name.replace(".", "/")
            found.update({f"{module}.py": None, f"{module}/__init__.py": None})
    return list(found)


def source_of(data: bytes, name: str) -> str | None:
    """Return the lines of a class or function in Python source by its qualified name, or None if it has none."""
    tree = _parsed(data)
    for found, node in () if tree is None else _walk(tree.body, ""):
        if found == name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            lines = data.decode("utf-8").removeprefix("\ufeff").split("\n")
            return "\n".join(lines[first - 1 : node.end_lineno])
    return None


def _headline(path: str, data: bytes) -> str:
    return f"- `{path}` ({len(data.splitlines())} lines)"


@lru_cache(maxsize=MOST_KEPT)
def _outlined(path: str, data: bytes) -> str:
    tree = _parsed(data) if path.endswith(".py") else None
    if tree is None:
        return _headline(path, data)
    said = ast.get_docstring(tree)
    head = _headline(path, data) + (f": {_first_line(said)}" if said else "")
    lines = [f"  - {line}" for line in _entries(tree)]
    more = [f"  - ... and {len(lines) - MOST_DEFINITIONS} more"] if len(lines) > MOST_DEFINITIONS else []
    return "\n".join([head, *lines[:MOST_DEFINITIONS], *more])


def _entries(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield f"`{_short(ast.unparse(node))}`"
    for name, node in _walk(tree.body, ""):
        said = ast.get_docstring(node)
        shown = f"class {name}" if isinstance(node, ast.ClassDef) else f"{name}({_short(ast.unparse(node.args), 60)})"
        yield f"`{shown}`" + (f": {_first_line(said)}" if said else "")


_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _walk(body: list[ast.stmt], within: str) -> Iterator[tuple[str, _Definition]]:
    for node in body:
        if isinstance(node, _Definition):
            yield within + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _walk(node.body, f"{within}{node.name}.")


def _parsed(data: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data.decode("utf-8").removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested deeper than Python reads
        return None


def _first_line(text: str) -> str:
    return _short(text.strip().partition("\n")[0])


def _short(text: str, most: int = MOST_WIDTH) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 3] + "..."
