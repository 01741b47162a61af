"""Reading problem.toml, and what its tables demand of each other and of the folder."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from aster.errors import ProblemError
from aster.problems.globs import Globs
from aster.problems.measures import check_constraints, check_patterns
from aster.problems.model import (
    About,
    Archive,
    Constraint,
    Data,
    Environment,
    Metric,
    Prepare,
    Progress,
    Reference,
    Resources,
    Seeds,
    Solution,
    Spec,
    Stage,
)
from aster.problems.outside import check_data, check_environment
from aster.problems.surfaces import surface_troubles
from aster.problems.tables import M, read_table, read_tables, refusal, show, whole
from aster.problems.troubles import Trouble, nearest, raise_troubles

FILE = "problem.toml"
LEAST_PAIRS = 3
"""Fewer pairs than this give no interval worth the name."""

_PLACEHOLDERS = ("outputs", "seed", "pictures")
_OUTSIDE = ("environment", "prepare", "data")
_RESERVED_ROOTS = ("ideas", "campaigns")
_TABLES = frozenset({"problem", "solution", "stage", "metric", "archive", "resources", "seeds", "reference"}) | {
    "constraint", "progress", *_OUTSIDE
}  # fmt: skip
_NEEDED = {
    "problem": "[problem]: its name, title and statement",
    "solution": "[solution]: its root and what is editable",
    "stage": "[[stage]]: one that runs the candidate, and a trusted one that scores it unless every metric is printed",
    "metric": "[[metric]]: the first is the objective",
}


class Draft(NamedTuple):
    """The tables of a file as far as they could be read; None stands for a broken one.

    Nothing that depends on a broken table is checked, so that no trouble is told that may not be one.
    """

    problem: About | None
    solution: Solution | None
    stages: Sequence[Stage | None] | None
    metrics: Sequence[Metric | None] | None
    archive: Archive | None
    resources: Resources | None
    seeds: Seeds | None
    references: Sequence[Reference | None] | None
    environment: Environment | None
    prepare: Prepare | None
    data: Sequence[Data | None] | None
    constraints: Sequence[Constraint | None] | None = None
    progress: Progress | None = None


Found = Iterator[tuple[str, str]]
Files = Mapping[str, bytes]


def read_spec(files: Mapping[str, bytes], where: str) -> Spec:
    """Return the checked problem.toml of a folder that was read into memory.

    Args:
        files: the folder, path -> content; holds "problem.toml".
        where: the file's name in errors.

    Raises:
        ProblemError: names every trouble in the file, each with its key and mend.
    """
    troubles: list[Trouble] = []
    draft = _draft(_parse(files[FILE], where), where, troubles)
    found = chain(
        _check_folder(draft, files),
        surface_troubles(draft.solution, files) if draft.solution else (),
        _check_stages(draft),
        _check_commands(draft, files),
        _check_metrics(draft),
        check_patterns(draft.metrics),
        check_constraints(draft.constraints, whole(draft.metrics)),
        _check_seeds(draft),
        _check_names(draft),
        check_environment(draft.environment, draft.prepare, draft.solution, files),
        check_data(whole(draft.data) or (), whole(draft.stages), draft.solution, draft.metrics),
    )
    troubles.extend(Trouble(where, key, text) for key, text in found)
    raise_troubles(troubles)
    return _spec(draft)


def _spec(draft: Draft) -> Spec:
    """Return the draft, none of whose tables is broken, as a spec."""
    problem, solution, archive, resources, seeds = (
        draft.problem, draft.solution, draft.archive, draft.resources, draft.seeds
    )  # fmt: skip
    stages, metrics, references = whole(draft.stages), whole(draft.metrics), whole(draft.references)
    outside = (draft.environment or Environment(), draft.prepare, whole(draft.data) or ())
    if not (problem and solution and stages and metrics and archive and resources and seeds) or references is None:
        raise AssertionError("a broken table comes with its troubles, and these were raised")
    measures = (whole(draft.constraints) or (), draft.progress)
    return Spec(problem, solution, stages, metrics, archive, resources, seeds, references, *outside, *measures)


def _parse(data: bytes, where: str) -> dict[str, object]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ProblemError(where, "", f"is not UTF-8 text (line {line}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ProblemError(where, "", f"is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ProblemError(where, "", "is nested too deeply to be read") from error


def _draft(raw: dict[str, object], where: str, troubles: list[Trouble]) -> Draft:
    for name in raw:
        if name not in _TABLES:
            troubles.append(Trouble(where, name, refusal(name, _TABLES)))
    missing = {name for name in _NEEDED if raw.get(name, []) == []}
    for name in sorted(missing):
        troubles.append(Trouble(where, name, f"missing; add {_NEEDED[name]}"))

    def table(model: type[M], key: str) -> M | None:
        return None if key in missing else read_table(model, raw.get(key, {}), where, key, troubles)

    def tables(model: type[M], key: str) -> list[M | None] | None:
        return None if key in missing else read_tables(model, raw.get(key, []), where, key, troubles)

    return Draft(
        problem=table(About, "problem"),
        solution=table(Solution, "solution"),
        stages=tables(Stage, "stage"),
        metrics=tables(Metric, "metric"),
        archive=table(Archive, "archive"),
        resources=table(Resources, "resources"),
        seeds=table(Seeds, "seeds"),
        references=tables(Reference, "reference"),
        environment=table(Environment, "environment"),
        prepare=table(Prepare, "prepare") if "prepare" in raw else None,
        data=tables(Data, "data"),
        constraints=tables(Constraint, "constraint"),
        progress=table(Progress, "progress") if "progress" in raw else None,
    )


def _check_folder(draft: Draft, files: Files) -> Found:
    if draft.problem is not None and draft.problem.statement not in files:
        near = nearest(draft.problem.statement, files)
        yield (
            "problem.statement",
            f'there is no file "{draft.problem.statement}"{near or "; write it for the agents"}',
        )
    if draft.solution is None:
        return
    root = draft.solution.root
    if root in _RESERVED_ROOTS:
        yield "solution.root", f'"{root}" is a folder that Aster uses itself; choose another name'
    elif not any(path.startswith(root + "/") for path in files):
        yield "solution.root", f'there is no folder "{root}" with files in it'
    else:
        for index, pattern in enumerate(draft.solution.editable):
            if not any(path in Globs(root, [pattern]) for path in files):
                yield f"solution.editable[{index}]", f'"{pattern}" matches no file; it is relative to {root}/'


def _check_stages(draft: Draft) -> Found:
    stages = whole(draft.stages)
    if not stages:
        return
    services = {stage.service for stage in stages if stage.service is not None}
    yield from _service_troubles(stages)
    measuring = [stage for stage in stages if not stage.only_checks]
    if all(stage.trusted for stage in measuring):
        yield "stage", "no stage runs the candidate's code; add one before the trusted one, without `trusted`"
    if not any(stage.trusted for stage in measuring):
        scored = next((metric.name for metric in whole(draft.metrics) or () if metric.pattern is None), None)
        if scored is not None:
            yield (
                "stage",
                f'no stage is trusted, so nobody can report "{scored}"; add `trusted = true` to the one that scores, '
                "or give the metric a pattern if the candidate's code prints it",
            )
    elif first := next((index for index, stage in enumerate(stages) if stage.trusted), None):
        for index, stage in enumerate(stages[first:], first):
            if not stage.trusted and stage.name not in services:
                yield (
                    f"stage[{index}]",
                    f'"{stage.name}" is untrusted but comes after a trusted stage; move it before',
                )


def _service_troubles(stages: Sequence[Stage]) -> Found:
    kinds = {stage.name: stage for stage in stages}
    for index, stage in enumerate(stages):
        if stage.service is None:
            continue
        key, found = f"stage[{index}].service", kinds.get(stage.service)
        if found is None:
            yield key, f'there is no stage "{stage.service}"' + nearest(stage.service, kinds)
        elif found.trusted:
            yield key, f'"{stage.service}" is trusted; a service runs the candidate\'s code beside a trusted stage'
        elif found.quick:
            mend = f'only beside "{stage.name}"; say quick there, not here'
            yield f"stage[{stages.index(found)}].quick", f'"{found.name}" runs {mend}'
        if not stage.trusted:
            yield key, f'"{stage.name}" is untrusted; only a trusted stage can have a service beside it'


def _check_commands(draft: Draft, files: Files) -> Found:
    for index, stage in enumerate(draft.stages or ()):
        if stage is None:
            continue
        for place, word in enumerate(stage.command):
            found = list(_placeholder_troubles(stage, word))
            if draft.solution is not None:
                found += _file_troubles(stage, word, draft.solution, files)
            yield from ((f"stage[{index}].command[{place}]", f'{text} (in "{stage.name}")') for text in found)


def _placeholder_troubles(stage: Stage, word: str) -> Iterator[str]:
    for name in re.findall(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}", word):
        if name.startswith("data."):
            continue  # data and its stages are checked together
        if name not in _PLACEHOLDERS:
            known = ", ".join(f"{{{known}}}" for known in (*_PLACEHOLDERS, "data.NAME"))
            yield f"unknown placeholder {{{name}}}{nearest(name, _PLACEHOLDERS)}; known are {known}"
        elif name == "pictures" and not stage.trusted:
            yield "{pictures} is for trusted stages only; write to {outputs} and draw in the trusted one"


def _file_troubles(stage: Stage, word: str, solution: Solution, files: Files) -> Iterator[str]:
    """Yield what is wrong with a word that looks like a file of the problem folder."""
    path, root = word.removeprefix("./"), solution.root
    in_root = path.startswith(root + "/")
    if "{" in path or path.startswith(("-", "/")) or not (in_root or re.fullmatch(r"\S+\.(py|sh)", path)):
        return
    if path not in files:
        yield f'there is no file "{path}"' + nearest(path, files)
    elif stage.trusted and path in Globs(root, solution.editable):
        yield f'candidates can edit "{path}", so a trusted stage may not run it; move it out of {root}/'
    elif not stage.trusted and not in_root:
        yield f'"{path}" is outside {root}/, which is all that an untrusted stage sees; move it there'


def _check_metrics(draft: Draft) -> Found:
    first, metrics = next(iter(draft.metrics or ()), None), whole(draft.metrics)
    if first is not None and first.goal is None:
        name = first.name
        yield "metric[0].goal", f'missing; "{name}" is the objective: say goal = "maximize" or goal = "minimize"'
    names = [metric.name for metric in metrics or ()]
    for index, name in enumerate(draft.archive.descriptors if draft.archive and metrics else ()):
        if name not in names:
            near = nearest(name, names) or f"; add a [[metric]] of that name, or choose from {', '.join(names)}"
            yield f"archive.descriptors[{index}]", f'"{name}" is not a declared metric{near}'


def _check_seeds(draft: Draft) -> Found:
    first = next(iter(draft.metrics or ()), None)
    if draft.seeds is None or first is None:
        return
    if first.exact and any(stage.service and not stage.only_checks for stage in draft.stages or () if stage):
        yield (
            "metric[0].exact",
            "a score that a service takes part in is not deterministic given the outputs; remove it",
        )
    if not first.exact and draft.seeds.confirm < LEAST_PAIRS:
        yield (
            "seeds.confirm",
            f"must be at least {LEAST_PAIRS}, not {draft.seeds.confirm}: fewer say nothing about noise "
            "(a metric that is deterministic given the outputs may say `exact = true` instead)",
        )
    elif not first.exact and draft.seeds.confirm_least > draft.seeds.confirm:
        yield (
            "seeds.confirm_least",
            f"must be at most seeds.confirm, which is {draft.seeds.confirm}, not {draft.seeds.confirm_least}",
        )


def _check_names(draft: Draft) -> Found:
    named: tuple[tuple[str, Iterable[str]], ...] = (
        ("stage", [stage.name for stage in draft.stages or () if stage]),
        ("metric", [metric.name for metric in draft.metrics or () if metric]),
        ("data", [data.name for data in draft.data or () if data]),
        ("reference", [reference.name for reference in draft.references or () if reference]),
        ("constraint", [each.metric for each in draft.constraints or () if each and each.p is None]),
        ("constraint", [each.metric for each in draft.constraints or () if each and each.p is not None]),
        ("archive.descriptors", draft.archive.descriptors if draft.archive else ()),
    )
    for key, names in named:
        for name, count in Counter(names).items():
            if count > 1:
                yield key, f"{show(name)} stands {count} times; give each a name of its own"
