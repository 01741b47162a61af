"""Writing a problem folder: as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aster.errors import InitError


@dataclass(frozen=True)
class Made:
    """A problem folder that was written.

    Attributes:
        folder: where it is.
        name: the problem's name.
        notes: what was noticed on the way and the user should know, a sentence or a few each.
        prepare: whether `aster prepare` has to be run before anything else.
    """

    folder: Path
    name: str
    notes: tuple[str, ...] = ()
    prepare: bool = False


def write_folder(target: Path, files: Mapping[str, bytes], links: Mapping[str, Path] | None = None) -> None:
    """Make the folder `target` of `files` (path -> content) and `links` (path -> where it leads).

    It is written under another name beside it and renamed at the end.

    Raises:
        InitError: the target exists, its parent does not, or nothing can be written there.
    """
    if os.path.lexists(target):
        raise InitError(f"{target} exists, and nothing is overwritten: name another place, or move it away.")
    if not target.parent.is_dir():
        raise InitError(f"{target.parent} is not a folder: make it first, or name another place.")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise InitError(f"Nothing can be written to {target.parent}: {error.strerror}.") from error
    try:
        _fill(temporary, files, links or {})
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(target)
    except OSError as error:
        raise InitError(f"{target} cannot be written: {error.strerror}. Nothing was left there.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # gone already if all went well


def _fill(folder: Path, files: Mapping[str, bytes], links: Mapping[str, Path]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    for path, leads_to in links.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(leads_to)


def _umask() -> int:
    """Return the umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
