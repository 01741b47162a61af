"""What a problem needs of this machine, looked up: its interpreter, its caches, its data, what was prepared."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aster.environments.build import build
from aster.environments.cache import cache_folder
from aster.environments.data import Found, look_at
from aster.environments.prepare import STAMP, is_prepared, key_of, prepare
from aster.errors import UserError
from aster.problems.checks import FILE
from aster.problems.model import Data
from aster.problems.problem import Problem
from aster.sandbox.interpreter import ask
from aster.sandbox.keeper.walls import covers
from aster.sandbox.layers import Needs
from aster.sandbox.plan import GivenPlan

Tell = Callable[[str], None]
"""Is told in a sentence what takes long."""


def silence(_: str) -> None:
    """Tell nobody."""


class Surroundings(NamedTuple):
    """What was found.

    Attributes:
        interpreter: what "python" means.
        given: what stages may read of the user's files.
        needs: what the walls have to leave open, and to shut.
        fingerprints: of each data, by its name.
    """

    interpreter: str
    given: tuple[GivenPlan, ...]
    needs: Needs
    fingerprints: dict[str, str]


def look_around(problem: Problem, tell: Tell, *, begun: bool = False) -> Surroundings:
    """Return what the problem needs of this machine. An environment is built if it is not there yet.

    `begun`: for a campaign that exists, so that all was prepared once.

    Raises:
        UserError: something is missing; the text says how to get it.
        SystemTrouble: the environment cannot be kept.
    """
    _check_folder(problem)
    if not begun:
        _check_prepared(problem)
    interpreter = find_interpreter(problem, tell)
    caches = {path: _cache(path) for path in problem.spec.environment.caches}
    found = {data.name: _data(problem, data) for data in problem.spec.data}
    _check_apart(found)
    given = (*(_given(data, found[data.name]) for data in problem.spec.data), *_links(problem, caches))
    needs = Needs(
        interpreter=interpreter if interpreter != sys.executable else "",
        read=tuple(caches.values()),
        private=tuple(place for each in found.values() for place in each.places),
        hidden=(str(problem.folder.resolve()),) if problem.folder else (),
        open=all(each.open for each in found.values()),
    )
    return Surroundings(interpreter, given, needs, {name: each.fingerprint for name, each in found.items()})


def find_interpreter(problem: Problem, tell: Tell) -> str:
    """Return what "python" means in the problem's commands; its environment is built if it is not there yet.

    Raises:
        UserError: there is none, or its environment cannot be built.
        SystemTrouble: the environment cannot be kept.
    """
    wanted = problem.spec.environment
    if wanted.requirements is not None:
        return build(wanted.python, wanted.requirements, _folder(problem), problem.files, tell)
    if wanted.interpreter is None:
        return sys.executable
    path = str(_locate(problem, wanted.interpreter))
    if not os.path.isfile(path):  # noqa: PTH113
        raise UserError(
            f"{problem.source} runs with the interpreter {path}, which is not there. Make that environment, or change "
            "`interpreter` under [environment]."
        )
    ask(path)
    return path


def check_same(before: Mapping[str, str], now: Mapping[str, str], problem: Problem) -> None:
    """Refuse to go on with data that is not what the campaign began with.

    Raises:
        UserError: a fingerprint differs.
    """
    changed = [data for data in problem.spec.data if now.get(data.name) != before.get(data.name)]
    if changed:
        what = ", ".join(f'"{data.name}" ({_locate(problem, data.path)})' for data in changed)
        raise UserError(
            f"The data {what} is not what this campaign began with, so scores from before and after would not compare. "
            "Put back what was there, or begin a new campaign with `aster run`."
        )


def prepare_problem(problem: Problem, tell: Tell, more: Sequence[str] = ()) -> bool:
    """Build the problem's environment and carry out its [prepare] with the user's own rights; False if it has none.

    Args:
        more: words that the user adds to the command.

    Raises:
        UserError: the environment cannot be built, or the command does not end well.
        SystemTrouble: the environment cannot be kept.
    """
    interpreter, wanted = find_interpreter(problem, tell), problem.spec.prepare
    if wanted is None:
        return False
    command = [*wanted.command, *more]
    tell(f"Running `{' '.join(command)}` in {_folder(problem)}, outside of any sandbox.")
    key, passed = key_of(wanted.command, problem.files), problem.spec.environment.env
    prepare(command, _folder(problem), interpreter, passed, wanted.timeout_s, _stamp(problem), key)
    return True


def _check_prepared(problem: Problem) -> None:
    wanted = problem.spec.prepare
    if wanted is not None and not is_prepared(_stamp(problem), key_of(wanted.command, problem.files)):
        raise UserError(
            f"{problem.source} has to be prepared first: run `aster prepare {problem.source}`. That runs "
            f"`{' '.join(wanted.command)}` once, with your own rights, outside of any sandbox."
        )


def _stamp(problem: Problem) -> Path:
    """Return the file that says that the problem was prepared; built-in ones may lie where nobody can write."""
    if problem.built_in:
        return cache_folder() / "prepared" / f"{problem.spec.problem.name}.json"
    return _folder(problem) / STAMP


def _folder(problem: Problem) -> Path:
    if problem.folder is None:
        raise UserError(f"{problem.source} needs files beside its snapshot: load it from its folder.")
    return problem.folder


def _locate(problem: Problem, path: str) -> Path:
    return Path(path).expanduser() if path[0] in "/~" else _folder(problem) / path


def _check_folder(problem: Problem) -> None:
    """Refuse to go on where the problem folder is needed and was moved."""
    spec = problem.spec
    wanted = [*(data.path for data in spec.data), spec.environment.requirements, spec.environment.interpreter]
    beside = [path for path in wanted if path and path[0] not in "/~"]
    if beside and not (_folder(problem) / FILE).is_file():
        raise UserError(
            f"The problem folder {problem.folder} is not there any more, and {beside[0]} is needed from it. Move it "
            f"back, or put a link there to where it is now: ln -s NEW_PLACE {problem.folder}"
        )


def _cache(path: str) -> str:
    place = Path(path).expanduser()
    if not place.exists():
        raise UserError(
            f"The cache {path} of [environment] is not there. Fill it by running the script once outside of Aster, or "
            "in [prepare]; or remove it from `caches`."
        )
    return os.path.realpath(place)


def _links(problem: Problem, caches: Mapping[str, str]) -> list[GivenPlan]:
    """Return links to the caches below the home of every stage: what reads them looks there."""
    stages = tuple(stage.name for stage in problem.spec.stages)
    return [GivenPlan("", (place,), path, stages) for path, place in caches.items() if path.startswith("~/")]


def _data(problem: Problem, data: Data) -> Found:
    place = _locate(problem, data.path)
    if not place.exists():
        by_command = f"`aster prepare {problem.source}` makes it: run that again"
        hint = by_command if problem.spec.prepare is not None else "put it there, or change its path in problem.toml"
        raise UserError(f'The data "{data.name}" of {problem.source} is missing at {place}; {hint}.')
    return look_at(place)


def _check_apart(found: Mapping[str, Found]) -> None:
    """Refuse data within other data: who may see the one would see the other."""
    for name, each in found.items():
        for other, outer in found.items():
            if name != other and any(covers(folder, each.places[0]) for folder in outer.places):
                raise UserError(
                    f'The data "{name}" lies within "{other}" ({each.places[0]}), so whoever sees that sees it too; '
                    "move one of them."
                )


def _given(data: Data, found: Found) -> GivenPlan:
    link = "" if data.path.startswith("/") else data.path
    return GivenPlan(data.name, found.places, link, data.visible, data.sealed)
