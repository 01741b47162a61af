"""Knobs: named constants in Python source that can be read and set without touching any other byte.

A knob is a name that is bound exactly once in its scope, by assigning a literal: `NAME = 3` in a module,
`Class.NAME` or `function.NAME` inside one. Values are numbers, texts, booleans, or flat lists of them; a tuple
reads as a list and is written as a tuple.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeGuard

from aster.domain.records import Knob
from aster.problems.tables import show

_BOM = "\ufeff"
_Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class KnobError(ValueError):
    """A constant cannot be set: it is absent, bound more than once, or not a literal; or the value cannot be one."""


class _Literal(NamedTuple):
    """Where a knob's literal stands: character offsets into the source, and what is there."""

    start: int
    end: int
    value: Knob
    is_tuple: bool


def parse_python(source: str) -> ast.Module:
    """Return the syntax tree of `source`, without warnings about its style.

    Raises:
        SyntaxError: it is not Python (also for sources with NUL or too deeply nested).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.removeprefix(_BOM))
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(f"cannot be parsed: {error}") from error


_parsed = lru_cache(maxsize=16)(parse_python)  # a file is asked for all of its constants in a row


def read_knob(source: str, qualified: str) -> Knob | None:
    """Return the value of the constant `qualified`, such as "N" or "Solver.STEP"; None if there is no such knob."""
    try:
        value = _find(source.removeprefix(_BOM), qualified).value
    except KnobError:
        return None
    return list(value) if isinstance(value, list) else value  # a copy: what was found is cached


def set_knob(source: str, qualified: str, value: Knob) -> str:
    """Return `source` with the constant's literal replaced by `value`; every other character stays.

    Raises:
        KnobError: there is no such knob, or `value` is not finite or not a knob's value.
    """
    return set_knobs(source, {qualified: value})


def set_knobs(source: str, values: Mapping[str, Knob]) -> str:
    """Return `source` with the literals of several constants replaced; otherwise as `set_knob`."""
    body = source.removeprefix(_BOM)
    found = []
    for qualified, value in values.items():
        if not is_knob(value):
            raise KnobError(
                f"{qualified} cannot be {show(value)}: use a finite number, a text, a boolean or a list of them"
            )
        found.append((_find(body, qualified), value))
    mark = source[: len(source) - len(body)]
    for literal, value in sorted(found, key=lambda pair: -pair[0].start):  # from the end, so that places stay right
        body = body[: literal.start] + _written(value, as_tuple=literal.is_tuple) + body[literal.end :]
    return mark + body


def is_knob(value: object) -> TypeGuard[Knob]:
    """Whether `value` can be a knob's: a finite number (integers: 64 bits), a text, a boolean, a flat list of these."""
    if isinstance(value, list):
        return all(not isinstance(item, list) and is_knob(item) for item in value)
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, bool | int):
        return -(2**63) <= value < 2**63  # what the ledger's JSON can carry
    return isinstance(value, float) and math.isfinite(value)


def same_value(one: Knob, two: Knob) -> bool:
    """Whether two values are equal; 1 equals 1.0, but True is not 1."""
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(same_value(a, b) for a, b in zip(one, two, strict=True))
    return isinstance(one, bool) == isinstance(two, bool) and one == two


def _written(value: Knob, *, as_tuple: bool) -> str:
    if not (isinstance(value, list) and as_tuple):
        return repr(value)
    return f"({', '.join(map(repr, value))}{',' if len(value) == 1 else ''})"


@lru_cache(maxsize=1024)
def _find(source: str, qualified: str) -> _Literal:
    try:
        tree = _parsed(source)
    except SyntaxError as error:
        raise KnobError(f"the file is not Python: {error}") from error
    *scopes, name = qualified.split(".")
    scope = _enter(tree, scopes, qualified)
    bindings = list(_bindings(scope, name))
    if not bindings:
        raise KnobError(f"there is no constant {qualified}")
    if len(bindings) > 1 or _is_shared(tree, source, name):
        raise KnobError(f"{qualified} is bound more than once, so it is not a constant")
    return _literal(source, _assigned(scope, name), qualified)


def _enter(tree: ast.Module, scopes: list[str], qualified: str) -> _Scope:
    scope: _Scope = tree
    for name in scopes:
        inner = [
            node
            for node in _own_nodes(scope)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        if len(inner) != 1:
            raise KnobError(
                f"there is {'no' if not inner else 'more than one'} class or function {name} for {qualified}"
            )
        scope = inner[0]
    return scope


def _own_nodes(scope: _Scope) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, down to but not into the scopes inside it."""
    pending: list[ast.AST] = list(scope.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def _bindings(scope: _Scope, name: str) -> Iterator[ast.AST]:
    """Yield whatever binds `name` in the scope; comprehensions count too, which errs on the strict side."""
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from (node for node in ast.walk(scope.args) if isinstance(node, ast.arg) and node.arg == name)
    for node in _own_nodes(scope):
        match node:
            case ast.Name(id=bound, ctx=ast.Store() | ast.Del()):
                found = bound == name
            case ast.ClassDef(name=bound) | ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound):
                found = bound == name
            case ast.alias(name=imported, asname=renamed):
                found = (renamed or imported.split(".")[0]) == name
            case ast.ExceptHandler(name=bound) | ast.MatchAs(name=bound) | ast.MatchStar(name=bound):
                found = bound == name
            case ast.MatchMapping(rest=bound):
                found = bound == name
            case _:
                found = False
        if found:
            yield node


def _is_shared(tree: ast.Module, source: str, name: str) -> bool:
    """Whether some function may rebind the name from afar."""
    if "global" not in source and "nonlocal" not in source:
        return False
    return any(isinstance(node, ast.Global | ast.Nonlocal) and name in node.names for node in ast.walk(tree))


def _assigned(scope: _Scope, name: str) -> ast.expr | None:
    """Return the right side of `name = ...` or `name: type = ...`, or None if the binding is of another kind."""
    for node in _own_nodes(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
                return value
            case ast.AnnAssign(target=ast.Name(id=bound), value=value) if bound == name:
                return value
    return None


def _literal(source: str, node: ast.expr | None, qualified: str) -> _Literal:
    try:
        written = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, RecursionError):
        written = None
    is_tuple = isinstance(written, tuple)
    value = list(written) if isinstance(written, tuple) else written
    if node is None or not is_knob(value) or node.end_lineno is None or node.end_col_offset is None:
        raise KnobError(f"{qualified} is not a number, a text, a boolean or a flat list of them")
    lines = _lines(source)
    start = _offset(lines, node.lineno, node.col_offset)
    return _Literal(start, _offset(lines, node.end_lineno, node.end_col_offset), value, is_tuple)


def _lines(source: str) -> list[str]:
    """Split as Python's tokenizer does; `str.splitlines` also splits at form feeds and the like."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", source)


def _offset(lines: list[str], line: int, column: int) -> int:
    """Return the character offset of a place that `ast` gives as a line and a UTF-8 byte column."""
    before = lines[line - 1].encode("utf-8")[:column].decode("utf-8")
    return sum(map(len, lines[: line - 1])) + len(before)
