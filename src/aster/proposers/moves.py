"""The ways to change a recipe: add, swap or drop an idea, turn a knob, or combine what won apart. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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


class Rules:
    """A library with what its ideas ask of each other, looked up once."""

    def __init__(self, library: Mapping[str, Idea]) -> None:
        self.library = library
        self.ordinary = [idea for idea in library.values() if not idea.resolves]
        settled = [frozenset(idea.resolves) for idea in library.values() if idea.resolves]
        self._requires = {idea.name: frozenset(idea.requires) for idea in library.values()}
        clashes: dict[str, set[str]] = {name: set() for name in library}
        for idea in library.values():
            for other in idea.conflicts:
                if not any({idea.name, other} <= parts for parts in settled):
                    clashes[idea.name].add(other)
                    clashes.setdefault(other, set()).add(idea.name)
        self._clashes = clashes

    def admits(self, held: Collection[str], name: str) -> bool:
        """Whether an idea has what it requires in `held`, and nothing there that it cannot stand with.

        That is what either of the two declares to conflict, unless a resolution of both exists.
        """
        return self._requires[name].issubset(held) and self._clashes[name].isdisjoint(held)

    def needed(self, held: Collection[str], name: str) -> bool:
        """Whether something held requires the idea."""
        return any(name in self._requires[other] for other in held)


def ordered(changes: Mapping[str, Change]) -> Recipe:
    """Return the recipe made of `changes`, keyed by idea, in its canonical order."""
    return tuple(changes[name] for name in sorted(changes))


def moves(rules: Rules, recipe: Recipe, surface: str) -> Iterator[Move]:
    """Yield every way to change `recipe` on one surface by one step, in a fixed order."""
    held = {change.idea: change for change in recipe}
    for idea in rules.ordinary:
        if idea.surface != surface:
            continue
        if idea.name in held:
            yield from _turns(idea, held)
            if not rules.needed(held, idea.name):
                yield Move(f"- {idea.name}", ordered({k: v for k, v in held.items() if k != idea.name}), idea.name)
        else:
            yield from _additions(rules, held, idea)


def _additions(rules: Rules, held: Mapping[str, Change], idea: Idea) -> Iterator[Move]:
    """Yield `idea` added to what is held, and in the stead of each held idea of its surface."""
    starts = list(_starts(idea))
    if rules.admits(held, idea.name):
        for words, change in starts:
            yield Move(f"+ {words}", ordered({**held, idea.name: change}), idea.name)
    for rival in held:
        if rules.library[rival].surface != idea.surface or rules.needed(held, rival):
            continue
        rest = {k: v for k, v in held.items() if k != rival}
        if rules.admits(rest, idea.name):
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


Extra = tuple[Change, ...]
"""Changes that stand on top of a recipe; those of ideas that it holds replace its own."""


def unions(rules: Rules, recipe: Recipe, others: Iterator[Recipe], wins: Mapping[str, Change]) -> Iterator[Extra]:
    """Yield what to put on top of `recipe`: other recipes whole, and two or three changes that won apart.

    Args:
        recipe: the parent's; where both hold an idea, its knob values stand.
        others: recipes of other elites.
        wins: changes that gained on their own parents, by idea.
    """
    held = {change.idea: change for change in recipe}
    names = frozenset(held)
    for other in others:
        extra = tuple(change for change in other if change.idea not in held)
        if extra and _fits(rules, names, extra):
            yield extra
    missing = [change for idea, change in sorted(wins.items()) if held.get(idea) != change]
    surface = {change.idea: rules.library[change.idea].surface for change in missing}
    for count in (2, 3):
        for chosen in combinations(missing, count):
            if len({surface[change.idea] for change in chosen}) == count and _fits(rules, names, chosen):
                yield chosen


def openings(rules: Rules, recipe: Recipe, wins: Mapping[str, Change]) -> Iterator[Extra]:
    """Yield a change that won, together with an idea of another surface that has not.

    A pair may gain where neither does alone on the parent, as a longer search does only with a good optimizer.
    `wins` as in `unions`.
    """
    held = {change.idea: change for change in recipe}
    names = frozenset(held)
    missing = [change for idea, change in sorted(wins.items()) if held.get(idea) != change]
    new = [idea for idea in rules.ordinary if idea.name not in held and idea.name not in wins]
    for change, idea in product(missing, new):
        if rules.library[change.idea].surface != idea.surface and _fits(rules, names, (change, Change(idea.name))):
            for _, start in _starts(idea):
                yield change, start


def _fits(rules: Rules, held: frozenset[str], extra: Extra) -> bool:
    together = held.union([change.idea for change in extra])
    return all(change.idea in held or rules.admits(together, change.idea) for change in extra)


def combine(recipe: Recipe, extra: Extra) -> Move:
    """Return the move that puts `extra` on top of `recipe`."""
    added = {change.idea: change for change in extra}
    together = ordered({**{change.idea: change for change in recipe}, **added})
    return Move(f"combine with {' + '.join(sorted(added))}", together, min(added))
