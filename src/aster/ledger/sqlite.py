"""The ledger as one SQLite file in the campaign's folder.

    terms(number, time)                                     the last one is current
    events(position, term, time, kind, version, key, body)  body is JSON; key is a fact's natural key
    blobs(id, codec, data)                                  id is the SHA-256 of the content

The file is in WAL mode with synchronous=FULL: a spool file is deleted once its outcome is committed, so a
commit must survive a power cut, and NORMAL would give the last ones up. The flush is shared by grouping.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from aster.domain.events import FACTS, FORMAT, Entry, Event, decode, natural_key
from aster.domain.ids import blob_id
from aster.errors import StaleTerm, StoreError
from aster.ledger.codec import Prepared, prepare, unpack
from aster.ledger.protocol import Batch, BlobMissing, LedgerDamaged
from aster.ledger.trouble import explain, primary, translated

LEDGER_FILE = "ledger.db"
APPLICATION_ID = int.from_bytes(b"Astr", "big")
LAYOUT = 1
"""Version of the tables, the file's `user_version`; a higher one was made by a newer Aster."""

CHUNK = 500
"""Entries fetched at a time: no lock is held between chunks, so that a slow reader stops nobody."""
WAL_LIMIT = 64 << 20
"""Bytes to which the write-ahead file is cut back after a large commit."""

_TABLES = (
    "CREATE TABLE terms(number INTEGER PRIMARY KEY, time REAL NOT NULL)",
    "CREATE TABLE events(position INTEGER PRIMARY KEY, term INTEGER NOT NULL, time REAL NOT NULL,"
    " kind TEXT NOT NULL, version INTEGER NOT NULL, key TEXT, body BLOB NOT NULL)",
    "CREATE UNIQUE INDEX facts ON events(key) WHERE key IS NOT NULL",
    "CREATE TABLE blobs(id TEXT PRIMARY KEY, codec TEXT NOT NULL, data BLOB NOT NULL)",
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={LAYOUT}",
)
_ADD_EVENT = (
    "INSERT INTO events(position, term, time, kind, version, key, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(key) WHERE key IS NOT NULL DO NOTHING"
)
_ADD_BLOB = "INSERT INTO blobs(id, codec, data) VALUES (?, ?, ?) ON CONFLICT(id) DO NOTHING"
_NO_SHM = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
_LAST_POSITION = "SELECT coalesce(max(position), 0) FROM events"
_LAST_TERM = "SELECT coalesce(max(number), 0) FROM terms"
_READ = "SELECT position, term, time, version, body FROM events WHERE position > ? ORDER BY position LIMIT ?"


class SqliteStore:
    """A `Store` in the SQLite file `path`.

    Args:
        path: the file; its folder must exist.
        create: make the ledger if there is none.
        read_only: only read, and a damaged file as far as it goes; leaves no files of SQLite's behind. Works without
            the right to write as long as no process has the ledger open, or that one's `-wal` and `-shm` files can
            be read. Where nothing can be written, a `-wal` left behind by a crash without its `-shm` cannot be read:
            copy both files to another disk first.
        patience_s: how long to wait for another process's lock, in seconds.

    Raises:
        StoreError: there is no ledger, it is not one, a newer Aster made it, or it cannot be opened that way.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False, patience_s: float = 30.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._reading_lock, self._writing_lock, self._mark_lock = (threading.Lock() for _ in range(3))
        self._wal = path.with_name(path.name + "-wal")
        self._litters = read_only and not self._wal.exists()
        if create and not read_only:
            self._create()
        if not path.exists():
            raise StoreError(f"There is no ledger at {path}.")
        # Two connections, so that a reader in one thread need not wait for a flush in another.
        self._writing = None if read_only else self._open_to_write()
        try:
            self._reading = self._open_to_read()
        except BaseException:  # whatever it was, it is raised again
            self._close_writing()
            raise
        try:
            self._known = self.last_position()
        except StoreError:
            if not read_only:
                self.close()
                raise
            self._known = 0  # a damaged tail; `read` will come to it
        self._foreign = False

    # --- opening and closing ---------------------------------------------------------------------------------

    def _connect(self, query: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.absolute().as_uri()}?{query}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=self._patience_s,
        )

    def _create(self) -> None:
        """Make the tables, in one transaction: a crash leaves a ledger or an empty file, which is tried again."""
        with translated(self._path):
            connection = self._connect("mode=rwc")
            try:
                if _is_empty(connection):
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=FULL")
                    with _transaction(connection):
                        for statement in _TABLES if _is_empty(connection) else ():
                            connection.execute(statement)
            finally:
                connection.close()
        for folder in (self._path.absolute().parent, self._path.absolute().parent.parent):
            _flush_folder(folder)

    def _open_to_write(self) -> sqlite3.Connection:
        with translated(self._path):
            connection = self._connect("mode=rw")
            try:
                self._check(connection)
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA fullfsync=ON")  # macOS: flush the disk's own cache too
                connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
                # Writes nothing, but a read-only file is found out now and not at the first outcome.
                connection.execute("UPDATE terms SET time = time WHERE false")
            except BaseException:  # whatever it was, it is raised again
                connection.close()
                raise
        return connection

    def _open_to_read(self) -> sqlite3.Connection:
        with translated(self._path):
            try:
                return self._try_to_read("mode=ro")
            except sqlite3.OperationalError as error:
                left_over = self._wal.exists() and self._wal.stat().st_size > 0
                if left_over or primary(error) not in _NO_SHM:
                    raise
                # A read-only folder, or a full disk: -shm cannot be made, and is not needed while nobody writes.
                return self._try_to_read("mode=ro&immutable=1")

    def _try_to_read(self, query: str) -> sqlite3.Connection:
        connection = self._connect(query)
        try:
            # Else SQLite refuses a file that was cut short as a whole, and with it all that is before the cut.
            connection.execute("PRAGMA writable_schema=ON")
            self._check(connection)
        except BaseException:  # whatever it was, it is raised again
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        if _is_empty(connection):
            raise StoreError(f"{self._path} is empty: its campaign ended before anything was recorded.")
        if _number(connection, "PRAGMA application_id") != APPLICATION_ID:
            raise StoreError(f"{self._path} is an SQLite file, but not a ledger of Aster.")
        layout = _number(connection, "PRAGMA user_version")
        if layout > LAYOUT:
            raise self._too_new(f"layout {layout}", f"layout {LAYOUT}")

    def _too_new(self, found: str, known: str) -> StoreError:
        return StoreError(
            f"{self._path} was written by a newer Aster ({found}, this one knows {known}); upgrade aster-research."
        )

    def close(self) -> None:
        with self._writing_lock, self._reading_lock:
            self._reading.close()
            self._close_writing()
            if self._litters:
                self._litters = False
                self._tidy()

    def _tidy(self) -> None:
        """Remove the files that SQLite made for a reader and leaves there, unless somebody has come to use them.

        Only a connection that may write removes them, when it is the last one.
        """
        with suppress(sqlite3.Error, OSError):
            if self._wal.exists() and self._wal.stat().st_size == 0:
                connection = self._connect("mode=rw")
                try:
                    _is_empty(connection)  # SQLite opens the files at the first question
                finally:
                    connection.close()

    def _close_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()

    # --- writing ---------------------------------------------------------------------------------------------

    def append(
        self, events: Sequence[Event], *, term: int = 0, time: float, blobs: Mapping[str, bytes] = {}
    ) -> list[Entry]:
        (result,) = self.append_group([Batch(events, time, term, blobs)])
        if isinstance(result, Exception):
            raise result
        return result

    def append_group(self, batches: Sequence[Batch]) -> list[list[Entry] | Exception]:
        # Encoding and compressing are done before the transaction, so that other processes wait for less.
        prepared = [prepare(batch, self.has_blob) for batch in batches]
        with self._write() as connection:
            current = _number(connection, _LAST_TERM)
            last = _number(connection, _LAST_POSITION)
            with self._mark_lock:
                self._foreign = self._foreign or last > self._known
            results: list[list[Entry] | Exception] = []
            for item in prepared:
                result = _insert(connection, item, current, last) if isinstance(item, Prepared) else item
                results.append(result)
                if isinstance(result, list):
                    last += len(result)
        with self._mark_lock:
            self._known = max(self._known, last)
        return results

    def begin_term(self, time: float) -> int:
        with self._write() as connection:
            term = _number(connection, _LAST_TERM) + 1
            connection.execute("INSERT INTO terms(number, time) VALUES (?, ?)", (term, time))
        return term

    def put_blob(self, data: bytes) -> str:
        blob = blob_id(data)
        self.append([], time=0.0, blobs={blob: data})
        return blob

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        if self._writing is None:
            raise StoreError(f"{self._path} was opened to be read only.")
        with self._writing_lock, translated(self._path), _transaction(self._writing):
            yield self._writing

    # --- reading ---------------------------------------------------------------------------------------------

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        left = limit
        while left is None or left > 0:
            wanted = CHUNK if left is None else min(left, CHUNK)
            rows, trouble = self._fetch(after, wanted)
            for row in rows:
                yield self._entry(row, after)
                after += 1
            if trouble is not None and primary(trouble) == sqlite3.SQLITE_CORRUPT:
                raise self._damaged(after, str(trouble)) from trouble
            if trouble is not None:
                raise explain(self._path, trouble) from trouble
            if len(rows) < wanted:
                return
            left = None if left is None else left - len(rows)

    def _fetch(self, after: int, wanted: int) -> tuple[list[_Row], sqlite3.Error | None]:
        """Return the rows behind `after`, and the trouble that cut them short, if any."""
        rows: list[_Row] = []
        try:
            with self._reading_lock:
                rows.extend(self._reading.execute(_READ, (after, wanted)))
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            return rows, error
        return rows, None

    def _entry(self, row: _Row, after: int) -> Entry:
        position, term, time, version, body = row
        if position != after + 1:
            raise self._damaged(after, f"the next one found is {position}")
        if version > FORMAT:
            raise self._too_new(f"event {position} has format {version}", f"format {FORMAT}")
        try:
            return Entry(position, term, time, decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
            raise self._damaged(after, f"position {position} is not an event: {error}") from error

    def _damaged(self, good: int, detail: str) -> LedgerDamaged:
        return LedgerDamaged(
            f"{self._path} is damaged after position {good} ({detail}). All entries up to {good} can be read; "
            "restore the file from a copy."
        )

    def last_position(self) -> int:
        with translated(self._path), self._reading_lock:
            return _number(self._reading, _LAST_POSITION)

    def changed(self) -> bool:
        last = self.last_position()
        with self._mark_lock:
            changed = self._foreign or last > self._known
            self._foreign, self._known = False, max(self._known, last)
        return changed

    def get_blob(self, blob: str) -> bytes:
        with translated(self._path), self._reading_lock:
            row = self._reading.execute("SELECT codec, data FROM blobs WHERE id = ?", (blob,)).fetchone()
        if row is None:
            raise BlobMissing(f"{self._path} holds no blob {blob}.")
        content = unpack(blob, *row)
        if content is None:
            raise LedgerDamaged(f"{self._path} is damaged: the content of blob {blob} does not match its hash.")
        return content

    def has_blob(self, blob: str) -> bool:
        with translated(self._path), self._reading_lock:
            return self._reading.execute("SELECT 1 FROM blobs WHERE id = ?", (blob,)).fetchone() is not None


_Row = tuple[int, int, float, int, bytes]


def _insert(connection: sqlite3.Connection, item: Prepared, current: int, last: int) -> list[Entry] | Exception:
    """Write one batch behind position `last`; refuse it before the first write, so that nothing need be undone."""
    batch = item.batch
    if batch.term != current and not all(isinstance(event, FACTS) for event in batch.events):
        return StaleTerm(
            f"A decision came under term {batch.term}, but the campaign's current term is {current}: another process "
            "has taken it over, and this one must stop."
        )
    connection.executemany(_ADD_BLOB, item.blobs)
    entries: list[Entry] = []
    for event, body in zip(batch.events, item.bodies, strict=True):
        place = last + len(entries) + 1
        row = (place, batch.term, batch.time, type(event).__name__, FORMAT, natural_key(event), body)
        if connection.execute(_ADD_EVENT, row).rowcount:
            entries.append(Entry(place, batch.term, batch.time, event))
    return entries


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # whatever it was, it is raised again
        with suppress(sqlite3.Error):  # a full disk has rolled back by itself; the first error is the one to tell
            connection.execute("ROLLBACK")
        raise


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return _number(connection, "SELECT count(*) FROM sqlite_master") == 0


def _flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the system lets folders be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
