"""Any script that prints its score, as a problem. Its numbers are self-reported."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from aster.errors import InitError
from aster.problems.globs import Globs
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.assembling import Parts, assemble
from aster.problems.wrapping.gather import gather
from aster.problems.wrapping.names import metric_slug, printed_as
from aster.problems.wrapping.outline import ROOT, MetricLine, Outline, readme
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.scaffold import template
from aster.problems.wrapping.scan import names_it, reachable, seed_option, seed_variables, where_printed
from aster.problems.wrapping.seeds import seed_notes, take_seed
from aster.problems.wrapping.surroundings import (
    SELF_REPORTED,
    cpus_for,
    data_lines,
    environment_for,
    left_notes,
    memory_for,
    noticed,
    outside_notes,
    uses_framework,
)

Files = Mapping[str, bytes]

LAUNCHER = "run_here.py"
_PASSIVE = (".py", ".md", ".rst", ".toml", ".txt", ".lock", ".cfg", ".ipynb", "LICENSE", "Makefile")


def wrap_script(script: Path, asked: Asked) -> Made:
    """Make a problem of a script that prints its score. The script's own folder stays as it is.

    Raises:
        InitError: the script is missing, never names the metric, matches no glob, takes no such seed; or the folder
            exists or cannot be written.
    """
    if not asked.metrics or asked.goal is None:
        raise InitError(
            "--script needs --metric NAME, the score as the script prints it, and --goal maximize or --goal minimize."
        )
    if not script.is_file():
        raise InitError(f"There is no script {script}.")
    _check_python(script)
    gathered = gather(script.resolve().parent, [script.name])
    _check(gathered.files, script.name, asked)
    files, seeding, arguments = _seeded(gathered.files, script.name, asked)
    used = reachable(files, script.name)
    data = data_lines(gathered, used)
    environment, lacking = environment_for(gathered, used, asked.python)
    outline = Outline(
        name=asked.called(script.stem),
        title=f"{asked.goal.capitalize()} {metric_slug(asked.metrics[0])} of {script.name}",
        editable=asked.editable or [script.name],
        command=[*_launched(files, script.name), *_words(arguments)],
        timeout=asked.timeout or "10m",
        metrics=_metrics(files, asked),
        environment=environment,
        data=[line for line, _ in data],
        cpus=cpus_for(asked.gpus or 0),
        gpus=asked.gpus or 0,
        memory=asked.memory or memory_for(used),
        seed_env=_seed_env(used, asked),
        paired=seeding is not None,
    )
    notes = [*lacking, *seed_notes(used, seeding), *left_notes(gathered.left, data), *outside_notes(used)]
    if not asked.gpus and uses_framework(used):
        notes.append("No GPU is leased, so the code sees none; --gpus 1 leases one to each attempt.")
    code = {**files, LAUNCHER: template(LAUNCHER)} if f"{ROOT}/{LAUNCHER}" in outline.command else files
    pages = {"README.md": _statement(outline, script.name, notes).encode()}
    parts = Parts(outline, code, pages, {line.path: place for line, place in data})
    return assemble(asked.folder or Path(outline.name), parts, notes)


def _check_python(script: Path) -> None:
    """Refuse a script that Python would not run: commands of a shell, a program."""
    with script.open("rb") as file:
        first = file.readline(300)
    if script.suffix not in ("", ".py", ".pyw") or (first.startswith(b"#!") and b"python" not in first):
        raise InitError(
            f"{script} is not a Python script. Write a short one that runs it (subprocess.run) and prints its score, "
            "and wrap that, or write problem.toml by hand: `aster init NAME` makes one to begin with."
        )


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError as error:
        raise InitError(f"--args {arguments!r} cannot be split into words as a shell would: {error}.") from None


def _check(files: Files, script: str, asked: Asked) -> None:
    for pattern in asked.editable or [script]:
        if not any(f"{ROOT}/{path}" in Globs(ROOT, [pattern]) for path in files):
            raise InitError(
                f'--editable "{pattern}" matches no copied file: it is a glob relative to the folder of {script}.'
            )
    for index, metric in enumerate(asked.metrics):
        if not names_it(files, metric) and not (index == 0 and asked.pattern):
            raise InitError(
                f"{script} and the Python files beside it never name {metric}, so they do not seem to print it. Name "
                "the metric as it is printed, or say with --pattern which line holds it: a regular expression with "
                "one group, such as '^loss=(\\S+)'."
            )


def _seeded(files: Files, script: str, asked: Asked) -> tuple[Files, str | None, str]:
    """Return the files, how a seed reaches them (None: not at all), and the script's arguments."""
    used = reachable(files, script)
    if asked.seed_env:
        changed, lines = take_seed(used, asked.seed_env)
        how = f"the variable {asked.seed_env}"
        places = ", ".join(sorted({f"{each.path}:{each.line}" for each in lines}))
        return (
            {**files, **changed},
            f"{how} (the copy was changed for it at {places})" if places else how,
            asked.arguments,
        )
    if "{seed}" in asked.arguments:
        return files, "the script's arguments", asked.arguments
    if option := seed_option(files[script]):
        return files, f"its option {option}", f"{asked.arguments} {option} {{seed}}".strip()
    if variable := _seed_env(used, asked):
        return files, f"the variable {variable}, which it reads", asked.arguments
    return files, None, asked.arguments


def _seed_env(files: Files, asked: Asked) -> str | None:
    """Return the variable that is to carry the seed: the one asked for, or the only one that the code reads."""
    if asked.seed_env or "{seed}" in asked.arguments:
        return asked.seed_env
    read = seed_variables(files)
    return read[0] if len(read) == 1 else None


def _launched(files: Files, script: str) -> list[str]:
    """Return the command; through the launcher if there are files that the script may open by relative paths."""
    passive = all(path.endswith(_PASSIVE) for path in files)
    return ["python", *([] if passive else [f"{ROOT}/{LAUNCHER}"]), f"{ROOT}/{script}"]


def _metrics(files: Files, asked: Asked) -> list[MetricLine]:
    """Return the metrics that were asked for, the objective first."""
    lines = []
    for index, name in enumerate(asked.metrics):
        pattern = printed_as(name, where_printed(files, name))
        if index == 0:
            lines.append(MetricLine(metric_slug(name), asked.pattern or pattern, asked.goal))
        else:
            lines.append(MetricLine(metric_slug(name), pattern))
    return lines


def _statement(outline: Outline, script: str, notes: Sequence[str]) -> str:
    """Return README.md: what whoever writes candidates reads."""
    objective = outline.metrics[0]
    better = "larger" if objective.goal == "maximize" else "smaller"
    editable = ", ".join(f"`{each}`" for each in outline.editable)
    task = (
        f"`{script}` prints `{objective.name}`; {better} is better. Files that may be edited: {editable}. "
        f"The rest of `{ROOT}/` is frozen. A run takes at most {outline.timeout}."
    )
    sections = [
        ("", task),
        ("How it is scored", SELF_REPORTED),
        noticed(notes),
    ]
    return readme(outline.title, sections)
