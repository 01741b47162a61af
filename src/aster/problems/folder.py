"""Reading a problem folder into memory, so that a campaign owns a snapshot of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from aster.errors import ProblemError

MAX_FILES = 2_000
MAX_BYTES = 64 * 1024 * 1024

_SKIPPED = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules", ".ipynb_checkpoints", ".DS_Store"})
_LATER = "Large data is not yet supported in the problem folder: keep it elsewhere"


def read_folder(folder: Path, where: str) -> dict[str, bytes]:
    """Return the folder's regular files, path -> content, sorted; paths are relative and use "/".

    Left out are `campaigns` at the top, version control, virtual environments and caches.

    Args:
        folder: an existing folder.
        where: its name in errors.

    Raises:
        ProblemError: a symlink or special file, a name that is not UTF-8, a file that cannot be read, or more
            than MAX_FILES files or MAX_BYTES bytes.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        for entry in _entries(folder):
            path = Path(entry.path).relative_to(folder).as_posix()
            _refuse_special(entry, path, where)
            total += entry.stat(follow_symlinks=False).st_size
            if len(files) >= MAX_FILES:
                raise ProblemError(where, "", f"holds more than {MAX_FILES} files. {_LATER}.")
            if total > MAX_BYTES:
                raise ProblemError(where, path, f"the folder holds more than {MAX_BYTES >> 20} MiB. {_LATER}.")
            files[path] = Path(entry.path).read_bytes()
    except OSError as error:
        raise ProblemError(where, "", f"cannot be read: {error.strerror} ({error.filename})") from error
    return dict(sorted(files.items()))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all entries that are not plain folders, depth first."""
    pending = [folder]
    while pending:
        here = pending.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if _skipped(entry.name) or (here == folder and entry.name == "campaigns"):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                else:
                    yield entry


def _skipped(name: str) -> bool:
    hidden_cache = name.startswith(".") and name.endswith("cache")
    return name in _SKIPPED or hidden_cache or name.endswith(".pyc")


def _refuse_special(entry: os.DirEntry[str], path: str, where: str) -> None:
    if entry.is_symlink():
        raise ProblemError(where, path, "is a symlink; put the file itself here, so that a campaign can keep a copy")
    if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        raise ProblemError(where, path, "is neither a file nor a folder; remove it")
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise ProblemError(where, repr(path), "its name is not UTF-8; rename it") from None
