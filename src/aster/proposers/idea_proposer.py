"""The idea library as a researcher: it composes ideas, learns which help and which combine, and turns knobs."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator, Mapping
from itertools import chain, islice
from weakref import WeakKeyDictionary

from aster.archive import draw_parents, ranked_elites
from aster.board import Board
from aster.domain.events import MergeConflicted
from aster.domain.ids import KEY_MASK, change_key, recipe_key, settings_key, tree_id
from aster.domain.records import COMBINATION, Change, Knob
from aster.proposers.compose import Conflict, compose
from aster.proposers.library import IdeaLibrary
from aster.proposers.moves import Extra, Move, Recipe, Rules, combine, moves, openings, unions
from aster.proposers.protocol import Proposal, Proposed
from aster.proposers.settings import (
    Files,
    Settings,
    carried,
    describe_settings,
    is_composed,
    settings_over,
    with_settings,
)
from aster.proposers.surrogate import Surrogate

PREDICTED = 0.5
"""Prior mean of the weight of the idea that predicts the most, in normal scores; the others' in proportion."""

PARENTS = 3
"""Parents drawn for one proposal; the best move from any of them is proposed."""

MOST_OPTIONS = 200
"""Moves weighed from one parent; a larger set is sampled."""

WINS_LOOKED_AT = 200

MOST_WINS = 20
"""Changes that won apart, the latest, of which pairs and triples are combined: 1,330 of them."""


NO_SETTINGS: Settings = {}

MOST_KEPT = 1 << 13
"""Options remembered, over all parents and surfaces."""


class Option:
    """A move that may be proposed; what is put on top of a recipe is only made into one when it is looked at."""

    __slots__ = ("_base", "_extra", "_move", "key", "settings")

    def __init__(
        self, key: int, move: Move | None, base: Recipe = (), extra: Extra = (), settings: Settings = NO_SETTINGS
    ) -> None:
        self.key, self.settings = key, settings
        self._move, self._base, self._extra = move, base, extra

    def on(self, settings: Settings) -> Option:
        """Return the same move on top of a parent in which constants are set."""
        if not settings:
            return self
        return Option((self.key + settings_key(settings)) & KEY_MASK, self._move, self._base, self._extra, settings)

    @property
    def move(self) -> Move:
        """The move itself."""
        if self._move is None:
            self._move = combine(self._base, self._extra)
        return self._move

    @property
    def recipe(self) -> Recipe:
        """The recipe that it gives; `key` is its key."""
        return self.move.recipe

    @property
    def ideas(self) -> frozenset[str]:
        """The names of the recipe's ideas."""
        recipe = self._move.recipe if self._move is not None else (*self._base, *self._extra)
        return frozenset([change.idea for change in recipe])


class Notes:
    """What a proposer reads from one board again and again; `read` brings it up to date."""

    def __init__(self) -> None:
        self.findings = -1
        self.wins: dict[str, Change] = {}
        self.conflicts: frozenset[tuple[str, ...]] = frozenset()
        self.elites: list[Recipe] = []

    def read(self, board: Board) -> None:
        """Look at what is new. Findings and conflicts only ever grow, so their number says whether any is."""
        if self.findings != len(board.findings):
            self.findings, self.wins = len(board.findings), wins_of(board)
        if len(self.conflicts) != len(board.conflicts):
            self.conflicts = frozenset(board.conflicts)
        self.elites = [board.candidates[elite].recipe for elite in sorted(set(board.archive.elites.values()))]

    @property
    def about(self) -> Hashable:
        """What combinations are made of besides the parent."""
        wins = tuple((idea, change_key(change)) for idea, change in sorted(self.wins.items()))
        return wins, tuple(map(recipe_key, self.elites))


class IdeaProposer:
    """Proposes recipes from a library of ideas. All that it learns it reads from the board.

    It remembers options and features from call to call; these are caches, and no proposal depends on them.
    """

    def __init__(self, library: IdeaLibrary, frozen: frozenset[str]) -> None:
        """Args:
        library: the problem's ideas.
        frozen: paths of the solution tree that no candidate may change.
        """
        self._library, self._frozen = library, frozen
        self._rules = Rules(library)
        top = max((idea.predicts or 0.0 for idea in library.values()), default=0.0)
        self._surrogate = Surrogate(
            {idea.name: PREDICTED * idea.predicts / top for idea in library.values() if idea.predicts and top > 0}
        )
        self._notes: WeakKeyDictionary[Board, Notes] = WeakKeyDictionary()
        self._kept: OrderedDict[Hashable, list[Option]] = OrderedDict()
        self._size = 0

    def surfaces(self) -> Mapping[str, float | None]:
        """Return each surface with the largest gain that one of its ideas predicts."""
        best: dict[str, float | None] = {}
        for idea in (self._library[name] for name in self._library.ordinary):
            known = best.get(idea.surface)
            if idea.predicts is None:
                best.setdefault(idea.surface, None)
            else:
                best[idea.surface] = max(idea.predicts, known) if known is not None else idea.predicts
        return best

    def propose(self, board: Board, surface: str, rng: random.Random) -> Proposed:
        """Return an untried candidate: the best move from the parents drawn, under one draw of the regression."""
        conflicts: dict[tuple[str, ...], MergeConflicted] = {}
        notes = self._notes.setdefault(board, Notes())
        notes.read(board)
        for parents in _parents(board, rng):
            options = [(p, option) for p in parents for option in self._options(board, notes, p, surface, rng)]
            worth = self._surrogate.draw(board, [option for _, option in options], rng) if options else []
            for value, (parent, option) in sorted(zip(worth, options, strict=True), key=lambda pair: -pair[0]):
                if _blocked(conflicts, option.ideas):
                    continue
                made = compose(self._library, option.recipe)
                if isinstance(made, Conflict):
                    bare = compose(self._library, [Change(change.idea) for change in option.recipe])
                    if isinstance(bare, Conflict):  # else it is the knob values that clash, not the ideas
                        conflicts[bare.ideas] = MergeConflicted(bare.ideas, bare.path)
                    continue
                files = {path: data for path, data in made.files.items() if path not in self._frozen}
                settings = self._carried(board, parent, files) if option.settings else {}
                files = with_settings(files, settings)
                if tree_id(files) in board.candidates:
                    continue
                proposal = self._proposal(parent, surface, option.move, made.recipe, settings, files, value)
                return Proposed(proposal, (*conflicts.values(),))
        return Proposed(None, (*conflicts.values(),))

    def _options(self, board: Board, notes: Notes, parent: str, surface: str, rng: random.Random) -> list[Option]:
        """Return the options from one parent that nobody has tried."""
        known, settings = board.recipes, settings_over(board, parent)
        moved = settings_key(settings)
        every = self._every(board, notes, parent, surface)
        options = [option for option in every if (option.key + moved) & KEY_MASK not in known]
        chosen = rng.sample(options, MOST_OPTIONS) if len(options) > MOST_OPTIONS else options
        return [option.on(settings) for option in chosen]

    def _carried(self, board: Board, parent: str, files: Files) -> dict[str, Knob]:
        """Return what was set in the parent, as far as the move to `files` leaves those constants alone."""
        before = compose(self._library, board.candidates[parent].recipe)
        assert not isinstance(before, Conflict), "it was composed when it was proposed"
        return carried(settings_over(board, parent), before.files, files)

    def _every(self, board: Board, notes: Notes, parent: str, surface: str) -> list[Option]:
        """Return every option from one parent that no conflict blocks, from memory if nothing has changed."""
        recipe = board.candidates[parent].recipe
        combining = surface == COMBINATION
        name = surface, recipe_key(recipe), notes.conflicts, notes.about if combining else None
        if name in self._kept:
            self._kept.move_to_end(name)
        else:
            made = self._combinations(recipe, notes) if combining else self._moves(recipe, surface)
            self._keep(name, [option for option in made if not _blocked(notes.conflicts, option.ideas)])
        return self._kept[name]

    def _moves(self, recipe: Recipe, surface: str) -> Iterator[Option]:
        for move in moves(self._rules, recipe, surface):
            yield Option(recipe_key(move.recipe), move)

    def _keep(self, name: Hashable, options: list[Option]) -> None:
        self._kept[name] = options
        self._size += len(options)
        while self._size > MOST_KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])

    def _combinations(self, recipe: Recipe, notes: Notes) -> Iterator[Option]:
        held = {change.idea: change_key(change) for change in recipe}
        base = recipe_key(recipe)
        whole = unions(self._rules, recipe, iter(notes.elites), notes.wins)
        for extra in chain(whole, openings(self._rules, recipe, notes.wins)):
            key = base + sum(change_key(change) - held.get(change.idea, 0) for change in extra)
            yield Option(key & KEY_MASK, None, recipe, extra)

    def _proposal(
        self,
        parent: str,
        surface: str,
        move: Move,
        recipe: Recipe,
        settings: dict[str, Knob],
        files: dict[str, bytes],
        worth: float,
    ) -> Proposal:
        idea = self._library[move.idea]
        if surface == COMBINATION:
            text = f"Changes that won apart may add up: {move.change}."
        else:
            text = f"{idea.title}. {idea.text.strip()}"
        return Proposal(
            author="ideas",
            parent=parent,
            change=move.change,
            text=text,
            predicts=idea.predicts if move.change.startswith("+ ") else None,
            label=f"{describe(recipe)} + {describe_settings(settings)}" if settings else describe(recipe),
            files=files,
            recipe=recipe,
            worth=worth,
            settings=settings,
        )


def describe(recipe: Recipe) -> str:
    """Return a recipe in a few words, such as "hex-layout + slsqp(STEPS=400)"."""
    parts = []
    for change in recipe:
        knobs = ", ".join(f"{name.rpartition('::')[2]}={value}" for name, value in sorted(change.knobs.items()))
        parts.append(f"{change.idea}({knobs})" if knobs else change.idea)
    return " + ".join(parts) or "baseline"


def _parents(board: Board, rng: random.Random) -> Iterator[list[str]]:
    """Yield the parents drawn, then every other elite by itself, from the best down, then the baseline."""
    drawn = [p for p in dict.fromkeys(draw_parents(board, rng, PARENTS)) if is_composed(board, p)]
    yield drawn
    assert board.baseline is not None
    others = [e for e in dict.fromkeys([*ranked_elites(board), board.baseline]) if e not in drawn]
    yield from ([e] for e in others if is_composed(board, e))


def wins_of(board: Board) -> dict[str, Change]:
    """Return the changes that gained on their parents, by idea; the latest setting of each."""
    wins: dict[str, Change] = {}
    for finding in islice(reversed(board.findings), WINS_LOOKED_AT):
        if not finding.success:
            continue
        child = board.candidates[board.experiments[finding.experiment].record.candidate]
        parent = board.candidates[board.hypotheses[finding.hypothesis].parent]
        new = [change for change in child.recipe if change not in parent.recipe]
        if len(new) == 1 and len(wins) < MOST_WINS:
            wins.setdefault(new[0].idea, new[0])
    return wins


def _blocked(conflicts: Collection[tuple[str, ...]], ideas: frozenset[str]) -> bool:
    return any(ideas.issuperset(conflict) for conflict in conflicts)
