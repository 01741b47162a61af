"""Ideas and the tuner together."""

from __future__ import annotations

import random
from collections.abc import Mapping

from aster.domain.records import COMBINATION
from aster.minds import Trees
from aster.proposers.idea_proposer import IdeaProposer
from aster.proposers.library import Idea, IdeaLibrary
from aster.proposers.settings import carried, with_settings
from aster.proposers.several import Several
from aster.proposers.surfaces import SurfaceMap
from aster.proposers.tuner import Tuner
from aster.testing.proposers import Field, ProposerContract

FILES = {
    "solution/a.py": b'A = "old"\n',
    "solution/t.py": b"T = 2  # tune: 1 | 2 | 3\n",
    "solution/frozen.py": b"Z = 8\n",
}
EDITABLE = {path: data for path, data in FILES.items() if path != "solution/frozen.py"}


def no_blobs(blob: str) -> bytes:
    raise AssertionError(f"{blob} can be made again")


def both() -> Several:
    base, new = 'A = "old"\n', 'A = "new"\n'
    change = Idea("a-new", "a", "New.", "It may help.", {"solution/a.py": base}, {"solution/a.py": new})
    library, frozen = IdeaLibrary(FILES, [change]), frozenset({"solution/frozen.py"})
    trees = Trees(EDITABLE, library, frozen, no_blobs)
    tuner = Tuner(trees.of, SurfaceMap("solution"), {"constants: t.py": None}, trees.knobs_of)
    return Several([IdeaProposer(library, frozen), tuner])


class TestBothKeepTheContract(ProposerContract):
    def make(self) -> Several:
        return both()

    def baseline(self) -> dict[str, bytes]:
        return EDITABLE

    def surfaces_of(self, parent: Mapping[str, bytes], child: Mapping[str, bytes]) -> set[str]:
        names = {"solution/a.py": "a", "solution/t.py": "constants: t.py"}
        return {name for path, name in names.items() if parent[path] != child[path]}


def test_an_idea_on_a_tuned_parent_keeps_what_was_set() -> None:
    field = Field(both(), EDITABLE)
    field.grow(6)
    made = [c for c in field.board.candidates.values() if c.author == "ideas" and c.settings]
    assert made
    for candidate in made:
        assert candidate.root is None
        assert (
            field.files[candidate.id]["solution/t.py"] == with_settings(EDITABLE, candidate.settings)["solution/t.py"]
        )
        assert candidate.label.endswith(f"T={candidate.settings['solution/t.py::T']}")


def test_settings_pass_only_where_the_constant_stayed() -> None:
    settings = {"solution/t.py::T": 3, "solution/t.py::GONE": 1}
    assert carried(settings, EDITABLE, EDITABLE) == {"solution/t.py::T": 3}
    assert carried(settings, EDITABLE, {"solution/t.py": b"T = 1\n"}) == {}


def test_a_model_s_candidate_is_no_parent_for_ideas() -> None:
    from tests.boards import Book

    book = Book()
    book.baseline(0.0)
    book.run(book.candidate("c-model"), 9.0)
    asked = IdeaProposer(IdeaLibrary(FILES, []), frozenset())
    assert asked.propose(book.board, COMBINATION, random.Random(0)).proposal is None
    assert "c-model" not in book.board.composed


def test_surfaces_of_all_are_offered_with_the_larger_gain() -> None:
    class Fixed:
        def __init__(self, **gains: float | None) -> None:
            self.gains = gains

        def surfaces(self) -> Mapping[str, float | None]:
            return self.gains

        propose = None

    merged = Several([Fixed(a=1.0, b=None), Fixed(a=2.0, b=0.5, c=None)])  # type: ignore[list-item]
    assert merged.surfaces() == {"a": 2.0, "b": 0.5, "c": None}
