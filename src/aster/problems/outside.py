"""What problem.toml says of things outside its snapshot: the interpreter, what is prepared, data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from aster.problems.model import Data, Environment, Metric, Prepare, Solution, Stage
from aster.problems.troubles import nearest

Found = Iterator[tuple[str, str]]
_DATA = re.compile(r"\{data\.([A-Za-z0-9_.-]*)\}")


def data_paths(toml: bytes) -> frozenset[str]:
    """Return the paths below the problem folder that a problem.toml names as data; none if it cannot be read.

    They are wanted before the folder is read, and problem.toml is checked only after.
    """
    try:
        tables = tomllib.loads(toml.decode("utf-8")).get("data", [])
    except (ValueError, RecursionError):
        return frozenset()
    paths = [table.get("path") for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []
    inside = [PurePosixPath(path) for path in paths if isinstance(path, str) and path and path[0] not in "/~"]
    return frozenset(path.as_posix() for path in inside if ".." not in path.parts and path.parts)


def check_environment(
    environment: Environment | None, prepare: Prepare | None, solution: Solution | None, files: Mapping[str, bytes]
) -> Found:
    """Yield what is wrong with [environment] and [prepare], as (key, text)."""
    yield from _missing_scripts("prepare.command", prepare.command if prepare else (), files)
    if environment is None:
        return
    wanted, chosen = environment.requirements, environment.interpreter
    if wanted is not None and wanted not in files:
        near = nearest(wanted, files) or "; write it, or name an interpreter that exists"
        yield "environment.requirements", f'there is no file "{wanted}"{near}'
    if wanted is not None and chosen is not None:
        yield "environment.interpreter", "stands beside requirements; name an interpreter, or have one built: not both"
    if environment.python is not None and wanted is None:
        yield "environment.python", "says what an environment is built with, so it needs requirements beside it"
    if environment.env and prepare is None:
        yield "environment.env", "is passed to [prepare] only, and there is none; remove it, or add a [prepare]"
    inside = {path: b"" for path in files if solution is None or path.startswith(f"{solution.root}/")}
    yield from _missing_scripts("environment.warm", environment.warm or (), inside)
    for index, cache in enumerate(environment.caches):
        if cache[0] not in "/~":
            yield (
                f"environment.caches[{index}]",
                f'"{cache}" lies in the problem folder; name it as [[data]], or give a path from / or ~/',
            )


def _missing_scripts(key: str, command: Sequence[str], files: Mapping[str, bytes]) -> Found:
    """Yield the words that look like a script of the problem folder and are none of `files`."""
    for index, word in enumerate(command):
        path = word.removeprefix("./")
        if re.fullmatch(r"[^/~-]\S*\.(py|sh)", path) and path not in files:
            near = nearest(path, files) or "; write it"
            yield f"{key}[{index}]", f'there is no file "{path}" that it could run{near}'


def check_data(
    data: Sequence[Data],
    stages: Sequence[Stage] | None,
    solution: Solution | None,
    metrics: Sequence[Metric | None] | None,
) -> Found:
    """Yield what is wrong with [[data]] and the stages that read it, as (key, text). None: a table is broken."""
    objective = next(iter(metrics or ()), None)
    names = [stage.name for stage in stages or ()]
    for index, each in enumerate(data):
        key, label = f"data[{index}]", f'(in "{each.name}")'
        for name in each.visible if stages is not None else ():
            if name not in names:
                near = nearest(name, names) or f"; stages are {', '.join(names)}"
                yield f"{key}.visible", f'there is no stage "{name}"{near} {label}'
        root = solution.root if solution else ""
        if root and (_within(each.path, root) or _within(root, each.path)):
            yield f"{key}.path", f'"{each.path}" and the solution share a folder; keep data out of {root}/ {label}'
        if each.path in ("ideas", "campaigns", ".aster"):
            yield f"{key}.path", f'"{each.path}" is a folder that Aster uses itself; choose another name {label}'
        if each.sealed and objective is not None and objective.exact:
            yield (
                f"{key}.sealed",
                f"an exact metric's claims score again what search put out, so nothing can be sealed from it {label}",
            )
    yield from _check_words(data, stages or ())


def _check_words(data: Sequence[Data], stages: Sequence[Stage]) -> Found:
    known = {each.name: each for each in data}
    for index, stage in enumerate(stages):
        for place, word in enumerate(stage.command):
            for name in _DATA.findall(word):
                key = f"stage[{index}].command[{place}]"
                if name not in known:
                    near = nearest(name, known) or "; add it as [[data]]"
                    yield key, f'there is no data "{name}"{near} (in "{stage.name}")'
                elif stage.name not in known[name].visible:
                    yield key, f'data "{name}" is not visible to "{stage.name}"; add the stage to its `visible`'


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
