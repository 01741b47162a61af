"""SQLite's errors in plain words: the one place that knows its error codes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aster.errors import StoreError
from aster.ledger.protocol import LedgerDamaged

_SENTENCES = {
    sqlite3.SQLITE_FULL: "cannot be written because the disk is full; free some space, then resume",
    sqlite3.SQLITE_IOERR: "cannot be read or written; the disk is failing, full, or over a quota or file size limit",
    sqlite3.SQLITE_READONLY: "cannot be written because the file, its folder or its disk is read-only",
    sqlite3.SQLITE_BUSY: "was locked by another process for too long; end that process or wait for it",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a copy (what lies before the damage can still be read)",
    sqlite3.SQLITE_NOTADB: "is damaged, or not a ledger: it does not begin like one",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: it is missing, or its folder may not be entered or written",
    sqlite3.SQLITE_PERM: "cannot be opened: its permissions forbid it",
}


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what `error` means for the ledger at `path`, with SQLite's own words at the end."""
    code = primary(error)
    sentence = _SENTENCES.get(code, "cannot be used")
    kind = LedgerDamaged if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else StoreError
    return kind(f"{path} {sentence}. (SQLite: {error}, {getattr(error, 'sqlite_errorname', 'no code')})")


def primary(error: sqlite3.Error) -> int:
    """Return the error's primary result code, such as sqlite3.SQLITE_BUSY; 0 if SQLite gave none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors inside the block into StoreError; misuse of the module stays the bug that it is."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise explain(path, error) from error
