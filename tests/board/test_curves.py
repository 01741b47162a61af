from __future__ import annotations

import pytest
from tests.boards import BASELINE, CPU, Book, setup

from aster.board.curves import MOST_BASELINES, MOST_SEARCHED, Curve, Curves
from aster.domain.records import Cancelled, Failed, Measured, Purpose, Result

POINTS = ((1, 3.0), (2, 2.0))


def test_only_so_many_of_the_latest_are_kept() -> None:
    curves = Curves()
    for number in range(1000):
        curves.take("search", "measured", ((number, 1.0),))
        curves.take("baseline", "measured", ((number, 1.0),))
    assert (len(curves.searched), len(curves.baseline)) == (MOST_SEARCHED, MOST_BASELINES)
    assert curves.searched[-1].points == ((999, 1.0),)


@pytest.mark.parametrize(
    ("purpose", "status", "kept"),
    [
        ("search", "measured", [Curve(POINTS, True)]),
        ("search", "infeasible", [Curve(POINTS, True)]),
        ("search", "stopped_early", [Curve(POINTS, False)]),
        ("search", "failed", []),
        ("search", "cancelled", []),
        ("confirm", "measured", []),
    ],
)
def test_what_broke_or_confirms_is_not_kept(purpose: Purpose, status: str, kept: list[Curve]) -> None:
    curves = Curves()
    curves.take(purpose, status, POINTS)
    assert list(curves.searched) == kept
    assert not curves.baseline


def test_the_board_keeps_what_decisions_have_seen_by_hardware() -> None:
    book = Book(setup(progress="minimize"))
    book.end(book.plan(BASELINE, 0, "baseline"), 1.0, progress=POINTS)
    assert not book.board.curves
    book.decide()
    assert [curve.points for curve in book.board.curves[CPU].baseline] == [POINTS]
    book.candidate("a", book.direction("s"))
    results: list[Result] = [Measured({"score": 2.0}), Failed("crash"), Cancelled("stopped", early=True)]
    for seed, result in enumerate(results):
        book.end(book.plan("a", seed), result, progress=POINTS, hardware="cpu: other" if seed else CPU)
    book.decide()
    assert [curve.whole for curve in book.board.curves[CPU].searched] == [True]
    assert [curve.whole for curve in book.board.curves["cpu: other"].searched] == [False]
