"""The idea library as a proposer: the contract, and what is its own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import pytest
from tests.boards import BASELINE, Book, recipe

from aster.board import Board
from aster.domain.events import EliteNamed, MergeConflicted
from aster.domain.ids import recipe_key, tree_id
from aster.domain.records import COMBINATION, Change
from aster.proposers.idea_proposer import MOST_OPTIONS, MOST_WINS, IdeaProposer, describe
from aster.proposers.idea_proposer import Option as KeptOption
from aster.proposers.library import Idea, IdeaLibrary, KnobSpec
from aster.proposers.moves import Extra, unions
from aster.proposers.protocol import Proposal
from aster.proposers.surrogate import Option, Surrogate
from aster.testing.proposers import ROUNDS, Field, ProposerContract

SOLUTION = {
    "solution/a.py": "A = 0\n\n\nB = 0\n",
    "solution/c.py": "C = 0\n\n\nD = 0\n",
    "solution/frozen.py": "Z = 0\n",
}
FILES = {path: text.encode() for path, text in SOLUTION.items()}
EDITABLE = {path: data for path, data in FILES.items() if path != "solution/frozen.py"}


def idea(name: str, surface: str, path: str, old: str, new: str, **more: object) -> Idea:
    """Return an idea that replaces one text in one file."""
    base = SOLUTION[path]
    return Idea(name, surface, f"{name}!", f"{name} may help.", {path: base}, {path: base.replace(old, new)}, **more)  # type: ignore[arg-type]


def knob(path: str, name: str, own: int, *values: int) -> KnobSpec:
    return KnobSpec(f"{path}::{name}", (own, *values), own)


def library(*more: Idea) -> IdeaLibrary:
    """Return three ideas on two surfaces; "rival" and "a-up" do not merge, and "c-up" has a knob."""
    return IdeaLibrary(
        FILES,
        [
            idea("a-up", "a", "solution/a.py", "A = 0", "A = 1", predicts=0.5),
            idea("rival", "a", "solution/a.py", "A = 0\n\n\nB = 0", "A = 7\n\n\nB = 7", predicts=2.0),
            idea("c-up", "c", "solution/c.py", "C = 0", "C = 1", knobs=(knob("solution/c.py", "C", 1, 2, 3),)),
            *more,
        ],
    )


def proposer(*more: Idea) -> IdeaProposer:
    return IdeaProposer(library(*more), frozenset({"solution/frozen.py"}))


def rich() -> IdeaProposer:
    """Return a proposer of some hundred candidates."""
    return proposer(
        idea("b-up", "a", "solution/a.py", "B = 0", "B = 1", knobs=(knob("solution/a.py", "B", 1, 2, 3, 4),)),
        idea("d-up", "c", "solution/c.py", "D = 0", "D = 1", knobs=(knob("solution/c.py", "D", 1, 2, 3),)),
        idea("c-alone", "c", "solution/c.py", "C = 0", "C = 9", conflicts=("d-up",)),
    )


class TestIdeaProposerKeepsTheContract(ProposerContract):
    def make(self) -> IdeaProposer:
        return rich()

    def baseline(self) -> dict[str, bytes]:
        return EDITABLE

    def surfaces_of(self, parent: Mapping[str, bytes], child: Mapping[str, bytes]) -> set[str]:
        return {name for name in "ac" if parent[f"solution/{name}.py"] != child[f"solution/{name}.py"]}


def book(*recipes: tuple[Change, ...]) -> Book:
    """Return a board whose archive's elites are made of `recipes`, the best first."""
    made = Book()
    made.baseline(0.0)
    made.say(EliteNamed(0, BASELINE))
    for number, of in enumerate(recipes):
        name = made.candidate(f"c-{number}", made_of=of)
        made.run(name, float(len(recipes) - number))
        made.say(EliteNamed(number + 1, name))
    return made


def test_surfaces_carry_the_largest_gain_that_an_idea_predicts() -> None:
    assert dict(proposer().surfaces()) == {"a": 2.0, "c": None}


def test_a_resolution_opens_no_surface() -> None:
    settled = idea("a-up+rival", "elsewhere", "solution/a.py", "A", "B", resolves=("a-up", "rival"), predicts=9.0)
    assert dict(proposer(settled).surfaces()) == {"a": 2.0, "c": None}


def test_a_proposal_says_what_it_changes_and_never_holds_frozen_files() -> None:
    proposal = proposer().propose(book().board, "c", random.Random(0)).proposal
    assert proposal is not None
    assert proposal.author == "ideas"
    assert (proposal.parent, proposal.change, proposal.label) == (BASELINE, "+ c-up", "c-up")
    assert proposal.text == "c-up!. c-up may help."
    assert proposal.recipe == (Change("c-up"),)
    assert proposal.files == {**EDITABLE, "solution/c.py": b"C = 1\n\n\nD = 0\n"}


def test_only_an_idea_that_is_added_predicts_its_gain() -> None:
    board = book((Change("a-up"),)).board
    for seed in range(20):
        proposal = proposer().propose(board, "a", random.Random(seed)).proposal
        assert proposal is not None
        assert proposal.predicts == ({"+ rival": 2.0, "+ a-up": 0.5}.get(proposal.change))


def test_what_is_known_by_another_recipe_is_not_proposed_again() -> None:
    """A tree counts, not how it was made: another author may have written the same files."""
    written = book()
    files = {**EDITABLE, "solution/c.py": b"C = 1\n\n\nD = 0\n"}
    written.candidate(tree_id(files))
    assert proposer().propose(written.board, "c", random.Random(0)).proposal is None


def test_a_known_conflict_is_not_tried_again() -> None:
    written = book((Change("a-up"),), (Change("rival"),))
    first = proposer().propose(written.board, COMBINATION, random.Random(0))
    assert first.proposal is None
    assert first.conflicts == (MergeConflicted(("a-up", "rival"), "solution/a.py"),)
    written.say(*first.conflicts)
    assert proposer().propose(written.board, COMBINATION, random.Random(0)).conflicts == ()


def test_a_clash_of_knob_values_does_not_keep_ideas_apart() -> None:
    """Both turn D; set to different values they clash, with one of them left alone they stand together."""
    shared = tuple(knob("solution/c.py", "D", 0, value) for value in (5, 6))
    ideas = [
        idea("a-d", "a", "solution/a.py", "A = 0", "A = 1", knobs=shared[:1]),
        idea("c-d", "c", "solution/c.py", "C = 0", "C = 1", knobs=shared[1:]),
    ]
    maker = IdeaProposer(IdeaLibrary(FILES, ideas), frozenset())
    turned = [(Change(name, {"solution/c.py::D": value}),) for name, value in (("a-d", 5), ("c-d", 6))]
    written = book(*turned)
    assert maker.propose(written.board, COMBINATION, random.Random(0)).conflicts == ()
    added = maker.propose(book(turned[0]).board, "c", random.Random(0))
    assert added.proposal is not None
    assert {change.idea for change in added.proposal.recipe} in ({"a-d", "c-d"}, {"c-d"})


def test_with_nothing_left_at_one_parent_another_is_taken() -> None:
    written = book((Change("c-up"),), (Change("a-up"), Change("c-up")))
    known = [(Change("c-up", {"solution/c.py::C": v}),) for v in (2, 3)]
    for number, of in enumerate(known):
        written.candidate(f"known-{number}", made_of=of)
    parents = set()
    for seed in range(10):
        proposal = proposer().propose(written.board, "c", random.Random(seed)).proposal
        assert proposal is not None
        parents.add(proposal.parent)
        assert recipe_key(proposal.recipe) not in written.board.recipes
    assert parents == {"c-1"}


def won(written: Book, direction: str, name: str, of: tuple[Change, ...], success: bool = True) -> None:
    written.learn(written.run(written.candidate(name, direction, made_of=of), 2.0), 1.0, success)


def test_changes_that_won_apart_are_combined() -> None:
    written = book()
    direction = written.direction("a")
    assert proposer().propose(written.board, COMBINATION, random.Random(0)).proposal is None
    won(written, direction, "w-1", (Change("a-up"),))
    won(written, direction, "w-2", (Change("c-up", {"solution/c.py::C": 3}),))
    found = {p.change: p for p in proposals(written, COMBINATION, 40)}
    proposal = found["combine with a-up + c-up"]
    assert proposal.files["solution/a.py"] == b"A = 1\n\n\nB = 0\n"
    assert proposal.files["solution/c.py"] == b"C = 3\n\n\nD = 0\n"
    assert "add up" in proposal.text
    assert proposal.predicts is None


def test_what_only_looked_better_within_the_noise_is_not_combined() -> None:
    written = book()
    direction = written.direction("a")
    won(written, direction, "w-1", (Change("a-up"),), success=False)
    won(written, direction, "w-2", (Change("a-up", {"solution/a.py::A": 2}),), success=False)
    assert proposer().propose(written.board, COMBINATION, random.Random(0)).proposal is None


def test_options_are_bounded_however_many_ideas_won(monkeypatch: pytest.MonkeyPatch) -> None:
    ideas = [idea(f"i-{n:02}", f"s-{n}", "solution/a.py", "A = 0", f"A = {n}") for n in range(60)]
    written = book()
    direction = written.direction("s-0")
    for each in ideas:
        won(written, direction, f"w-{each.name}", (Change(each.name),))
    met: list[int] = []
    weighed: list[int] = []

    def counted(*args: Any) -> Iterator[Extra]:
        for extra in unions(*args):
            met.append(len(met))
            yield extra

    def drawn(self: Surrogate, board: Board, options: Sequence[Option], rng: random.Random) -> list[float]:
        weighed.append(len(options))
        return [0.0] * len(options)

    monkeypatch.setattr("aster.proposers.idea_proposer.unions", counted)
    monkeypatch.setattr(Surrogate, "draw", drawn)
    IdeaProposer(IdeaLibrary(FILES, ideas), frozenset()).propose(written.board, COMBINATION, random.Random(0))
    assert len(met) == MOST_WINS * (MOST_WINS - 1) * (MOST_WINS + 1) // 6
    assert weighed == [MOST_OPTIONS]


def proposals(of: Book, surface: str, count: int) -> list[Proposal]:
    found = [proposer().propose(of.board, surface, random.Random(seed)).proposal for seed in range(count)]
    return [proposal for proposal in found if proposal is not None]


def worth_of_c_up(value: float) -> float:
    """Return what "c-up" alone is drawn to be worth, on average, after it measured `value` on top of other ideas."""
    of = book()
    for number, rest in enumerate([("a-up",), ("rival",)]):
        of.run(of.candidate(f"without-{number}", made_of=recipe(*rest)), 0.1)
        of.run(of.candidate(f"with-{number}", made_of=recipe("c-up", *rest)), value)
    return fmean(proposal.worth or 0.0 for proposal in proposals(of, "c", 40))


def test_a_proposal_is_worth_what_was_learnt() -> None:
    assert worth_of_c_up(9.0) > worth_of_c_up(-9.0) + 0.5


def test_a_recipe_in_a_few_words() -> None:
    assert describe(()) == "baseline"
    assert describe((Change("a"), Change("b", {"f.py::S.N": 3, "f.py::M": "x"}))) == "a + b(M=x, S.N=3)"


def test_a_field_that_grows_keeps_its_books() -> None:
    """The contract's own board is one that decisions could have made."""
    field = Field(rich(), EDITABLE)
    assert field.grow(3)
    assert field.board.findings
    assert field.board.archive.centroids
    assert len(field.board.ranking) > 4


# --- what it remembers ------------------------------------------------------------------------------------------


def test_what_it_remembers_changes_no_proposal() -> None:
    """One that has seen every stage of several campaigns, in turn, proposes what a new one does."""
    old, fields = rich(), [Field(rich(), EDITABLE) for _ in range(2)]
    for number in range(ROUNDS):
        for field in fields[: 1 + number % 2]:
            for surface in field.surfaces:
                for board in (field.board, field.copy()):
                    assert old.propose(board, surface, random.Random(number)) == field.ask(surface, number)
            field.grow(1)


@pytest.mark.parametrize(
    "limit", [("idea_proposer", "MOST_KEPT"), ("surrogate", "MOST_CODED"), ("surrogate", "MOST_NAMES")]
)
def test_with_no_room_to_remember_it_proposes_the_same(monkeypatch: pytest.MonkeyPatch, limit: tuple[str, str]) -> None:
    grown = Field(rich(), EDITABLE)
    grown.grow(6)
    expected = [grown.ask(surface, seed) for surface in grown.surfaces for seed in range(3)]
    monkeypatch.setattr(f"aster.proposers.{limit[0]}.{limit[1]}", 1)
    forgetful = rich()
    found = [forgetful.propose(grown.board, s, random.Random(seed)) for s in grown.surfaces for seed in range(3)]
    assert found == expected


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.proposers.idea_proposer.MOST_KEPT", 60)
    maker = rich()
    field = Field(maker, EDITABLE)
    field.grow(6)
    assert len(field.board.candidates) > 12
    assert sum(map(len, maker._kept.values())) <= 60


def test_an_option_is_made_when_it_is_looked_at() -> None:
    held = recipe("a-up")
    option = KeptOption(0, None, held, recipe("c-up"))
    assert option.ideas == {"a-up", "c-up"}
    assert option.recipe == recipe("a-up", "c-up")
    assert option.move.change == "combine with c-up"
