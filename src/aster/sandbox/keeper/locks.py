"""flock: the kernel drops a lock when the last process that holds it is gone, however it went."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress


def try_lock(path: str) -> int | None:
    """Return a file descriptor that holds the exclusive lock on `path` (made if missing), or None if it is held.

    The descriptor is not inherited through exec, and is shared by a fork: the lock lasts until both closed it.

    Raises:
        OSError: the file cannot be opened.
    """
    return _flock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def held(path: str) -> bool:
    """Whether some process holds the lock on `path`; a file that does not exist, or is a link, is not held."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except PermissionError:
        return True  # it is somebody else's, and cannot be had
    except OSError:
        return False
    lock = _flock(fd, fcntl.LOCK_SH)  # shared, so that two who look do not see each other
    if lock is not None:
        os.close(lock)
    return lock is None


class Leases:
    """Whole GPUs held by this process and what it forks: `taken` maps UUID -> descriptor.

    All of a request or none: a keeper that waits holds no device, so two that want two each cannot wait for ever.
    """

    def __init__(self, files: dict[str, str], count: int) -> None:
        self.files, self.count = files, count
        self.taken: dict[str, int] = {}

    @property
    def complete(self) -> bool:
        return len(self.taken) >= self.count

    def take(self) -> bool:
        """Try to lease `count` devices without waiting; return whether they are held."""
        for uuid, path in self.files.items():
            if self.complete:
                break
            # Another user's lock file is opened read-only: that is enough for flock, and all that we may.
            with suppress(OSError):
                lock = _flock(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
                if lock is not None:
                    self.taken[uuid] = lock
        if not self.complete:
            self.close()
        return self.complete

    def close(self) -> None:
        """Close our descriptors; a forked process that has them too keeps the devices."""
        for fd in self.taken.values():
            os.close(fd)
        self.taken = {}


def _flock(fd: int, kind: int = fcntl.LOCK_EX) -> int | None:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    return fd
