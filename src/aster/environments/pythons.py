"""Which Python an environment is built with."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from aster.errors import UserError
from aster.sandbox.interpreter import ask


def choose_python(wanted: str | None, uv: bool) -> tuple[str, str]:
    """Return a Python of the versions `wanted` (None: any) and its own version; the one that runs Aster is preferred.

    Args:
        wanted: a specifier such as ">=3.11".
        uv: whether uv is at hand, which can fetch one: then both are `wanted` where none is found.

    Raises:
        UserError: there is none.
    """
    from packaging.specifiers import SpecifierSet

    versions = SpecifierSet(wanted or "")
    for path in _pythons():
        version = _version(path)
        if version and versions.contains(version, prereleases=True):
            return path, version
    if uv and wanted:
        return wanted, wanted
    raise UserError(
        f"There is no Python {wanted} here: the one that runs Aster is {_version(sys.executable)}, and nothing on PATH "
        f"fits. Install one, or uv, which fetches it; or change `python` under [environment]."
    )


def _pythons() -> Iterator[str]:
    """Yield our own interpreter's program, then those on PATH, the newest first."""
    yield sys.executable
    names = {path.name for folder in os.environ.get("PATH", "").split(os.pathsep) for path in _named(folder)}
    for name in sorted(names, key=lambda name: int(name.rpartition(".")[2]), reverse=True):
        if found := shutil.which(name):
            yield found


def _named(folder: str) -> Iterator[Path]:
    if folder and os.path.isdir(folder):  # noqa: PTH112
        yield from (path for path in Path(folder).glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name))


def _version(path: str) -> str:
    """Return its version, or "" if it does not run."""
    try:
        return ".".join(str(number) for number in ask(path).version)
    except UserError:  # a program on PATH that only looks like one
        return ""
