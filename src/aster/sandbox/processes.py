"""Finding and killing what a dead keeper left behind, by the mark in its environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

MARK = "ASTER_ATTEMPT"
_PROC = Path("/proc")


def marked(prefix: str) -> dict[str, list[int]]:
    """Return the living processes that were started with an ASTER_ATTEMPT that begins with `prefix`, by its value.

    One look at all processes (Linux; elsewhere it finds none). One that was started with another environment, or
    that belongs to another user, is not found.
    """
    start = f"{MARK}={prefix}".encode()
    found: dict[str, list[int]] = {}
    for name in os.listdir(_PROC) if _PROC.is_dir() else ():  # noqa: PTH208 - thousands: no Path for each
        with suppress(OSError):  # it ended while we looked, or is another user's: not ours to kill
            if name.isdigit():
                for variable in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    if variable.startswith(start):
                        mark = variable.decode(errors="replace").partition("=")[2]
                        found.setdefault(mark, []).append(int(name))
    return found


def kill_marked(prefix: str, marks: Collection[str]) -> set[str]:
    """Send SIGKILL to every process with one of `marks`, which begin with `prefix`; return the marks found.

    A mark that is not returned has no process left.
    """
    found = {mark: pids for mark, pids in marked(prefix).items() if mark in marks}
    for pid in (pid for pids in found.values() for pid in pids):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return set(found)
