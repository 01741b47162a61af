"""Python files by their definitions: what of a file changed outside of those that may change. Pure.

A statement outside stays as it is to the byte. What may come beside: imports, and functions, classes and constants
under names that were free. Comments between statements are nobody's.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\r|\n")

NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What Python's parser raises at texts that are no Python, or too deeply nested for it."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def syntax_error(source: bytes, path: str) -> str | None:
    """Return what is wrong with a Python file's syntax, with the line, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a dubious escape is no error
            compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except NOT_PYTHON as error:
        return str(error) or type(error).__name__
    return None


def outside_change(before: bytes, after: bytes, names: Sequence[str]) -> str | None:
    """Return what changed outside of the definitions `names` ("f", "Class", "Class.method"), or None if nothing did.

    A file that is no Python, before or after, cannot be told apart into definitions: that is a reason too.
    """
    try:
        old, new = _parse(before), _parse(after)
    except NOT_PYTHON as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return f"only definitions of it may change, and it would be no valid Python ({error}{line})."
    return _Comparison(names).body(old, new, "")


class _Source(NamedTuple):
    lines: list[str]
    body: list[ast.stmt]

    def text(self, node: ast.stmt) -> str:
        """Return the whole lines of a statement, its decorators included."""
        decorators = node.decorator_list if isinstance(node, Definition) else []
        first = min([node.lineno, *(each.lineno for each in decorators)])
        return "\n".join(self.lines[first - 1 : node.end_lineno])

    def inner(self, node: ast.ClassDef) -> _Source:
        """Return a class's body."""
        return _Source(self.lines, node.body)


def _parse(data: bytes) -> _Source:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(data)
    return _Source(_LINE_END.split(data.decode("utf-8", "surrogateescape")), tree.body)


class _Comparison:
    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def body(self, old: _Source, new: _Source, prefix: str) -> str | None:
        """Return what differs between two bodies outside of the names, or None."""
        fixed = [node for node in old.body if not self._open(node, prefix) and not _is_import(node)]
        taken = {name for node in old.body for name in _bound(node)}
        place = 0
        for node in new.body:
            if _is_import(node) or self._open(node, prefix):
                continue
            if place < len(fixed) and self._same(old, fixed[place], new, node, prefix):
                place += 1
            elif not _is_addition(node, taken):
                return self._trouble(old, fixed[place:], new, node, prefix)
        if place < len(fixed):
            return _gone(fixed[place], prefix)
        return _import_trouble(old.body, new.body)

    def _open(self, node: ast.stmt, prefix: str) -> bool:
        """Whether a statement is nothing but what may change."""
        bound = set(_bound(node))
        return bool(bound) and not _is_import(node) and all(prefix + name in self._names for name in bound)

    def _holds(self, node: ast.stmt, prefix: str) -> bool:
        """Whether a statement is a class with something in it that may change."""
        return isinstance(node, ast.ClassDef) and any(each.startswith(f"{prefix}{node.name}.") for each in self._names)

    def _same(self, old: _Source, was: ast.stmt, new: _Source, now: ast.stmt, prefix: str) -> bool:
        if old.text(was) == new.text(now) and ast.dump(was) == ast.dump(now):
            return True
        if not (isinstance(was, ast.ClassDef) and isinstance(now, ast.ClassDef) and self._holds(was, prefix)):
            return False
        inner = f"{prefix}{was.name}."
        return _header(was) == _header(now) and self.body(old.inner(was), new.inner(now), inner) is None

    def _trouble(self, old: _Source, fixed: Sequence[ast.stmt], new: _Source, node: ast.stmt, prefix: str) -> str:
        """Return what is wrong with a statement that is neither the next of the fixed ones nor an addition."""
        if any(self._same(old, was, new, node, prefix) for was in fixed[1:]):
            return _gone(fixed[0], prefix)
        for was in fixed:
            if isinstance(was, ast.ClassDef) and isinstance(node, ast.ClassDef) and was.name == node.name:
                why = self.body(old.inner(was), new.inner(node), f"{prefix}{was.name}.")
                return why if why is not None and self._holds(was, prefix) else _intruder(node, old.body, prefix)
        return _intruder(node, old.body, prefix)


def _header(node: ast.ClassDef) -> list[str]:
    return [node.name, *(ast.dump(each) for each in (*node.bases, *node.keywords, *node.decorator_list))]


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _bound(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds where it stands."""
    if isinstance(node, Definition):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif inner := list(_inner(node)):
        for each in inner:
            yield from _bound(each)
    else:
        targets = [*getattr(node, "targets", ()), *([node.target] if hasattr(node, "target") else ())]
        for target in targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
        yield from (each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr))


def _inner(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements in the branches of a compound statement that is no definition."""
    for field in ("body", "orelse", "finalbody"):
        yield from getattr(node, field, ())
    for handler in getattr(node, "handlers", ()):
        yield from handler.body


def _is_addition(node: ast.stmt, taken: set[str]) -> bool:
    """Whether a statement only brings in names that were free."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom() | ast.Pass():
            fine = True
        case ast.Assign(targets=targets):
            fine = all(isinstance(each, ast.Name | ast.Tuple) for each in targets)
        case ast.AnnAssign(target=target):
            fine = isinstance(target, ast.Name)
        case ast.If() | ast.Try():
            fine = all(_is_addition(each, taken) for each in _inner(node))
        case _:
            fine = False
    return fine and taken.isdisjoint(_bound(node)) and "*" not in _bound(node)


def _import_trouble(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> str | None:
    was, now = _origins(old), _origins(new)
    for name, origin in was.items():
        if now.get(name) != origin:
            return f"the import of {name} was changed or removed; it has to stay."
    own = {name for node in old if not _is_import(node) for name in _bound(node)}
    for name in now.keys() - was.keys():
        if name.partition(".")[0] in own or name == "*":
            return f"an import may not bind {name}, which could mean something else in the file."
    return None


def _origins(body: Iterable[ast.stmt]) -> dict[str, tuple[object, ...]]:
    """Return where each imported name of a body comes from."""
    found: dict[str, tuple[object, ...]] = {}
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = ("import", alias.name, alias.asname)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = ("from", node.level, node.module, alias.name)
    return found


def _intruder(node: ast.stmt, old: Sequence[ast.stmt], prefix: str) -> str:
    taken = {name for each in old for name in _bound(each)}
    known = sorted(taken.intersection(_bound(node)))
    if known:
        names = ", ".join(prefix + name for name in known)
        return f"{names} is outside of what you may change and has to stay as it is (line {node.lineno})."
    return (
        f"line {node.lineno} adds a statement that is no import, function, class or constant of a new name; put it "
        "into a definition that you may change."
    )


def _gone(node: ast.stmt, prefix: str) -> str:
    names = ", ".join(prefix + name for name in dict.fromkeys(_bound(node)))
    what = names or f"the statement at line {node.lineno} of the parent's file"
    return f"{what} was changed, moved or removed; it has to stay as it is."
