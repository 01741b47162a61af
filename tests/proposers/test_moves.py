"""The ways to change a recipe by one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.boards import recipe

from aster.domain.records import Change
from aster.proposers.library import Idea, IdeaLibrary, KnobSpec
from aster.proposers.moves import Move, Recipe, Rules, combine, moves, openings, ordered, unions

STEPS, RATE = "f.py::STEPS", "f.py::Solver.RATE"


def idea(name: str, surface: str, *knobs: KnobSpec, **more: tuple[str, ...]) -> Idea:
    return Idea(name, surface, name, name, {"f.py": "0"}, {"f.py": name}, knobs, **more)  # type: ignore[arg-type]


LIBRARY: Mapping[str, Idea] = {
    each.name: each
    for each in [
        idea("base", "s", KnobSpec(STEPS, (10, 20, 30), 10), KnobSpec(RATE, (0.5, 0.25), 0.5)),
        idea("builder", "s", requires=("base",)),
        idea("enemy", "t", conflicts=("base",)),
        idea("free", "t"),
        idea("other", "t"),
        idea("third", "u"),
        idea("base+free", "s", resolves=("base", "free")),
    ]
}

RULES = Rules(LIBRARY)


def changes(of: Iterable[Move]) -> list[str]:
    return [move.change for move in of]


def test_nothing_held_gives_every_idea_that_needs_nothing() -> None:
    assert changes(moves(RULES, (), "s")) == ["+ base"]
    assert changes(moves(RULES, (), "t")) == ["+ enemy", "+ free", "+ other"]
    assert list(moves(RULES, (), "unknown")) == []


def test_what_is_required_opens_the_way() -> None:
    found = {move.change: move for move in moves(RULES, recipe("base"), "s")}
    assert found["+ builder"].recipe == recipe("base", "builder")
    assert "base -> builder" not in found
    assert "- base" in found


def test_what_others_need_is_neither_dropped_nor_swapped() -> None:
    found = changes(moves(RULES, recipe("base", "builder"), "s"))
    assert "- builder" in found
    assert not {"- base", "base -> builder", "builder -> base"} & set(found)
    rivals = changes(moves(Rules({**LIBRARY, "plain": idea("plain", "s")}), recipe("base", "builder"), "s"))
    assert "builder -> plain" in rivals
    assert "base -> plain" not in rivals


def test_a_declared_conflict_is_not_added_but_may_be_swapped_in() -> None:
    assert "+ enemy" not in changes(moves(RULES, recipe("base"), "t"))
    assert "+ base" not in changes(moves(RULES, recipe("enemy"), "s"))  # whichever of them declares it
    found = {m.change: m.recipe for m in moves(RULES, recipe("free"), "t")}
    assert found["free -> enemy"] == recipe("enemy")
    assert found["+ enemy"] == recipe("enemy", "free")


def test_a_resolution_lifts_the_conflict_that_it_settles() -> None:
    settled = {**LIBRARY, "base+enemy": idea("base+enemy", "t", resolves=("base", "enemy"))}
    assert "+ enemy" in changes(moves(Rules(settled), recipe("base"), "t"))


def test_resolutions_are_never_moves_themselves() -> None:
    assert not any("base+free" in change for change in changes(moves(RULES, (), "s")))


def test_a_knob_is_turned_to_each_other_value() -> None:
    found = {m.change: m.recipe for m in moves(RULES, recipe("base", "third"), "s") if ": " in m.change}
    assert found == {
        "base: STEPS 10 -> 20": recipe("third", base={STEPS: 20}),
        "base: STEPS 10 -> 30": recipe("third", base={STEPS: 30}),
        "base: Solver.RATE 0.5 -> 0.25": recipe("third", base={RATE: 0.25}),
    }


def test_a_knob_turned_back_leaves_no_trace() -> None:
    found = {m.change: m.recipe for m in moves(RULES, recipe(base={STEPS: 20, RATE: 0.25}), "s")}
    assert found["base: STEPS 20 -> 10"] == recipe(base={RATE: 0.25})
    assert found["base: STEPS 20 -> 30"] == recipe(base={RATE: 0.25, STEPS: 30})
    assert found["base: Solver.RATE 0.25 -> 0.5"] == recipe(base={STEPS: 20})


def test_the_order_of_what_is_held_does_not_matter() -> None:
    held = recipe("base", "free", "third")
    for surface in "stu":
        for order in (held, held[::-1], (held[1], held[2], held[0])):
            assert {m.change: m.recipe for m in moves(RULES, order, surface)} == {
                m.change: m.recipe for m in moves(RULES, held, surface)
            }


HELD = st.lists(st.sampled_from(["base", "builder", "enemy", "free", "other", "third"]), unique=True)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(HELD, st.sampled_from("stu"))
def test_a_move_changes_its_surface_by_one_step_and_nothing_else(held: list[str], surface: str) -> None:
    if "builder" in held and "base" not in held:
        held.append("base")
    before = recipe(*held)
    found = list(moves(RULES, before, surface))
    assert len({m.change for m in found}) == len({m.recipe for m in map(hashable, found)}) == len(found)
    for move in found:
        assert [c.idea for c in move.recipe] == sorted({c.idea for c in move.recipe})
        changed = {c.idea for c in (*before, *move.recipe) if (c in before) != (c in move.recipe)}
        assert 1 <= len(changed) <= 2
        assert {LIBRARY[name].surface for name in changed} == {surface}
        assert move.idea in changed
        assert all(need in {c.idea for c in move.recipe} for c in move.recipe for need in LIBRARY[c.idea].requires)


def hashable(move: Move) -> Move:
    """Return the move with its recipe as text, since knobs do not hash."""
    return Move(move.change, repr(move.recipe), move.idea)  # type: ignore[arg-type]


def test_recipes_have_a_canonical_order() -> None:
    assert ordered({"b": Change("b"), "a": Change("a")}) == (Change("a"), Change("b"))


# --- combinations -----------------------------------------------------------------------------------------------


def joined(held: Recipe, others: list[Recipe] | None = None, wins: Mapping[str, Change] | None = None) -> list[Move]:
    return [combine(held, extra) for extra in unions(RULES, held, iter(others or []), wins or {})]


def won(*ideas: str) -> dict[str, Change]:
    return {name: Change(name) for name in ideas}


def test_another_elite_is_joined_whole_and_the_parents_knobs_stand() -> None:
    (move,) = joined(recipe(base={STEPS: 20}), [recipe("free", "third", base={STEPS: 30})])
    assert move == Move("combine with free + third", recipe("free", "third", base={STEPS: 20}), "free")


def test_an_elite_that_brings_nothing_new_is_passed_over() -> None:
    assert joined(recipe("base", "free"), [recipe("free"), (), recipe("base", "free")]) == []


def test_an_elite_that_clashes_is_passed_over() -> None:
    assert joined(recipe("base"), [recipe("enemy", "third")]) == []


def test_what_requires_each_other_is_joined_together() -> None:
    (move,) = joined(recipe("third"), [recipe("base", "builder")])
    assert move.recipe == recipe("base", "builder", "third")


def test_two_or_three_wins_of_different_surfaces_are_joined() -> None:
    assert changes(joined((), wins=won("base", "free", "third"))) == [
        "combine with base + free",
        "combine with base + third",
        "combine with free + third",
        "combine with base + free + third",
    ]
    assert joined((), wins=won("free", "other")) == []
    assert joined((), wins=won("free")) == []


def test_wins_that_the_parent_holds_are_not_joined_again() -> None:
    assert changes(joined(recipe("base"), wins=won("base", "free", "third"))) == ["combine with free + third"]


def test_a_win_with_other_knobs_replaces_the_parents() -> None:
    better = {"base": Change("base", {STEPS: 30}), "free": Change("free")}
    (move,) = joined(recipe(base={STEPS: 20}), wins=better)
    assert move.recipe == recipe("free", base={STEPS: 30})


def test_wins_that_clash_or_lack_what_they_need_are_not_joined() -> None:
    assert changes(joined((), wins=won("base", "enemy", "third"))) == [
        "combine with base + third",
        "combine with enemy + third",
    ]
    assert joined((), wins=won("builder", "third")) == []
    assert changes(joined(recipe("base"), wins=won("builder", "third"))) == ["combine with builder + third"]


@pytest.mark.parametrize("count", [2, 5, 9])
def test_every_pair_and_triple_of_wins_is_a_combination(count: int) -> None:
    library = {f"i-{n}": idea(f"i-{n}", f"s-{n}") for n in range(count)}
    found = [combine((), extra).recipe for extra in unions(Rules(library), (), iter(()), won(*library))]
    expected = [recipe(*names) for size in (2, 3) for names in combinations(library, size)]
    assert found == expected


def test_an_idea_without_a_diff_starts_with_a_knob_turned() -> None:
    """As it is it would be its parent again."""
    knobs_only = Idea("wider", "layout", "Wider", "", {}, {}, (KnobSpec("solution/a.py::WIDTH", (1, 2, 3), 1),))
    library = IdeaLibrary({"solution/a.py": b"WIDTH = 1\n"}, [knobs_only])
    found = [(move.change, move.recipe) for move in moves(Rules(library), (), "layout")]
    assert found == [
        ("+ wider (WIDTH 1 -> 2)", (Change("wider", {"solution/a.py::WIDTH": 2}),)),
        ("+ wider (WIDTH 1 -> 3)", (Change("wider", {"solution/a.py::WIDTH": 3}),)),
    ]


def test_a_win_is_tried_with_each_new_idea_of_another_surface() -> None:
    found = [combine((), extra).change for extra in openings(RULES, (), won("free"))]
    assert "combine with base + free" in found
    assert not any("other" in change for change in found), "other is of free's own surface"
    assert all("free" in change for change in found)
    assert list(openings(RULES, (), {})) == []
    assert list(openings(RULES, recipe("free"), won("free"))) == []
