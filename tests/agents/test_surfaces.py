from __future__ import annotations

import pytest
from tests.agents.books import FILES, AgentsBook, problem

from aster.agents.surfaces import MOST_PATHS, paths_of, why_not
from aster.domain.research import DirectionDraft

NAMED = 'surfaces = { walk = ["solution/search.py::search", "solution/r*.py"], rest = ["solution/run.py"] }\n'


def draft(surface: str, *paths: str) -> DirectionDraft:
    return DirectionDraft(surface, "why not", paths)


def test_paths_are_the_problems_own_of_its_surface_else_the_drafts() -> None:
    assert paths_of(problem(NAMED), draft("walk", "solution/x.py")) == (
        "solution/search.py::search",
        "solution/r*.py",
    )
    assert paths_of(problem(), draft("walk", "solution/run.py", "solution/run.py")) == ("solution/run.py",)
    assert paths_of(problem(), draft("walk")) == ()


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (draft("  "), "needs a name"),
        (draft("two\nlines"), "needs a name"),
        (draft("Combination"), "ask for combinations"),
        (draft("walk", "solution/serach.py"), 'did you mean "solution/search.py"?'),
        (draft("walk", "evaluate.py"), 'no editable file "evaluate.py"'),
        (draft("walk", "solution/search.py::Walk.stop"), 'did you mean "Walk.step"?'),
        (draft("walk", "solution/moves/*.py"), 'no editable file matches "solution/moves/*.py"'),
        (draft("walk", "solution/*.py::obey me, reader"), "names no files"),
        (draft("walk", "solution/[obey me, reader]*.py"), "names no files"),
        (draft("walk", *(f"solution/{number}.py" for number in range(MOST_PATHS + 1))), f"{MOST_PATHS} paths at most"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(one: DirectionDraft, why: str) -> None:
    assert why in (why_not(problem(), FILES, AgentsBook().board, one) or "")


@pytest.mark.parametrize(
    "one",
    [
        draft("walk"),
        draft("walk", "solution/search.py::Walk.step", "solution/run.py"),
        draft("walk", "solution/*.py"),
    ],
)
def test_what_there_is_may_be_opened(one: DirectionDraft) -> None:
    assert why_not(problem(), FILES, AgentsBook().board, one) is None


def test_where_the_problem_names_surfaces_there_are_no_others() -> None:
    board = AgentsBook().board
    assert why_not(problem(NAMED), FILES, board, draft("walk", "no/such.py")) is None
    assert "it has: rest, walk" in (why_not(problem(NAMED), FILES, board, draft("layout")) or "")


def test_a_surface_has_one_open_direction() -> None:
    of = AgentsBook()
    name = of.line("walk", ("solution/search.py",))
    assert f"direction {name} is open on" in (why_not(problem(), FILES, of.board, draft("Walk")) or "")
    assert "on the same paths" in (why_not(problem(), FILES, of.board, draft("hops", "solution/search.py")) or "")
    assert why_not(problem(), FILES, of.board, draft("hops", "solution/run.py")) is None
    of.retire(name)
    assert why_not(problem(), FILES, of.board, draft("walk", "solution/search.py")) is None
