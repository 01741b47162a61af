"""Which constants of a source can be tuned, and over what. Pure.

Without a mark these are searched: names in capitals, and fields of classes, that are bound once by a number, a
boolean or a flat list of numbers (see `axes.usual`). A mark in a comment behind the constant, or in the lines right
above it, says otherwise, and is what a name in small letters or a text needs to be searched at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from aster.domain.records import Knob
from aster.problems.troubles import Trouble
from aster.proposers.axes import Axis, Span, rounded, usual
from aster.proposers.knobs import KnobError, read_knob, set_knob
from aster.proposers.marks import find_mark, read_mark

if TYPE_CHECKING:
    import libcst as cst

NOT_TUNED = frozenset(
    {"SEED", "SEEDS", "VERSION", "PATH", "PATHS", "DIR", "DIRS", "FILE", "FILES", "FOLDER", "URL", "URI", "NAME"}
    | {"NAMES", "HOST", "PORT", "DEVICE", "DEBUG", "VERBOSE", "EPS", "EPSILON", "TOL", "TOLERANCE"}
)
"""Words in a name, between underscores, that keep an unmarked constant from being tuned."""

MOST_APART = 4
"""Numbers of a list that are tuned one by one; a longer list is scaled as a whole."""

SCALE = Span(0.25, 4.0, log=True)
"""By what a long list is multiplied."""

CACHED_SOURCES = 256


class Tunable(Struct, frozen=True):
    """A constant that can be tuned.

    Attributes:
        name: qualified in its file, such as "Solver.STEP".
        value: what it is in the source.
        axes: how it is searched: by place in the list, or by None for the value as a whole.
        scaled: a list that is multiplied as a whole.
    """

    name: str
    value: Knob
    axes: dict[int | None, Axis]
    scaled: bool = False

    def at(self, coordinates: Mapping[int | None, float]) -> Knob:
        """Return the value at a coordinate for each axis."""
        if None in self.axes and not self.scaled:
            return self.axes[None].at(coordinates[None])
        made = list(_items(self.value))
        if self.scaled:
            factor = self.axes[None].at(coordinates[None])
            assert isinstance(factor, int | float)
            return [_scaled(item, factor) for item in made]
        for place, axis in self.axes.items():
            assert place is not None
            item = axis.at(coordinates[place])
            assert not isinstance(item, list)
            made[place] = item
        return made

    def place(self, value: Knob) -> dict[int | None, float] | None:
        """Return the coordinates of a value, or None if it is out of range."""
        whole = None in self.axes and not self.scaled
        if not whole and not (isinstance(value, list) and len(value) == len(_items(self.value))):
            return None
        found: dict[int | None, float] = {}
        for place, axis in self.axes.items():
            one = _factor(value, self.value) if self.scaled else value if place is None else _items(value)[place]
            at = axis.place(one) if one is not None else None
            if at is None:
                return None
            found[place] = at
        return found


def _items(value: Knob) -> list[int | float | str | bool]:
    assert isinstance(value, list)
    return value


def _scaled(item: Knob, factor: float) -> int | float:
    assert isinstance(item, int | float)
    return round(item * factor) if isinstance(item, int) else rounded(item * factor)


def _factor(value: Knob, own: Knob) -> float | None:
    """Return by what a list was multiplied, told by its largest number."""
    pairs = zip(_items(own), _items(value), strict=True)
    numbers = [(a, b) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)]
    a, b = max(numbers, key=lambda pair: abs(pair[0]))
    return b / a


class Scan(NamedTuple):
    """What a source offers: constants in their order, and for each mark that cannot be followed its line and why."""

    tunables: tuple[Tunable, ...]
    troubles: tuple[tuple[int, str], ...]


def check_marks(files: Mapping[str, bytes]) -> list[Trouble]:
    """Return the troubles with marks in the Python files of a solution, each with its file and line."""
    return [
        Trouble(path, f"line {line}", text)
        for path, data in sorted(files.items())
        if path.endswith(".py")
        for line, text in scan(data).troubles
    ]


@lru_cache(maxsize=CACHED_SOURCES)
def scan(data: bytes) -> Scan:
    """Return what can be tuned in a Python source; nothing if it is not Python in UTF-8."""
    import libcst as cst  # imported late: half a second that most commands never need

    try:
        source = data.decode("utf-8")
        module = cst.parse_module(source)
    except (UnicodeDecodeError, cst.ParserSyntaxError, RecursionError):
        return Scan((), ())
    found = list(_statements(module, ()))
    tunables, troubles = [], []
    for statement in found:
        try:
            tunable = _tunable(source, statement)
        except ValueError as error:
            troubles.append((statement.mark, str(error)))
            continue
        if tunable is not None:
            tunables.append(tunable)
    used = {id(statement.mark) for statement in found}
    lost = [c for c in _marks(module) if id(c) not in used]
    troubles += [(c, "stands beside no constant: put it behind or right above `NAME = literal`") for c in lost]
    lines = _lines(module, [c for c, _ in troubles if c is not None])
    told = [(lines[id(c)], f"`{c.value}` {text}") for c, text in troubles if c is not None]
    return Scan(tuple(tunables), tuple(sorted(told)))


class _Statement(NamedTuple):
    """An assignment to one name: where it stands, and the mark that goes with it."""

    qualified: str
    in_class: bool
    mark: cst.Comment | None


def _tunable(source: str, statement: _Statement) -> Tunable | None:
    """Return the constant that a statement binds if it can be tuned.

    Raises:
        ValueError: its mark cannot be followed.
    """
    said = find_mark(statement.mark.value) if statement.mark is not None else None
    if said is None and not _tuned_unmarked(statement):
        return None
    value = read_knob(source, statement.qualified)
    if value is None:
        if said is None or said == "no":
            return None
        try:
            set_knob(source, statement.qualified, 0)
        except KnobError as error:
            raise ValueError(f"cannot be followed: {error}") from None
    assert value is not None
    axes, scaled = _unmarked(value) if said is None else (_marked(said, value), False)
    return Tunable(statement.qualified, value, axes, scaled) if axes else None


def _tuned_unmarked(statement: _Statement) -> bool:
    name = statement.qualified.rpartition(".")[2]
    if name.startswith("__") or not NOT_TUNED.isdisjoint(name.upper().split("_")):
        return False
    return statement.in_class or name.upper() == name


def _marked(said: str, value: Knob) -> dict[int | None, Axis]:
    axis = read_mark(said, value)
    if axis is None:
        return {}
    if isinstance(value, list) and isinstance(axis, Span):
        return dict.fromkeys(range(len(value)), axis)
    return {None: axis}


def _unmarked(value: Knob) -> tuple[dict[int | None, Axis], bool]:
    """Return the axes of a value without a mark, and whether it is scaled as a whole."""
    if not isinstance(value, list):
        axis = usual(value)
        return ({None: axis} if axis is not None else {}), False
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return {}, False
    if len(value) > MOST_APART:
        return ({None: SCALE} if any(value) else {}), True
    found = {place: usual(item) for place, item in enumerate(value)}
    return {place: axis for place, axis in found.items() if axis is not None}, False


# --- the syntax tree ---------------------------------------------------------------------------------------


def _statements(module: cst.Module, scopes: tuple[str, ...]) -> Iterator[_Statement]:
    """Yield the assignments of a whole file; those of its first lines may have their mark in the file's header."""
    yield from _in_body(module.body, scopes, False, module.header)


def _in_body(
    body: Sequence[cst.BaseStatement], scopes: tuple[str, ...], in_class: bool, above: Sequence[cst.EmptyLine] = ()
) -> Iterator[_Statement]:
    import libcst as cst

    for node in body:
        if isinstance(node, cst.SimpleStatementLine):
            yield from _assignment(node, scopes, in_class, [*above, *node.leading_lines])
        elif isinstance(node, cst.ClassDef | cst.FunctionDef):
            yield from _inside(node.body, (*scopes, node.name.value), isinstance(node, cst.ClassDef))
        else:
            for part in _parts(node):
                yield from _inside(part, scopes, in_class)
        above = ()


def _inside(suite: cst.BaseSuite, scopes: tuple[str, ...], in_class: bool) -> Iterator[_Statement]:
    import libcst as cst

    if isinstance(suite, cst.IndentedBlock):
        yield from _in_body(suite.body, scopes, in_class)


def _parts(node: cst.CSTNode) -> Iterator[cst.BaseSuite]:
    """Yield the blocks of a compound statement, of its `else` and the like too."""
    import libcst as cst

    for child in node.children:
        if isinstance(child, cst.BaseSuite):
            yield child
        elif not isinstance(child, cst.BaseExpression):
            yield from _parts(child)


def _assignment(
    line: cst.SimpleStatementLine, scopes: tuple[str, ...], in_class: bool, above: Sequence[cst.EmptyLine]
) -> Iterator[_Statement]:
    import libcst as cst

    if len(line.body) != 1:
        return
    match line.body[0]:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]):
            pass
        case cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression()):
            pass
        case _:
            return
    yield _Statement(".".join((*scopes, name)), in_class, _mark_of(line, above))


def _mark_of(line: cst.SimpleStatementLine, above: Sequence[cst.EmptyLine]) -> cst.Comment | None:
    """Return the mark behind a line, or in the unbroken comment right above it."""
    behind = line.trailing_whitespace.comment
    if behind is not None and find_mark(behind.value) is not None:
        return behind
    for empty in reversed(above):
        if empty.comment is None:
            return None
        if find_mark(empty.comment.value) is not None:
            return empty.comment
    return None


def _marks(module: cst.Module) -> list[cst.Comment]:
    import libcst as cst
    from libcst import matchers

    found = matchers.findall(module, matchers.Comment())
    return [c for c in found if isinstance(c, cst.Comment) and re.match(r"#\s*tune\s*:", c.value)]


def _lines(module: cst.Module, comments: Sequence[cst.Comment]) -> dict[int, int]:
    """Return the line of each comment, by its identity. Asked only where something is wrong: it is slow."""
    if not comments:
        return {}
    from libcst.metadata import MetadataWrapper, PositionProvider

    places = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    return {id(c): places[c].start.line for c in comments}
