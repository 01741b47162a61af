"""Reading ideas: Markdown files that hold a hypothesis in prose, a diff and knobs.

+++
name = "restarts"
surface = "search"
title = "Start from many random layouts"
[[knob]]
name = "solution/solve.py::RESTARTS"
values = [4, 8, 16]
+++
Why it should help, in prose, and then one fenced `diff` block against the baseline plus all required ideas.
"""

from __future__ import annotations

import graphlib
import re
import tomllib
from collections.abc import Container, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, FiniteFloat

from aster.domain.merging import split_lines
from aster.domain.records import COMBINATION, Knob
from aster.domain.research import Effect
from aster.problems.tables import ListToTuple, Table, read_table, read_tables, show, whole
from aster.problems.troubles import Trouble, nearest, raise_troubles
from aster.proposers.compose import Conflict, baseline, merge
from aster.proposers.diffs import DiffError, FileDiff, parse_diff
from aster.proposers.knobs import KnobError, is_knob, parse_python, read_knob, same_value
from aster.proposers.library import Idea, IdeaLibrary, KnobSpec

__all__ = ["Idea", "IdeaLibrary", "KnobSpec", "load_ideas"]

_FENCE = "+++"
Texts = Mapping[str, str | None]


def _knob_values(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for place, value in enumerate(values):
        if not is_knob(value):
            raise ValueError(f"{show(value)} is no value for a knob: use finite numbers, texts, booleans or flat lists")
        if any(same_value(value, other) for other in values[:place]):
            raise ValueError(f"{show(value)} stands twice")
    return values


Text = Annotated[str, Field(pattern=r"\S")]
Names = Annotated[tuple[Text, ...], ListToTuple]


class _Front(Table):
    """The front matter of an idea."""

    name: str = Field(
        pattern=r"^[a-z0-9]+([-_+][a-z0-9]+)*$",
        description='a name of small letters, digits and - _, such as "more-restarts"',
    )
    surface: Text = Field(description="what part of the problem it is about")
    title: Text = Field(description="one line that says what it does")
    predicts: FiniteFloat | None = Field(default=None, description="a number: the gain in the objective's units")
    source: str = Field(default="", description="a text that says where the idea comes from")
    requires: Names = Field(default=(), description="a list of ideas' names")
    conflicts: Names = Field(default=(), description="a list of ideas' names")
    resolves: Names = Field(default=(), description="a list of two or more ideas' names")
    knob: Any = ()  # read as tables of their own
    measured: Any = None  # likewise


class _KnobTable(Table):
    """One [[knob]]."""

    name: str = Field(
        pattern=r"^[^:]+\.py::[^\W\d]\w*(\.[^\W\d]\w*)*$", description='"FILE.py::NAME" or "FILE.py::Class.NAME"'
    )
    values: Annotated[tuple[Any, ...], ListToTuple, AfterValidator(_knob_values)] = Field(
        min_length=2, description="a list of at least two values"
    )


class _MeasuredTable(Table):
    """[measured]: what `aster distill` wrote."""

    gain: FiniteFloat = Field(description="a number: the gain in the objective's units")
    low: FiniteFloat = Field(description="a number: the lower end of the gain's interval")
    high: FiniteFloat = Field(description="a number: the upper end of the gain's interval")
    level: FiniteFloat = Field(gt=0, le=1, description="the interval's confidence, above 0 and at most 1")
    pairs: int = Field(ge=1, description="a whole number from 1: how many pairs were measured")
    hardware: str = Field(default="", description="a text: the kinds of hardware that it was measured on")
    campaign: str = Field(default="", description="a text: the campaign that measured it")


class _Page(NamedTuple):
    """One idea's file, read but not yet applied."""

    where: str
    front: _Front
    knobs: tuple[_KnobTable, ...]
    text: str
    changes: list[FileDiff]
    effect: Effect | None = None


def load_ideas(idea_files: Mapping[str, str], solution: Mapping[str, bytes], editable: Container[str]) -> IdeaLibrary:
    """Return the library held in `idea_files`.

    Args:
        idea_files: path -> Markdown text.
        solution: the baseline's whole solution tree, path -> content, paths relative to the problem folder.
        editable: the paths that ideas may change. A set of files forbids new ones; `Problem.editable` allows those
            that its globs match.

    Raises:
        ProblemError: names every trouble found, each with its file, key and mend: front matter that is missing or
            has unknown keys, a diff that does not apply exactly or touches a frozen file, unknown or circular
            requirements, a knob that is no constant or lacks the idea's own value.
    """
    troubles: list[Trouble] = []
    read = [_page(path, text, troubles) for path, text in sorted(idea_files.items())]
    pages = {page.front.name: page for page in read if page is not None}
    known = {PurePosixPath(path).stem for path in idea_files}
    for page in pages.values():
        troubles.extend(Trouble(page.where, key, text) for key, text in _relations(page, pages, known))
    raise_troubles(troubles)
    library, broken = IdeaLibrary(solution, []), set[str]()
    for name in _order(pages, troubles):
        if _foundations(name, pages) & broken:
            broken.add(name)  # what is wrong with it, if anything, shows once its foundations are mended
        elif (idea := _applied(pages[name], library, pages, editable, troubles)) is None:
            broken.add(name)
        else:
            library = IdeaLibrary(solution, [*library.values(), idea])
    raise_troubles(troubles)
    return library


# --- one file ----------------------------------------------------------------------------------------------


def _page(path: str, text: str, troubles: list[Trouble]) -> _Page | None:
    before = len(troubles)
    raw, body = _front_matter(path, text, troubles)
    if raw is None:
        return None
    front = read_table(_Front, raw, path, "", troubles)
    knobs = whole(read_tables(_KnobTable, raw.get("knob", []), path, "knob", troubles))
    measured = (
        None if "measured" not in raw else read_table(_MeasuredTable, raw["measured"], path, "measured", troubles)
    )
    prose, fences = _split_fences(body)
    if not prose:
        troubles.append(Trouble(path, "", "has no prose; say below the front matter why the idea should help"))
    if len(fences) > 1:
        troubles.append(Trouble(path, "", f"has {len(fences)} diff blocks; join them into one"))
    if not fences and not raw.get("knob"):
        troubles.append(Trouble(path, "", "has neither a ```diff block nor a [[knob]], so it changes nothing"))
    changes = _parsed_diff(path, fences[0], troubles) if fences else []
    if front is not None and front.surface == COMBINATION:
        text = f'"{COMBINATION}" stands for candidates that combine changes of several surfaces; choose another name'
        troubles.append(Trouble(path, "surface", text))
    stem = PurePosixPath(path).stem
    if front is not None and front.name != stem:
        troubles.append(Trouble(path, "name", f'is "{front.name}", but the file is {stem}.md; make them the same'))
    names = [knob.name for knob in knobs or ()]
    for place, name in enumerate(names):
        if name in names[:place]:
            troubles.append(Trouble(path, f"knob[{place}].name", f'"{name}" stands twice; join their values'))
    if front is None or knobs is None or len(troubles) > before:
        return None
    effect = None if measured is None else Effect(**measured.model_dump())
    return _Page(path, front, knobs, prose, changes, effect)


def _front_matter(path: str, text: str, troubles: list[Trouble]) -> tuple[dict[str, Any] | None, str]:
    """Return the front matter and what comes after it; None after adding a trouble."""
    lines = text.removeprefix("\ufeff").split("\n")
    fences = [place for place, line in enumerate(lines) if line.rstrip() == _FENCE]
    if len(fences) < 2 or fences[0] != 0:
        troubles.append(Trouble(path, "", f"must begin with TOML front matter between two lines of {_FENCE}"))
        return None, ""
    padded = ["", *lines[1 : fences[1]]]  # so that TOML's line numbers are the file's
    try:
        matter = "".join(line.removesuffix("\r") + "\n" for line in padded)
        return tomllib.loads(matter), "\n".join(lines[fences[1] + 1 :])
    except tomllib.TOMLDecodeError as error:
        troubles.append(Trouble(path, "", f"its front matter is not valid TOML: {error}"))
        return None, ""


def _split_fences(body: str) -> tuple[str, list[str]]:
    """Return the prose and the contents of the fenced diff blocks; blocks of other languages are prose."""
    prose: list[str] = []
    fences: list[str] = []
    inside: tuple[str, list[str]] | None = None
    for line in split_lines(body):
        mark = re.fullmatch(r"(`{3,})\s*(\S*)\s*", line)
        if inside is None and mark:
            inside = (mark[1], [])
            is_diff = mark[2] == "diff"
        elif inside is not None and mark and not mark[2] and len(mark[1]) >= len(inside[0]):
            if is_diff:
                fences.append("".join(inside[1]))
            inside = None
        elif inside is not None and is_diff:
            inside[1].append(line)
            continue
        if not (mark and is_diff):
            prose.append(line)
    return "".join(prose).strip(), fences


def _parsed_diff(path: str, fence: str, troubles: list[Trouble]) -> list[FileDiff]:
    try:
        return parse_diff(fence)
    except DiffError as error:
        troubles.append(Trouble(path, "diff", str(error)))
        return []


# --- how ideas build on each other -------------------------------------------------------------------------


def _relations(page: _Page, pages: Mapping[str, _Page], known: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the names that an idea mentions."""
    front = page.front
    for key in ("requires", "conflicts", "resolves"):
        names: tuple[str, ...] = getattr(front, key)
        for name in names:
            if name not in known:
                yield key, f'there is no idea "{name}"{nearest(name, pages)}'
            elif name == front.name or names.count(name) > 1:
                yield key, f'"{name}" makes no sense here: it is the idea itself, or stands twice'
            elif name in pages and pages[name].front.resolves:
                yield key, f'"{name}" is a resolution; name the ideas that it resolves instead'
    for name in set(front.requires) & {*front.conflicts, *front.resolves}:
        yield "requires", f'"{name}" cannot be required and at odds with the idea at once'
    parts = front.resolves
    if parts and (len(parts) < 2 or front.name != "+".join(sorted(parts))):
        yield (
            "resolves",
            f'must be two ideas or more, joined by + in the name, such as "{"+".join(sorted(parts))}"',
        )
    if "+" in front.name and not parts:
        yield "name", 'a "+" stands in names of resolutions only; add `resolves`, or choose another name'
    if parts and (
        extra := set(front.requires).difference(*(_foundations(part, pages) for part in parts if part in pages))
    ):
        yield "requires", f"a resolution builds on what its parts require, and none requires {', '.join(sorted(extra))}"
    if parts and not page.changes:
        yield "resolves", "a resolution needs a diff that holds all the ideas that it resolves"


def _foundations(name: str, pages: Mapping[str, _Page]) -> set[str]:
    """Return what the idea's diff builds on: all that it, or a part that it resolves, requires, directly or not.

    Ideas that are unknown are left out: they have troubles of their own.
    """
    found: set[str] = set()
    pending = [name, *pages[name].front.resolves]
    while pending:
        here = pending.pop()
        for need in pages[here].front.requires if here in pages else ():
            if need not in found and need in pages:
                found.add(need)
                pending.append(need)
    return found


def _order(pages: Mapping[str, _Page], troubles: list[Trouble]) -> list[str]:
    """Return the names so that each comes after all that it builds on, resolutions of those included."""
    try:
        graphlib.TopologicalSorter({name: page.front.requires for name, page in sorted(pages.items())}).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1]
        trouble = f"goes in a circle: {' is required by '.join(circle)}; break it"
        troubles.append(Trouble(pages[circle[0]].where, "requires", trouble))
        return []
    needs = {name: _foundations(name, pages) for name in sorted(pages)}
    for name, page in pages.items():
        parts = set(page.front.resolves)
        if entangled := sorted(needs[name] & parts):
            text = f"one of them requires another ({', '.join(entangled)}), so there is nothing to resolve"
            troubles.append(Trouble(page.where, "resolves", text))
            return []
        for other, foundations in needs.items():
            if parts and parts <= foundations:
                needs[other] = foundations | {name}
    return list(graphlib.TopologicalSorter(needs).static_order())


# --- applying a diff ---------------------------------------------------------------------------------------


def _applied(
    page: _Page,
    library: IdeaLibrary,
    pages: Mapping[str, _Page],
    editable: Container[str],
    troubles: list[Trouble],
) -> Idea | None:
    """Return the idea with its trees, or None after adding what is wrong. `library` holds all that it builds on."""
    front = page.front
    foundations = frozenset(_foundations(front.name, pages))
    if pair := library.declared_conflict(foundations):
        troubles.append(Trouble(page.where, "requires", f"{pair[0]} and {pair[1]} are declared to conflict"))
        return None
    ground = merge(library, foundations)
    if isinstance(ground, Conflict):
        troubles.append(Trouble(page.where, "requires", f"what it requires does not merge: {ground.reason}"))
        return None
    base: dict[str, str | None] = {}
    patched: dict[str, str | None] = {}
    found: list[tuple[str, str]] = []
    for change in page.changes:
        try:
            base[change.path] = _before(change.path, library, ground.texts)
            patched[change.path] = _after(change, base[change.path], editable)
        except DiffError as error:
            found.append(("diff", str(error)))
    knobs = []
    for place, knob in enumerate(() if found else page.knobs):  # a knob is judged by what the diff made of its file
        try:
            knobs.append(_knob(knob, library, {**ground.texts, **patched}, editable))
        except (DiffError, KnobError) as error:
            found.append((f"knob[{place}]", str(error)))
    troubles.extend(Trouble(page.where, key, text) for key, text in found)
    return None if found else _idea(page, base, patched, tuple(knobs))


def _before(path: str, library: IdeaLibrary, texts: Texts) -> str | None:
    try:
        return texts[path] if path in texts else baseline(library, path)
    except UnicodeDecodeError:
        raise DiffError(f"{path} is not UTF-8 text, so it cannot be changed by a diff") from None


def _after(change: FileDiff, before: str | None, editable: Container[str]) -> str | None:
    if change.path not in editable:
        raise DiffError(
            f"{change.path} is not an editable file of the solution; paths are relative to the problem folder"
        )
    after = change.apply(before)
    if after is not None and change.path.endswith(".py"):
        try:
            parse_python(after)
        except SyntaxError as error:
            raise DiffError(f"{change.path} is not Python after the diff: {error}") from error
    return after


def _knob(knob: _KnobTable, library: IdeaLibrary, texts: Texts, editable: Container[str]) -> KnobSpec:
    path, _, qualified = knob.name.partition("::")
    before = _before(path, library, texts)
    if before is None or path not in editable:
        raise KnobError(f"{path} is not an editable file of the solution")
    own = read_knob(before, qualified)
    if own is None:
        raise KnobError(f"{path} has no constant {qualified} that is bound once, to a literal")
    values: tuple[Knob, ...] = knob.values
    if not any(same_value(own, value) for value in values):
        raise KnobError(f"the idea's own value of {qualified} is {show(own)}; add it to the values")
    return KnobSpec(knob.name, values, own)


def _idea(page: _Page, base: Texts, patched: Texts, knobs: tuple[KnobSpec, ...]) -> Idea:
    front = page.front
    return Idea(
        name=front.name,
        surface=front.surface,
        title=front.title,
        text=page.text,
        base={path: text for path, text in base.items() if text is not None},
        patched={path: text for path, text in patched.items() if text is not None},
        knobs=knobs,
        predicts=page.effect.gain if front.predicts is None and page.effect is not None else front.predicts,
        source=front.source,
        requires=front.requires,
        conflicts=front.conflicts,
        resolves=front.resolves,
        effect=page.effect,
    )
