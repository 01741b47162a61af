"""The idea library as a researcher: it composes ideas, learns which help and which combine, and turns knobs."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, islice

from aster.archive import draw_parent
from aster.board import Board
from aster.domain.events import MergeConflicted
from aster.domain.ids import recipe_key, tree_id
from aster.domain.records import COMBINATION, Change
from aster.proposers.compose import Conflict, compose
from aster.proposers.library import IdeaLibrary
from aster.proposers.moves import Move, Recipe, moves, openings, unions
from aster.proposers.protocol import Proposal, Proposed
from aster.proposers.surrogate import draw

PREDICTED = 0.5
"""Prior mean of the weight of the idea that predicts the most, in normal scores; the others' in proportion."""

PARENTS = 3
"""Parents drawn for one proposal; the best move from any of them is proposed."""

MOST_OPTIONS = 200
"""Moves weighed from one parent; a larger set is sampled."""

WINS_LOOKED_AT = 200

MOST_WINS = 20
"""Changes that won apart, the latest, of which pairs and triples are combined: 1,330 of them."""


class IdeaProposer:
    """Proposes recipes from a library of ideas. Holds no state: everything that it learns it reads from the board."""

    def __init__(self, library: IdeaLibrary, frozen: frozenset[str]) -> None:
        """Args:
        library: the problem's ideas.
        frozen: paths of the solution tree that no candidate may change.
        """
        self._library, self._frozen = library, frozen
        top = max((idea.predicts or 0.0 for idea in library.values()), default=0.0)
        self._predicted = {
            idea.name: PREDICTED * idea.predicts / top for idea in library.values() if idea.predicts and top > 0
        }

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
        for parents in self._parents(board, rng):
            options = [(parent, move) for parent in parents for move in self._options(board, parent, surface, rng)]
            recipes = [move.recipe for _, move in options]
            worth = draw(board, recipes, rng, self._predicted) if options else []
            for value, (parent, move) in sorted(zip(worth, options, strict=True), key=lambda pair: -pair[0]):
                if _blocked(conflicts, move.recipe):
                    continue
                made = compose(self._library, move.recipe)
                if isinstance(made, Conflict):
                    bare = compose(self._library, [Change(change.idea) for change in move.recipe])
                    if isinstance(bare, Conflict):  # else it is the knob values that clash, not the ideas
                        conflicts[bare.ideas] = MergeConflicted(bare.ideas, bare.path)
                    continue
                files = {path: data for path, data in made.files.items() if path not in self._frozen}
                if tree_id(files) in board.candidates:
                    continue
                proposal = self._proposal(parent, surface, move, made.recipe, files, value)
                return Proposed(proposal, (*conflicts.values(),))
        return Proposed(None, (*conflicts.values(),))

    def _parents(self, board: Board, rng: random.Random) -> Iterator[list[str]]:
        """Yield the parents drawn, then every other elite by itself, from the best down, then the baseline."""
        drawn = list(dict.fromkeys(draw_parent(board, rng) for _ in range(PARENTS)))
        yield drawn
        ranking = board.ranking
        elites = sorted({e for e in board.archive.elites.values() if e in ranking}, key=ranking.position)
        assert board.baseline is not None
        yield from ([e] for e in dict.fromkeys([*elites, board.baseline]) if e not in drawn)

    def _options(self, board: Board, parent: str, surface: str, rng: random.Random) -> list[Move]:
        recipe = board.candidates[parent].recipe
        if surface == COMBINATION:
            wins = self._wins(board)
            found = chain(
                unions(self._library, recipe, _elite_recipes(board), wins), openings(self._library, recipe, wins)
            )
        else:
            found = chain(moves(self._library, recipe, surface))
        known, conflicts = board.recipes, board.conflicts
        options = [m for m in found if recipe_key(m.recipe) not in known and not _blocked(conflicts, m.recipe)]
        return rng.sample(options, MOST_OPTIONS) if len(options) > MOST_OPTIONS else options

    def _wins(self, board: Board) -> dict[str, Change]:
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

    def _proposal(
        self, parent: str, surface: str, move: Move, recipe: Recipe, files: dict[str, bytes], worth: float
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
            label=describe(recipe),
            files=files,
            recipe=recipe,
            worth=worth,
        )


def describe(recipe: Recipe) -> str:
    """Return a recipe in a few words, such as "hex-layout + slsqp(STEPS=400)"."""
    parts = []
    for change in recipe:
        knobs = ", ".join(f"{name.rpartition('::')[2]}={value}" for name, value in sorted(change.knobs.items()))
        parts.append(f"{change.idea}({knobs})" if knobs else change.idea)
    return " + ".join(parts) or "baseline"


def _elite_recipes(board: Board) -> Iterator[Recipe]:
    for elite in sorted(set(board.archive.elites.values())):
        yield board.candidates[elite].recipe


def _blocked(conflicts: Collection[tuple[str, ...]], recipe: Recipe) -> bool:
    names = {change.idea for change in recipe}
    return any(names.issuperset(conflict) for conflict in conflicts)
