"""The tuner: constants of any candidate, searched by what was measured. All that it knows it reads from the board.

A *root* is a candidate that was not tuned itself: the baseline, one made of ideas, one that a model wrote. The tuner
sets constants in a root's tree; the candidates so made are the root's family, and their scores are what the next ask
rests on. A proposal changes the constants of one surface of the family's best member.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, product

from msgspec import Struct

from aster.archive import ranked_elites
from aster.board import Board
from aster.domain.ids import tree_id
from aster.domain.records import COMBINATION, Candidate, Knob
from aster.proposers.axes import Axis, Choice
from aster.proposers.knobs import read_knob, same_value
from aster.proposers.library import KnobSpec
from aster.proposers.protocol import Proposal, Proposed
from aster.proposers.sampling import Point, Told, asks, believed, uniform
from aster.proposers.settings import Files, Settings, describe_settings, with_settings
from aster.proposers.surfaces import NEW_CODE, SurfaceMap
from aster.proposers.tunables import Tunable, scan

TOP, RECENT = 80, 80
"""Members of a family that an ask looks at: the best and the latest, so that it costs the same in any campaign."""

LOOKED_AT = 2000
"""Places of the ranking in which the best members are looked for."""

TRIES = 12
"""Asks before a sampler that only names what is known gives way to whatever is untried."""

MOST_LISTED = 4096
"""Points that are listed to find an untried one; of a larger space DRAWS are drawn."""

DRAWS = 64

PAIRED = 8
"""Best members of a family whose settings are put together in pairs."""

KEPT_ROOTS = 128


class Constant(Struct, frozen=True):
    """A tunable constant of a tree; `name` is "FILE::QUALIFIED.NAME"."""

    name: str
    tunable: Tunable

    @property
    def axes(self) -> dict[str, Axis]:
        """Its dimensions by name, for samplers."""
        return {self._dimension(place): axis for place, axis in self.tunable.axes.items()}

    def at(self, point: Point) -> Knob:
        """Return its value at a point."""
        return self.tunable.at({place: point[self._dimension(place)] for place in self.tunable.axes})

    def place(self, value: Knob) -> dict[str, float] | None:
        """Return the coordinates of a value, or None if it is out of range."""
        found = self.tunable.place(value)
        return None if found is None else {self._dimension(place): at for place, at in found.items()}

    def _dimension(self, place: int | None) -> str:
        return self.name if place is None else f"{self.name}[{place}]"


class Root(Struct, frozen=True):
    """An untuned candidate: its editable files, and its constants by surface."""

    files: dict[str, bytes]
    constants: dict[str, tuple[Constant, ...]]


class Tuner:
    """Proposes values of constants, one surface at a time. What it remembers of roots is a cache."""

    def __init__(
        self,
        files_of: Callable[[Candidate], Files],
        surfaces: SurfaceMap,
        known: Mapping[str, float | None],
        knobs_of: Callable[[Candidate], tuple[KnobSpec, ...]] = lambda _: (),
    ) -> None:
        """Args:
        files_of: returns the editable files of a root.
        surfaces: says which surface a constant is on.
        known: the surfaces to work on; constants on others are on NEW_CODE, or else on the first.
        knobs_of: returns the constants of a root for which its authors list values.
        """
        self._files_of, self._map, self._knobs_of = files_of, surfaces, knobs_of
        self._known = dict(known)
        self._roots: OrderedDict[str, Root] = OrderedDict()

    def surfaces(self) -> Mapping[str, float | None]:
        """Return the surfaces that have constants."""
        return self._known

    def propose(self, board: Board, surface: str, rng: random.Random) -> Proposed:
        """Return an untried setting of a surface's constants; on COMBINATION, of two of a family's best together."""
        for name in _roots(board, rng):
            root = self._root(board, name)
            found = self._combined(board, name, root) if surface == COMBINATION else None
            if surface in root.constants:
                found = self._tuned(board, name, root, surface, rng)
            if found is not None:
                return Proposed(found)
        return Proposed(None)

    def believed(self, board: Board, candidate: str) -> dict[str, float]:
        """Return what is expected of a candidate and its family once their measurements are smoothed by one another.

        In the metric's units, for those that measured. Empty while a family has fewer than twice as many measurements
        as it has dimensions.
        """
        name = board.candidates[candidate].root or candidate
        constants = tuple(c for found in self._root(board, name).constants.values() for c in found)
        axes = {dimension: axis for constant in constants for dimension, axis in constant.axes.items()}
        known = dict(_members(board, name, constants))
        ranked = [member for member, told in known.items() if told.value is not None]
        if candidate not in ranked or len(ranked) < max(first_moves(len(axes)), 2 * len(axes)):
            return {}
        means = believed(axes, list(known.values()), board.setup.objective.goal)
        return {member: mean for member, mean in zip(known, means, strict=True) if member in ranked}

    # --- one root ---------------------------------------------------------------------------------------------

    def _root(self, board: Board, name: str) -> Root:
        if name in self._roots:
            self._roots.move_to_end(name)
            return self._roots[name]
        candidate = board.candidates[name]
        files = dict(self._files_of(candidate))
        by_surface: dict[str, list[Constant]] = {}
        for constant in constants_of(files, self._knobs_of(candidate)):
            by_surface.setdefault(self._surface(constant.name), []).append(constant)
        root = self._roots[name] = Root(files, {s: tuple(found) for s, found in by_surface.items()})
        if len(self._roots) > KEPT_ROOTS:
            self._roots.popitem(last=False)
        return root

    def _surface(self, name: str) -> str:
        path, _, qualified = name.partition("::")
        surface = self._map.of(path, qualified)
        if surface in self._known:
            return surface
        return NEW_CODE if NEW_CODE in self._known else next(iter(self._known), surface)

    def _tuned(self, board: Board, name: str, root: Root, surface: str, rng: random.Random) -> Proposal | None:
        constants = root.constants[surface]
        best = _best(board, name)
        settings = _settings(board, name, best)
        axes = {dimension: axis for constant in constants for dimension, axis in constant.axes.items()}
        history = [told for _, told in _members(board, name, constants)]
        points = _points(axes, history, _point(constants, settings), board, rng)
        for point in points:
            chosen = {c.name: c.at(point) for c in constants}
            made = _kept({**settings, **chosen}, constants)
            files = with_settings(root.files, made)
            if tree_id(files) not in board.candidates:
                return _proposal(board, name, best, root, made, files, surface)
        return None

    def _combined(self, board: Board, name: str, root: Root) -> Proposal | None:
        """Return settings of two members of the family put together: the better one's stand where both have some."""
        family = board.tuned.get(name, {})
        members = [c for c in islice(board.ranking, TOP) if c in family][:PAIRED]
        for better, other in product(members, members):
            one, two = board.candidates[better].settings, board.candidates[other].settings
            made = dict(sorted({**two, **one}.items()))
            if made in (one, two):
                continue
            files = with_settings(root.files, made)
            if tree_id(files) not in board.candidates:
                return _proposal(board, name, better, root, made, files, COMBINATION)
        return None


def constants_of(files: Files, knobs: tuple[KnobSpec, ...] = ()) -> Iterator[Constant]:
    """Yield the tunable constants of a tree by file; `knobs` are those for which values are listed."""
    listed = {knob.name: knob for knob in knobs}
    for path, data in sorted(files.items()):
        if not path.endswith(".py"):
            continue
        for tunable in scan(data).tunables:
            if f"{path}::{tunable.name}" not in listed:
                yield Constant(f"{path}::{tunable.name}", tunable)
        for knob in (knob for name, knob in sorted(listed.items()) if knob.path == path):
            value = read_knob(data.decode("utf-8"), knob.qualified)
            if value is not None:
                yield Constant(knob.name, Tunable(knob.qualified, value, {None: Choice(knob.values)}))


# --- reading the board -------------------------------------------------------------------------------------


def _roots(board: Board, rng: random.Random) -> Iterator[str]:
    """Yield roots, the one to tune first: each is half as likely to be that as the one that ranks before it.

    They are those of the best candidate, of the standing one and of the archive's elites; then the baseline.
    """
    assert board.baseline is not None
    best = next(iter(board.ranking), None)
    leading = [c for c in (best, board.standing, *ranked_elites(board), board.baseline) if c is not None]
    roots = list(dict.fromkeys(board.candidates[c].root or c for c in leading))
    [first] = rng.choices(roots, [0.5**place for place in range(len(roots))])
    yield first
    yield from (root for root in roots if root != first)


def _best(board: Board, root: str) -> str:
    """Return the best-ranked member of a root's family, or the root itself."""
    family = board.tuned.get(root, {})
    return next((c for c in islice(board.ranking, LOOKED_AT) if c == root or c in family), root)


def _settings(board: Board, root: str, member: str) -> dict[str, Knob]:
    """Return what is set in a member of a family; what a root itself took over is in its tree already."""
    return {} if member == root else dict(board.candidates[member].settings)


def _members(board: Board, root: str, constants: tuple[Constant, ...]) -> Iterator[tuple[str, Told]]:
    """Yield (member, what is known of it) of a root and its family as points of the box, oldest first."""
    family = board.tuned.get(root, {})
    top = [c for c in islice(board.ranking, LOOKED_AT) if c in family][:TOP]
    chosen = {root, *top, *islice(reversed(family), RECENT)}
    for member in sorted(chosen, key=lambda c: (c != root, _planned(board, c))):
        point = _place(constants, _settings(board, root, member))
        told = point and _told(board, member, point)
        if told:
            yield member, told


def _planned(board: Board, candidate: str) -> int:
    first = board.experiments_of.get(candidate)  # in the order of planning
    return board.experiments[first[0]].record.decision if first else 0


def _told(board: Board, member: str, point: Point) -> Told | None:
    """Return what became of a member on this kind of hardware, or None if that is nothing to learn from.

    Whatever kept it from being ranked by its own doing counts as a failure: it broke, broke a rule or a constraint, or
    was stopped because it was hopeless.
    """
    score = board.score(member)
    if member in board.ranking and score is not None:
        return Told(point, "measured", score.mean)
    states = [board.experiments[x] for x in board.experiments_of.get(member, ())]
    here = [s for s in states if s.record.hardware == board.hardware or board.setup.objective.exact]
    if any(s.seen and s.status not in ("measured", "cancelled") for s in here):
        return Told(point, "failed")
    return Told(point, "running") if any(not s.seen for s in here) else None


def _place(constants: tuple[Constant, ...], settings: Settings) -> Point | None:
    """Return settings as a point, or None if one is out of range."""
    point: dict[str, float] = {}
    for constant in constants:
        at = constant.place(settings.get(constant.name, constant.tunable.value))
        if at is None:
            return None
        point.update(at)
    return point


def _point(constants: tuple[Constant, ...], settings: Settings) -> Point:
    """Return settings as a point as far as they are in range."""
    point: dict[str, float] = {}
    for constant in constants:
        point.update(constant.place(settings.get(constant.name, constant.tunable.value)) or {})
    return point


# --- where to look -----------------------------------------------------------------------------------------


def _points(
    axes: Mapping[str, Axis], history: list[Told], best: Point, board: Board, rng: random.Random
) -> Iterator[Point]:
    """Yield points to try: a few dimensions of the best one moved at first, then what a sampler asks for.

    After TRIES of these (fewer in a small space) come others, all if they can be listed; what is known already is the
    caller's to skip.
    """
    size = _size(axes)
    tries = min(TRIES, 1 + size // 4)
    ended = sum(told.status != "running" for told in history)
    if ended < first_moves(len(axes)):
        yield from (_moved(axes, best, rng) for _ in range(tries))
    else:
        setup = board.setup
        yield from islice(asks(axes, history, setup.objective.goal, setup.limits.experiments, rng), tries)
    yield from _others(axes, size, rng)


def first_moves(dimensions: int) -> int:
    """Return after how many measurements a sampler takes over."""
    return min(10, 4 + dimensions)


def _moved(axes: Mapping[str, Axis], best: Point, rng: random.Random) -> Point:
    """Return the best point with one to three of its dimensions drawn anew."""
    moved = rng.sample(list(axes), rng.randint(1, min(3, len(axes))))
    return {n: uniform(axis, rng) if n in moved or n not in best else best[n] for n, axis in axes.items()}


def _size(axes: Mapping[str, Axis]) -> int:
    """Return how many points there are; more than can be listed if they are too many to tell."""
    return math.prod(axis.count or MOST_LISTED + 1 for axis in axes.values())


def _others(axes: Mapping[str, Axis], size: int, rng: random.Random) -> Iterator[Point]:
    if size > MOST_LISTED:
        yield from ({name: uniform(axis, rng) for name, axis in axes.items()} for _ in range(DRAWS))
        return
    every = [dict(zip(axes, places, strict=True)) for places in product(*(_all(axis) for axis in axes.values()))]
    rng.shuffle(every)
    yield from every


def _all(axis: Axis) -> list[float]:
    """Return the coordinate of each value of an axis that has a count."""
    if isinstance(axis, Choice):
        values: list[Knob] = list(axis.values)
    else:
        low = -int(axis.high) if axis.form == "negative" else int(axis.low)
        values = list(range(low, low + (axis.count or 0)))
    return [at for value in values if (at := axis.place(value)) is not None]


# --- proposals ---------------------------------------------------------------------------------------------


def _kept(settings: Settings, constants: tuple[Constant, ...]) -> dict[str, Knob]:
    """Return settings in their order, without those of `constants` that leave the root's value."""
    own = {c.name: c.tunable.value for c in constants}
    kept = {name: value for name, value in settings.items() if name not in own or not same_value(value, own[name])}
    return dict(sorted(kept.items()))


def _proposal(
    board: Board, name: str, parent: str, root: Root, settings: dict[str, Knob], files: dict[str, bytes], surface: str
) -> Proposal:
    origin = board.candidates[name]
    own = {c.name: c.tunable.value for found in root.constants.values() for c in found}
    before = {**own, **_settings(board, name, parent)}
    after = {**own, **settings}
    changed = {n: value for n, value in sorted(after.items()) if not same_value(value, before[n])}
    change = describe_settings(changed, before)
    if surface == COMBINATION:
        text = f"Settings of two of the best may add up: {change}."
    else:
        text = f"Other values may do better on {surface}: {change}."
    prefix = "" if origin.label in ("", "baseline") else f"{origin.label} + "
    return Proposal(
        author="tuner",
        parent=parent,
        change=change,
        text=text,
        predicts=None,
        label=prefix + (describe_settings(settings) or "as at first"),
        files=files,
        recipe=origin.recipe,
        worth=None,
        root=name,
        settings=settings,
    )
