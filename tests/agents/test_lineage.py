from __future__ import annotations

from tests.boards import BASELINE, Book, setup

from aster.agents import lineage
from aster.agents.lineage import own_files
from aster.domain import events as ev
from aster.domain.records import Candidate, Direction

KNOWN = {"a.py": b"A = 1"}


def book_of() -> Book:
    book = Book(setup("maximize", resolution=0.01))
    book.baseline(1.0)
    for name in ("d-0", "d-1"):
        book.say(ev.DirectionOpened(Direction(name, name, "why not", "agents", ("a.py",))))
    return book


class Trees:
    """Files of candidates by id, and how often they were read."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {BASELINE: dict(KNOWN)}
        self.reads = 0

    def __call__(self, candidate: Candidate) -> dict[str, bytes]:
        self.reads += 1
        return self.files[candidate.id]

    def add(self, book: Book, name: str, direction: str, parent: str, *paths: str) -> str:
        book.candidate(name, direction, parent)
        self.files[name] = {**self.files[parent], **dict.fromkeys(paths, b"")}
        return name


def test_only_what_an_ancestor_of_this_direction_added_is_its_own() -> None:
    book, trees = book_of(), Trees()
    first = trees.add(book, "c-1", "d-0", BASELINE, "mine.py")
    second = trees.add(book, "c-2", "d-1", first, "theirs.py")
    third = trees.add(book, "c-3", "d-0", second, "late.py")
    trees.add(book, "c-4", "d-0", BASELINE, "aside.py")  # no ancestor
    own = own_files(book.board, book.board.candidates[third], "d-0", trees, KNOWN)
    assert own == ("late.py", "mine.py")
    assert own_files(book.board, book.board.candidates[third], "d-1", trees, KNOWN) == ("theirs.py",)
    assert own_files(book.board, book.board.candidates[BASELINE], "d-0", trees, KNOWN) == ()


def test_a_file_that_went_and_came_back_belongs_to_who_brought_it_back() -> None:
    book, trees = book_of(), Trees()
    trees.add(book, "c-1", "d-0", BASELINE, "k.py")
    trees.add(book, "c-2", "d-0", "c-1")
    del trees.files["c-2"]["k.py"]
    trees.add(book, "c-3", "d-1", "c-2", "k.py")
    assert own_files(book.board, book.board.candidates["c-3"], "d-0", trees, KNOWN) == ()


def test_a_long_line_costs_no_more_than_its_bound() -> None:
    book, trees = book_of(), Trees()
    last = trees.add(book, "c-0", "d-0", BASELINE, "k.py")
    for number in range(1, 3 * lineage.MOST_BACK):
        last = trees.add(book, f"c-{number}", "d-0", last)
    assert own_files(book.board, book.board.candidates[last], "d-0", trees, KNOWN) == ()
    assert trees.reads <= lineage.MOST_BACK + 1
