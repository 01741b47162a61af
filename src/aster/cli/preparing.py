"""`aster prepare`."""

from __future__ import annotations

from typing import Annotated

import typer

from aster.cli.options import ProblemArgument


def prepare(
    problem: ProblemArgument,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="What is added to the command, such as --data FOLDER."),
    ] = None,
) -> None:
    """Build a problem's environment and run its [prepare].

    The command runs in the problem folder with your own rights, outside of any sandbox: read it first. Of your
    environment it sees PATH, HOME, LANG, proxies and the variables that [environment] names. What follows PROBLEM is
    added to the command.
    """
    from aster.problems.problem import load_problem
    from aster.surroundings import prepare_problem

    if prepare_problem(load_problem(problem), tell, more or ()):
        typer.echo(f"{problem} is prepared.")
    else:
        typer.echo(f"{problem} has no [prepare]; its environment is ready.")


def tell(text: str) -> None:
    """Say on stderr what takes long."""
    typer.echo(text, err=True)
