from __future__ import annotations

import ast
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.domain.records import Change
from aster.problems.problem import builtin_packs, load_problem
from aster.proposers.compose import Composed, Conflict, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.library import Idea, IdeaLibrary, KnobSpec

Page = Callable[..., str]
Edit = Callable[[str, str], dict[str, str]]

PATH = "solution/f.py"
LINES = [f"v{n} = {n}\n" for n in range(24)]
FILE = "".join(LINES)
SOLUTION = {PATH: FILE.encode(), "solution/data.bin": b"\xff\x00"}


def idea(name: str, new: dict[str, str] | None = None, old: dict[str, str] | None = None, **more: object) -> Idea:
    base = {PATH: FILE} if old is None else old
    return Idea(name, "s", "T", "text", base if new is not None else {}, new or {}, **more)  # type: ignore[arg-type]


def changed(*edits: tuple[int, str]) -> dict[str, str]:
    lines = list(LINES)
    for place, text in edits:
        lines[place] = text
    return {PATH: "".join(lines)}


def library(*ideas: Idea) -> IdeaLibrary:
    return IdeaLibrary(SOLUTION, ideas)


def together(lib: IdeaLibrary, *names: str) -> Composed | Conflict:
    return compose(lib, [Change(name) for name in names])


def text(made: Composed | Conflict, path: str = PATH) -> str:
    assert isinstance(made, Composed), made
    return made.files[path].decode()


def test_no_ideas_are_the_baseline() -> None:
    assert together(library()) == Composed(dict(sorted(SOLUTION.items())), ())


def test_ideas_apart_are_both_in() -> None:
    lib = library(idea("a", changed((2, "A = 1\n"))), idea("b", changed((20, "B = 1\n"))))
    assert text(together(lib, "b", "a")) == changed((2, "A = 1\n"), (20, "B = 1\n"))[PATH]


def test_files_that_are_no_text_pass_through() -> None:
    made = together(library(idea("a", changed((2, "A = 1\n")))), "a")
    assert isinstance(made, Composed)
    assert made.files["solution/data.bin"] == b"\xff\x00"


def test_equal_changes_merge() -> None:
    lib = library(idea("a", changed((2, "A = 1\n"))), idea("b", changed((2, "A = 1\n"), (9, "B = 1\n"))))
    assert text(together(lib, "a", "b")) == changed((2, "A = 1\n"), (9, "B = 1\n"))[PATH]


def test_a_clash_names_the_pair_and_the_file() -> None:
    lib = library(
        idea("a", changed((2, "A = 1\n"))),
        idea("b", changed((12, "B = 1\n"))),
        idea("c", changed((2, "C = 1\n"), (20, "C = 2\n"))),
    )
    made = together(lib, "a", "b", "c")
    assert isinstance(made, Conflict)
    assert (made.ideas, made.path) == (("a", "c"), PATH)
    assert "a and c" in made.reason


def test_a_clash_does_not_blame_what_the_idea_requires() -> None:
    first = changed((2, "A = 1\n"))
    lib = library(
        idea("a", first),
        idea("b", changed((20, "B = 1\n"))),
        idea("c", changed((2, "A = 1\n"), (20, "C = 1\n")), first, requires=("a",)),
    )
    made = together(lib, "a", "b", "c")
    assert isinstance(made, Conflict)
    assert made.ideas == ("b", "c")


def test_required_ideas_come_first_whatever_their_names() -> None:
    first = changed((2, "z1 = 1\n"))
    lib = library(idea("z", first), idea("a", changed((2, "z1 = 1 + 1\n")), first, requires=("z",)))
    assert text(together(lib, "a", "z")) == changed((2, "z1 = 1 + 1\n"))[PATH]


def test_new_files() -> None:
    lib = library(
        idea("a", {"solution/n.py": "A = 1\n"}, {}),
        idea("b", {"solution/n.py": "A = 1\n"}, {}),
        idea("c", {"solution/n.py": "A = 2\n"}, {}),
    )
    assert text(together(lib, "a", "b"), "solution/n.py") == "A = 1\n"
    made = together(lib, "a", "c")
    assert isinstance(made, Conflict)
    assert (made.ideas, made.path) == (("a", "c"), "solution/n.py")


def test_deleted_files() -> None:
    lib = library(idea("a", {}), idea("b", {}), idea("c", changed((2, "C = 1\n"))))
    made = together(lib, "a", "b")
    assert isinstance(made, Composed)
    assert PATH not in made.files
    assert isinstance(together(lib, "a", "c"), Conflict)


def test_a_merge_that_is_no_longer_python_is_a_conflict() -> None:
    # Each deletes one of the two lines of a function's body.
    body = {PATH: FILE + "def f():\n    x = 1\n\n\n    y = 2\n"}
    emptied = {PATH: FILE + "def f():\n\n\n    y = 2\n"}
    other = {PATH: FILE + "def f():\n    x = 1\n\n\n"}
    lib = library(
        idea("base", body),
        idea("a", emptied, body, requires=("base",)),
        idea("b", other, body, requires=("base",)),
    )
    made = together(lib, "a", "b", "base")
    assert isinstance(made, Conflict)
    assert (made.ideas, made.path) == (("a", "b"), PATH)
    assert "no longer Python" in made.reason


def test_declared_conflicts_stand_unless_a_resolution_settles_them() -> None:
    a = idea("a", changed((2, "A = 1\n")), conflicts=("b",))
    b = idea("b", changed((12, "B = 1\n")))
    made = together(library(a, b), "a", "b")
    assert isinstance(made, Conflict)
    assert (made.ideas, made.path) == (("a", "b"), "")
    both = idea("a+b", changed((2, "AB = 1\n")), resolves=("a", "b"))
    assert text(together(library(a, b, both), "a", "b")) == changed((2, "AB = 1\n"))[PATH]


def test_a_resolution_stands_in_for_its_parts_among_others() -> None:
    lib = library(
        idea("a", changed((2, "A = 1\n"))),
        idea("b", changed((2, "B = 1\n"))),
        idea("a+b", changed((2, "AB = 1\n")), resolves=("a", "b")),
        idea("c", changed((2, "A = 1\n"), (20, "C = 1\n")), changed((2, "A = 1\n")), requires=("a",)),
    )
    assert text(together(lib, "a")) == changed((2, "A = 1\n"))[PATH]
    assert text(together(lib, "a", "b", "c")) == changed((2, "AB = 1\n"), (20, "C = 1\n"))[PATH]


def test_a_clash_with_a_resolution_names_ideas_as_recipes_know_them() -> None:
    lib = library(
        idea("a", changed((2, "A = 1\n"))),
        idea("b", changed((2, "B = 1\n"))),
        idea("a+b", changed((2, "AB = 1\n"), (20, "AB = 2\n")), resolves=("a", "b")),
        idea("c", changed((20, "C = 1\n"))),
    )
    made = together(lib, "a", "b", "c")
    assert isinstance(made, Conflict)
    assert made.ideas == ("a", "b", "c")


KNOBS = (KnobSpec(f"{PATH}::v3", (3, 5, 7), 3), KnobSpec(f"{PATH}::v9", (9, 1), 9))


def test_knobs_are_set_after_the_merge() -> None:
    lib = library(idea("a", knobs=KNOBS), idea("b", changed((20, "B = 1\n"))))
    made = compose(lib, [Change("a", {f"{PATH}::v3": 5}), Change("b")])
    assert text(made) == changed((3, "v3 = 5\n"), (20, "B = 1\n"))[PATH]


def test_all_knobs_of_a_file_are_set() -> None:
    lib = library(idea("a", knobs=KNOBS[:1]), idea("b", changed((20, "B = 1\n")), knobs=KNOBS[1:]))
    made = compose(lib, [Change("a", {f"{PATH}::v3": 5}), Change("b", {f"{PATH}::v9": 1})])
    assert text(made) == changed((3, "v3 = 5\n"), (9, "v9 = 1\n"), (20, "B = 1\n"))[PATH]


def test_the_recipe_comes_back_in_one_spelling() -> None:
    lib = library(idea("a", knobs=KNOBS), idea("b", changed((20, "B = 1\n"))))
    made = compose(lib, [Change("b"), Change("a", {f"{PATH}::v9": 1, f"{PATH}::v3": 3})])
    assert isinstance(made, Composed)
    assert made.recipe == (Change("a", {f"{PATH}::v9": 1}), Change("b"))


def test_a_knob_beats_what_another_idea_wrote() -> None:
    lib = library(idea("a", knobs=KNOBS), idea("b", changed((3, "v3 = 8\n"))))
    assert text(together(lib, "a", "b")) == changed((3, "v3 = 8\n"))[PATH]
    made = compose(lib, [Change("a", {f"{PATH}::v3": 3}), Change("b")])
    assert text(made) == FILE
    assert isinstance(made, Composed)
    assert made.recipe == (Change("a", {f"{PATH}::v3": 3}), Change("b"))


def test_knobs_at_odds_and_knobs_gone_are_conflicts() -> None:
    lib = library(idea("a", knobs=KNOBS), idea("b", knobs=KNOBS), idea("c", changed((3, "v3 = v2 + 1\n"))))
    made = compose(lib, [Change("a", {f"{PATH}::v3": 5}), Change("b", {f"{PATH}::v3": 7})])
    assert isinstance(made, Conflict)
    assert (made.ideas, made.path) == (("a", "b"), PATH)
    made = compose(lib, [Change("a", {f"{PATH}::v3": 5}), Change("c")])
    assert isinstance(made, Conflict)
    assert made.ideas == ("a", "c")


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ([Change("nobody")], "no idea nobody"),
        ([Change("a"), Change("a", {f"{PATH}::v3": 5})], "twice"),
        ([Change("b")], "needs a too"),
        ([Change("a", {f"{PATH}::v1": 5})], "has no knob"),
        ([Change("a", {f"{PATH}::v3": float("nan")})], "cannot be nan"),
        ([Change("a+c")], "name a and c instead"),
    ],
)
def test_refuses_what_is_no_recipe(recipe: list[Change], why: str) -> None:
    lib = library(idea("a", knobs=KNOBS), idea("b", requires=("a",)), idea("c"), idea("a+c", {}, resolves=("a", "c")))
    with pytest.raises(ValueError, match=why):
        compose(lib, recipe)


# --- properties --------------------------------------------------------------------------------------------

EDITS = st.lists(st.tuples(st.integers(0, 23), st.integers(0, 3)), min_size=1, max_size=3)


@st.composite
def libraries(draw: st.DrawFn) -> IdeaLibrary:
    edits = [draw(EDITS) for _ in range(draw(st.integers(2, 4)))]
    return library(
        *(idea(f"i{n}", changed(*((at, f"w{at} = {value}\n") for at, value in e))) for n, e in enumerate(edits))
    )


@given(libraries())
def test_the_order_of_a_recipe_does_not_matter(lib: IdeaLibrary) -> None:
    results = [compose(lib, [Change(name) for name in names]) for names in itertools.permutations(lib)]
    assert all(result == results[0] for result in results)


@given(libraries())
def test_nothing_is_silently_dropped(lib: IdeaLibrary) -> None:
    """Either every line that an idea wrote is there, or the conflict is told."""
    made = together(lib, *lib)
    wanted: dict[int, set[str]] = {}
    for one in lib.values():
        lines = one.patched[PATH].splitlines(keepends=True)
        for at, line in enumerate(lines):
            if line != LINES[at]:
                wanted.setdefault(at, set()).add(line)
    if any(len(lines) > 1 for lines in wanted.values()):
        assert isinstance(made, Conflict)
        assert set(made.ideas) <= set(lib)
    elif isinstance(made, Composed):
        assert text(made) == changed(*((at, line) for at, (line,) in wanted.items()))[PATH]


@given(st.sets(st.integers(0, 7), min_size=1, max_size=8))
def test_ideas_that_are_apart_always_merge(places: set[int]) -> None:
    lib = library(*(idea(f"i{n}", changed((3 * n, f"w{n} = 1\n"))) for n in places))
    assert text(together(lib, *lib)) == changed(*((3 * n, f"w{n} = 1\n") for n in places))[PATH]


# --- the built-in problems ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", builtin_packs())
def test_every_built_in_idea_composes_and_every_pair_unless_both_declare_a_conflict(pack: str) -> None:
    problem = load_problem(pack)
    lib = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    for name in lib.ordinary:
        recipe = [Change(each) for each in sorted(lib.closure([name]))]
        made = compose(lib, recipe)
        assert isinstance(made, Composed), f"{name}: {made}"
        for path, data in made.files.items():
            if path.endswith(".py"):
                ast.parse(data)
    for first, second in itertools.combinations(lib.ordinary, 2):
        assert (second in lib[first].conflicts) == (first in lib[second].conflicts), (first, second)
        names = lib.closure([first, second])
        if lib.declared_conflict(names) is None:
            merged = together(lib, *names)
            assert isinstance(merged, Composed), (first, second, merged)
