"""Wiring: when a request to stop counts, what a failed beginning leaves, what Python callers may mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.toys import toy_problem
from threadpoolctl import threadpool_info, threadpool_limits

from aster import app, attempts
from aster.app import create, load_campaign, opened_at, overview, request_stop, research, run
from aster.board import Board
from aster.campaign.budget import Budget
from aster.domain import events as ev
from aster.errors import StoreError, UserError
from aster.execution.local import LocalExecutor
from aster.ledger.sqlite import SqliteStore
from aster.problems.problem import load_problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign that was opened and has not run."""
    problem = load_problem(toy_problem(tmp_path / "toy"))
    return create(problem, Budget(experiments=10), slots=2, campaigns=tmp_path / "c")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no reports: figures take longer than the campaigns."""
    monkeypatch.setattr("aster.report.folder.write_report", lambda *args: [])


# --- a request to stop -------------------------------------------------------------------------------------


def stopping(folder: Path) -> Callable[..., LocalExecutor]:
    """Return an executor's constructor that asks for a stop: the lock is held, the term has not begun."""

    def make(*args: Any, **more: Any) -> LocalExecutor:
        assert request_stop(folder, "early")
        return LocalExecutor(*args, **more)

    return make


def test_a_stop_counts_from_when_the_campaign_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LocalExecutor", stopping(folder))
    board = run(folder).board
    assert board.ended == "stopped: early"
    assert not board.experiments
    assert load_campaign(folder).board.stop == "early"


def test_a_stop_counts_between_the_terms_beginning_and_the_loops(folder: Path) -> None:
    def ask_at_once(board: Board, events: Sequence[ev.Event]) -> None:
        if any(isinstance(event, ev.TermStarted) for event in events):
            assert request_stop(folder, "at once")

    board = run(folder, observers=[ask_at_once]).board
    assert board.ended == "stopped: at once"
    assert len(board.experiments) <= 2


def test_an_old_request_to_stop_does_not_stop_a_resume(folder: Path) -> None:
    with closing(SqliteStore(folder / "ledger.db")) as store:
        store.append([ev.StopRequested("old", "yesterday")], time=0.0)
    assert run(folder).board.ended == "budget: experiments spent"


# --- nothing is held, nothing is left ------------------------------------------------------------------------


def descriptors() -> list[str]:
    """Return what this process has open under its own number, by path."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own descriptor is closed by now
            found.append(str(path.readlink()))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are listed in /proc")
def test_a_loaded_campaign_holds_no_files_and_leaves_none(folder: Path) -> None:
    run(folder)
    before = sorted(path.name for path in folder.iterdir() if path.name.startswith("ledger"))
    campaign = load_campaign(folder)
    assert before == ["ledger.db"]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith("ledger")) == before
    assert campaign.get_blob(campaign.board.snapshot)
    assert not [path for path in descriptors() if str(folder) in path]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith("ledger")) == before


def test_a_campaign_that_cannot_be_opened_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> list[ev.Entry]:
        raise StoreError("the disk is full")

    monkeypatch.setattr(SqliteStore, "append", full)
    problem = load_problem(toy_problem(tmp_path / "toy"))
    with pytest.raises(StoreError, match="full"):
        create(problem, Budget(experiments=10), campaigns=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


# --- the wrong types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"problem": 5}, "problem must be"),
        ({"budget": {"wall": "2h"}}, 'budget must be a Budget, such as Budget(wall="2h")'),
        ({"budget": Budget(wall=[])}, "wall budget must be a time"),  # type: ignore[arg-type]
        ({"budget": Budget(wall="20")}, 'write "20s" or "20m" or "20h"'),
        ({"budget": Budget(experiments="30")}, "must be a whole number, not '30'"),  # type: ignore[arg-type]
        ({"budget": Budget(experiments=30.5)}, "must be a whole number, not 30.5"),  # type: ignore[arg-type]
        ({"budget": Budget(experiments=True)}, "must be a whole number, not True"),
        ({"researcher": ["ideas"]}, "There is no researcher"),
        ({"slots": "2"}, "slots must be a whole number"),
        ({"seed": None}, "seed must be a whole number"),
        ({"mode": "random"}, "There is no mode 'random'; choose one of: ordered, arrival"),
        ({"campaigns": 3}, "campaigns must be a folder"),
    ],
)
def test_the_wrong_types_are_the_users_errors(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    problem = toy_problem(tmp_path / "toy")
    right: dict[str, Any] = {"problem": problem, "budget": Budget(experiments=30), "campaigns": tmp_path / "c"}
    with pytest.raises(UserError) as caught:
        research(**(right | arguments))
    assert said in str(caught.value)
    assert not (tmp_path / "c").exists()


# --- the list of campaigns -------------------------------------------------------------------------------------


def test_an_overview_is_folded_once_and_again_when_the_ledger_has_grown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder)
    first = overview(folder)
    board = load_campaign(folder).board
    assert (first.problem, first.ended, first.experiments) == ("toy", True, 10)
    assert first.baseline == load_campaign(folder).baseline
    assert first.opened == opened_at(folder)
    folds: list[Path] = []

    def read_board(store: SqliteStore, folder: Path) -> tuple[Board, int]:
        folds.append(folder)
        return board, 0

    monkeypatch.setattr(app, "_read_board", read_board)
    assert overview(folder) == first
    assert not folds
    with closing(SqliteStore(folder / "ledger.db")) as store:
        store.append([ev.StopRequested("late", "why not")], time=5.0)
    assert overview(folder).mark == (first.mark[0] + 1, 5.0)
    assert folds == [folder]


def test_a_campaign_leaves_the_cores_to_its_experiments(folder: Path) -> None:
    during: list[int] = []

    def look(_: Board, events: Sequence[ev.Event]) -> None:
        if any(isinstance(event, ev.DecisionTaken) for event in events):
            during.extend(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas")

    with threadpool_limits(2, "blas"):
        run(folder, observers=[look])
        after = [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
    assert during
    assert set(during) == {1}
    assert set(after) == {2}


def test_an_overview_that_cannot_be_kept_or_read_is_made_again(folder: Path) -> None:
    first = overview(folder)
    (folder / ".overview.json").write_text("{}")
    assert overview(folder) == first
    (folder / ".overview.json").unlink()
    (folder / ".overview.json").mkdir()
    assert overview(folder) == first
    assert [path.name for path in folder.glob(".*")] == [".overview.json"]
