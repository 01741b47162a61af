"""Copying the code that is wrapped: what a candidate needs, and never what is large, hidden or a link."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aster.errors import InitError
from aster.problems.checks import FILE

MAX_FILE = 1024 * 1024
MAX_BYTES = 16 * 1024 * 1024
MAX_FILES = 1_000
MAX_IN_FOLDER = 1_000
MAX_SEEN = 20_000

_JUNK = frozenset({"__pycache__", "node_modules", "wandb", "mlruns", "campaigns", "site-packages"})
_JUNK_NAME = re.compile(r".*\.(pyc|pyo|egg-info|swp|log)$|.*~$|Thumbs\.db$")


class Left(NamedTuple):
    """What was not copied: its path, why, and its size in bytes (0 where it was not measured)."""

    path: str
    why: str
    size: int

    def __str__(self) -> str:
        size = f" ({_amount(self.size)})" if self.size else ""
        return f"{self.path}{size}: {self.why}"


@dataclass(frozen=True)
class Gathered:
    """A copy of a folder: path -> content, and what was left out of it."""

    root: Path
    files: dict[str, bytes]
    left: tuple[Left, ...]


def gather(root: Path, wanted: Sequence[str] = ()) -> Gathered:
    """Return the files of a folder that a candidate may need.

    Never copied and never mentioned: hidden files (they may hold keys), version control, virtual environments, caches,
    logs, other problem folders and campaigns. Left out and listed: links, special files, files above 1 MiB, folders
    of more than 1,000 entries, all that is beyond 16 MiB or 1,000 files. A folder at the top without code, of which
    anything was left out, is left out as a whole: it is data.

    Args:
        wanted: paths that are needed whatever they are; relative to the folder.

    Raises:
        InitError: the folder cannot be read, holds more than 20,000 entries, or a wanted file cannot be copied.
    """
    files: dict[str, bytes] = {}
    left: list[Left] = []
    total = 0
    try:
        for path, why, size in _look(root):
            if why is None and total + size > MAX_BYTES:
                why = f"more than {_amount(MAX_BYTES)} in all"
            elif why is None and len(files) >= MAX_FILES:
                why = f"more than {MAX_FILES:,} files in all"
            if why is None:
                files[path] = (root / path).read_bytes()
                total += size
            else:
                left.append(Left(path, why, size))
    except OSError as error:
        raise InitError(f"{root} cannot be copied: {error.strerror} ({error.filename}).") from error
    _take_out_data(files, left)
    for path in wanted:
        if path not in files:
            why = next((str(each) for each in left if each.path == path), f"{path}: not a plain, visible file")
            raise InitError(f"{root / path} is needed and cannot be copied: {why}.")
    return Gathered(root, dict(sorted(files.items())), tuple(sorted(left)))


def _look(root: Path) -> Iterator[tuple[str, str | None, int]]:
    """Yield (path, why it is not to be copied or None, size) of all that is not junk, files before folders."""
    pending, seen = [root], 0
    while pending:
        folder = pending.pop(0)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        seen += len(entries)
        if seen > MAX_SEEN and folder == root:
            raise InitError(f"{root} holds more than {MAX_SEEN:,} entries: move the code to a folder of its own.")
        if folder != root and (len(entries) > MAX_IN_FOLDER or seen > MAX_SEEN):
            yield folder.relative_to(root).as_posix(), f"{len(entries):,} entries", 0
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if not _is_junk_folder(path):
                    pending.append(path)
            elif not (entry.name.startswith(".") or _JUNK_NAME.match(entry.name)):
                yield path.relative_to(root).as_posix(), *_judge(entry)


def _judge(entry: os.DirEntry[str]) -> tuple[str | None, int]:
    """Return why a file is not to be copied, or None, and its size."""
    if entry.is_symlink():
        return "a link", 0
    if not entry.is_file(follow_symlinks=False):
        return "not a plain file", 0
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8", 0
    size = entry.stat(follow_symlinks=False).st_size
    return (f"larger than {_amount(MAX_FILE)}" if size > MAX_FILE else None), size


def _is_junk_folder(path: Path) -> bool:
    is_ours = (path / FILE).is_file()
    is_environment = (path / "pyvenv.cfg").is_file()
    named_junk = path.name.startswith(".") or path.name in _JUNK or bool(_JUNK_NAME.match(path.name))
    return named_junk or is_ours or is_environment


def _take_out_data(files: dict[str, bytes], left: list[Left]) -> None:
    """Leave out as a whole each folder at the top that holds no code and of which something was left out."""
    for top in sorted({each.path.split("/")[0] for each in left if "/" in each.path}):
        inside = [path for path in files if path.startswith(top + "/")]
        if any(path.endswith(".py") for path in inside):
            continue
        gone = [each for each in left if each.path.startswith(top + "/")]
        size = sum(each.size for each in gone) + sum(len(files.pop(path)) for path in inside)
        left[:] = [each for each in left if each not in gone] + [Left(top, "data", size)]


def _amount(size: int) -> str:
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"
