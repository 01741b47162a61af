"""Which researcher a campaign has."""

from __future__ import annotations

from pathlib import Path

import pytest

from aster.domain.records import Candidate
from aster.domain.research import Effect
from aster.domain.trees import pack_tree
from aster.errors import ProblemError, UserError
from aster.minds import Trees, choose_researcher, make_briefing, make_minds, tuned_surfaces
from aster.problems.problem import Problem, load_problem
from aster.proposers.ideas import load_ideas
from aster.proposers.library import Idea, IdeaLibrary
from aster.proposers.surfaces import NEW_CODE

from .agents import books
from .campaign.folders import write_problem

BOTH = "ideas+tuner"


def problem(folder: Path, *, ideas: bool = True, code: str = "") -> Problem:
    """Return the toy, whose own constants are 0 and so not tuned, but for those that its ideas list."""
    write_problem(folder)
    if not ideas:
        for idea in (folder / "ideas").iterdir():
            idea.unlink()
    (folder / "solution" / "d.py").write_text(code)
    return load_problem(folder)


@pytest.mark.parametrize(
    ("ideas", "code", "chosen"),
    [(True, "", "ideas"), (True, "D = 3", "ideas"), (False, "D = 3", "tuner")],
)
def test_by_default_ideas_go_before_constants(ideas: bool, code: str, chosen: str, tmp_path: Path) -> None:
    found = problem(tmp_path, ideas=ideas, code=code)
    assert choose_researcher(found, None) == chosen
    minds = make_minds(found, chosen, lambda blob: b"")
    assert dict(minds.proposer.surfaces())


def test_constants_and_ideas_work_side_by_side_if_asked(tmp_path: Path) -> None:
    found = problem(tmp_path, code="D = 3")
    assert {choose_researcher(found, asked) for asked in (BOTH, "ideas,tuner", "tuner + ideas")} == {BOTH}
    surfaces = make_minds(found, BOTH, lambda blob: b"").proposer.surfaces()
    assert set(surfaces) == {"a", "b", "c", "constants: d.py", NEW_CODE}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (None, "it has no ideas.*; and no editable"),
        ("ideas", "no ideas"),
        ("tuner", "no editable"),
        (BOTH, "; and"),
    ],
)
def test_nothing_to_vary_says_what_to_write(asked: str | None, why: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=f"nothing to vary: .*{why}"):
        choose_researcher(problem(tmp_path, ideas=False, code="D = 0\n"), asked)


def test_who_is_unknown_and_what_is_badly_marked_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no researcher 'oracle'"):
        choose_researcher(problem(tmp_path), "oracle")
    with pytest.raises(UserError, match="no researcher 'ideas,oracle'"):
        choose_researcher(problem(tmp_path), "ideas,oracle")
    marked = problem(tmp_path, code="\nD = 3  # tune: 9..1\n")
    with pytest.raises(ProblemError, match=r"d\.py: line 2: .*tune: 9\.\.1"):
        choose_researcher(marked, BOTH)
    assert choose_researcher(marked, "ideas") == "ideas"


@pytest.mark.parametrize(
    ("ideas", "code", "chosen"),
    [
        (True, "D = 3", "ideas+agents+tuner"),
        (False, "D = 3", "agents+tuner"),
        (False, "D = 0\n", "agents"),
    ],
)
def test_agents_work_beside_whatever_else_has_something_to_vary(
    ideas: bool, code: str, chosen: str, tmp_path: Path
) -> None:
    assert choose_researcher(problem(tmp_path, ideas=ideas, code=code), None, with_models=True) == chosen


def test_agents_can_be_asked_for_alone(tmp_path: Path) -> None:
    found = problem(tmp_path)
    for asked in ("agents", "ideas+agents"):
        assert choose_researcher(found, asked, with_models=True) == asked


def test_the_tuner_may_wait_for_constants_that_agents_write(tmp_path: Path) -> None:
    bare = problem(tmp_path / "bare", ideas=False)
    assert choose_researcher(bare, "agents+tuner", with_models=True) == "agents+tuner"
    assert dict(make_minds(bare, "agents+tuner", lambda blob: b"").proposer.surfaces()) == {NEW_CODE: None}
    with pytest.raises(ProblemError, match="no ideas"):
        choose_researcher(bare, "ideas+agents+tuner", with_models=True)


def test_agents_and_models_are_asked_for_together(tmp_path: Path) -> None:
    found = problem(tmp_path)
    with pytest.raises(UserError, match="`agents` needs a language model: give --model"):
        choose_researcher(found, "agents+tuner")
    with pytest.raises(UserError, match="--model is for agents"):
        choose_researcher(found, "ideas", with_models=True)


def test_surfaces_are_those_of_the_solution_and_of_its_ideas(tmp_path: Path) -> None:
    found = problem(tmp_path, code="D = 3\n")
    library = load_ideas(found.idea_files, found.solution_files, found.editable)
    assert list(tuned_surfaces(found, library)) == ["constants: d.py", NEW_CODE]
    assert list(tuned_surfaces(found, IdeaLibrary(found.solution_files, []))) == ["constants: d.py"]


def test_a_tree_that_cannot_be_made_again_is_read() -> None:
    files = {"solution/a.py": b"A = 5\n"}
    tree, blobs = pack_tree(files)
    trees = Trees({"solution/a.py": b"A = 1\n"}, IdeaLibrary({}, []), frozenset(), blobs.__getitem__)
    assert trees.of(Candidate("c-model", tree, (), "model", None)) == files


def test_the_planner_is_briefed_on_what_was_measured_of_the_librarys_ideas() -> None:
    of = books.AgentsBook()
    of.baseline(1.0)
    effect = Effect(0.2, 0.1, 0.3, 0.95, 8, "cpu: slow", "first")
    library = IdeaLibrary({}, [Idea("hex", "layout", "Hexagons", "They pack.", {}, {}, effect=effect)])
    briefing = make_briefing(books.problem(), library, lambda _: b"{}")
    assert '- hex [layout] "Hexagons": gained +0.2' in briefing.brief(of.board, of.assign("planner"))
