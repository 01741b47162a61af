from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.toys import toy_problem

import aster
from aster.app import problem_of
from aster.campaign.budget import Budget
from aster.distilling import Distilled, Page, distill, write_pages
from aster.domain.records import Change, Knob
from aster.domain.research import Effect
from aster.errors import UserError
from aster.handle import Campaign
from aster.problems.problem import load_problem
from aster.proposers.compose import Composed, compose
from aster.proposers.ideas import load_ideas
from aster.proposers.library import IdeaLibrary
from aster.report.trees import read_tree

pytestmark = pytest.mark.xdist_group("distilling")  # its campaigns are run once, not once a worker


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A campaign on the toy, with ideas and the tuner, that confirmed something."""
    folder = tmp_path_factory.mktemp("ran")
    toy = toy_problem(folder / "toy")
    (toy / "ideas" / "more-b.md").unlink()
    (toy / "solution" / "b.py").write_text("B = 0.0  # tune: 0..4\n")
    return aster.research(
        toy, Budget(experiments=60), researcher="ideas+tuner", slots=2, campaigns=folder / "campaigns"
    )


@pytest.fixture(scope="module")
def distilled(ran: Campaign) -> Distilled:
    return distill(ran)


def library_of(ran: Campaign, pages: Sequence[Page]) -> IdeaLibrary:
    with closing(ran.open_store()) as store:
        problem = problem_of(ran.folder, ran.board, store)
    names = {page.name for page in pages}
    return load_ideas({f"ideas/{p.file}": p.markdown(names) for p in pages}, problem.solution_files, problem.editable)


def test_each_confirmed_candidate_is_made_again_by_its_idea(ran: Campaign, distilled: Distilled) -> None:
    confirmed = [
        c.record.candidate for c in ran.board.claims.values() if c.decided and c.decided.verdict == "confirmed"
    ]
    assert [page.candidate for page in distilled.pages] == confirmed
    assert confirmed[-1] == ran.board.champion
    assert distilled.left_out == {}
    library = library_of(ran, distilled.pages)
    for page in distilled.pages:
        made = compose(library, [Change(name, {}) for name in library.closure([page.name])])
        assert isinstance(made, Composed)
        tree = read_tree(ran.open_store(), ran.board.candidates[page.candidate].tree)
        assert {path: made.files[path] for path in tree} == tree


def test_an_idea_carries_what_was_measured(ran: Campaign, distilled: Distilled) -> None:
    page, claim = distilled.pages[0], next(iter(ran.claims))
    idea = library_of(ran, distilled.pages)[page.name]
    assert claim.gain is not None
    assert claim.low is not None
    assert claim.high is not None
    hardware = ran.board.hardware
    assert idea.effect == Effect(claim.gain, claim.low, claim.high, claim.level, len(claim.pairs), hardware, ran.id)
    assert idea.predicts == claim.gain
    assert idea.source == f"claim 1 of {ran.id}, candidate {page.candidate}"
    assert f"Confirmed: it gains {claim.gain:+.6g} in loss on the unchanged solution" in idea.text


def test_tuned_constants_become_knobs_with_the_values_that_were_tried(ran: Campaign, distilled: Distilled) -> None:
    champion = ran.board.candidates[ran.board.champion or ""]
    tuned: dict[str, Knob] = {**champion.settings, **{k: v for c in champion.recipe for k, v in c.knobs.items()}}
    assert tuned
    page = distilled.pages[-1]
    for name, value in tuned.items():
        assert value in page.knobs[name]
        assert 2 <= len(page.knobs[name]) <= 5


def test_what_is_written_loads_beside_the_ideas_that_are_there(
    ran: Campaign, distilled: Distilled, tmp_path: Path
) -> None:
    folder = tmp_path / "toy"
    toy_problem(folder)
    (folder / "ideas" / "more-b.md").unlink()
    (folder / "solution" / "b.py").write_text("B = 0.0  # tune: 0..4\n")
    paths = write_pages(distilled, folder / "ideas", load_problem(folder))
    assert [path.name for path in paths] == [page.file for page in distilled.pages]
    problem = load_problem(folder)
    library = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    assert {"more-a", *(page.name for page in distilled.pages)} == set(library)
    if any(change.idea == "more-a" for change in ran.board.candidates[distilled.pages[0].candidate].recipe):
        assert library[distilled.pages[0].name].conflicts == ("more-a",)
    assert write_pages(distilled, folder / "ideas", problem) == paths  # once more changes nothing


def test_nothing_is_overwritten_and_nothing_is_written_by_halves(distilled: Distilled, tmp_path: Path) -> None:
    last = tmp_path / distilled.pages[-1].file
    last.write_text("mine")
    with pytest.raises(UserError, match="holds something else already, and nothing was written"):
        write_pages(distilled, tmp_path, None)
    assert list(tmp_path.iterdir()) == [last]
    assert last.read_text() == "mine"


def test_a_solution_that_has_moved_on_is_told(distilled: Distilled, tmp_path: Path) -> None:
    moved = toy_problem(tmp_path / "toy", files={"solution/a.py": "A = 7.0\n", "solution/b.py": "B = 9.0\n"})
    for idea in (moved / "ideas").iterdir():
        idea.unlink()
    with pytest.raises(UserError, match=r"do not go with .* as it is now, and nothing was written"):
        write_pages(distilled, moved / "ideas", load_problem(moved))
    assert list((moved / "ideas").iterdir()) == []


def test_texts_of_models_cannot_break_out_of_their_quotation() -> None:
    effect = Effect(1.0, 0.5, 1.5, 0.9, 3, "cpu", "toy-1")
    patch = "--- a/solution/a.py\n+++ b/solution/a.py\n@@ -1 +1 @@\n-A = 0\n+A = 1\n"
    title = 'says "more" \\ [measured]'
    page = Page("more-abc", "c-abc", 1, "a", title, effect, (), ("gone", "there"), {}, "> ```diff\n> +++", patch)
    text = page.markdown({"there"})
    solution = {"solution/a.py": b"A = 0\n"}
    there = text.replace('"more-abc"', '"there"').replace('conflicts = ["there"]\n', "")
    library = load_ideas({"ideas/more-abc.md": text, "ideas/there.md": there}, solution, {"solution/a.py"})
    idea = library["more-abc"]
    assert (idea.title, idea.conflicts, idea.text) == (title, ("there",), "> ```diff\n> +++")
    assert idea.patched == {"solution/a.py": "A = 1\n"}
