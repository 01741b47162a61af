"""A checkout of karpathy/autoresearch, as it is: train.py may be edited, prepare.py is frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aster.errors import InitError
from aster.problems.wrapping.asked import Asked
from aster.problems.wrapping.assembling import Parts, assemble
from aster.problems.wrapping.gather import Gathered, gather
from aster.problems.wrapping.outline import ROOT, DataLine, Environment, Limit, MetricLine, Outline, readme
from aster.problems.wrapping.place import Made
from aster.problems.wrapping.scaffold import template
from aster.problems.wrapping.scan import reachable
from aster.problems.wrapping.seeds import seed_notes, take_seed
from aster.problems.wrapping.surroundings import SELF_REPORTED, environment_for, noticed

Files = Mapping[str, bytes]

TRAIN, PREPARE, PROGRAM = "train.py", "prepare.py", "program.md"
OBJECTIVE = "val_bpb"
SLACK_S = 300
"""For importing, compiling and evaluating, beyond the training budget: with upstream's 5 minutes, its 10 in all."""
CACHE = "~/.cache/autoresearch"
HUB = "~/.cache/huggingface"

_LEFT = re.compile(r".*\.(ipynb|png|tsv)$|README\.md$|run\.log$")

_STEP_S = 10.0
"""Seconds by which any run may pass its time budget: train.py looks at the clock after a step, and steps are long."""
_PREFACE = """\
> This text comes with the code. Aster does what it says about git, branches, `results.tsv` and looping: a candidate
> is a version of `train.py`, run once and measured. What may be edited, what is frozen and the goal hold as written.
"""


def wrap_autoresearch(checkout: Path, asked: Asked) -> Made:
    """Make a problem of a checkout, which stays as it is; with a seed variable, the copy takes its seed from it.

    Raises:
        InitError: it is no such checkout, or the folder exists or cannot be written.
    """
    absent = [each for each in (TRAIN, PREPARE, PROGRAM) if not (checkout / each).is_file()]
    if absent:
        raise InitError(f"{checkout} is no checkout of autoresearch: it has no {' and no '.join(absent)}.")
    gathered = _gather(checkout)
    source = gathered.files[TRAIN].decode("utf-8", "replace")
    metrics = summary_metrics(source)
    if not metrics or metrics[0].name != OBJECTIVE:
        raise InitError(f'{checkout / TRAIN} has no line that prints "{OBJECTIVE}: ...", which is its score.')
    code, how = _seeded(gathered.files, asked.seed_env)
    environment, notes = _environment(gathered, asked.python)
    notes += seed_notes({TRAIN: code[TRAIN]}, how)
    budget = budget_s(code)
    outline = Outline(
        name=asked.called(checkout.resolve().name),
        title=f"Lower {OBJECTIVE} of a small language model within {_spoken(budget)} of training",
        statement=PROGRAM,
        editable=[TRAIN],
        command=["python", f"{ROOT}/{TRAIN}"],
        timeout=asked.timeout or _duration(budget + SLACK_S),
        metrics=metrics,
        environment=environment,
        prepare=["python", PREPARE],
        data=_data(code),
        progress=progress_pattern(source),
        limits=_limits(metrics, budget),
        cpus=8,
        gpus=1 if asked.gpus is None else asked.gpus,
        memory=asked.memory or "32GiB",
        seed_env=asked.seed_env,
    )
    if not outline.data:
        notes.append(f"{PREPARE} does not keep its data in {CACHE}: declare where it is as [[data]] in problem.toml.")
    pages = {
        PROGRAM: f"{_PREFACE}\n{gathered.files[PROGRAM].decode('utf-8', 'replace')}".encode(),
        PREPARE: template("autoresearch_prepare.py"),
        "README.md": _page(outline, notes).encode(),
    }
    target = asked.folder or Path(f"{outline.name}-problem")
    return assemble(target, Parts(outline, code, pages), notes, prepare=True)


def _seeded(files: Files, variable: str | None) -> tuple[Files, str | None]:
    """Return the files and how a seed reaches train.py, None if it does not."""
    if variable is None:
        return files, None
    changed, lines = take_seed({TRAIN: files[TRAIN]}, variable)
    places = ", ".join(f"{each.path}:{each.line}" for each in lines)
    how = f"the variable {variable}"
    return {**files, **changed}, f"{how} (the copy was changed for it at {places})" if places else how


def _limits(metrics: list[MetricLine], budget: int) -> list[Limit]:
    """Return what a run may not exceed: upstream's budget of time; memory is offered, as upstream's limit is soft."""
    names = {each.name for each in metrics}
    most = budget + max(_STEP_S, 0.05 * budget)
    limits = [Limit("training_seconds", most, "the time budget, which every candidate has to keep")]
    limits.append(Limit("peak_vram_mb", 80000, "to rule out what takes more memory, whatever it scores", offered=True))
    return [each for each in limits if each.metric in names]


def _gather(checkout: Path) -> Gathered:
    """Return the checkout's files without its notebook, pictures and results."""
    gathered = gather(checkout.resolve(), [TRAIN, PREPARE, PROGRAM])
    kept = {path: data for path, data in gathered.files.items() if not _LEFT.match(path)}
    return replace(gathered, files=kept)


def summary_metrics(source: str) -> list[MetricLine]:
    """Return the metrics of the summary that a training script prints at its end, val_bpb first.

    They are lines such as `print(f"val_bpb:   {val_bpb:.6f}")`.
    """
    printed = re.findall(r'print\(f"([A-Za-z]\w*):\s*\{[^{}"]*?(?::\.(\d+)f)?\}"\)', source)
    lines = [
        MetricLine(
            name,
            rf"^{name}:\s*(\S+)",
            goal="minimize" if name == OBJECTIVE else None,
            valid=(0.0, 100.0) if name == OBJECTIVE else None,
            resolution=10.0 ** -int(digits) if name == OBJECTIVE and digits else None,
        )
        for name, digits in dict(printed).items()
    ]
    return sorted(lines, key=lambda line: line.name != OBJECTIVE)


def progress_pattern(source: str) -> str | None:
    """Return the pattern of the step lines: percent of the time budget, and training loss; None if there are none.

    Percent, not steps: candidates take different numbers of steps, and all have the same time.
    """
    prints = re.search(r"\(\{pct_done:\.1f\}%\) \| loss: \{", source)
    return r"\((\d+)\.\d%\) \| loss: (\S+)" if prints else None


def budget_s(files: Files) -> int:
    """Return the training budget in seconds that prepare.py sets, 300 if it cannot be read there."""
    found = re.search(rb"(?m)^TIME_BUDGET\s*=\s*(\d+)", files[PREPARE])
    return int(found[1]) if found else 300


def _data(files: Files) -> list[DataLine]:
    usual = re.search(rb"(?m)^CACHE_DIR\s*=.*\.cache.*autoresearch", files[PREPARE])
    return [DataLine("corpus", CACHE, f"what {PREPARE} downloads and makes")] if usual else []


def _environment(gathered: Gathered, python: Path | None) -> tuple[Environment | None, list[str]]:
    environment, notes = environment_for(gathered, reachable(gathered.files, TRAIN, PREPARE), python)
    if environment and environment.requirements and (wanted := _python(gathered.files)):
        environment = replace(environment, python=wanted)
    if b"get_kernel(" in gathered.files[TRAIN]:
        environment = replace(environment or Environment(), caches=(HUB,))
        notes.append(
            f"{TRAIN} gets attention kernels from the hub. Candidates have no network, so `aster prepare` fetches them "
            f"into {HUB}, which candidates can read."
        )
    return environment, notes


def _python(files: Files) -> str | None:
    """Return the versions of Python that pyproject.toml asks for."""
    found = re.search(rb'(?m)^requires-python\s*=\s*"([^"]+)"', files.get("pyproject.toml", b""))
    return found[1].decode() if found else None


def _duration(seconds: int) -> str:
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


def _spoken(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds % 60 == 0 and seconds > 60 else f"{seconds} seconds"


def _page(outline: Outline, notes: list[str]) -> str:
    """Return README.md, for people; program.md is what whoever writes candidates reads."""
    what = (
        f"A checkout of autoresearch as a problem: `{ROOT}/{TRAIN}` may be edited, `{ROOT}/{PREPARE}` and all else is "
        f"frozen, `{PROGRAM}` is the statement. A run may take {outline.timeout} in all. `{PREPARE}` beside this page "
        f"runs the checkout's own, which keeps its data in `{CACHE}`, and `aster prepare` runs it."
    )
    sections = [
        ("", what),
        ("How it is scored", SELF_REPORTED),
        noticed(notes),
    ]
    return readme(outline.title, sections)
