from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from aster.app import LEDGER
from aster.board import Board
from aster.cli.glance import Glance, Surface, Watch
from aster.cli.live import LiveView, Picture, picture
from aster.domain.events import ClaimDecided, Entry
from aster.handle import Campaign
from aster.ledger.sqlite import SqliteStore


@pytest.fixture(scope="module")
def entries(finished: Campaign) -> list[Entry]:
    """The whole ledger of a finished campaign."""
    store = SqliteStore(finished.folder / LEDGER, read_only=True)
    try:
        return list(store.read())
    finally:
        store.close()


def fold(entries: list[Entry], watch: Watch) -> Board:
    """Fold a ledger event by event, with the watch looking on from the first."""
    board = Board()
    for entry in entries:
        board.apply(entry.event)
        watch.note(board, [entry.event])
    return board


def drawn(now: Glance, width: int, room: int = 12) -> list[str]:
    """Return the lines of a picture."""
    out = Console(width=width, file=io.StringIO(), record=True, markup=False, emoji=False, highlight=False)
    out.print(picture(now, width, room))
    return out.export_text().splitlines()


def test_a_resumed_view_knows_what_one_that_watched_from_the_start_knows(entries: list[Entry]) -> None:
    whole, late = Watch(), Watch()
    board = fold(entries, whole)
    late.note(board, [])
    settled = {"wall_s": 0.0}
    assert replace(whole.look(20), **settled) == replace(late.look(20), **settled)  # type: ignore[arg-type]


def test_what_is_known_at_the_end(entries: list[Entry], finished: Campaign) -> None:
    watch = Watch()
    board = fold(entries, watch)
    now = watch.look(20)
    assert sum(row.experiments for row in now.surfaces) == sum(d.experiments for d in board.directions.values())
    assert sum(row.successes for row in now.surfaces) == sum(f.success for f in board.findings)
    assert now.champion == f"{finished.champion_value:.2f}"
    assert now.champion_gain.startswith("gain +")
    assert now.findings[-1][1] == board.findings[-1].text
    assert (now.planned, now.most, now.running) == (board.spend.experiments, 40, 0)
    assert now.ended == board.ended
    assert now.wall_s == pytest.approx(board.spend.wall_s, abs=5)


def test_best_is_unconfirmed_until_its_claim_is_decided(entries: list[Entry]) -> None:
    first = next(i for i, entry in enumerate(entries) if isinstance(entry.event, ClaimDecided))
    watch = Watch()
    board = fold(entries[:first], watch)
    before = watch.look(20)
    claim = board.open_claim()
    assert claim is not None
    assert before.pairs_done == before.pairs == len(claim.record.seeds)
    assert "unconfirmed" in "\n".join(drawn(before, 80))
    assert "confirmed" not in "\n".join(drawn(before, 80)).replace("unconfirmed", "")
    board.apply(entries[first].event)
    watch.note(board, [entries[first].event])
    assert f"loss {watch.look(20).champion}  confirmed" in "\n".join(drawn(watch.look(20), 80))
    assert watch.look(20).claim == ""


def test_only_so_many_surfaces_open_ones_first() -> None:
    watch = Watch()
    watch._surfaces = {
        str(n): Surface(str(n), experiments=1, gain=float(n), state="open" if n % 2 else "dry") for n in range(50)
    }
    assert [row.name for row in watch.look(3).surfaces] == ["49", "47", "45"]
    assert "and 47 more" in drawn(watch.look(3), 80)


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (Glance(), None),
        (Glance(most=10), None),
        (Glance(most=10, planned=4, running=2, slots=2, attempt_s=3.0), 12.0),
        (Glance(wall_limit_s=60, wall_s=45), 15.0),
        (Glance(wall_limit_s=60, wall_s=61), 0.0),
        (Glance(most=10, planned=4, slots=1, attempt_s=3.0, wall_limit_s=60, wall_s=45), 15.0),
    ],
)
def test_time_left(now: Glance, left: float | None) -> None:
    assert now.left_s == left


FULL = Glance(
    title="Pack [bold]26[/bold] circles " * 6,
    campaign="circle-packing-20260101-000000-abcd",
    metric="sum_of_radii",
    slots=2,
    baseline="2.5 (n 1)",
    best="2.6",
    best_name="a name that is quite long, as names are (c-123456)" * 2,
    champion="2.55",
    champion_name="another (c-654321)",
    champion_gain="gain +0.05, exact, over baseline (c-000000)",
    counts={"measured": 40, "failed": 2, "timed_out": 1},
    running=2,
    lost=1,
    planned=44,
    most=80,
    wall_s=75.0,
    wall_limit_s=200.0,
    attempt_s=2.0,
    surfaces=tuple(Surface(f"surface-{n}" * 4, n, n, n, n / 7) for n in range(5)),
    findings=((True, "one that helped " * 20), (False, "one that did not :smile: [red]")),
    claim="claim 2: this beats that " * 9,
    pairs_done=3,
    pairs=10,
    ending="interrupted by the user",
)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_picture_fits_its_width(width: int) -> None:
    lines = drawn(FULL, width)
    assert max(map(len, lines)) <= width


def test_the_picture_says_everything_and_interprets_nothing() -> None:
    text = "\n".join(drawn(FULL, 120))
    for words in (
        "Pack [bold]26[/bold] circles",
        "2.6  unconfirmed",
        "2.55  confirmed  another (c-654321)",
        "gain +0.05, exact",
        "40 done, 2 running, 2 failed, 1 timed out, 1 attempt lost",
        "44 of 80",
        "about 38 s left",
        "75 s of 3.3 min",
        "3 of 10 pairs done",
        "* one that helped",
        "- one that did not :smile: [red]",
        "ending: interrupted by the user",
    ):
        assert words in text, words


def test_the_picture_fits_a_small_terminal(entries: list[Entry]) -> None:
    watch = Watch()
    fold(entries, watch)
    out = Console(width=80, height=24, file=io.StringIO(), record=True, markup=False)
    out.print(Picture(watch))
    assert len(out.export_text().splitlines()) <= 24


def test_the_view_draws_in_its_own_thread_and_closes_with_words(entries: list[Entry], finished: Campaign) -> None:
    screen = io.StringIO()
    view = LiveView(Console(width=80, height=40, file=screen, force_terminal=True, markup=False))
    board = Board()
    with view:
        for entry in entries:
            board.apply(entry.event)
            view.note(board, [entry.event])
        view.finish(finished)
    text = screen.getvalue()
    assert "40 of" not in text
    assert f"ended: {board.ended}" in text
    assert text.index(f"ended: {board.ended}") < text.rindex("Confirmed: loss")
    assert not view._thread.is_alive()


def test_a_terminal_that_goes_away_stops_the_drawing_only(entries: list[Entry], finished: Campaign) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    view = LiveView(Console(width=80, height=40, file=Gone(), force_terminal=True, markup=False))
    board = Board()
    with view:
        for entry in entries:
            board.apply(entry.event)
            view.note(board, [entry.event])
        view.finish(finished)
    assert view._watch.look(1).ended == board.ended
    assert not view._thread.is_alive()
