"""Spoiled JSON: every kind of thing that a validator may have forgotten to look at. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

Path = tuple[str | int, ...]
Column = tuple[str | int, ...]

MOST_COLUMNS = 6
"""Groups of numbers that are spoiled apart from each other, such as the x, the y and the r of all circles."""

WIDEST_ROW = 8
"""A list within a list of at most this place is a row with columns; what stands behind it is one group."""

DEEP = 100_000

VALUES: tuple[tuple[str, object], ...] = (
    ("NaN", float("nan")),
    ("Infinity", float("inf")),
    ("-Infinity", float("-inf")),
    ("1e308", 1e308),
    ("an integer of 400 digits", 10**400),
    ("true", True),
    ("null", None),
    ("a list", [1.0]),
)


def spoiled(document: object, text: str) -> Iterator[tuple[str, bool, bytes]]:
    """Yield (what was done, whether it is nonsense, the new content) for a JSON document and its text."""
    leaves = list(numbers(document))
    if leaves:
        yield from _single_values(document, leaves)
        yield from _columns(document, leaves)
    yield from _lists(document)
    yield from _whole(document, text)


def numbers(node: object, path: Path = ()) -> Iterator[tuple[Path, int | float]]:
    """Yield (path, value) of every number in a document, in order; true and false are no numbers."""
    if isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node
    elif isinstance(node, list | dict):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from numbers(child, (*path, key))


def replaced(node: object, change: Callable[[Path, int | float], object], path: Path = ()) -> object:
    """Return a copy of a document in which every number is what `change` makes of it and of its path."""
    if isinstance(node, dict):
        return {key: replaced(child, change, (*path, key)) for key, child in node.items()}
    if isinstance(node, list):
        return [replaced(child, change, (*path, index)) for index, child in enumerate(node)]
    if isinstance(node, int | float) and not isinstance(node, bool):
        return change(path, node)
    return node


def column_of(path: Path) -> Column:
    """Return the group of numbers that a number belongs to: the same keys, and the same place in a short row."""
    row = len(path) > 1 and isinstance(path[-2], int)
    kept = [("*" if isinstance(step, int) else step) for step in path[:-1]]
    last = path[-1] if path else ""
    return (*kept, "*" if isinstance(last, int) and not (row and last < WIDEST_ROW) else last)


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _single_values(document: object, leaves: list[tuple[Path, int | float]]) -> Iterator[tuple[str, bool, bytes]]:
    first = leaves[0][0]
    for name, value in VALUES:
        yield f"{name} in place of its first number", True, _json(_set(document, value, lambda path: path == first))
        yield f"{name} in place of every number", True, _json(_set(document, value, lambda _: True))
    yield "texts in place of all numbers", True, _json(replaced(document, lambda _, old: str(old)))
    yield "zero in place of every number", False, _json(_set(document, 0, lambda _: True))


def _set(document: object, value: object, where: Callable[[Path], bool]) -> object:
    """Return a copy of a document with `value` in place of the numbers whose path is asked for."""
    return replaced(document, lambda path, old: value if where(path) else old)


def _alone(document: object, column: Column, factor: float) -> object:
    """Return a copy of a document with one column times `factor`, and NaN in place of all other numbers."""
    return replaced(document, lambda path, old: old * factor if column_of(path) == column else float("nan"))


def _columns(document: object, leaves: list[tuple[Path, int | float]]) -> Iterator[tuple[str, bool, bytes]]:
    """Spoil one group of numbers; and all but one, which a check that compares with NaN no longer holds back."""
    columns = list(dict.fromkeys(column_of(path) for path, _ in leaves))
    for column in columns[:MOST_COLUMNS] if len(columns) > 1 else ():
        shown = "".join(f"[{step}]" for step in column)
        inside = partial(_belongs, column)
        for name, value in VALUES[:4]:
            yield f"{name} throughout {shown}", True, _json(_set(document, value, inside))
        for factor in (1.05, 0.95):
            rest = _json(_alone(document, column, factor))
            yield f"NaN but for {shown}, which is {factor} times what it was", True, rest


def _belongs(column: Column, path: Path) -> bool:
    return column_of(path) == column


def _lists(document: object) -> Iterator[tuple[str, bool, bytes]]:
    """Spoil the list that holds the most numbers, whole rows of them where it has rows."""
    lists = sorted(_all_lists(document), key=lambda found: sum(1 for _ in numbers(found[1])), reverse=True)
    if not lists or not lists[0][1]:
        return
    path, items = lists[0]

    def with_list(new: object) -> bytes:
        return _json(_put(document, path, new))

    tiny = replaced(items[0], lambda _, old: old * 1e-6)
    yield "its list empty", False, with_list([])
    yield "an entry dropped", False, with_list(items[:-1])
    yield "an entry twice", False, with_list([*items, items[0]])
    yield "one entry in all places", False, with_list([items[0]] * len(items))
    yield "an entry more, a millionth of the first", False, with_list([*items, tiny])
    yield "its list ten times over", False, with_list(items * 10)
    yield "its list within a list", True, with_list([items])
    yield "an object in place of its list", True, with_list({str(index): item for index, item in enumerate(items)})


def _all_lists(node: object, path: Path = ()) -> Iterator[tuple[Path, list[object]]]:
    if isinstance(node, list):
        yield path, node
    if isinstance(node, list | dict):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _all_lists(child, (*path, key))


def _put(node: object, path: Path, new: object) -> object:
    """Return a copy of a document with `new` at a path."""
    if not path:
        return new
    if isinstance(node, dict):
        return {key: _put(child, path[1:], new) if key == path[0] else child for key, child in node.items()}
    assert isinstance(node, list)
    return [_put(child, path[1:], new) if index == path[0] else child for index, child in enumerate(node)]


def _whole(document: object, text: str) -> Iterator[tuple[str, bool, bytes]]:
    """Spoil the document as a whole."""
    for name, other in (("{}", {}), ("[]", []), ("null", None), ("a text", text[:1000]), ("1e308", 1e308)):
        yield f"{name} in place of it all", True, _json(other)
    yield "nested 100,000 deep", True, b"[" * DEEP + b"]" * DEEP
    if isinstance(document, dict) and document:
        yield "a key more", False, _json({**document, "aster_check": 1e308})
        key = next(iter(document))
        twice = f"{{{json.dumps(key)}: null, {text.strip()[1:]}"
        yield "its first key twice", False, twice.encode()
