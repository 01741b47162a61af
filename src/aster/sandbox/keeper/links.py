"""Links to what a stage may read, laid in folders that hostile code may have prepared: no link is followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .spec import Given

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Links:
    """Those that a stage has: what one may see is not in the next one's way."""

    def __init__(self) -> None:
        self._laid: list[tuple[str, str]] = []

    def lay(self, given: Given, cwd: str, home: str, user: int) -> bool:
        """Make the link that `given` asks for, if any; return as the function `lay` does."""
        if not given.link or not given.places:
            return True
        root, path = (home, given.link[2:]) if given.link.startswith("~/") else (cwd, given.link)
        self._laid.append((root, path))
        return lay(root, path, given.places[0], user)

    def take(self) -> None:
        """Remove all of them."""
        while self._laid:
            take(*self._laid.pop())


def lay(root: str, path: str, target: str, user: int) -> bool:
    """Make the link `root`/`path` to `target`, and the folders on the way, which become `user`'s (0: stay ours).

    Returns:
        Whether it is there; False if something else is in its place, or in the place of a folder on the way.
    """
    try:
        with _parent(root, path, user) as (folder, name):
            with suppress(FileExistsError):
                os.symlink(target, name, dir_fd=folder)
            return os.readlink(name, dir_fd=folder) == target
    except OSError:
        return False


def take(root: str, path: str) -> None:
    """Remove the link `root`/`path`, if it still is one; the folders on the way stay."""
    with suppress(OSError), _parent(root, path, 0) as (folder, name):
        os.readlink(name, dir_fd=folder)  # raises if it is something else
        os.unlink(name, dir_fd=folder)


@contextmanager
def _parent(root: str, path: str, user: int) -> Iterator[tuple[int, str]]:
    """Open the folder that holds `path`, made if it is missing; give its descriptor and the last part of the path."""
    *folders, name = path.split("/")
    here = os.open(root, _FOLDER)
    try:
        for folder in folders:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700, dir_fd=here)
                if user:
                    os.chown(folder, user, user, dir_fd=here, follow_symlinks=False)
            inner = os.open(folder, _FOLDER, dir_fd=here)
            os.close(here)
            here = inner
        yield here, name
    finally:
        os.close(here)
