"""`aster prepare`."""

from __future__ import annotations

import typer

from aster.cli.options import ProblemArgument


def prepare(
    context: typer.Context,
    problem: ProblemArgument,
) -> None:
    """Build a problem's environment and run its [prepare].

    What follows the problem is handed to that command: `aster prepare nanochat --data FOLDER`.

    The command runs in the problem folder with your own rights, outside of any sandbox: read it first. Of your
    environment it sees PATH, HOME, LANG, proxies and the variables that [environment] names.
    """
    from aster.problems.problem import load_problem
    from aster.surroundings import prepare_problem

    if prepare_problem(load_problem(problem), tell, context.args):
        typer.echo(f"{problem} is prepared.")
    else:
        typer.echo(f"{problem} has no [prepare]; its environment is ready.")


def tell(text: str) -> None:
    """Say on stderr what takes long."""
    typer.echo(text, err=True)
