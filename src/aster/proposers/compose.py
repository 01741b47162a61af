"""Composing ideas into a candidate: three-way merges in a canonical order, then knobs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from aster.domain.merging import merge_text
from aster.domain.records import Change, Knob
from aster.proposers.knobs import is_knob, parse_python, read_knob, same_value, set_knobs
from aster.proposers.library import Idea, IdeaLibrary

CACHED_MERGES = 1024
"""Merges kept, of whole recipes and of single files, least recently used first out; the former share the latter."""


class Conflict(Struct, frozen=True):
    """These ideas cannot stand together.

    Attributes:
        ideas: sorted names: the pair that clashes where it can be told, else all that touch `path`.
        path: the file where they clash; "" where the ideas declare it themselves.
        reason: one sentence.
    """

    ideas: tuple[str, ...]
    path: str
    reason: str


class Composed(Struct, frozen=True):
    """A candidate's tree.

    Attributes:
        files: the whole solution tree, path -> content.
        recipe: the canonical spelling of what it was made from: sorted by idea, and only those knob values that
            differ from what stands there without them.
    """

    files: dict[str, bytes]
    recipe: tuple[Change, ...]


class Merged(Struct, frozen=True):
    """Texts of the files that ideas touched, path -> text; None: deleted."""

    texts: Mapping[str, str | None]


def compose(library: IdeaLibrary, recipe: Sequence[Change]) -> Composed | Conflict:
    """Return the tree that `recipe` makes of the library's solution, or why its ideas cannot stand together.

    The order of `recipe` does not matter. Knob values need not be among those that the idea names.

    Raises:
        ValueError: the recipe is no recipe: an idea that is unknown or named twice, a resolution (name its parts),
            a required idea left out, a knob that the idea does not have, or a value that no knob can have.
    """
    changes = {change.idea: change.knobs for change in recipe}
    _check(library, recipe, changes)
    if pair := library.declared_conflict(changes):
        return Conflict(pair, "", f"{pair[0]} and {pair[1]} are declared to conflict")
    merged = merge(library, frozenset(changes))
    if isinstance(merged, Conflict):
        return merged
    turned = _turn(library, changes, merged.texts)
    if isinstance(turned, Conflict):
        return turned
    texts, canonical = turned
    files = dict(library.solution)
    for path, text in texts.items():
        if text is None:
            files.pop(path, None)
        else:
            files[path] = text.encode("utf-8")
    return Composed(dict(sorted(files.items())), canonical)


@lru_cache(maxsize=CACHED_MERGES)
def merge(library: IdeaLibrary, names: frozenset[str]) -> Merged | Conflict:
    """Return the merge of ideas without their knobs, or where they clash.

    Args:
        names: ordinary ideas of the library, with all that they require.
    """
    ideas = library.effective(names)
    files = {path: [idea for idea in ideas if path in idea.paths] for idea in ideas for path in sorted(idea.paths)}
    merged = {path: _merge_file(library, path, tuple(i.name for i in touch)) for path, touch in files.items()}
    clashes = [(ideas.index(files[path][m.clash]), path) for path, m in merged.items() if m.clash is not None]
    if clashes:
        place, path = min(clashes)
        return _blame(library, ideas[:place], ideas[place], path)
    for path, file in merged.items():
        if file.broken is not None:
            names_here = _culprits(library, files[path])
            return Conflict(names_here, path, f"merged, {path} is no longer Python: {file.broken}")
    return Merged({path: file.text for path, file in merged.items()})


class MergedFile(Struct, frozen=True):
    """One file with the changes of ideas; `clash`: which of them does not merge; `broken`: why it is not Python."""

    text: str | None
    clash: int | None = None
    broken: str | None = None


@lru_cache(maxsize=CACHED_MERGES)
def _merge_file(library: IdeaLibrary, path: str, ideas: tuple[str, ...]) -> MergedFile:
    """Merge into one file what ideas that touch it make of it, in this order. Most recipes share most files."""
    text = baseline(library, path)
    for place, idea in enumerate(map(library.__getitem__, ideas)):
        clash, text = merge_text(idea.base.get(path), text, idea.patched.get(path))
        if clash:
            return MergedFile(None, place)
    return MergedFile(text, None, _broken(text) if path.endswith(".py") and text is not None else None)


def baseline(library: IdeaLibrary, path: str) -> str | None:
    """Return the solution's own text of a file that ideas touch, or None if it has none."""
    data = library.solution.get(path)
    return None if data is None else data.decode("utf-8")


def _blame(library: IdeaLibrary, before: Sequence[Idea], idea: Idea, path: str) -> Conflict:
    """Return the smallest conflict that can be told: the first earlier idea that clashes with this one alone."""
    mine = _parts([idea])
    for other in before:
        pair = library.closure([*mine, *_parts([other])])
        if path in other.paths and len(pair) < len(library.closure([*mine, *_parts(before)])):
            found = merge(library, pair)
            if isinstance(found, Conflict):
                return found
    names = _culprits(library, [*(other for other in before if path in other.paths), idea])
    return Conflict(names, path, f"{' and '.join(names)} change {path} in ways that do not merge")


def _culprits(library: IdeaLibrary, ideas: Sequence[Idea]) -> tuple[str, ...]:
    """Return the ideas' names, sorted, without those that others among them require anyway."""
    names = _parts(ideas)
    implied = set[str]().union(*(library.closure(library[name].requires) for name in names))
    return tuple(name for name in names if name not in implied)


def _parts(ideas: Sequence[Idea]) -> tuple[str, ...]:
    """Return the names as recipes know them, sorted: a resolution by its parts."""
    return tuple(sorted({name for idea in ideas for name in idea.resolves or (idea.name,)}))


def _broken(text: str) -> str | None:
    try:
        parse_python(text)
    except SyntaxError as error:
        return str(error)
    return None


def _check(library: IdeaLibrary, recipe: Sequence[Change], changes: Mapping[str, Mapping[str, Knob]]) -> None:
    if len(changes) < len(recipe):
        raise ValueError("an idea stands twice in the recipe")
    for name in changes:
        if name not in library:
            raise ValueError(f"there is no idea {name}")
        if library[name].resolves:
            raise ValueError(f"{name} is a resolution: name {' and '.join(library[name].resolves)} instead")
    if missing := library.closure(changes) - changes.keys():
        raise ValueError(f"the recipe needs {', '.join(sorted(missing))} too")
    stand_ins = [idea for idea in library.effective(changes) if idea.resolves]
    for name, knobs in changes.items():
        offering = [library[name], *(idea for idea in stand_ins if name in idea.resolves)]
        if unknown := knobs.keys() - {knob.name for idea in offering for knob in idea.knobs}:
            raise ValueError(f"{name} has no knob {', '.join(sorted(unknown))}")
    for name, value in ((name, value) for knobs in changes.values() for name, value in knobs.items()):
        if not is_knob(value):
            raise ValueError(f"{name} cannot be {value!r}")


_Turned = tuple[dict[str, str | None], tuple[Change, ...]]


def _turn(
    library: IdeaLibrary, changes: Mapping[str, Mapping[str, Knob]], merged: Mapping[str, str | None]
) -> _Turned | Conflict:
    """Return the texts with all knobs set, and the canonical recipe: without values that stand there anyway."""
    turned: dict[str, dict[str, Knob]] = {}
    asked: dict[str, tuple[str, Knob]] = {}
    canonical = []
    for idea in sorted(changes):
        kept: dict[str, Knob] = {}
        for knob, value in sorted(changes[idea].items()):
            path, _, qualified = knob.partition("::")
            rival, wanted = asked.setdefault(knob, (idea, value))
            if not same_value(wanted, value):
                return Conflict((rival, idea), path, f"{rival} and {idea} set {qualified} to different values")
            own = read_knob(_text(library, merged, path), qualified)
            if own is None:
                touching = {name for name in changes if path in library[name].paths} | {idea}
                return Conflict(tuple(sorted(touching)), path, f"together they have no constant {qualified} for {idea}")
            if not same_value(own, value):
                kept[knob] = value
                turned.setdefault(path, {})[qualified] = value
        canonical.append(Change(idea, kept))
    knobbed = {path: set_knobs(_text(library, merged, path), values) for path, values in turned.items()}
    return {**merged, **knobbed}, tuple(canonical)


def _text(library: IdeaLibrary, merged: Mapping[str, str | None], path: str) -> str:
    return (merged[path] if path in merged else baseline(library, path)) or ""
