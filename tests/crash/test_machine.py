"""Machines that fail: one clear paragraph, the right exit code, a ledger that can be read, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.crash.campaigns import check_same, open_campaign, undisturbed
from tests.crash.chaos import UNDRAWN, aster, environment, keepers, read_books, start, until

from aster.app import load_campaign
from aster.board import Board
from aster.domain.events import Entry
from aster.ledger.protocol import LedgerDamaged
from aster.ledger.sqlite import SqliteStore

pytestmark = pytest.mark.xdist_group("machine")  # the campaign to compare with is run once, not once a worker

EXPERIMENTS = 16

LIMITED = """
import sys
sys.dont_write_bytecode = True  # a compiled module that is cut short would stay
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({}, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
"""
"""Lets no file grow beyond so many bytes."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The campaign on a sound machine."""
    return undisturbed(opened(tmp_path_factory.mktemp("calm")))


def opened(folder: Path) -> Path:
    return open_campaign(folder, "ordered", EXPERIMENTS, sleep=0.1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("disks can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def check_complaint(done: subprocess.CompletedProcess[str], *said: str, code: int = 1) -> None:
    """Check that a command failed with one paragraph that says what is to be said."""
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert any(each in done.stderr for each in said), done.stderr


def resume(folder: Path, head: str = "") -> subprocess.CompletedProcess[str]:
    return aster("resume", folder.name, "--campaigns", folder.parent, head=head)


# --- no room -------------------------------------------------------------------------------------------------


def fill(disk: Path, free: int) -> None:
    """Leave so many bytes free."""
    with (disk / "ballast").open("wb") as ballast, suppress(OSError):
        while (more := shutil.disk_usage(disk).free - free) > 0:
            ballast.write(bytes(min(more, 1 << 20)))
            ballast.flush()


@pytest.mark.parametrize("free", [8_000, 300_000, 20_000_000])
def test_a_full_disk(small_disk: Path, calm: Board, free: int) -> None:
    """Too full for the ledger, for an attempt, or for an attempt that nobody could blame on its candidate."""
    folder = opened(small_disk)
    fill(small_disk, free)
    check_complaint(resume(folder), "disk is full", "full, or over a quota", "MiB are free", "No space left")
    read_books(folder)
    assert aster("show", folder.name, "--campaigns", folder.parent).returncode == 0
    (small_disk / "ballast").unlink()
    assert resume(folder).returncode == 0
    check_same(read_books(folder), calm)


def test_a_disk_that_fills_up_meanwhile(small_disk: Path, calm: Board) -> None:
    folder = opened(small_disk)
    process = start(folder)
    until(lambda: load_campaign(folder).board.tally.get("measured", 0) >= 4)
    fill(small_disk, 0)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"StoreError" in said or b"ExecutorError" in said
    (small_disk / "ballast").unlink()
    read_books(folder)
    assert resume(folder).returncode == 0
    check_same(read_books(folder), calm)


@pytest.mark.parametrize("more", [20_000, 60_000])
def test_a_limit_on_the_size_of_files(tmp_path: Path, calm: Board, more: int) -> None:
    """What a quota does, for a user who is not root: the ledger may not grow."""
    folder = opened(tmp_path)
    done = resume(folder, LIMITED.format(more))
    check_complaint(done, "file size limit", "File too large")
    assert "once this is mended, `aster resume" in done.stderr
    read_books(folder)
    until(lambda: not keepers(folder))
    assert resume(folder).returncode == 0
    check_same(read_books(folder), calm)


def test_a_disk_that_is_read_only(small_disk: Path, calm: Board) -> None:
    folder = opened(small_disk)
    remount = ["mount", "-o", "remount,{}", str(small_disk)]
    subprocess.run([word.format("ro") for word in remount], check=True)
    before = (folder / "ledger.db").read_bytes()
    check_complaint(resume(folder), "Read-only file system", "read-only")
    assert (folder / "ledger.db").read_bytes() == before
    assert aster("show", folder.name, "--campaigns", folder.parent).returncode == 0
    subprocess.run([word.format("rw") for word in remount], check=True)
    assert resume(folder).returncode == 0
    check_same(read_books(folder), calm)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.chmod(0o555)
    try:
        check_complaint(resume(folder), "Permission denied", "read-only")
        assert aster("show", folder.name, "--campaigns", folder.parent).returncode == 0
    finally:
        folder.chmod(0o755)
    read_books(folder)


# --- damage --------------------------------------------------------------------------------------------------


def interrupted(folder: Path, *, keep_log: bool) -> Path:
    """Return a campaign that was killed half-way and whose keepers are gone; `keep_log`: with its `-wal` as it was."""
    campaign = opened(folder)
    process = start(campaign, "before", 40)
    process.communicate(timeout=60)
    until(lambda: not keepers(campaign))
    assert (campaign / "ledger.db-wal").stat().st_size > 0
    if not keep_log:
        SqliteStore(campaign / "ledger.db").close()
        assert not (campaign / "ledger.db-wal").exists()
    return campaign


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size * 3 // 4)
        file.write(os.urandom(path.stat().st_size // 4))


@pytest.mark.anyuser
@pytest.mark.parametrize("harm", [cut, scribble])
def test_a_damaged_ledger_is_named_and_left_as_it_is(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    folder = interrupted(tmp_path, keep_log=False)
    ledger = folder / "ledger.db"
    with closing(SqliteStore(ledger, read_only=True)) as store:
        sound = list(store.read())
    harm(ledger)
    before = ledger.read_bytes()
    done = resume(folder)
    check_complaint(done, "is damaged")
    assert "restore" in done.stderr
    assert "goes on" not in done.stderr
    assert ledger.read_bytes() == before
    readable: list[Entry] = []
    with closing(SqliteStore(ledger, read_only=True)) as store, pytest.raises(LedgerDamaged):
        readable.extend(store.read())
    assert readable == sound[: len(readable)]


@pytest.mark.anyuser
@pytest.mark.parametrize("harm", [cut, scribble])
def test_a_damaged_tail_of_the_log_costs_only_what_was_in_it(
    tmp_path: Path, calm: Board, harm: Callable[[Path], None]
) -> None:
    """SQLite drops the commits from the damage on; the experiments whose outcomes were in them run again."""
    folder = interrupted(tmp_path, keep_log=True)
    harm(folder / "ledger.db-wal")
    assert resume(folder).returncode == 0
    check_same(read_books(folder), calm)


# --- two at once, and what the dead left behind ------------------------------------------------------------------


@pytest.mark.anyuser
def test_two_resumers_at_once(tmp_path: Path, calm: Board) -> None:
    folder = opened(tmp_path)
    command = [sys.executable, "-c", UNDRAWN, "resume", folder.name, "--campaigns", str(tmp_path)]
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    both = [subprocess.Popen(command, stdout=null, stderr=pipe, text=True, env=environment()) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    winner, loser = sorted(range(2), key=lambda i: both[i].returncode)
    assert said[winner] == ""
    assert f"is being run by process {both[winner].pid}" in said[loser]
    assert said[loser].count("\n") == 1
    assert read_books(folder).term == 2
    check_same(read_books(folder), calm)


def test_a_resume_adopts_what_still_runs(tmp_path: Path) -> None:
    folder = open_campaign(tmp_path, "arrival", EXPERIMENTS, sleep=1.5)
    process = start(folder)
    until(lambda: len(load_campaign(folder).board.running) == 3 == len(keepers(folder)))
    process.kill()
    process.communicate()
    before = dict(load_campaign(folder).board.running)
    follower = start(folder)
    until(lambda: load_campaign(folder).board.tally.get("measured", 0) >= 3)
    follower.kill()
    follower.communicate()
    board = load_campaign(folder).board
    for attempt, experiment in before.items():
        outcome = board.experiments[experiment].outcome
        assert outcome is not None
        assert outcome.attempt == attempt
    assert board.lost == 0
