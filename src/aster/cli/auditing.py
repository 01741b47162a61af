"""`aster audit`: what the kept gains in somebody's results file are worth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.options import JsonOption

if TYPE_CHECKING:
    from aster.audit.summary import Summary


class GoalName(StrEnum):
    """Which way is better; the same words as `domain.records.Goal`."""

    minimize = "minimize"
    maximize = "maximize"


def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An autoresearch results.tsv, or any CSV or TSV.")],
    column: Annotated[str, typer.Option(metavar="NAME", help="The column to audit, by name or number [val_bpb].")] = "",
    goal: Annotated[
        GoalName | None, typer.Option(help="Which way is better; val_bpb is minimized.", show_default=False)
    ] = None,
    kept_column: Annotated[
        str, typer.Option(metavar="NAME", help="The column that says what was kept [status; else running best].")
    ] = "",
    kept_value: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="A word there that means kept. May be repeated.")
    ] = None,
    crash_value: Annotated[
        list[float] | None, typer.Option(metavar="X", help="A value that stands for a crash, such as -999.")
    ] = None,
    sd: Annotated[float | None, typer.Option(metavar="X", help="The sd of one run of the same code.")] = None,
    repeats: Annotated[
        str,
        typer.Option(
            metavar="VALUES",
            help="Runs of the same code: numbers with commas, a file of them, or `marked` (rows that the file marks).",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write figures and audit.html [NAME-audit].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which gains of a finished run are likely noise.

    For runs of any tool. Without --sd or --repeats the noise is only bounded from above, and that is said. With --json
    files are written only if --out is given.
    """
    from aster.audit.noise import noise_of
    from aster.audit.runs import Wanted, read_run
    from aster.audit.summary import summarize
    from aster.audit.table import read_table

    wanted = Wanted(
        column, "" if goal is None else goal.value, kept_column, tuple(kept_value or ()), tuple(crash_value or ())
    )
    run = read_run(read_table(file), wanted, str(file))
    noise, tried = noise_of(run, sd, repeats)
    view = summarize(file, run, tried, noise)
    folder = out if out is not None or as_json else Path(f"{file.stem}-audit")
    _show(view, as_json)
    if folder is not None:
        _write(view, folder, quiet=as_json)


def _show(view: Summary, as_json: bool) -> None:
    from aster.audit.text import as_data, print_text
    from aster.cli.words import console

    if as_json:
        import json

        typer.echo(json.dumps(as_data(view), indent=2, allow_nan=False))
    else:
        print_text(view, console())


def _write(view: Summary, folder: Path, quiet: bool) -> None:
    from aster.audit.page import write_audit
    from aster.cli.words import shown_path

    for path in write_audit(view, folder):
        if not quiet:
            typer.echo(shown_path(path))
