"""Building an environment from requirements, once for each content, whoever needs it first."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from aster.environments.cache import cache_folder
from aster.environments.pythons import choose_python
from aster.errors import SystemTrouble, UserError

_COMPLETE = "aster-complete"
_MOST_SAID = 2_000
_OTHERS = frozenset({"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT"})
_INCLUDED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)")
_LOCAL = re.compile(r"\s*(?:-e|--editable|\.|/|file:|.*@ *file:)")

Tell = Callable[[str], None]


def build(python: str | None, requirements: str, folder: Path, files: Mapping[str, bytes], tell: Tell) -> str:
    """Return the interpreter of the environment that holds `requirements`, built now if it is not there yet.

    Args:
        python: versions of Python, such as ">=3.11"; None: any.
        requirements: path in `files` of a requirements file or a pyproject.toml.
        folder: the problem's, for requirements that are relative paths.
        files: what lies in it, path -> content.
        tell: is told in a sentence what takes long.

    Raises:
        UserError: there is no such Python, or the requirements cannot be installed.
        SystemTrouble: the cache cannot be written.
    """
    uv = shutil.which("uv")
    base, version = choose_python(python, uv is not None)
    content = list(_contents(requirements, files, set()))
    if any(_LOCAL.match(line) for text in content for line in text.splitlines()):
        content.append(str(folder.resolve()))
    key = hashlib.sha256(json.dumps([version, base, content, sysconfig.get_platform()]).encode()).hexdigest()[:20]
    place = cache_folder() / "environments" / key
    interpreter = str(place / "bin" / "python")
    if (place / _COMPLETE).exists():
        return interpreter
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place.with_name(f"{key}.lock"), tell):
            if not (place / _COMPLETE).exists():
                tell(f"Building the environment of {requirements} with {'uv' if uv else 'pip'}; it is kept in {place}.")
                shutil.rmtree(place, ignore_errors=True)  # what an earlier try left half built
                _install(uv, base, place, _source(requirements, content[0], place, bool(uv)), folder)
                (place / _COMPLETE).touch()
    except OSError as error:
        raise SystemTrouble(f"The environment cannot be built in {place}: {error}. Free space, or set XDG_CACHE_HOME "
                            "to a folder that can be written.") from error  # fmt: skip
    return interpreter


def _contents(path: str, files: Mapping[str, bytes], seen: set[str]) -> Iterator[str]:
    """Yield the text of a requirements file, then of those that it includes."""
    seen.add(path)
    text = files.get(path, b"").decode("utf-8", errors="replace")
    yield text
    for line in text.splitlines():
        if found := _INCLUDED.match(line):
            other = os.path.normpath(os.path.join(os.path.dirname(path), found[1]))  # noqa: PTH118, PTH120
            if other not in seen:
                yield from _contents(other, files, seen)


@contextmanager
def _alone(lock: Path, tell: Tell) -> Iterator[None]:
    """Hold a lock file; another who holds it is waited for. The kernel lets go of it when we die."""
    with lock.open("w") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("Another process is building the same environment; waiting for it.")
            fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _source(requirements: str, text: str, place: Path, uv: bool) -> str:
    """Return the file to install from: pip cannot read a pyproject.toml, so its dependencies are written out."""
    if uv or not requirements.endswith(".toml"):
        return requirements
    try:
        needed = tomllib.loads(text)["project"]["dependencies"]
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{requirements} names no [project] dependencies to install ({error}).") from error
    written = place.with_name(f"{place.name}.txt")
    written.write_text("\n".join(map(str, needed)) + "\n")
    return str(written)


def _install(uv: str | None, base: str, place: Path, source: str, folder: Path) -> None:
    interpreter = str(place / "bin" / "python")
    if uv:
        _run([uv, "venv", "--quiet", "--python", base, str(place)], folder)
        _run([uv, "pip", "install", "--quiet", "--python", interpreter, "-r", source], folder)
    else:
        _run([base, "-m", "venv", str(place)], folder)
        said = ["--quiet", "--disable-pip-version-check", "--no-input"]
        _run([interpreter, "-m", "pip", "install", *said, "-r", source], folder)


def _run(argv: Sequence[str], folder: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in _OTHERS}
    try:
        done = subprocess.run(
            argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"The environment cannot be built: {argv[0]}: {error.strerror}.") from error
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()[-_MOST_SAID:] or f"exit code {done.returncode}"
        raise UserError(
            f"The environment cannot be built: `{' '.join(argv)}` says\n{said}\n"
            f"Mend the requirements, or name an interpreter that has them under [environment]."
        )
