from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest

from aster.errors import ProblemError
from aster.proposers.ideas import IdeaLibrary, load_ideas

Page = Callable[..., str]
Edit = Callable[[str, str], dict[str, str]]
Solution = dict[str, bytes]

EDITABLE = frozenset({"solution/solve.py", "solution/extra.py", "solution/new.py"})
STEPS = '[[knob]]\nname = "solution/solve.py::STEPS"\nvalues = '


def load(files: Mapping[str, str], solution: Solution, editable: Collection[str] = EDITABLE) -> IdeaLibrary:
    return load_ideas({f"ideas/{name}.md": text for name, text in files.items()}, solution, editable)


def test_reads_an_idea_whole(page: Page, edit: Edit, solution: Solution) -> None:
    front = (
        'predicts = 1\nsource = "a paper"\n[[knob]]\nname = "solution/solve.py::STEPS"\nvalues = [20, 40]\n'
        '[[knob]]\nname = "solution/solve.py::Solver.DEPTH"\nvalues = [1, 2]\n'
    )
    idea = load({"more": page("more", edit("STEPS = 10", "STEPS = 20"), front)}, solution)["more"]
    assert (idea.surface, idea.title, idea.text, idea.predicts, idea.source) == (
        "s",
        "T",
        "It should help.",
        1,
        "a paper",
    )
    assert idea.paths == {"solution/solve.py"}
    assert "STEPS = 10" in idea.base["solution/solve.py"]
    assert "STEPS = 20" in idea.patched["solution/solve.py"]
    steps, depth = idea.knobs
    assert (steps.path, steps.qualified, steps.own, steps.values) == ("solution/solve.py", "STEPS", 20, (20, 40))
    assert (depth.qualified, depth.own) == ("Solver.DEPTH", 2)


def test_an_idea_may_be_knobs_only(page: Page, solution: Solution) -> None:
    idea = load({"turn": page("turn", front=STEPS + "[10, 30]")}, solution)["turn"]
    assert (idea.base, idea.patched) == ({}, {})
    assert idea.knobs[0].own == 10


def test_new_and_deleted_files(page: Page, solution: Solution) -> None:
    old = {path: data.decode() for path, data in solution.items()}
    text = page("swap", {"solution/new.py": "A = 1\n", "solution/extra.py": None})
    idea = load({"swap": text}, solution)["swap"]
    assert idea.base == {"solution/extra.py": old["solution/extra.py"]}
    assert idea.patched == {"solution/new.py": "A = 1\n"}
    assert idea.paths == {"solution/new.py", "solution/extra.py"}


def test_prose_may_hold_other_code(page: Page, edit: Edit, solution: Solution) -> None:
    text = page("more", edit("STEPS = 10", "STEPS = 20")).replace(
        "It should help.", "See:\n```python\nx = 1\n```\nand\n````\n```diff\nno diff\n```\n````"
    )
    assert "x = 1" in load({"more": text}, solution)["more"].text


def test_windows_line_ends_in_the_front_matter(page: Page, solution: Solution) -> None:
    text = page("turn", front=STEPS + "[10, 30]").replace("\n", "\r\n")
    assert load({"turn": text}, solution)["turn"].title == "T"


def test_the_library_is_ordered_by_name_and_knows_resolutions(page: Page, edit: Edit, solution: Solution) -> None:
    library = load(
        {
            "b": page("b", edit("STEPS = 10", "STEPS = 20")),
            "a": page("a", edit("STEPS = 10", "STEPS = 30")),
            "a+b": page("a+b", edit("STEPS = 10", "STEPS = 50"), 'resolves = ["a", "b"]'),
        },
        solution,
    )
    assert list(library) == ["a", "a+b", "b"]
    assert library.ordinary == ["a", "b"]


def test_a_diff_is_against_the_baseline_plus_what_it_requires(page: Page, edit: Edit, solution: Solution) -> None:
    first = edit("STEPS = 10", "STEPS = 20")
    old = {**{path: data.decode() for path, data in solution.items()}, **first}
    second = {"solution/solve.py": first["solution/solve.py"].replace("STEPS = 20", "STEPS = 40")}
    library = load(
        {"z": page("z", first), "a": page("a", second, 'requires = ["z"]', old)},
        solution,
    )
    assert library["a"].base == first
    assert library["a"].patched == second


def test_a_resolution_settles_what_a_third_idea_requires(page: Page, edit: Edit, solution: Solution) -> None:
    both = edit("STEPS = 10", "STEPS = 50")
    old = {**{path: data.decode() for path, data in solution.items()}, **both}
    third = {"solution/solve.py": both["solution/solve.py"].replace("RATE = 0.5", "RATE = 0.1")}
    library = load(
        {
            "x": page("x", edit("STEPS = 10", "STEPS = 20")),
            "y": page("y", edit("STEPS = 10", "STEPS = 30")),
            "x+y": page("x+y", both, 'resolves = ["x", "y"]'),
            "third": page("third", third, 'requires = ["x", "y"]', old),
        },
        solution,
    )
    assert library["third"].base == both


KNOB = '[[knob]]\nname = "solution/solve.py::{name}"\nvalues = {values}'


@pytest.mark.parametrize(
    ("front", "key", "why"),
    [
        ("requirs = []", "requirs", 'did you mean "requires"'),
        ('requires = ["nobody"]', "requires", 'no idea "nobody"'),
        ('requires = ["i"]', "requires", "the idea itself"),
        ('requires = "j"', "requires", "must be a list of ideas' names"),
        ('requires = ["j"]\nconflicts = ["j"]', "requires", "at once"),
        ('resolves = ["j"]', "resolves", "two ideas or more"),
        ("predicts = nan", "predicts", "must be a number"),
        (KNOB.format(name="NOPE", values="[1, 2]"), "knob[0]", "no constant NOPE"),
        (KNOB.format(name="STEPS", values="[11, 12]"), "knob[0]", "own value of STEPS is 10"),
        (KNOB.format(name="STEPS", values="[10]"), "knob[0].values", "at least two values"),
        (KNOB.format(name="STEPS", values="[10, 10]"), "knob[0].values", "twice"),
        (KNOB.format(name="STEPS", values="[10, inf]"), "knob[0].values", "no value for a knob"),
        ("\n".join([KNOB.format(name="STEPS", values="[10, 11]")] * 2), "knob[1].name", "twice"),
        ('[[knob]]\nname = "solution/gone.py::A"\nvalues = [1, 2]', "knob[0]", "solution/gone.py is not an editable"),
        ('[[knob]]\nname = "STEPS"\nvalues = [1, 2]', "knob[0].name", "FILE.py::NAME"),
        ("[knob]", "knob", "[[knob]]"),
        ("x = =", "", "line 5"),
    ],
)
def test_troubles_name_file_key_and_mend(
    front: str, key: str, why: str, page: Page, edit: Edit, solution: Solution
) -> None:
    files = {"i": page("i", edit("RATE = 0.5", "RATE = 0.6"), front), "j": page("j", edit("x > 3", "x > 4"))}
    with pytest.raises(ProblemError) as caught:
        load(files, solution)
    assert caught.value.where == "ideas/i.md"
    assert caught.value.key == key
    assert why in caught.value.trouble


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# No front matter\n", "front matter between two lines of +++"),
        ('+++\nname = "i"\nsurface = "s"\ntitle = "T"\n+++\nProse only.\n', "changes nothing"),
        ('+++\nname = "i"\nsurface = "s"\ntitle = "T"\n+++\n```diff\nrubbish\n```\n', "no prose"),
        ('+++\nname = "i"\nsurface = "s"\ntitle = "T"\n+++\np\n```diff\n```\n```diff\n```\n', "2 diff blocks"),
        (
            '+++\nname = "other"\nsurface = "s"\ntitle = "T"\n[[knob]]\nname="a.py::B"\nvalues=[1,2]\n+++\np\n',
            "but the file is i.md",
        ),
    ],
)
def test_refuses_pages_of_another_form(text: str, why: str, solution: Solution) -> None:
    with pytest.raises(ProblemError, match=r"ideas/i\.md") as caught:
        load({"i": text}, solution)
    assert why in str(caught.value)


def test_a_diff_that_does_not_apply_names_its_hunk(page: Page, edit: Edit, solution: Solution) -> None:
    text = page("i", edit("STEPS = 10", "STEPS = 20")).replace(" RATE = 0.5", " RATE = 0.7")
    with pytest.raises(
        ProblemError, match=r"ideas/i\.md: diff: hunk 1 of solution/solve\.py expects 'RATE = 0\.7' at line 4"
    ):
        load({"i": text}, solution)


@pytest.mark.parametrize(
    "path", ["solution/frozen.txt", "solution/unknown.py", "evaluate.py", "solution/../evaluate.py"]
)
def test_a_diff_may_touch_editable_files_only(path: str, page: Page, solution: Solution) -> None:
    with pytest.raises(ProblemError, match="not an editable file"):
        load({"i": page("i", {path: "changed\n"})}, solution)


def test_the_result_of_a_diff_must_be_python(page: Page, edit: Edit, solution: Solution) -> None:
    with pytest.raises(ProblemError, match="is not Python after the diff"):
        load({"i": page("i", edit("STEPS = 10", "STEPS = ("))}, solution)


def test_a_file_that_is_not_text_cannot_be_changed(page: Page, edit: Edit, solution: Solution) -> None:
    text = page("i", edit("STEPS = 10", "STEPS = 20"))
    with pytest.raises(ProblemError, match="not UTF-8"):
        load({"i": text}, {**solution, "solution/solve.py": b"\xff"})


def test_circles_are_named(page: Page, solution: Solution) -> None:
    files = {
        name: page(name, front=f'requires = ["{other}"]\n{STEPS}[10, 11]')
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    }
    with pytest.raises(ProblemError, match="goes in a circle: ") as caught:
        load(files, solution)
    assert all(f"{name} is required by" in caught.value.trouble for name in "abc")


def test_a_resolution_of_ideas_that_need_each_other_is_refused(page: Page, edit: Edit, solution: Solution) -> None:
    files = {
        "a": page("a", front=STEPS + "[10, 11]"),
        "b": page("b", front='requires = ["a"]\n' + STEPS + "[10, 11]"),
        "a+b": page("a+b", edit("STEPS = 10", "STEPS = 50"), 'resolves = ["a", "b"]'),
    }
    with pytest.raises(ProblemError, match="one of them requires another"):
        load(files, solution)


def test_a_resolution_builds_on_what_its_parts_require_only(page: Page, edit: Edit, solution: Solution) -> None:
    files = {
        "a": page("a", edit("STEPS = 10", "STEPS = 20"), 'requires = ["n"]'),
        "b": page("b", edit("STEPS = 10", "STEPS = 30")),
        "n": page("n", front=STEPS + "[10, 11]"),
        "a+b": page("a+b", edit("STEPS = 10", "STEPS = 50"), 'resolves = ["a", "b"]\nrequires = ["n"]'),
    }
    assert load(files, solution)["a+b"].requires == ("n",)
    files["a"] = files["a"].replace('requires = ["n"]', "")
    with pytest.raises(ProblemError, match="none requires n"):
        load(files, solution)


def test_resolutions_are_named_by_their_parts_only(page: Page, edit: Edit, solution: Solution) -> None:
    files = {
        "a": page("a", edit("STEPS = 10", "STEPS = 20")),
        "b": page("b", edit("STEPS = 10", "STEPS = 30")),
        "a+b": page("a+b", edit("STEPS = 10", "STEPS = 50"), 'resolves = ["a", "b"]'),
        "c": page("c", front='requires = ["a+b"]\n' + STEPS + "[10, 11]"),
        "d+e": page("d+e", edit("STEPS = 10", "STEPS = 60")),
    }
    with pytest.raises(ProblemError) as caught:
        load(files, solution)
    assert "name the ideas that it resolves instead" in str(caught.value)
    assert "names of resolutions only" in str(caught.value)


def test_every_broken_idea_is_told_at_once_but_not_what_builds_on_it(
    page: Page, edit: Edit, solution: Solution
) -> None:
    bad = edit("STEPS = 10", "STEPS = (")
    files = {
        "a": page("a", bad),
        "b": page("b", bad),
        "c": page("c", front='requires = ["a"]\n' + STEPS + "[98, 99]"),
    }
    with pytest.raises(ProblemError, match="2 things to mend") as caught:
        load(files, solution)
    assert "ideas/a.md" in str(caught.value)
    assert "ideas/b.md" in str(caught.value)
    assert "ideas/c.md" not in str(caught.value)


@pytest.mark.parametrize("conflicts", [True, False])
def test_what_an_idea_requires_must_stand_together(conflicts: bool, page: Page, edit: Edit, solution: Solution) -> None:
    declared = 'conflicts = ["b"]' if conflicts else ""
    other = edit("x > 3", "x > 4") if conflicts else edit("STEPS = 10", "STEPS = 30")
    files = {
        "a": page("a", edit("STEPS = 10", "STEPS = 20"), declared),
        "b": page("b", other),
        "c": page("c", front='requires = ["a", "b"]\n' + STEPS + "[20, 30]"),
    }
    with pytest.raises(ProblemError, match=r"ideas/c\.md: requires: .*(declared to conflict|does not merge)"):
        load(files, solution)


def test_the_surface_of_combinations_is_taken(page: Page, solution: dict[str, bytes], edit: Edit) -> None:
    text = page("a", edit("STEPS = 10", "STEPS = 11")).replace('surface = "s"', 'surface = "combination"')
    with pytest.raises(ProblemError, match=r'surface.*"combination" stands for candidates that combine'):
        load_ideas({"ideas/a.md": text}, solution, frozenset(solution))
