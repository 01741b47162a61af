"""The tuner as a proposer: the contract, and what is its own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.boards import BASELINE, Book

from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import COMBINATION, Cancelled, Candidate, Failed, Knob
from aster.proposers.library import KnobSpec
from aster.proposers.protocol import Proposal
from aster.proposers.settings import describe_settings, with_settings
from aster.proposers.surfaces import SurfaceMap
from aster.proposers.tuner import Tuner, _members, first_moves
from aster.testing.proposers import Field, ProposerContract

FILES = {
    "solution/a.py": b"A = 2  # tune: 1 | 2 | 4\nB = 3  # tune: 2..4\n",
    "solution/c.py": b'C = "x"  # tune: x | y | z\nVERSION = 5\n',
}
SURFACES: dict[str, float | None] = {"constants: a.py": None, "constants: c.py": None}
A, C = SURFACES


def tuner(files: Mapping[str, bytes] = FILES, **more: Any) -> Tuner:
    return Tuner(lambda _: files, SurfaceMap("solution"), SURFACES, **more)


class TestTunerKeepsTheContract(ProposerContract):
    def make(self) -> Tuner:
        return tuner()

    def baseline(self) -> dict[str, bytes]:
        return FILES

    def surfaces_of(self, parent: Mapping[str, bytes], child: Mapping[str, bytes]) -> set[str]:
        return {f"constants: {path.partition('/')[2]}" for path in parent if parent[path] != child[path]}


SMOOTH = {"solution/a.py": b"X = 1.0\nY = 1.0\n"}
X, Y = "solution/a.py::X", "solution/a.py::Y"


def book(*tuned: tuple[Mapping[str, Knob], float | None], files: Mapping[str, bytes] = SMOOTH) -> Book:
    """Return a board with a baseline of 1 and tuned candidates with their scores; None: it failed."""
    made = Book()
    made.baseline(1.0)
    for settings, value in tuned:
        add(made, settings, BASELINE, tree_id(with_settings(files, settings)))
        made.run(tree_id(with_settings(files, settings)), Failed("boom") if value is None else value)
    return made


def add(made: Book, settings: Mapping[str, Knob], root: str | None, name: str, author: str = "tuner") -> None:
    hypothesis = made.board.candidates[made.candidate(f"t-{name}")].hypothesis
    made.say(
        ev.CandidateAdded(Candidate(name, "tree", (BASELINE,), author, hypothesis, (), name, (), root, dict(settings)))
    )


def ask(made: Book, seed: int = 0, of: Tuner | None = None, surface: str = A) -> Proposal:
    found = (of or tuner(SMOOTH)).propose(made.board, surface, random.Random(seed)).proposal
    assert found is not None
    return found


def test_a_proposal_is_its_root_s_tree_with_constants_set_and_says_so() -> None:
    made = ask(book())
    assert (made.author, made.parent, made.root, made.worth) == ("tuner", BASELINE, BASELINE, None)
    assert made.files == with_settings(SMOOTH, made.settings)
    assert set(made.settings) <= {X, Y}
    assert made.label == describe_settings(made.settings)
    assert made.change == describe_settings(made.settings, {X: 1.0, Y: 1.0})
    assert made.text == f"Other values may do better on {A}: {made.change}."


def test_it_starts_with_a_few_moves_and_goes_on_from_the_best_of_the_family() -> None:
    grown = book(({X: 2.0}, 5.0), ({Y: 2.0}, 0.5))
    made = ask(grown)
    assert made.parent == tree_id(with_settings(SMOOTH, {X: 2.0}))
    assert made.root == BASELINE
    assert first_moves(2) == 6


def test_it_goes_where_scores_were_high() -> None:
    rng = random.Random(0)
    at = [(round(rng.uniform(0.3, 3.9), 3), round(rng.uniform(0.3, 3.9), 3)) for _ in range(30)]
    grown = book(*(({X: x, Y: y}, -((x - 3) ** 2) - (y - 0.5) ** 2) for x, y in at))
    asked = [{X: 1.0, Y: 1.0, **ask(grown, seed).settings} for seed in range(10)]
    off = sorted(abs(float(s[X]) - 3) + abs(float(s[Y]) - 0.5) for s in asked)  # type: ignore[arg-type]
    assert off[5] < 1.5  # drawn evenly: about 2.4


def test_what_failed_is_told_as_failed() -> None:
    at = [0.3 + 0.15 * n for n in range(24)]
    grown = book(*(({X: x}, None if x > 1.2 else 1.0) for x in at))
    asked = [float({X: 1.0, **ask(grown, seed).settings}[X]) for seed in range(15)]  # type: ignore[arg-type]
    assert sum(x <= 1.2 for x in asked) >= 9


def test_what_was_stopped_as_hopeless_counts_as_failed() -> None:
    grown = book(({X: 2.0}, 1.0))
    add(grown, {X: 3.0}, BASELINE, "c-hopeless")
    grown.run("c-hopeless", Cancelled("above its bar", early=True))
    add(grown, {X: 4.0}, BASELINE, "c-cut")
    grown.run("c-cut", Cancelled("the budget ended"))
    history = _members(grown.board, BASELINE, tuner(SMOOTH)._root(grown.board, BASELINE).constants[A])
    assert [told.status for _, told in history] == ["measured", "measured", "failed"]


def test_scores_of_another_kind_of_hardware_are_not_used() -> None:
    grown = book(*(({X: round(0.3 + 0.1 * n, 2)}, float(n)) for n in range(12)))
    there = ask(grown).parent
    grown.say(ev.TermStarted(2, "another kind", "host", 1, "0"))
    assert there != BASELINE
    assert ask(grown).parent == BASELINE


def test_what_it_remembers_changes_nothing() -> None:
    """A tuner that has worked through a whole campaign proposes what a new one does."""
    old, field = tuner(), Field(tuner(), FILES)
    for number in range(6):
        for surface in SURFACES:
            seen = old.propose(field.board, surface, random.Random(number))
            assert seen == tuner().propose(field.copy(), surface, random.Random(number))
            if seen.proposal is not None:
                field.adopt(surface, seen.proposal)


def test_a_model_s_candidate_is_tuned_from_its_own_tree() -> None:
    theirs = {"solution/a.py": b"X = 1.0\nY = 1.0\nZ = 8.0\n", "solution/new.py": b"W = 16.0\n"}
    grown = book()
    add(grown, {}, None, "c-model", "model")
    grown.run("c-model", 9.0)
    asked = Tuner(lambda c: theirs if c.author == "model" else SMOOTH, SurfaceMap("solution"), SURFACES)
    found = [ask(grown, seed, asked) for seed in range(20)]
    assert {p.root for p in found} == {"c-model", BASELINE}
    tuned = [p for p in found if p.root == "c-model"]
    assert all(p.files == with_settings(theirs, p.settings) and p.parent == "c-model" for p in tuned)
    assert {name for p in tuned for name in p.settings} == {X, Y, "solution/a.py::Z", "solution/new.py::W"}
    assert all(p.label.startswith("c-model + ") for p in tuned)


def test_values_that_ideas_list_are_the_choices() -> None:
    listed = KnobSpec(X, (0.5, 1.0, 7.0), 1.0)
    asked = tuner(SMOOTH, knobs_of=lambda _: (listed,))
    values = {ask(book(), seed, asked).settings.get(X, 1.0) for seed in range(30)}
    assert values == {0.5, 1.0, 7.0}


def test_settings_that_won_apart_are_combined() -> None:
    grown = book(({X: 2.0}, 3.0), ({Y: 2.0}, 2.0), ({X: 3.0, Y: 0.5}, 1.5))
    made = ask(grown, surface=COMBINATION)
    assert made.settings == {X: 2.0, Y: 2.0}
    assert made.change == "Y 1 -> 2"


def test_an_ask_costs_the_same_in_a_long_campaign() -> None:
    grown = book(*(({X: round(0.3 + 0.001 * n, 4)}, float(n)) for n in range(900)))
    from aster.proposers import tuner as module

    history = list(module._members(grown.board, BASELINE, tuner(SMOOTH)._root(grown.board, BASELINE).constants[A]))
    assert len(history) <= module.TOP + module.RECENT + 1
    assert max(told.value or 0.0 for _, told in history) == 899.0


def test_luck_is_smoothed_away_before_anybody_is_believed_best() -> None:
    """The score is highest at X = 3; one at 1.15 was lucky, and leads the ranking."""
    at = [0.4 + 0.15 * n for n in range(24)]
    grown = book(*(({X: round(x, 3)}, 5.0 if 1.14 < x < 1.16 else -((x - 3.0) ** 2)) for x in at))
    lucky = next(iter(grown.board.ranking))
    assert grown.board.candidates[lucky].settings == {X: 1.15}
    beliefs = tuner(SMOOTH).believed(grown.board, lucky)
    best = max(beliefs, key=lambda name: beliefs[name])
    assert abs(float(grown.board.candidates[best].settings[X]) - 3.0) < 1.0  # type: ignore[arg-type]
    assert beliefs[lucky] < 5.0
    assert BASELINE in beliefs


def test_a_few_measurements_are_no_model() -> None:
    grown = book(({X: 2.0}, 3.0), ({X: 3.0}, 4.0))
    assert tuner(SMOOTH).believed(grown.board, next(iter(grown.board.ranking))) == {}


def test_words_are_bounded() -> None:
    many: dict[str, Knob] = {f"f.py::S.N{n}": float(n) for n in range(9)}
    assert describe_settings(many) == "N0=0, N1=1, N2=2, N3=3 and 5 more"
