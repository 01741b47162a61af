"""The ways to change a recipe: add, swap or drop an idea, turn a knob, or combine what won apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product

from msgspec import Struct

from aster.domain.records import Change, Knob
from aster.proposers.library import Idea

Recipe = tuple[Change, ...]


class Move(Struct, frozen=True):
    """A change in a few words, the recipe that it gives, and the idea whose hypothesis it tests."""

    change: str
    recipe: Recipe
    idea: str


def ordered(changes: Mapping[str, Change]) -> Recipe:
    """Return the recipe made of `changes`, keyed by idea, in its canonical order."""
    return tuple(changes[name] for name in sorted(changes))


def moves(library: Mapping[str, Idea], recipe: Recipe, surface: str) -> Iterator[Move]:
    """Yield every way to change `recipe` on one surface by one step, in a fixed order."""
    held = {change.idea: change for change in recipe}
    here = [idea for idea in library.values() if idea.surface == surface and not idea.resolves]
    for idea in here:
        if idea.name in held:
            yield from _turns(idea, held)
            if not _needed(library, held, idea.name):
                yield Move(f"- {idea.name}", ordered({k: v for k, v in held.items() if k != idea.name}), idea.name)
        else:
            yield from _additions(library, held, idea)


def _additions(library: Mapping[str, Idea], held: Mapping[str, Change], idea: Idea) -> Iterator[Move]:
    """Yield `idea` added to what is held, and in the stead of each held idea of its surface."""
    starts = list(_starts(idea))
    if _admits(library, held, idea):
        for words, change in starts:
            yield Move(f"+ {words}", ordered({**held, idea.name: change}), idea.name)
    for rival in held:
        if library[rival].surface != idea.surface or _needed(library, held, rival):
            continue
        rest = {k: v for k, v in held.items() if k != rival}
        if _admits(library, rest, idea):
            for words, change in starts:
                yield Move(f"{rival} -> {words}", ordered({**rest, idea.name: change}), idea.name)


def _starts(idea: Idea) -> Iterator[tuple[str, Change]]:
    """Yield the forms in which an idea is first tried, in words: as it is, or each knob turned if it has no diff."""
    if idea.paths:
        yield idea.name, Change(idea.name)
        return
    for spec in idea.knobs:
        short = spec.name.rpartition("::")[2]
        for value in spec.values:
            if value != spec.own:
                yield f"{idea.name} ({short} {spec.own} -> {value})", Change(idea.name, {spec.name: value})


def _turns(idea: Idea, held: Mapping[str, Change]) -> Iterator[Move]:
    """Yield every other value of each knob of a held idea."""
    knobs = held[idea.name].knobs
    for spec in idea.knobs:
        now = knobs.get(spec.name, spec.own)
        for value in spec.values:
            if value == now:
                continue
            rest: dict[str, Knob] = {k: v for k, v in knobs.items() if k != spec.name}
            turned = rest if value == spec.own else {**rest, spec.name: value}
            change = Change(idea.name, dict(sorted(turned.items())))
            short = spec.name.rpartition("::")[2]
            yield Move(f"{idea.name}: {short} {now} -> {value}", ordered({**held, idea.name: change}), idea.name)


def _needed(library: Mapping[str, Idea], held: Mapping[str, Change], name: str) -> bool:
    return any(name in library[other].requires for other in held)


def _admits(library: Mapping[str, Idea], held: Mapping[str, Change], idea: Idea) -> bool:
    """Whether `idea` has what it requires and nothing that it is known to clash with and no resolution exists for."""
    if any(name not in held for name in idea.requires):
        return False
    for other in held:
        declared = other in idea.conflicts or idea.name in library[other].conflicts
        if declared and not any({other, idea.name} <= set(i.resolves) for i in library.values()):
            return False
    return True


def unions(
    library: Mapping[str, Idea], recipe: Recipe, others: Iterator[Recipe], wins: Mapping[str, Change]
) -> Iterator[Move]:
    """Yield combinations on top of `recipe`: with other recipes whole, and with two or three changes that won apart.

    Args:
        recipe: the parent's; where both hold an idea, its knob values stand.
        others: recipes of other elites.
        wins: changes that gained on their own parents, by idea.
    """
    held = {change.idea: change for change in recipe}
    for other in others:
        extra = {c.idea: c for c in other if c.idea not in held}
        if extra:
            yield from _union(library, held, extra)
    missing = [change for idea, change in sorted(wins.items()) if held.get(idea) != change]
    for count in (2, 3):
        for chosen in combinations(missing, count):
            if len({library[c.idea].surface for c in chosen}) == count:
                yield from _union(library, held, {c.idea: c for c in chosen})


def openings(library: Mapping[str, Idea], recipe: Recipe, wins: Mapping[str, Change]) -> Iterator[Move]:
    """Yield a change that won, together with an idea of another surface that has not.

    A pair may gain where neither does alone on the parent, as a longer search does only with a good optimizer.
    `wins` as in `unions`.
    """
    held = {change.idea: change for change in recipe}
    missing = [change for idea, change in sorted(wins.items()) if held.get(idea) != change]
    new = [idea for idea in library.values() if not idea.resolves and idea.name not in held and idea.name not in wins]
    for change, idea in product(missing, new):
        if library[change.idea].surface != idea.surface:
            for _, start in _starts(idea):
                yield from _union(library, held, {change.idea: change, idea.name: start})


def _union(library: Mapping[str, Idea], held: Mapping[str, Change], extra: Mapping[str, Change]) -> Iterator[Move]:
    together = dict(held)
    for name, change in extra.items():
        if name not in held and not _admits(library, {**together, **extra}, library[name]):
            return
        together[name] = change
    names = " + ".join(sorted(extra))
    yield Move(f"combine with {names}", ordered(together), min(extra))
