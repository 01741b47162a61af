"""`aster init`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aster.problems.wrapping.place import Made


class GoalName(StrEnum):
    """Which way the objective is better; the words of problem.toml."""

    maximize = "maximize"
    minimize = "minimize"


FolderArgument = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="The folder to make; its last name becomes the problem's.", show_default=False),
]
ScriptOption = Annotated[
    Path | None, typer.Option("--script", metavar="FILE", help="Wrap a script that prints its score.")
]
AutoresearchOption = Annotated[
    Path | None, typer.Option("--autoresearch", metavar="DIR", help="Wrap a checkout of karpathy/autoresearch.")
]
OpenEvolveOption = Annotated[
    Path | None, typer.Option("--openevolve", metavar="DIR", help="Wrap an OpenEvolve example.")
]
SpeedrunOption = Annotated[
    Path | None, typer.Option("--speedrun", metavar="DIR", help="Wrap a checkout of KellerJordan/modded-nanogpt.")
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME", help="A metric as it is printed; the first is the objective."),
]
GoalOption = Annotated[GoalName | None, typer.Option("--goal", help="Which way the first metric is better.")]
EditableOption = Annotated[
    list[str] | None,
    typer.Option("--editable", metavar="GLOB", help="What may be edited, relative to the code; else the script."),
]
SeedOption = Annotated[
    str | None,
    typer.Option("--seed-env", metavar="NAME", help="The variable with the seed; it replaces seeds in the code."),
]
PatternOption = Annotated[
    str | None, typer.Option("--pattern", metavar="REGEX", help="What finds the first metric in the output; one group.")
]
TimeoutOption = Annotated[str | None, typer.Option("--timeout", metavar="TIME", help='Of one run, such as "10m".')]
GpusOption = Annotated[int | None, typer.Option("--gpus", metavar="N", min=0, help="Whole devices for one run.")]
MemoryOption = Annotated[str | None, typer.Option("--memory", metavar="SIZE", help='For one run, such as "8GiB".')]
PythonOption = Annotated[
    Path | None, typer.Option("--python", metavar="FILE", help="What runs the code, such as .venv/bin/python.")
]
ArgsOption = Annotated[
    str, typer.Option("--args", metavar="WORDS", help='For the script, such as "--epochs 3 --seed {seed}".')
]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The problem's name, if not the folder's.")
]


def init(
    folder: FolderArgument = None,
    script: ScriptOption = None,
    autoresearch: AutoresearchOption = None,
    openevolve: OpenEvolveOption = None,
    speedrun: SpeedrunOption = None,
    metric: MetricOption = None,
    goal: GoalOption = None,
    editable: EditableOption = None,
    seed_env: SeedOption = None,
    pattern: PatternOption = None,
    timeout: TimeoutOption = None,
    gpus: GpusOption = None,
    memory: MemoryOption = None,
    python: PythonOption = None,
    arguments: ArgsOption = "",
    name: NameOption = None,
) -> None:
    """Make a problem folder.

    It is a small one to begin with, or one around code that you have: a script that prints its score, a checkout of
    autoresearch or of the NanoGPT speedrun, an OpenEvolve example. What is wrapped stays as it is: the folder holds a
    copy. Nothing is overwritten, and nothing is run.
    """
    from aster.problems.wrapping.asked import Asked
    from aster.problems.wrapping.sources import make

    asked = Asked(
        folder=folder,
        script=script,
        autoresearch=autoresearch,
        openevolve=openevolve,
        speedrun=speedrun,
        metrics=tuple(metric or ()),
        goal=None if goal is None else goal.value,
        editable=tuple(editable or ()),
        seed_env=seed_env,
        pattern=pattern,
        timeout=timeout,
        gpus=gpus,
        memory=memory,
        python=python,
        arguments=arguments,
        name=name,
    )
    _tell(make(asked))


def _tell(made: Made) -> None:
    """Print what was made, what was noticed, and what to type next."""
    import shlex

    typer.echo(f"Made {made.folder}/: the problem {made.name}.")
    if made.notes:
        typer.echo("Noticed:")
        for note in made.notes:
            typer.echo(f"- {note}")
    place = shlex.quote(str(made.folder))
    steps = [f"aster prepare {place}"] if made.prepare else []
    steps += [f"aster check {place}", f"aster run {place} --experiments 40"]
    typer.echo("Next:")
    for step in steps:
        typer.echo(f"  {step}")
