from __future__ import annotations

from tests.agents.books import FILES, AgentsBook
from tests.boards import BASELINE

from aster.agents.similar import changed_lines, repeats_one_of, trees_like, tried_before, tried_like
from aster.board import Board
from aster.domain import events as ev
from aster.domain.ids import tree_id
from aster.domain.records import Candidate
from aster.domain.research import Draft, Note

CHANGE, TEXT = (
    "anneal the walk",
    "Accept worse packings at first, ever fewer later, so that the walk leaves local optima.",
)


def book(gain: float) -> AgentsBook:
    of = AgentsBook()
    of.baseline(1.0)
    search = of.line("search")
    for number in range(6):
        of.tried(search, f"other idea {number}", -0.1, f"Something else w{number} about layouts.")
    of.tried(search, CHANGE, gain, TEXT)
    return of


def test_what_says_the_same_and_did_not_gain_was_tried() -> None:
    board = book(-0.1).board
    found = tried_before(board, Draft("Annealing of the walk", TEXT))
    assert found is not None
    assert found.came_to == "anneal the walk: score 1 -> 0.9"
    assert found.success is False
    assert tried_before(board, Draft("anneal the walk", TEXT, parent="c-else")) is not None


def test_what_gained_may_be_tried_on_another_parent_but_not_again_on_the_same() -> None:
    board = book(0.3).board
    assert tried_before(board, Draft(CHANGE, TEXT, parent=BASELINE)) is not None
    assert tried_before(board, Draft(CHANGE, TEXT)) is not None
    assert tried_before(board, Draft(CHANGE, TEXT, parent="c-else")) is None


def test_other_numbers_make_another_hypothesis() -> None:
    of = AgentsBook()
    of.baseline(1.0)
    of.tried(of.line("search"), "chains of 100 hops", -0.1, "More hops in a chain let it leave local optima.")
    same = "More hops in a chain let it leave local optima."
    assert tried_before(of.board, Draft("chains of 100 hops", same)) is not None
    assert tried_before(of.board, Draft("chains of 900 hops", same)) is None


def test_what_nobody_came_to_try_may_be_proposed_again_and_what_is_under_way_not() -> None:
    of = AgentsBook()
    of.baseline(1.0)
    search = of.line("search")
    drafted, draft = of.draft(search, CHANGE, TEXT), Draft(CHANGE, TEXT)
    assert came_to(of, draft) == "it waits for a subagent"
    given = of.assign("subagent", search, hypothesis=drafted, parent=BASELINE)
    assert came_to(of, draft) == "a subagent is at it"
    of.say(ev.AssignmentEnded(given.id, "failed", None, "no answer"))
    assert tried_before(of.board, draft) is None
    again = of.assign("subagent", search, hypothesis=drafted, parent=BASELINE)
    of.back(again, Note("There is no walk in this code."))
    assert came_to(of, draft) == "nothing was measured: There is no walk in this code."


def test_what_became_of_a_draft_is_what_became_of_its_best_version() -> None:
    of = AgentsBook()
    of.baseline(1.0)
    search = of.line("search")
    drafted = of.draft(search, CHANGE, TEXT)
    for change, gain in (("first version", -0.1), ("second version", 0.2), ("third version", -0.3)):
        of.tried(search, change, gain, "Other words entirely.", of=drafted)
    assert came_to(of, Draft(CHANGE, TEXT)) == "second version: score 1 -> 1.2"


def came_to(of: AgentsBook, draft: Draft) -> str:
    found = tried_before(of.board, draft)
    assert found is not None
    return found.came_to


def test_what_is_like_it_is_found_even_where_it_is_not_the_same() -> None:
    board = book(0.3).board
    text = "Let the walk accept worse packings at first, and fewer later on."
    assert tried_before(board, Draft("threshold walk", text)) is None
    assert [each.change for each in tried_like(board, text, 1)] == [CHANGE]


def test_drafts_beside_each_other_are_compared_too() -> None:
    first = Draft(CHANGE, TEXT)
    assert repeats_one_of(Draft("annealing the walk", TEXT), [Draft("polish", "Polish harder."), first]) is first
    assert repeats_one_of(Draft(CHANGE, TEXT, parent="c-1"), [first]) is None
    assert repeats_one_of(first, []) is None


# --- trees -------------------------------------------------------------------------------------------------


def edited(find: bytes, put: bytes) -> dict[str, bytes]:
    return {path: data.replace(find, put) for path, data in FILES.items()}


def with_trees(*trees: dict[str, bytes]) -> tuple[Board, dict[str, dict[str, bytes]]]:
    of, files = AgentsBook(), {}
    for tree in trees:
        name = tree_id(tree)
        files[name] = tree
        of.say(ev.CandidateAdded(Candidate(name, "tree", (BASELINE,), "agents", None)))
    return of.board, files


def test_a_tree_that_changes_the_same_lines_is_found_whatever_its_blanks_and_comments() -> None:
    first = edited(b"best = max(best, at)", b"best = best + at * 2")
    again = edited(b"best = max(best, at)", b"best  =  best+at*2  # faster")
    other = edited(b"STEPS = 10", b"STEPS = 11")
    board, files = with_trees(first, other)
    found = trees_like(board, again, FILES, FILES, lambda candidate: files[candidate.id])
    assert [(each.candidate, each.share) for each in found] == [(tree_id(first), 1.0)]
    assert trees_like(board, first, FILES, FILES, lambda candidate: files[candidate.id]) == []
    assert trees_like(board, again, FILES, FILES, lambda candidate: files[candidate.id], [tree_id(first)]) == []
    assert trees_like(board, FILES, FILES, FILES, lambda candidate: files[candidate.id]) == []


def test_a_small_change_of_a_large_one_is_a_change_of_its_own() -> None:
    grown = {**FILES, "solution/search.py": b"".join(b"step_%d = %d\n" % (at, at) for at in range(60))}
    child, other, twin = ({**grown, "solution/run.py": text} for text in (b"A = 1\n", b"B = 2\n", b"A = 1  # one\n"))
    board, files = with_trees(grown, other, twin)
    found = trees_like(board, child, grown, FILES, lambda candidate: files[candidate.id])
    assert [each.candidate for each in found] == [tree_id(twin)]


def test_each_tree_is_read_once_and_only_those_of_agents() -> None:
    first = edited(b"STEPS = 10", b"STEPS = 11")
    board, files = with_trees(first)
    read: list[str] = []

    def files_of(candidate: Candidate) -> dict[str, bytes]:
        read.append(candidate.id)
        return files[candidate.id]

    for _ in range(3):
        trees_like(board, edited(b"STEPS = 10", b"STEPS = 12"), FILES, FILES, files_of)
    assert read == [tree_id(first)]


def test_a_file_that_is_gone_has_lost_its_lines() -> None:
    gone = {path: data for path, data in FILES.items() if path != "solution/search.py"}
    assert len(changed_lines(FILES, gone)) == 8
    assert changed_lines(FILES, FILES) == frozenset()
