"""Files that a candidate may have touched: opened without following links, compared by content, bounded."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 1 << 20
"""The largest output or picture that is kept, unless a plan says more of outputs."""
MAX_ARTIFACTS, MAX_PICTURES = 16, 8
MOST_DEEP = 100
"""Folders within folders among the outputs."""
PICTURES = (".svg", ".png")
_RETRIES_S = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def changed(root: str, hashes: Mapping[str, str]) -> str | None:
    """Return the first path under `root` whose file is not a regular file with this SHA-256, or None.

    A link in place of the file, or of a folder on the way to it, is a change.
    """
    base = os.path.realpath(root)
    for path, expected in hashes.items():
        whole = os.path.join(base, path)  # noqa: PTH118
        if os.path.realpath(whole) != os.path.normpath(whole) or sha256_of(whole) != expected:
            return path
    return None


def sha256_of(path: str) -> str | None:
    """Return the SHA-256 of a regular file, or None if it is missing, unreadable or something else."""
    try:
        # Non-blocking, so that a pipe put in place of a file cannot hang us.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def lay_out(folder: str, files: Mapping[str, bytes]) -> None:
    """Write `files` (relative path -> content) under `folder`.

    Raises:
        OSError: no space, or no permission.
        ValueError: a path leads out of the folder.
    """
    made = {folder}
    for path, data in files.items():
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path!r} leads out of its folder")
        target = Path(folder, path)
        parent = str(target.parent)
        if parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(parent)
        target.write_bytes(data)


def fresh_folder(parent: str, prefix: str) -> str:
    """Return a new, private, empty folder that nobody could have prepared."""
    return tempfile.mkdtemp(prefix=prefix, dir=parent)


def give(folder: str, user: int) -> None:
    """Make a folder and all in it a user's alone; 0 leaves them as they are. No link is followed.

    Raises:
        OSError: one cannot be given.
    """
    if user:
        os.chown(folder, user, user, follow_symlinks=False)
        os.chmod(folder, 0o700)  # noqa: PTH101
        for parent, folders, names in os.walk(folder):
            for name in (*folders, *names):
                os.chown(os.path.join(parent, name), user, user, follow_symlinks=False)  # noqa: PTH118


def sizes(root: str, paths: Iterable[str]) -> dict[str, int]:
    """Return the size in bytes of each file, -1 for one that is not there."""
    return {path: _size(f"{root}/{path}") for path in paths}


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return -1


def remove_links(root: str) -> list[str]:
    """Delete everything under `root` that is neither a regular file nor a folder; return what was deleted.

    A link among the outputs could have the trusted stage read its own answers as the candidate's.

    Raises:
        OSError: a folder cannot be listed or changed, or lies too deep; what is in it is not known.
    """

    def refuse(error: OSError) -> None:
        raise error

    removed = []
    for folder, folders, names in os.walk(root, onerror=refuse):
        if folder.count("/", len(root)) > MOST_DEEP:
            raise OSError(errno.ELOOP, f"folders lie more than {MOST_DEEP} deep")
        for name in (*folders, *names):
            path = os.path.join(folder, name)  # noqa: PTH118
            mode = os.lstat(path).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                os.unlink(path)  # noqa: PTH108
                removed.append(os.path.relpath(path, root))
                if name in folders:  # a link to a folder: gone, so not to be walked
                    folders.remove(name)
    return removed


def keepable(
    folder: str, most: int, suffixes: tuple[str, ...] = ("",), largest: int = MAX_BYTES
) -> tuple[list[str], list[str]]:
    """Return the names of the regular files directly in `folder` to keep, and why others were not.

    At most `most`, in order of name, each of at most `largest` bytes.
    """
    kept: list[str] = []
    notes: list[str] = []
    for name, size in sorted(_regular(folder)):
        if not name.endswith(suffixes):
            continue
        if size > largest:
            notes.append(f"not kept: {name} has {size} bytes, more than {largest}")
        elif len(kept) < most:
            kept.append(name)
        else:
            notes.append(f"not kept: {name} and whatever follows it, more than {most} files")
            break
    return kept, notes


def _regular(folder: str) -> Iterator[tuple[str, int]]:
    if not folder or os.path.islink(folder):  # noqa: PTH114
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and entry.name.isprintable():
                    yield entry.name, status.st_size


def write_atomically(path: str, data: bytes) -> None:
    """Write a file that is either wholly there, and on the disk, or not there at all.

    A full disk is tried again over some seconds: others may give space back.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.tmp")
    for pause in (*_RETRIES_S, None):
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            return
        except OSError:
            draft.unlink(missing_ok=True)
            if pause is None:
                raise
            time.sleep(pause)
