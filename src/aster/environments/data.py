"""Data that a campaign reads but does not hold: where it lies, and a fingerprint that tells when it changed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from aster.errors import UserError
from aster.sandbox.keeper.walls import covers, outermost

WHOLE = 256 << 20
"""Bytes up to which a file's content is all in its fingerprint; of a larger one, its ends, its size and its time."""
ENDS = 1 << 20
MOST_PLACES = 256


class Found(NamedTuple):
    """Data as it lies on the machine.

    Attributes:
        places: absolute paths without links: the file or folder, then whatever links in it lead to.
        fingerprint: changes when the content does (see `WHOLE`), or the names.
        open: whether every user of the machine may read all of it.
    """

    places: tuple[str, ...]
    fingerprint: str
    open: bool


def look_at(path: Path) -> Found:
    """Return what is known of the file or folder at `path`; links are followed.

    Raises:
        UserError: something in it is missing, cannot be read, or leads to too many other places.
    """
    walk, digest = _Walk(), hashlib.sha256()
    try:
        for name, file in walk.files(str(path), "", frozenset()):
            digest.update(f"{name}\0{_content(file)}\n".encode(errors="surrogateescape"))
    except OSError as error:
        where = error.filename or path
        raise UserError(f"{where}, which is data of this problem, cannot be read: {error.strerror}.") from error
    real = os.path.realpath(path)
    others = outermost(link for link in walk.links if not covers(real, link))
    if len(others) > MOST_PLACES:
        raise UserError(f"Links in {path} lead to more than {MOST_PLACES} places: put these files into it instead.")
    return Found((real, *others), digest.hexdigest(), walk.open)


class _Walk:
    """Notes on the way what `links` lead to, and whether all is `open` to every user."""

    def __init__(self) -> None:
        self.links: set[str] = set()
        self.open = True

    def files(self, path: str, name: str, above: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield (name within, path) of all files, in order of name."""
        real, mode = os.path.realpath(path), os.stat(path).st_mode  # noqa: PTH116
        if os.path.islink(path):  # noqa: PTH114
            self.links.add(real)
        need = 0o005 if stat.S_ISDIR(mode) else 0o004
        self.open = self.open and mode & need == need
        if not stat.S_ISDIR(mode):
            yield name, path
        elif real not in above:  # else a link leads back to a folder that it lies in
            for entry in sorted(os.listdir(path)):  # noqa: PTH208
                yield from self.files(f"{path}/{entry}", f"{name}/{entry}", above | {real})


def _content(file: str) -> str:
    status = os.stat(file)  # noqa: PTH116
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is neither a file nor a folder", file)
    moments = status.st_mtime_ns, status.st_ctime_ns
    return _digest(file, (status.st_dev, status.st_ino, status.st_size, *moments), status.st_size, status.st_mtime_ns)


@lru_cache(100_000)
def _digest(file: str, _: tuple[int, ...], size: int, changed: int) -> str:
    """Hash a file, once in a process for each state of it that its inode tells."""
    with Path(file).open("rb") as opened:
        if size <= WHOLE:
            return hashlib.file_digest(opened, "sha256").hexdigest()
        return f"{size} {changed} {_ends(opened)}"


def _ends(file: BinaryIO) -> str:
    digest = hashlib.sha256(file.read(ENDS))
    file.seek(-ENDS, os.SEEK_END)
    digest.update(file.read(ENDS))
    return digest.hexdigest()
