from __future__ import annotations

from tests.agents.books import FILES, RUN, SEARCH, AgentsBook
from tests.boards import BASELINE

from aster.agents import combining
from aster.agents.combining import clashes, combined, common_ancestor, lineage
from aster.domain import events as ev
from aster.domain.records import Candidate

Files = dict[str, bytes]


def made(**trees: tuple[str, Files]) -> tuple[AgentsBook, dict[str, Files]]:
    """Return a book with candidates, name -> (parent, files)."""
    of, files = AgentsBook(), {BASELINE: FILES}
    for name, (parent, tree) in trees.items():
        files[name] = tree
        of.say(ev.CandidateAdded(Candidate(name, "tree", (parent,), "agents", None)))
    return of, files


def merge(of: AgentsBook, files: dict[str, Files], first: str, second: str) -> Files | None:
    return combined(of.board, first, second, lambda candidate: files[candidate.id])


FASTER = {**FILES, "solution/search.py": SEARCH.replace(b"range(3)", b"range(9)")}
LONGER = {**FILES, "solution/run.py": RUN.replace(b"STEPS = 10", b"STEPS = 50")}


def test_changes_of_different_places_come_together_either_way() -> None:
    of, files = made(a=(BASELINE, FASTER), b=(BASELINE, LONGER))
    both = {"solution/search.py": FASTER["solution/search.py"], "solution/run.py": LONGER["solution/run.py"]}
    assert merge(of, files, "a", "b") == both
    assert merge(of, files, "b", "a") == both


def test_changes_of_the_same_line_clash() -> None:
    other = {**FILES, "solution/search.py": SEARCH.replace(b"range(3)", b"range(5)")}
    of, files = made(a=(BASELINE, FASTER), b=(BASELINE, other))
    assert merge(of, files, "a", "b") is None
    found = clashes(of.board, "a", "b", lambda candidate: files[candidate.id])
    lines = "    for at in range(9):\n=======\n    for at in range(5):\n"
    assert found == {"solution/search.py": f"<<<<<<<\n{lines}>>>>>>>"}
    assert clashes(of.board, "a", "a", lambda candidate: files[candidate.id]) == {}


def test_the_change_is_taken_from_the_nearest_common_ancestor() -> None:
    child = {**FASTER, "solution/run.py": LONGER["solution/run.py"]}
    sibling = {**FASTER, "solution/new.py": b"NEW = 1\n"}
    of, files = made(a=(BASELINE, FASTER), b=("a", child), c=("a", sibling))
    assert common_ancestor(of.board, "b", "c") == "a"
    assert lineage(of.board, "c") == ["c", "a", BASELINE]
    assert merge(of, files, "b", "c") == {**child, "solution/new.py": b"NEW = 1\n"}


def test_what_merges_line_by_line_and_is_no_python_is_a_clash() -> None:
    base = {"solution/x.py": b"a = 1\nb = 2\nc = 3\nd = 4\n"}
    one = {"solution/x.py": b'a = """\nb = 2\nc = 3\nd = 4\n"""\n'}
    other = {"solution/x.py": b'a = 1\nb = 2\nc = """\nd = 4\n"""\n'}
    of, files = made(a=(BASELINE, one), b=(BASELINE, other))
    files[BASELINE] = base
    assert merge(of, files, "a", "b") is None


def test_files_without_text_and_removed_ones_are_kept_apart() -> None:
    binary = {**FILES, "solution/data.bin": b"\xff\x00\xfe"}
    gone = {path: data for path, data in FILES.items() if path != "solution/search.py"}
    of, files = made(a=(BASELINE, binary), b=(BASELINE, gone), c=(BASELINE, FASTER))
    assert merge(of, files, "a", "b") == {"solution/run.py": RUN, "solution/data.bin": b"\xff\x00\xfe"}
    assert merge(of, files, "b", "c") is None


def test_files_that_are_too_long_to_merge_count_as_a_clash() -> None:
    long = b"".join(b"x = %d\n" % at for at in range(combining.MOST_LINES + 2))
    base, one, other = ({"solution/x.py": text} for text in (long, long + b"y = 1\n", b"z = 1\n" + long))
    of, files = made(a=(BASELINE, one), b=(BASELINE, other))
    files[BASELINE] = base
    assert merge(of, files, "a", "b") is None
