"""problem.toml as typed records: exactly the keys that this version acts on.

Each record checks itself; what one table demands of another, or of the folder, is checked in `checks`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, field_validator, model_validator

from aster.domain.constraints import Constraint as Bounds
from aster.domain.records import Goal, Objective
from aster.problems import patterns
from aster.problems.tables import ListToTuple, Table, show

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MIB = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "TiB": 1024.0 * 1024.0}
_OURS = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "ASTER_SCORE", "ASTER_ATTEMPT"})


def parse_seconds(value: object) -> float:
    """Return a duration in seconds from "60s", "2m", "1.5h" or a number of seconds.

    Raises:
        ValueError: it is none of these, or not positive and finite.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", value) if isinstance(value, str) else None
    if found:
        seconds = float(found[1]) * _SECONDS[found[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError(f'must be a time such as "60s", "2m" or "1.5h", or a number of seconds, not {show(value)}')
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"must be more than 0 seconds, not {show(value)}")
    return seconds


def parse_mib(value: object) -> int:
    """Return an amount of memory in MiB, rounded up, from "2GiB", "512MiB" and the like.

    Raises:
        ValueError: it is not an amount, or not positive.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]iB)\s*", value) if isinstance(value, str) else None
    mib = math.ceil(float(found[1]) * _MIB[found[2]]) if found else 0
    if mib <= 0:
        raise ValueError(f'must be an amount such as "2GiB" or "512MiB", not {show(value)}')
    return mib


def relative_path(path: str) -> str:
    """Return `path` without "./" and a closing "/".

    Raises:
        ValueError: it is absolute, or leaves the problem folder.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or not parts:
        raise ValueError(f"must be a path below the problem folder, written with /, not {show(path)}")
    return "/".join(parts)


def path_of_data(path: str) -> str:
    """Return a path below the problem folder, an absolute one, or one below "~/", without "./" and a closing "/".

    Raises:
        ValueError: it is none of these.
    """
    head = next((each for each in ("~/", "/") if path.startswith(each)), "")
    try:
        return head + relative_path(path[len(head) :].lstrip("/"))
    except ValueError as error:
        raise ValueError(
            f'must be a path below the problem folder, an absolute one, or one that begins with "~/", not {show(path)}'
        ) from error


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f'must be names of environment variables, such as "HF_TOKEN", not {show(name)}')
    return name


def _pythons(text: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f'must be versions such as ">=3.11" or "==3.12.*", not {show(text)}') from error
    return text


def _seed_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in _OURS:
        raise ValueError(f'must be the name of an environment variable of your own, such as "SEED", not {show(name)}')
    return name


def _quick(value: object) -> object:
    if isinstance(value, bool) or value == "only":  # a Literal would take 1 for true
        return value
    raise ValueError(f'must be true, false or "only", not {show(value)}')


def _metric_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.@/-]{0,63}", name) or name == "invalid":
        raise ValueError(
            'must begin with a letter, hold only letters, digits and _ . @ / -, and not be "invalid" '
            f"(a score uses that word to say that a rule was broken), not {show(name)}"
        )
    return name


Text = Annotated[str, Field(pattern=r"\S")]
Path = Annotated[str, AfterValidator(relative_path)]
Paths = Annotated[tuple[Path, ...], ListToTuple]
AnyPath = Annotated[str, AfterValidator(path_of_data)]
Seconds = Annotated[float, BeforeValidator(parse_seconds)]
MetricName = Annotated[str, AfterValidator(_metric_name)]
Quick = Annotated[Literal[True, False, "only"], BeforeValidator(_quick)]
"""Whether a stage is part of a check; "only": and of nothing else."""


class About(Table):
    """[problem]: what it is called and what agents read about it."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description='a name in kebab-case, such as "my-problem"')
    title: Text = Field(description="one line that says what is to be done")
    statement: Path = Field(default="README.md", description="the path of the text that agents read")


class Environment(Table):
    """[environment]: the Python that "python" means; without it, the one that runs Aster."""

    python: Annotated[str, AfterValidator(_pythons)] | None = Field(
        default=None, description='versions of Python, such as ">=3.11"'
    )
    requirements: Path | None = Field(default=None, description="the path of a requirements file or a pyproject.toml")
    interpreter: AnyPath | None = Field(default=None, description='the path of a Python, such as ".venv/bin/python"')
    caches: Annotated[tuple[AnyPath, ...], ListToTuple] = Field(
        default=(), description='a list of folders, such as ["~/.cache/huggingface"]'
    )
    env: Annotated[tuple[Annotated[str, AfterValidator(_variable)], ...], ListToTuple] = Field(
        default=(), description='a list of environment variables, such as ["HF_TOKEN"]'
    )
    warm: Annotated[tuple[Text, ...], ListToTuple] | None = Field(
        default=None, min_length=1, description='a list of words, such as ["python", "solution/warm.py"]'
    )


class Prepare(Table):
    """[prepare]: a command that the user lets run once, outside of any sandbox; `timeout_s` in seconds."""

    command: Annotated[tuple[Text, ...], ListToTuple] = Field(
        min_length=1, description='a list of words, such as ["python", "prepare.py"]'
    )
    timeout_s: Seconds = Field(default=7200.0, alias="timeout", description='a time such as "30m" or "2h"')


class Data(Table):
    """[[data]]: a file or folder that is no part of the problem's snapshot, and the stages that may read it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description='a short name, such as "hidden"')
    path: AnyPath = Field(description='a path, such as "data/hidden"')
    visible: Annotated[tuple[Text, ...], ListToTuple] = Field(
        min_length=1, description='a list of stages, such as ["score"]'
    )
    sealed: bool = Field(default=False, description="true or false")


class Solution(Table):
    """[solution]: the tree that candidates are versions of. All in it that no glob matches is frozen."""

    root: Path = Field(description='a folder of its own below problem.toml, such as "solution"')
    editable: Paths = Field(min_length=1, description='a list of globs relative to the root, such as ["**/*.py"]')
    surfaces: dict[str, Paths] = Field(
        default={},
        description='a table from surfaces to globs or definitions, such as { polish = ["solution/a.py::polish"] }',
    )


class Stage(Table):
    """[[stage]]: one command in a process tree of its own; `timeout_s` in seconds."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description='a short name, such as "solve"')
    command: Annotated[tuple[Text, ...], ListToTuple] = Field(
        min_length=1, description='a list of words, such as ["python", "solution/solve.py"]'
    )
    timeout_s: Seconds = Field(alias="timeout", description='a time such as "60s", "2m" or "1.5h"')
    trusted: bool = Field(default=False, description="true or false")
    service: Text | None = Field(default=None, description="the name of the stage that serves beside this one")
    quick: Quick = Field(default=False, description='true, false or "only"')

    @property
    def only_checks(self) -> bool:
        """Whether experiments leave it out."""
        return self.quick == "only"


class Metric(Table):
    """[[metric]]: a number that the trusted stage reports, or, with a pattern, one that the candidate's code prints.

    The first one is the objective.
    """

    name: MetricName = Field(description='a name, such as "sum_of_radii"')
    goal: Literal["maximize", "minimize"] | None = Field(default=None, description='"maximize" or "minimize"')
    valid: Annotated[tuple[float, float], ListToTuple] | None = Field(
        default=None, description="a pair of numbers [lowest, highest]; inf and -inf leave a side open"
    )
    resolution: FiniteFloat = Field(default=0.0, ge=0, description="a number that is not negative")
    exact: bool = Field(default=False, description="true or false")
    pattern: Annotated[str, AfterValidator(patterns.metric_pattern)] | None = Field(
        default=None, description=r"a regular expression with one group, such as '^val_loss: (\S+)'"
    )

    @field_validator("valid")
    @classmethod
    def _ordered(cls, valid: tuple[float, float] | None) -> tuple[float, float] | None:
        if valid is not None and not valid[0] < valid[1]:
            raise ValueError(f"the lowest must be less than the highest, not {show(list(valid))}")
        return valid


class Constraint(Table):
    """[[constraint]]: bounds of a declared metric; what breaks one is measured but infeasible.

    With `p`, bounds of its mean over a claim's runs of the claimed candidate; no single run breaks them.
    """

    metric: MetricName = Field(description="the name of a declared metric")
    min: FiniteFloat | None = Field(default=None, description="a number")
    max: FiniteFloat | None = Field(default=None, description="a number")
    p: float | None = Field(default=None, gt=0, lt=0.5, description="a number above 0 and below 0.5, such as 0.01")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs max, min or both")
        if self.min is not None and self.max is not None and not self.min < self.max:
            raise ValueError(f"min must be less than max, not {self.min:g} and {self.max:g}")
        return self


class Progress(Table):
    """[progress]: intermediate values that the candidate's code prints; without it none are read."""

    pattern: Annotated[str, AfterValidator(patterns.progress_pattern)] = Field(
        default=patterns.PROGRESS,
        description=r"a regular expression with two groups, such as '^step (\d+) loss (\S+)'",
    )
    goal: Literal["maximize", "minimize"] | None = Field(default=None, description='"maximize" or "minimize"')
    stop: bool = Field(default=True, description="true or false")


class Archive(Table):
    """[archive]: which metrics place a candidate in the archive."""

    descriptors: Annotated[tuple[MetricName, ...], ListToTuple] = Field(
        default=(), description="a list of metrics' names"
    )


class Resources(Table):
    """[resources]: what one attempt may use; `memory_mb` in MiB."""

    cpus: int = Field(default=1, ge=1, description="a number of cores, at least 1")
    gpus: int = Field(default=0, ge=0, description="a number of whole devices, 0 or more")
    memory_mb: Annotated[int, BeforeValidator(parse_mib)] = Field(
        default=2048, alias="memory", description='an amount such as "2GiB"'
    )


class Seeds(Table):
    """[seeds]: seeds in search, the most and the fewest seeds in one claim, and the variable that carries a seed."""

    search: int = Field(default=1, ge=1, description="a number of seeds, at least 1")
    confirm: int = Field(default=10, ge=1, description="a number of seeds, at least 3")
    confirm_least: int = Field(default=3, ge=3, description="a number of seeds, from 3 to `confirm`")
    env: Annotated[str, AfterValidator(_seed_variable)] | None = Field(
        default=None, description="the name of an environment variable"
    )


class Reference(Table):
    """[[reference]]: somebody's result, and under which conditions it was had ({same = true}: ours)."""

    name: Text = Field(description="who or what reached it")
    value: FiniteFloat = Field(description="a number, in the objective's units")
    source: Text = Field(description="where it can be read: a paper, an address")
    conditions: dict[str, Any] = Field(default={}, description="a table, such as { same = true }")

    @property
    def same(self) -> bool:
        """Whether the conditions are ours, so that it may be said to be beaten."""
        return self.conditions.get("same") is True


@dataclass(frozen=True)
class Spec:
    """The whole of problem.toml, checked."""

    problem: About
    solution: Solution
    stages: tuple[Stage, ...]
    metrics: tuple[Metric, ...]
    archive: Archive
    resources: Resources
    seeds: Seeds
    references: tuple[Reference, ...]
    environment: Environment = field(default_factory=Environment)
    prepare: Prepare | None = None
    data: tuple[Data, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    progress: Progress | None = None

    @property
    def objective(self) -> Objective:
        """The first metric, as decisions see it."""
        first = self.metrics[0]
        assert first.goal is not None  # checked when the file was read
        return Objective(first.name, first.goal, first.resolution, first.exact, first.pattern is not None)

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """The constraints, as decisions see them."""
        return tuple(Bounds(each.metric, each.min, each.max, each.p) for each in self.constraints)

    @property
    def progress_goal(self) -> Goal:
        """Which way intermediate values improve: as the objective does, unless the file says otherwise."""
        said = self.progress.goal if self.progress is not None else None
        return said or self.objective.goal

    @property
    def measuring(self) -> tuple[Stage, ...]:
        """The stages of an experiment: all but those that only check."""
        return tuple(stage for stage in self.stages if not stage.only_checks)

    @property
    def services(self) -> frozenset[str]:
        """The names of the stages that run only beside a trusted one."""
        return frozenset(stage.service for stage in self.stages if stage.service is not None)

    @property
    def has_check(self) -> bool:
        """Whether a candidate can be checked without an experiment: there are quick stages."""
        return any(stage.quick for stage in self.stages)

    @property
    def takes_seed(self) -> bool:
        """Whether a seed reaches the candidate's code, so that two candidates can be paired on the same one."""
        return self.seeds.env is not None or any(
            "{seed}" in word for stage in self.measuring if not stage.trusted for word in stage.command
        )
