"""From what is known of wrapped code to the text of its problem.toml, with comments for whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

ROOT = "solution"


@dataclass(frozen=True)
class MetricLine:
    """One [[metric]] that is read from output. `valid` and `resolution` as in problem.toml."""

    name: str
    pattern: str
    goal: str | None = None
    valid: tuple[float, float] | None = None
    resolution: float | None = None


@dataclass(frozen=True)
class DataLine:
    """One [[data]]: a path as problem.toml has it, and what to say about it."""

    name: str
    path: str
    note: str = ""


@dataclass(frozen=True)
class Limit:
    """One [[constraint]]; with `offered` its lines are commented out. `p`: it is about a mean."""

    metric: str
    most: float
    note: str
    offered: bool = False
    p: float | None = None


@dataclass(frozen=True)
class Environment:
    """[environment]; with `offered` its lines are commented out."""

    interpreter: str | None = None
    requirements: str | None = None
    python: str | None = None
    caches: tuple[str, ...] = ()
    offered: bool = False


@dataclass(frozen=True)
class Outline:
    """What problem.toml says. `editable` is relative to the root; `command` is that of the one untrusted stage."""

    name: str
    title: str
    editable: Sequence[str]
    command: Sequence[str]
    timeout: str
    metrics: Sequence[MetricLine]
    environment: Environment | None = None
    prepare: Sequence[str] | None = None
    data: Sequence[DataLine] = ()
    progress: str | None = None
    limits: Sequence[Limit] = ()
    cpus: int = 1
    gpus: int = 0
    memory: str = "2GiB"
    seed_env: str | None = None
    paired: bool = False
    confirm: int = 10
    statement: str = "README.md"


STAGE = "run"


def problem_toml(outline: Outline) -> str:
    """Return the text of problem.toml."""
    parts = (
        _about(outline),
        _environment(outline.environment) if outline.environment else [],
        ["[prepare]", *_pairs(command=list(outline.prepare), timeout="2h")] if outline.prepare else [],
        _solution(outline),
        *(_data(each) for each in outline.data),
        _stage(outline),
        *(_metric(each, objective=index == 0) for index, each in enumerate(outline.metrics)),
        *(_constraint(each) for each in outline.limits),
        _progress(outline.progress) if outline.progress else [],
        ["[resources]", *_pairs(cpus=outline.cpus, gpus=outline.gpus, memory=outline.memory)],
        _seeds(outline),
    )
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _about(outline: Outline) -> list[str]:
    return [
        "# What is asked. Every number here is what the script says of itself: see README.md.",
        "",
        "[problem]",
        *_pairs(name=outline.name, title=outline.title, statement=outline.statement),
    ]


def _environment(environment: Environment) -> list[str]:
    built: list[str] = []
    if environment.requirements:
        built += _pairs(**({"python": environment.python} if environment.python else {}))
        built += [f"requirements = {_value(environment.requirements)}  # built once, by uv or venv and pip"]
    kept = [*_pairs(interpreter=environment.interpreter)] if environment.interpreter else []
    if environment.caches:
        kept += [f"caches = {_value(list(environment.caches))}  # seen read-only, at the same place below HOME"]
    if not environment.offered:
        return ["[environment]", *kept, *built]
    lead = "# Aster's own Python has all that is imported. To build an environment for it instead:"
    if kept:
        return ["[environment]", *kept, lead, *(f"# {line}" for line in built)]
    return [lead, "# [environment]", *(f"# {line}" for line in built)]


def _solution(outline: Outline) -> list[str]:
    return [
        "[solution]",
        f"root = {_value(ROOT)}",
        f"editable = {_value(list(outline.editable))}  # globs; everything else in the root is frozen",
    ]


def _data(data: DataLine) -> list[str]:
    note = [f"# {data.note}"] if data.note else []
    return [*note, "[[data]]", *_pairs(name=data.name, path=data.path, visible=[STAGE])]


def _stage(outline: Outline) -> list[str]:
    return ["[[stage]]", *_pairs(name=STAGE, command=list(outline.command), timeout=outline.timeout)]


def _metric(metric: MetricLine, *, objective: bool) -> list[str]:
    lines = ["[[metric]]", f"name = {_value(metric.name)}"]
    if metric.goal:
        lines.append(f"goal = {_value(metric.goal)}")
    note = "  # the last line that matches counts" if objective else ""
    lines.append(f"pattern = {_literal(metric.pattern)}{note}")
    if metric.valid:
        lines.append(f"valid = {_value(list(metric.valid))}")
    if metric.resolution:
        lines.append(f"resolution = {metric.resolution!r}  # as it is printed: smaller differences are ties")
    return lines


def _constraint(limit: Limit) -> list[str]:
    lines = ["[[constraint]]", *_pairs(metric=limit.metric, max=limit.most)]
    lines += _pairs(p=limit.p) if limit.p is not None else []
    return [f"# {limit.note}", *(f"# {line}" if limit.offered else line for line in lines)]


def _progress(pattern: str) -> list[str]:
    return [
        "[progress]",
        f"pattern = {_literal(pattern)}",
        "stop = false  # true ends hopeless runs early, judged by these values: on the way, not at the end",
    ]


def _seeds(outline: Outline) -> list[str]:
    lines = ["[seeds]", *_pairs(search=1, confirm=outline.confirm)]
    if outline.seed_env:
        return [*lines, f"env = {_value(outline.seed_env)}"]
    if not outline.paired:
        lines.append(
            '# env = "SEED"  # the variable that the code takes its seed from; without one, repeats are unpaired'
        )
    return lines


def _pairs(**values: object) -> Iterator[str]:
    return (f"{key} = {_value(value)}" for key, value in values.items())


def _value(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return repr(value)


def _string(text: str) -> str:
    """Return a basic string: JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _literal(text: str) -> str:
    """Return a literal string where one can hold the text, since patterns are full of backslashes."""
    plain = "'" not in text and all(char.isprintable() for char in text)
    return f"'{text}'" if plain else _string(text)


def readme(title: str, sections: Iterable[tuple[str, str]]) -> str:
    """Return a Markdown page of a title and (heading, text) sections; a heading may be ""."""
    parts = [f"# {title}"]
    for heading, text in sections:
        if text.strip():
            parts += [f"## {heading}"] if heading else []
            parts.append(text.strip())
    return "\n\n".join(parts) + "\n"
