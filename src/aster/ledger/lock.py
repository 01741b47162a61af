"""One process a campaign: a file lock that the kernel frees when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shlex
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from aster.errors import CampaignBusy, StoreError

LOCK_FILE = "lock"

LOOK_S = 0.05
"""How long a lock may be held by somebody who only looks."""

_held: set[int] = set()


def _let_go_in_child() -> None:
    """Close the locks' descriptors in a forked child, else a keeper that outlives the campaign would hold its lock.

    Closing a copy does not unlock: the parent keeps what it has.
    """
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


class CampaignLock:
    """The right to run the campaign in `folder`, held from `acquire` (or `with`) to `release` or death.

    The file holds the holder's pid and host, for people and for the error. It is never deleted: the
    lock is the kernel's, not the file's existence.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; waits a moment for somebody who only looks whether it is held.

        Raises:
            CampaignBusy: another process (or another lock in this one) holds it.
            StoreError: the folder is missing or cannot be written, or its file system has no locks.
        """
        path = self._folder / LOCK_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}.") from error
        try:
            _lock(descriptor)
            note = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, note, 0)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise CampaignBusy(self._busy(holder)) from None
            raise StoreError(f"{path} cannot be locked: {error.strerror}.") from error
        self._descriptor = descriptor
        _held.add(descriptor)

    def _busy(self, holder: str) -> str:
        where = shlex.quote(str(self._folder))  # a path, not the name: it is found whatever folder is the usual one
        return (
            f"campaign {self._folder.resolve().name} is being run by {holder}; `aster show {where}` shows how far it "
            f"is, `aster stop {where}` ends it. Only one process can run a campaign."
        )

    def release(self) -> None:
        """Give the lock back; does nothing if it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or descriptor not in _held:  # not in a forked child, where it is closed already
            return
        _held.discard(descriptor)
        with contextlib.suppress(OSError):  # the name is for people only; closing is what unlocks
            os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(descriptor: int) -> None:
    """Lock exclusively, or raise BlockingIOError once it has been held for LOOK_S: a look takes microseconds."""
    deadline = time.monotonic() + LOOK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOOK_S / 10)


def _holder(descriptor: int) -> str:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {note['pid']} on {note['host']}"
    except (ValueError, KeyError, TypeError):  # it has the lock, and has not written its name yet
        return "another process"
