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


def init(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="The problem folder to make; its last name becomes the problem's.", show_default=False
        ),
    ] = None,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Wrap a script that prints its score; its folder is copied.")
    ] = None,
    autoresearch: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Wrap a checkout of karpathy/autoresearch as it is.")
    ] = None,
    openevolve: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Wrap an OpenEvolve example: initial program, evaluator, config.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A metric as it is printed; the first is the objective.")
    ] = None,
    goal: Annotated[GoalName | None, typer.Option(help="Which way the first metric is better.")] = None,
    editable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB", help="What may be edited, relative to the script's folder; by default the script."
        ),
    ] = None,
    seed_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The variable with the seed; seeds written into the code are replaced by it."
        ),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(metavar="REGEX", help="What finds the first metric in the output; one group.")
    ] = None,
    timeout: Annotated[str | None, typer.Option(metavar="TIME", help='Of one run, such as "10m".')] = None,
    gpus: Annotated[int | None, typer.Option(metavar="N", min=0, help="Whole devices for one run.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help='For one run, such as "8GiB".')] = None,
    python: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The interpreter that runs the code, such as .venv/bin/python.")
    ] = None,
    arguments: Annotated[
        str, typer.Option("--args", metavar="WORDS", help='For the script, such as "--epochs 3 --seed {seed}".')
    ] = "",
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The problem's name, if not the folder's.")] = None,
) -> None:
    """Make a problem folder.

    It is a small one to begin with, or one around code that you have: a script that prints its score, a checkout of
    autoresearch, an OpenEvolve example. What is wrapped stays as it is: the folder holds a copy. Nothing is overwritten, and nothing is run.
    """
    from aster.problems.wrapping.asked import Asked
    from aster.problems.wrapping.sources import make

    asked = Asked(
        folder=folder,
        script=script,
        autoresearch=autoresearch,
        openevolve=openevolve,
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
