"""How much of the disk an attempt has taken, looked at closely only when there is a reason to."""

from __future__ import annotations

import os
from contextlib import suppress

MOST = 16 << 30
"""Bytes that an attempt may hold on the disk."""
MOST_FILES = 1_000_000
SHORT = 512 << 20
"""Bytes of free space below which the largest holders have to go, so that what is recorded can be recorded."""
LEAST = 32 << 20
"""Bytes of free space below which programs may fail for want of it, through no fault of theirs."""
_LARGE = 128 << 20


class Disk:
    """The disk under `folder`, since this was made."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._space, self._files = _free(folder)

    def trouble(self) -> str | None:
        """Return why the attempt in the folder may not go on, or None. Cheap while the disk hardly fills."""
        space, files = _free(self._folder)
        filled = self._space - space > MOST or self._files - files > MOST_FILES
        if not filled:
            return None
        held, count = taken(self._folder)
        if held > MOST:
            return f"took {held >> 20} MiB of disk, more than {MOST >> 20}"
        if count > MOST_FILES:
            return f"made {count} files, more than {MOST_FILES}"
        self._space, self._files = space, files  # others did it; look again when it fills as much once more
        return None

    def squeezed(self) -> str | None:
        """Return why the attempt has to make room, or None: the disk is nearly full, by whoever's doing."""
        if _free(self._folder)[0] > SHORT:
            return None
        held, _ = taken(self._folder)
        return f"took {held >> 20} MiB of a disk that is nearly full" if held > _LARGE else None


def short(folder: str) -> str | None:
    """Return how little space is left where `folder` is, if that is too little for an attempt, or None."""
    space, _ = _free(folder)
    return f"{space >> 20} MiB are free, of {LEAST >> 20} that are needed" if space < LEAST else None


def taken(folder: str) -> tuple[int, int]:
    """Return the bytes on the disk and the number of files and folders under `folder`; no link is followed."""
    total = count = 0
    ahead = [folder]
    while ahead:
        with suppress(OSError), os.scandir(ahead.pop()) as entries:
            for entry in entries:
                count += 1
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
    return total, count


def _free(folder: str) -> tuple[int, int]:
    try:
        status = os.statvfs(folder)
    except OSError:
        return MOST, MOST_FILES
    return status.f_bavail * status.f_frsize, status.f_favail
