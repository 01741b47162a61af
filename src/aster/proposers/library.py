"""Ideas as records, and the library that knows how they build on each other."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from aster.domain.records import Knob
from aster.domain.research import Effect


class KnobSpec(Struct, frozen=True):
    """A constant that an idea offers to vary.

    Attributes:
        name: "FILE::QUALIFIED.NAME", the file relative to the problem folder.
        values: at least two values worth trying, the idea's own among them.
        own: the value that the idea itself gives it (or the baseline's, if the idea leaves it).
    """

    name: str
    values: tuple[Knob, ...]
    own: Knob

    @property
    def path(self) -> str:
        """The file that holds the constant."""
        return self.name.partition("::")[0]

    @property
    def qualified(self) -> str:
        """The constant's name inside its file."""
        return self.name.partition("::")[2]


class Idea(Struct, frozen=True):
    """One hypothesis with the change that tests it.

    Attributes:
        name: unique in its library; a resolution's is its parts' names joined by "+".
        surface: what part of the problem it is about.
        title: one line.
        text: the hypothesis in prose.
        base: the files that the change touches, path -> text, before it; a file that it creates is absent.
        patched: the same files after it; a file that it deletes is absent.
        knobs: constants worth varying.
        predicts: the gain that it predicts, in the objective's units; positive is better. The one measured, where it
            does not say.
        source: where the idea comes from.
        requires: ideas that must be in the same recipe; `base` is the baseline with all of them in it.
        conflicts: ideas that make no sense together with it, though they may merge.
        resolves: ideas that do not merge by themselves and are both in this change; empty for ordinary ideas.
        effect: what an earlier campaign measured; None: nothing is known.
    """

    name: str
    surface: str
    title: str
    text: str
    base: dict[str, str]
    patched: dict[str, str]
    knobs: tuple[KnobSpec, ...] = ()
    predicts: float | None = None
    source: str = ""
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    resolves: tuple[str, ...] = ()
    effect: Effect | None = None

    @property
    def paths(self) -> frozenset[str]:
        """The files that its change touches."""
        return frozenset(self.base) | frozenset(self.patched)


class IdeaLibrary(Mapping[str, Idea]):
    """The ideas of a problem by name, in order of name, with the solution that they change. Never changes.

    `resolutions` are in it too, but stand in recipes only through the ideas that they resolve.
    """

    def __init__(self, solution: Mapping[str, bytes], ideas: Iterable[Idea]) -> None:
        self.solution = dict(solution)
        self._ideas = {idea.name: idea for idea in sorted(ideas, key=lambda idea: idea.name)}

    def __getitem__(self, name: str) -> Idea:
        return self._ideas[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ideas)

    def __len__(self) -> int:
        return len(self._ideas)

    __hash__ = object.__hash__  # libraries are told apart by identity, so that merges can be cached by library

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def ordinary(self) -> list[str]:
        """The names that may stand in a recipe: all but the resolutions."""
        return [name for name, idea in self._ideas.items() if not idea.resolves]

    def closure(self, names: Iterable[str]) -> frozenset[str]:
        """Return `names` with all that they require, and what that requires."""
        found: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending.extend(self[name].requires)
        return frozenset(found)

    def effective(self, names: Collection[str]) -> list[Idea]:
        """Return the ideas to be merged for a recipe, in canonical order.

        A resolution takes the place of its parts where all of them are there (the one with most parts first, then by
        name). What is required comes first; otherwise the order is that of names.

        Args:
            names: ordinary ideas, with all that they require.
        """
        stand_in = {name: name for name in names}
        for resolution in sorted(self._ideas.values(), key=lambda idea: (-len(idea.resolves), idea.name)):
            if resolution.resolves and all(stand_in.get(part) == part for part in resolution.resolves):
                stand_in.update(dict.fromkeys(resolution.resolves, resolution.name))
        waits = {
            node: {stand_in[need] for need in self._needs(node) if need in stand_in} - {node}
            for node in stand_in.values()
        }
        return [self[name] for name in _topological(waits)]

    def _needs(self, name: str) -> set[str]:
        """Return what an idea requires; for a resolution, also what its parts require."""
        needs = set(self[name].requires)
        return needs.union(*(self[part].requires for part in self[name].resolves))

    def declared_conflict(self, names: Collection[str]) -> tuple[str, str] | None:
        """Return the first pair in `names` that an idea declares to conflict and that no resolution settles."""
        ideas = self.effective(names)
        settled = [set(idea.resolves) for idea in ideas]
        for idea in sorted(names):
            for other in sorted(set(self[idea].conflicts) & set(names)):
                if not any({idea, other} <= parts for parts in settled):
                    return (idea, other) if idea < other else (other, idea)
        return None


def _topological(waits: Mapping[str, set[str]]) -> list[str]:
    """Order so that each comes after all that it waits for, smallest name first among those that are ready."""
    left = {name: set(others) for name, others in waits.items()}
    ready = [name for name, others in left.items() if not others]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        order.append(name)
        for other, others in left.items():
            if name in others:
                others.remove(name)
                if not others:
                    heapq.heappush(ready, other)
    # Only resolutions that need each other's parts can be left here; by name is as good as any order for them.
    return order + sorted(set(waits) - set(order))
