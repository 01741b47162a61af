"""Reading a problem folder into memory, so that a campaign owns a snapshot of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from aster.errors import ProblemError

MAX_FILES = 2_000
MAX_BYTES = 64 * 1024 * 1024

_OURS = ("campaigns", ".aster")
_SKIPPED = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules", ".ipynb_checkpoints", ".DS_Store"})
_LARGE = "Name large files as [[data]], which is no part of what a campaign keeps a copy of"


def read_folder(folder: Path, where: str, data: Collection[str] = ()) -> dict[str, bytes]:
    """Return the folder's regular files, path -> content, sorted; paths are relative and use "/".

    Left out are data, `campaigns` and `.aster` at the top, version control, virtual environments and caches.

    Args:
        folder: an existing folder.
        where: its name in errors.
        data: paths of files and folders to leave out.

    Raises:
        ProblemError: a symlink or special file, a name that is not UTF-8, a file that cannot be read, or more
            than MAX_FILES files or MAX_BYTES bytes.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        for entry in _entries(folder, {str(folder / path) for path in data}):
            path = Path(entry.path).relative_to(folder).as_posix()
            _refuse_special(entry, path, where)
            total += entry.stat(follow_symlinks=False).st_size
            if len(files) >= MAX_FILES:
                raise ProblemError(where, "", f"holds more than {MAX_FILES} files. {_LARGE}.")
            if total > MAX_BYTES:
                raise ProblemError(where, path, f"the folder holds more than {MAX_BYTES >> 20} MiB. {_LARGE}.")
            files[path] = Path(entry.path).read_bytes()
    except OSError as error:
        raise ProblemError(where, "", f"cannot be read: {error.strerror} ({error.filename})") from error
    return dict(sorted(files.items()))


def _entries(folder: Path, data: Collection[str]) -> Iterator[os.DirEntry[str]]:
    """Yield all entries that are not plain folders and not `data`, depth first."""
    pending = [folder]
    while pending:
        here = pending.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if _skipped(entry.name) or entry.path in data or (here == folder and entry.name in _OURS):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not os.path.exists(f"{entry.path}/pyvenv.cfg"):  # noqa: PTH110
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
