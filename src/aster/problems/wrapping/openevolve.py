"""An OpenEvolve example as it is: an initial program, an evaluator, a configuration."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aster.errors import InitError
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.assembling import Parts, assemble
from aster.problems.wrapping.gather import Gathered, gather
from aster.problems.wrapping.names import metric_slug
from aster.problems.wrapping.outline import ROOT, MetricLine, Outline, readme
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.scaffold import template
from aster.problems.wrapping.scan import names_it, parsed, pinned_seeds, reachable
from aster.problems.wrapping.surroundings import (
    cpus_for,
    data_lines,
    environment_for,
    left_notes,
    memory_for,
    noticed,
    outside_notes,
)

Files = Mapping[str, bytes]

RUNNER, EVALUATOR = "openevolve_run.py", "evaluator.py"
OBJECTIVE = "combined_score"
MARK = b"EVOLVE-BLOCK-START"
USUAL_TIMEOUT_S = 300
"""OpenEvolve's own, where the configuration names none."""
SLACK_S = 30
MOST_METRICS = 12

_RESULTS = re.compile(r"(best_program.*|openevolve_output.*|outputs?|checkpoints?|logs?)(/.*)?$")
_PICTURE = re.compile(r".*\.(png|jpe?g|gif|svg|ipynb)$")

WHY = f"""\
The score is *self-reported*. `{EVALUATOR}` runs the program in its own process, or believes what a process of the
program's says, so whoever may edit the program may return any score: Aster runs both as one untrusted stage and takes
the metrics from its output. It marks them so wherever they show, and a person should read the patch of a champion
before believing it.

To make the score trusted, split `evaluate`: let the untrusted stage run the program and write what it found (a
packing, a point, a tour) to a file in `{{outputs}}`, and let a second stage with `trusted = true` run the checks of
`{EVALUATOR}` on that file, from outside `{ROOT}/`, and write the score to `$ASTER_SCORE`. Then take the patterns out.

- Every candidate gets the whole `evaluate`; the stages of a cascade, feedback by a model and artifacts are not used.
- Where the evaluator returns an error or a timeout the run has *failed*; OpenEvolve would count it as a score of 0.
- `{RUNNER}` seeds `random` and `numpy.random` with the experiment's seed. Generators that a program seeds for itself,
  and processes that the evaluator starts, are not reached: then repeats differ, or do not, as the program has it."""


@dataclass(frozen=True)
class Config:
    """What Aster takes from an OpenEvolve configuration: its file's name, the task, the limit of one evaluation."""

    file: str | None = None
    task: str = ""
    timeout_s: float = USUAL_TIMEOUT_S


def wrap_openevolve(example: Path, asked: Asked) -> Made:
    """Make a problem of an example, which stays as it is.

    The objective is combined_score, with the metrics that stand beside it in the evaluator, or what was asked for.
    It is maximized, as OpenEvolve does, unless a goal was asked for.

    Raises:
        InitError: it is no such example, its metric is not known, or the folder exists or cannot be written.
    """
    if not (example / EVALUATOR).is_file():
        raise InitError(f"{example} is no OpenEvolve example: it has no {EVALUATOR}.")
    gathered, results = _gather(example)
    program = asked.editable[0] if asked.editable else find_program(gathered.files, example)
    used = reachable(gathered.files, program, EVALUATOR)
    config = read_config(gathered.files, example)
    beside = {**gathered.files, "openevolve/__init__.py": b""}  # the runner stands in for it
    environment, notes = environment_for(replace(gathered, files=beside), used, asked.python)
    data = data_lines(gathered, used)
    outline = Outline(
        name=asked.called(_name(example)),
        title=f"Evolve {program} of {_name(example)}",
        editable=asked.editable or [program],
        command=["python", f"{ROOT}/{RUNNER}", f"{ROOT}/{program}", "{seed}"],
        timeout=asked.timeout or f"{config.timeout_s + SLACK_S:g}s",
        metrics=_metrics(gathered.files, asked, example),
        environment=environment,
        data=[line for line, _ in data],
        cpus=cpus_for(asked.gpus or 0),
        gpus=asked.gpus or 0,
        memory=asked.memory or memory_for(used),
        paired=True,
    )
    notes += [*_seed_notes(used), *left_notes(gathered.left, data), *outside_notes(used)]
    if results:
        notes.append(f"Left out, as results of earlier runs: {', '.join(results[:6])}.")
    if not config.task:
        notes.append("No configuration says what the task is: write it into README.md, which candidates' authors read.")
    code = {**gathered.files, RUNNER: template(RUNNER)}
    pages = {"README.md": _statement(outline, config, program, notes).encode()}
    parts = Parts(outline, code, pages, {line.path: place for line, place in data})
    return assemble(asked.folder or Path(f"{outline.name}-problem"), parts, notes)


def _name(example: Path) -> str:
    """Return the example's name; with that of the folder above for one that is only a number."""
    place = example.resolve()
    return place.name if any(char.isalpha() for char in place.name) else f"{place.parent.name}-{place.name}"


def _gather(example: Path) -> tuple[Gathered, list[str]]:
    """Return the example's files without pictures and results of earlier runs; the paths of these, as they tell all."""
    gathered = gather(example.resolve(), [EVALUATOR])
    results = [path for path in gathered.files if _RESULTS.match(path)]
    kept = {
        path: data
        for path, data in gathered.files.items()
        if path not in results and path != "README.md" and not _PICTURE.match(path)
    }
    return replace(gathered, files=kept), results


def find_program(files: Files, example: Path) -> str:
    """Return the path of the program that is to be evolved.

    Raises:
        InitError: there is none, or more than one.
    """
    top = {path: data for path, data in files.items() if "/" not in path and path != EVALUATOR}
    marked = [path for path, data in top.items() if MARK in data and not path.endswith((".md", ".yaml", ".yml"))]
    named = [path for path in top if re.match(r"init(ial)?[_-]", path) and not path.endswith((".md", ".yaml", ".yml"))]
    for found in ([path for path in marked if path in named], marked, named):
        if len(found) == 1:
            return found[0]
        if found:
            raise InitError(f"{example} has more than one initial program: {', '.join(found)}; choose with --editable.")
    raise InitError(
        f"{example} has no initial program, which is a file with {MARK.decode()} or one named initial_program.*: "
        "name it with --editable."
    )


def _metrics(files: Files, asked: Asked, example: Path) -> list[MetricLine]:
    """Return the metrics, the objective first.

    Raises:
        InitError: no metric was asked for, and the evaluator does not name combined_score.
    """
    evaluator = {EVALUATOR: files[EVALUATOR]}
    names = list(asked.metrics)
    if names and not names_it(files, names[0]):
        raise InitError(f'{example / EVALUATOR} never names "{names[0]}"; it returns {_returned(evaluator)}.')
    if not names and not names_it(evaluator, OBJECTIVE):
        raise InitError(
            f"{example / EVALUATOR} returns no {OBJECTIVE}, so say with --metric which of its metrics counts "
            f"(and with --goal if smaller is better); it returns {_returned(evaluator)}."
        )
    if not names:
        beside = [each for each in returned_metrics(evaluator, OBJECTIVE) if each != OBJECTIVE]
        names = [OBJECTIVE, *beside[: MOST_METRICS - 1]]
    patterns = [(metric_slug(name), rf"^{re.escape(name)}: (\S+)$") for name in names]
    objective = MetricLine(*patterns[0], goal=asked.goal or "maximize")
    return [objective, *(MetricLine(*each) for each in patterns[1:])]


def _returned(evaluator: Files) -> str:
    return ", ".join(returned_metrics(evaluator, None)[:MOST_METRICS]) or "nothing that can be read from its text"


def returned_metrics(evaluator: Files, beside: str | None) -> list[str]:
    """Return the keys of the dictionaries in the code that may be metrics.

    Args:
        beside: only those of dictionaries that compute this key, which leaves out those that report a failure.
    """
    found: dict[str, None] = {}
    for _, _, tree in parsed(evaluator):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                pairs = {
                    key.value: value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
                computed = {key for key, value in pairs.items() if not isinstance(value, ast.Constant | ast.JoinedStr)}
                if beside is None or beside in computed:
                    found.update(dict.fromkeys(key for key in pairs if key in computed and _is_metric(key)))
    return list(found)


def _is_metric(key: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_.@/-]{0,63}", key) is not None and key not in (
        "error",
        "invalid",
        "timeout",
    )


def read_config(files: Files, example: Path) -> Config:
    """Return what the example's configuration says; of several the first by name, config.yaml before all.

    Raises:
        InitError: it is not YAML.
    """
    import yaml

    named = [path for path in files if re.fullmatch(r"config[^/]*\.ya?ml", path)]
    if not named:
        return Config()
    file = min(named, key=lambda path: (path not in ("config.yaml", "config.yml"), path))
    try:
        tables = yaml.safe_load(files[file])
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InitError(f"{example / file} is not YAML: {error}") from error
    task = _entry(tables, "prompt", "system_message")
    timeout = _entry(tables, "evaluator", "timeout")
    usable = isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0
    return Config(file, task.strip() if isinstance(task, str) else "", timeout if usable else USUAL_TIMEOUT_S)


def _entry(tables: Any, *keys: str) -> Any:
    for key in keys:
        tables = tables.get(key) if isinstance(tables, dict) else None
    return tables


def _seed_notes(used: Files) -> list[str]:
    pinned = pinned_seeds(used)
    if not pinned:
        return []
    shown = ", ".join(f"{each.path}:{each.line} `{each.text[:60]}`" for each in pinned[:4])
    return [
        f"Seeds are written into the code: {shown}. What hangs on them is the same in every repeat, so the noise that "
        "is measured may be none, and a gain may hold for that seed alone."
    ]


def _statement(outline: Outline, config: Config, program: str, notes: Sequence[str]) -> str:
    """Return README.md: what whoever writes candidates reads."""
    objective = outline.metrics[0]
    better = "Smaller" if objective.goal == "minimize" else "Larger"
    what = (
        f"`{program}` is the program; change it between its EVOLVE-BLOCK marks, if it has any. `{EVALUATOR}` and all "
        f"else in `{ROOT}/` is frozen. The objective is `{objective.name}`; {better.lower()} is better. An evaluation "
        f"takes at most {outline.timeout}."
    )
    sections = [
        ("", what),
        (f"The task, in the words of {config.file}", config.task),
        ("How it is scored", WHY),
        noticed(notes),
    ]
    return readme(outline.title, sections)
