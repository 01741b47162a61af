from __future__ import annotations

import io
import threading

from tests.boards import Book
from tests.cli.conftest import parse_lines

from aster.cli.lines import JsonLines, LineWriter, PlainLines
from aster.domain import events as ev
from aster.domain.records import Measured, Outcome, Usage


class Stuck(io.StringIO):
    """A stream whose reader pauses until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.go.wait()
        return super().write(text)


def test_a_slow_reader_holds_nobody_up() -> None:
    stream = Stuck()
    writer = LineWriter(stream)
    for number in range(1000):
        writer.put(str(number))
    assert stream.getvalue() == ""
    stream.go.set()
    writer.close()
    assert stream.getvalue().split() == [str(number) for number in range(1000)]


def test_a_reader_that_is_gone_is_no_error() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    writer = LineWriter(Gone())
    writer.put("a line")
    writer.put("another")
    writer.close()
    assert not writer._thread.is_alive()


def plain(*steps: tuple[ev.Event, ...], book: Book) -> list[str]:
    """Return the lines printed for events that the book's board has folded, without the elapsed time."""
    out = io.StringIO()
    with PlainLines(out) as view:
        for events in steps:
            view.note(book.board, events)
    return [line.partition("  ")[2] for line in out.getvalue().splitlines()]


def test_a_status_line_every_ten_ends() -> None:
    book = Book()
    out = io.StringIO()
    with PlainLines(out) as view:
        view.note(book.board, book.events[-1:])
        for _ in range(25):
            book.baseline(1.0)
            view.note(book.board, book.events[-1:])
    status = [line.partition("  ")[2] for line in out.getvalue().splitlines() if "status: " in line]
    assert [line.split(",")[0] for line in status] == ["status: 10 measured", "status: 20 measured"]


def test_a_new_best_is_told_once_and_the_baseline_is_none() -> None:
    book = Book()
    out = io.StringIO()
    with PlainLines(out) as view:
        view.note(book.board, book.events[-1:])
        book.baseline(1.0, 1.1, 0.9)
        direction = book.direction("a")
        view.note(book.board, book.events[-1:])
        for name, value in (("c-1", 0.5), ("c-2", 2.0), ("c-3", 1.5)):
            book.run(book.candidate(name, direction), value)
            view.note(book.board, book.events[-1:])
    lines = [line.partition("  ")[2] for line in out.getvalue().splitlines()]
    assert [line for line in lines if "best" in line] == ["new best: score 2.00, c-2 (c-2), unconfirmed"]
    assert "baseline: score 1.00 (sd 0.10, n 3)" in lines


def test_foreign_text_is_one_clean_line() -> None:
    book = Book()
    book.direction("bad\x1b[2J\nsurface")
    (line,) = plain((book.events[-1],), book=book)
    assert line == "direction opened: bad[2J surface: why not"


def test_the_first_line_names_the_sandbox() -> None:
    (line,) = plain((ev.TermStarted(1, "cpu: x", "host", 1, "0", "landlock"),), book=Book())
    assert line.endswith(" slots, cpu: x, in landlock")


def test_json_of_a_resumed_campaign_has_no_opening_and_is_strict() -> None:
    book = Book()
    book.decide()
    out = io.StringIO()
    with JsonLines(out) as view:
        view.note(book.board, [ev.TermStarted(3, "cpu", "host", 1, "0")])
        view.note(book.board, [ev.DecisionTaken(2, None, float("nan"))])
        outcome = Outcome("x.1", "x", Measured({"score": 1.0}), "cpu", Usage(), 0.0, 1.0)
        view.note(book.board, [ev.OutcomeRecorded(outcome)])
    term, decision, ended = parse_lines(out.getvalue())
    assert term == {
        "event": "TermStarted",
        "term": 3,
        "hardware": "cpu",
        "host": "host",
        "pid": 1,
        "version": "0",
        "sandbox": "",
    }
    assert decision == {"event": "DecisionTaken", "number": 2, "sees": None, "elapsed": None, "heard": None}
    assert ended["outcome"]["result"] == {"type": "measured", "metrics": {"score": 1.0}}
