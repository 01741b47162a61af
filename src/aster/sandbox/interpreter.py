"""What of the machine belongs to an interpreter: its program, its library, its packages, and the links to them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aster.errors import UserError
from aster.sandbox.keeper.walls import covers

_PARTS = ("bin", "include", "lib", "lib32", "lib64", "libexec", "share", "pyvenv.cfg")
_TELL_S = 60.0
_MOST_LINKS = 40
_TELL = """
import json, os, sys
finders = [module for name, module in list(sys.modules.items()) if name.startswith("__editable__")]
print()
print(json.dumps({
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix],
    "programs": [sys.executable, getattr(sys, "_base_executable", "")],
    "packages": sys.path + [str(path) for each in finders for path in getattr(each, "MAPPING", {}).values()],
    "version": sys.version_info[:3],
}))
"""


class Told(NamedTuple):
    """What a Python says of itself; all but its version are absolute paths."""

    prefixes: list[str]
    programs: list[str]
    packages: list[str]
    version: list[int]


@cache
def ask(interpreter: str) -> Told:
    """Return what a Python says of itself.

    Raises:
        UserError: it does not run.
    """
    try:
        argv = [interpreter, "-I", "-c", _TELL]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TELL_S, check=True)
        told = Told(**json.loads(done.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"exit code {error.returncode}"
    except subprocess.TimeoutExpired:
        why = f"it says nothing in {_TELL_S:.0f} s"
    except OSError as error:
        why = error.strerror or str(error)
    except (ValueError, IndexError, TypeError):
        why = "it does not answer as a Python does"
    else:
        return told
    raise UserError(f"The interpreter {interpreter} does not run: {why}. Mend it, or name another one.")


@cache
def footprint(interpreter: str) -> tuple[str, ...]:
    """Return the files and folders that a Python needs to run, by every name that leads to them; absolute.

    With them come packages that lie elsewhere and were added to its path for good (editable installs). A package in
    the user's home folder itself, or above it, is left out: whatever is named here, candidates can read.

    Raises:
        UserError: it does not run.
    """
    told = ask(interpreter)
    prefixes = list(dict.fromkeys(told.prefixes))
    parts = [part for prefix in prefixes for part in _parts(prefix)]
    programs = [interpreter, *told.programs, *(name for prefix in prefixes for name in _home_programs(prefix))]
    links = [name for program in programs if program for name in _hops(program)]
    elsewhere = [path for path in told.packages if not any(covers(prefix, path) for prefix in prefixes)]
    packages = [path for path in elsewhere if path.startswith("/") and not covers(path, str(Path.home()))]
    found = {*parts, *links, *packages}
    return tuple(sorted(path for path in found if path != "/" and os.path.exists(path)))  # noqa: PTH110


def _parts(prefix: str) -> list[str]:
    """Return the parts of an environment that are the interpreter's: a project's own files may lie beside them."""
    if os.path.isdir(f"{prefix}/conda-meta"):  # noqa: PTH112
        return [prefix]
    return [f"{prefix}/{name}" for name in _PARTS]


def _home_programs(prefix: str) -> list[str]:
    """Return the programs in the folder that an environment was made from, in which a Python looks for its library."""
    try:
        lines = Path(prefix, "pyvenv.cfg").read_text(errors="replace").splitlines()
    except OSError:
        return []
    homes = [value.strip() for key, _, value in (line.partition("=") for line in lines) if key.strip() == "home"]
    return [str(path) for home in homes for path in sorted(Path(home).glob("python*"))]


def _hops(path: str) -> Iterator[str]:
    """Yield a path, and one after another what its links lead to."""
    for _ in range(_MOST_LINKS):
        yield path
        if not os.path.islink(path):  # noqa: PTH114
            return
        folder = os.path.realpath(os.path.dirname(path))  # noqa: PTH120
        path = os.path.normpath(os.path.join(folder, os.readlink(path)))  # noqa: PTH115, PTH118
