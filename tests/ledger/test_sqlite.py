"""What is SQLite's own in the ledger: opening, reading only, damage, trouble while writing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aster.domain.events import FORMAT, Entry
from aster.domain.ids import blob_id
from aster.errors import StoreError
from aster.ledger.sqlite import LAYOUT, SqliteStore
from aster.testing.stores import StoreContract, outcome, stop


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Iterator[Callable[[], SqliteStore]]:
        opened: list[SqliteStore] = []

        def open_one() -> SqliteStore:
            opened.append(SqliteStore(tmp_path / "ledger.db", create=True))
            return opened[-1]

        yield open_one
        for store in opened:
            store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def fill(path: Path, count: int, *, blob: bytes | None = None) -> None:
    """Make a ledger of `count` outcomes; closing it leaves one file, without a write-ahead log."""
    store = SqliteStore(path, create=True)
    store.append([outcome(n) for n in range(count)], time=1.0, blobs={} if blob is None else {blob_id(blob): blob})
    store.close()
    assert list(path.parent.iterdir()) == [path]


def sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def read_until_trouble(path: Path) -> tuple[list[Entry], str]:
    """Return the entries that can be read, and the text of the StoreError behind them."""
    store = SqliteStore(path, read_only=True)
    entries = []
    try:
        for entry in store.read():
            entries.append(entry)
    except StoreError as error:
        return entries, str(error)
    finally:
        store.close()
    return entries, ""


def positions(entries: list[Entry]) -> list[int]:
    return [entry.position for entry in entries]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Let permissions bite even where the tests are run by root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


# --- opening ---------------------------------------------------------------------------------------------------


def test_a_missing_ledger_is_not_made_unasked(path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(StoreError, match="no ledger at"):
            SqliteStore(path, read_only=read_only)
    assert not path.exists()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path / "missing" / "ledger.db", create=True)


def test_create_opens_what_exists(path: Path) -> None:
    fill(path, 3)
    store = SqliteStore(path, create=True)
    assert store.last_position() == 3
    store.close()


def test_an_empty_file_is_named_and_can_be_created_again(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="is empty"):
        SqliteStore(path)
    SqliteStore(path, create=True).close()
    SqliteStore(path).close()


@pytest.mark.parametrize("create", [False, True])
def test_another_file_is_refused_and_left_alone(path: Path, create: bool) -> None:
    path.write_bytes(b"not a database at all, only some words " * 200)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a ledger"):
        SqliteStore(path, create=create)
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [False, True])
def test_another_programs_database_is_refused(path: Path, create: bool) -> None:
    sql(path, "CREATE TABLE guests(name)")
    with pytest.raises(StoreError, match="not a ledger of Aster"):
        SqliteStore(path, create=create)


def test_a_newer_layout_asks_for_an_upgrade(path: Path) -> None:
    fill(path, 1)
    sql(path, f"PRAGMA user_version={LAYOUT + 1}")
    with pytest.raises(StoreError, match="upgrade"):
        SqliteStore(path)


def test_a_newer_event_asks_for_an_upgrade(path: Path) -> None:
    fill(path, 3)
    sql(path, f"UPDATE events SET version = {FORMAT + 1} WHERE position = 3")
    entries, trouble = read_until_trouble(path)
    assert positions(entries) == [1, 2]
    assert "upgrade" in trouble


def test_a_commit_is_flushed(path: Path) -> None:
    """The durable setting is a promise to the spool; losing it would show in no other test."""
    store = SqliteStore(path, create=True)
    assert store._writing is not None
    assert store._writing.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_names_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "50% of #1? yes"
    folder.mkdir()
    fill(folder / "ledger.db", 2)
    assert positions(list(SqliteStore(folder / "ledger.db", read_only=True).read())) == [1, 2]


# --- reading only ------------------------------------------------------------------------------------------------


def test_a_read_only_store_refuses_to_write(path: Path) -> None:
    fill(path, 2, blob=b"log")
    store = SqliteStore(path, read_only=True)
    assert positions(list(store.read())) == [1, 2]
    assert store.get_blob(blob_id(b"log")) == b"log"
    for write in (
        lambda: store.append([stop("a")], time=1.0),
        lambda: store.begin_term(1.0),
        lambda: store.put_blob(b"x"),
    ):
        with pytest.raises(StoreError, match="read only"):
            write()
    store.close()


def test_a_reader_follows_a_running_campaign(path: Path) -> None:
    campaign = SqliteStore(path, create=True)
    viewer = SqliteStore(path, read_only=True)
    assert not viewer.changed()
    campaign.append([outcome(1)], time=1.0)
    assert viewer.changed()
    assert positions(list(viewer.read())) == [1]
    viewer.close()
    campaign.close()


def test_a_folder_that_may_not_be_written() -> None:
    folder = Path(tempfile.mkdtemp())  # unlike tmp_path, its parents may be entered by anybody
    try:
        fill(folder / "ledger.db", 3)
        (folder / "ledger.db").chmod(0o444)
        folder.chmod(0o555)
        with as_nobody():
            entries, trouble = read_until_trouble(folder / "ledger.db")
            assert (positions(entries), trouble) == ([1, 2, 3], "")
            for create in (False, True):
                with pytest.raises(StoreError, match=r"read-only|may not be"):
                    SqliteStore(folder / "ledger.db", create=create)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_that_may_not_be_written() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        fill(folder / "ledger.db", 3)
        (folder / "ledger.db").chmod(0o444)
        folder.chmod(0o777)
        with as_nobody(), pytest.raises(StoreError, match="read-only"):
            SqliteStore(folder / "ledger.db")
    finally:
        shutil.rmtree(folder)


def test_a_left_over_log_is_not_ignored() -> None:
    """Without the right to make `-shm`, a ledger whose newest commits are in `-wal` must not be read as older."""
    folder = Path(tempfile.mkdtemp())
    try:
        live = SqliteStore(folder / "live.db", create=True)
        live.append([outcome(1)], time=1.0)
        for end in ("", "-wal"):
            shutil.copy(folder / f"live.db{end}", folder / f"ledger.db{end}")
        live.close()
        folder.chmod(0o555)
        with as_nobody(), pytest.raises(StoreError):
            SqliteStore(folder / "ledger.db", read_only=True)
        folder.chmod(0o755)
        entries, trouble = read_until_trouble(folder / "ledger.db")
        assert (positions(entries), trouble) == ([1], "")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


# --- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_read_up_to_the_cut(path: Path, part: float) -> None:
    fill(path, 3000)
    os.truncate(path, int(path.stat().st_size * part))
    entries, trouble = read_until_trouble(path)
    assert 0 < len(entries) < 3000
    assert positions(entries) == list(range(1, len(entries) + 1))
    assert [entry.event for entry in entries] == [outcome(n) for n in range(len(entries))]
    assert f"damaged after position {len(entries)} " in trouble
    with pytest.raises(StoreError, match="damaged"):
        SqliteStore(path)


def test_a_file_cut_to_nothing_useful(path: Path) -> None:
    fill(path, 3000)
    os.truncate(path, 60)
    for read_only in (False, True):
        with pytest.raises(StoreError, match="damaged"):
            SqliteStore(path, read_only=read_only)


@pytest.mark.parametrize("value", ["x'7b22'", '\'{"type":"Unheard"}\'', "x'ff00'", "7"])
def test_an_event_that_cannot_be_decoded(path: Path, value: str) -> None:
    fill(path, 900)
    sql(path, f"UPDATE events SET body = {value} WHERE position = 700")
    entries, trouble = read_until_trouble(path)
    assert positions(entries) == list(range(1, 700))
    assert "damaged after position 699 " in trouble


def test_a_hole_is_damage(path: Path) -> None:
    fill(path, 10)
    sql(path, "DELETE FROM events WHERE position = 6")
    entries, trouble = read_until_trouble(path)
    assert positions(entries) == [1, 2, 3, 4, 5]
    assert "damaged after position 5 " in trouble


@pytest.mark.parametrize("content", [b"short", b"compresses well " * 100])
@pytest.mark.parametrize("change", ["data = x'00'", "data = 7", "codec = 'zlib', data = x'789c'"])
def test_a_damaged_blob_is_not_handed_out(path: Path, content: bytes, change: str) -> None:
    fill(path, 1, blob=content)
    sql(path, f"UPDATE blobs SET {change}")
    store = SqliteStore(path, read_only=True)
    with pytest.raises(StoreError, match="does not match its hash"):
        store.get_blob(blob_id(content))
    store.close()


# --- trouble while writing -------------------------------------------------------------------------------------------


def test_a_lock_held_too_long(path: Path) -> None:
    store = SqliteStore(path, create=True, patience_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another process"):
        store.append([outcome(1)], time=1.0)
    other.execute("ROLLBACK")
    other.close()
    assert positions(store.append([outcome(1)], time=1.0)) == [1]
    store.close()


def test_a_full_database(path: Path) -> None:
    store = SqliteStore(path, create=True)
    assert store._writing is not None
    store.append([outcome(1)], time=1.0)
    limit = store._writing.execute("PRAGMA page_count").fetchone()[0] + 2
    store._writing.execute(f"PRAGMA max_page_count={limit}")
    big = os.urandom(100_000)
    with pytest.raises(StoreError, match="disk is full"):
        store.append([outcome(2)], time=1.0, blobs={blob_id(big): big})
    assert positions(list(store.read())) == [1]
    assert not store.has_blob(blob_id(big))
    store._writing.execute("PRAGMA max_page_count=1000000")
    assert positions(store.append([outcome(2)], time=1.0, blobs={blob_id(big): big})) == [2]
    store.close()


def test_a_bug_in_the_midst_of_a_commit_leaves_nothing_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path, create=True)
    with monkeypatch.context() as patch:
        patch.setattr("aster.ledger.sqlite.natural_key", lambda event: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.append([outcome(1)], time=1.0, blobs={blob_id(b"log"): b"log"})
    assert not store.has_blob(blob_id(b"log"))
    assert positions(store.append([outcome(2)], time=1.0)) == [1]
    store.close()
