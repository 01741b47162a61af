"""The entry point: `aster COMMAND`. Errors become one paragraph and an exit code here, and nowhere else.

Exit codes: 0 done; 1 the machine failed (or a bug, with its traceback), the reader of our output left, or a replay
parts from its record; 2 something that the user can mend; 130 a campaign left by two interrupts.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from aster.cli import (
    applying,
    auditing,
    check,
    comparing,
    distilling,
    doctor,
    exporting,
    init,
    listing,
    preparing,
    replaying,
    running,
    show,
)
from aster.errors import AsterError, SystemTrouble, UserError


class Guarded(TyperGroup):
    """Turns the errors that Aster raises on purpose into a paragraph on stderr. A bug keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:  # typer's own context; where it lives depends on typer's version
        try:
            return super().invoke(ctx)
        except AsterError as error:
            _complain(error)
            raise typer.Exit(2 if isinstance(error, UserError) else 1) from None
        except OSError as error:
            if error.errno != errno.ENOSPC or error.filename is not None:
                raise
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - what it still holds cannot be written at the exit
            _complain(SystemTrouble("The output cannot be written: the disk that it goes to is full."))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Guarded,
    help="Aster: an open autonomous research system. Give it a problem, a way to score it and a budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # typer's rich help takes twice the time of everything else to load
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init.init)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(preparing.prepare)
app.command()(running.run)
app.command()(check.check)
app.command()(running.resume)
app.command()(running.stop)
app.command()(running.steer)
app.command()(listing.campaigns)
app.command()(show.show)
app.command()(listing.report)
app.command()(applying.apply)
app.command()(exporting.export)
app.command()(replaying.replay)
app.command()(distilling.distill)
app.command()(listing.problems)
app.command()(auditing.audit)
app.command()(comparing.compare)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from aster._version import VERSION

        typer.echo(f"aster {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _complain(error: AsterError) -> None:
    notes: list[str] = getattr(error, "__notes__", [])
    text = " ".join([str(error), *notes])
    typer.echo("Error: " + "".join(c for c in text if c.isprintable() or c == "\n"), err=True)


def main() -> None:
    """Run the command line and exit."""
    _open_closed_streams()
    for library in ("OMP", "OPENBLAS", "MKL"):  # the cores belong to the experiments; must precede numpy's import
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character shows "?"
    try:
        app()
    finally:
        _write_out()


def _open_closed_streams() -> None:
    """Open what the process was started without (`>&-`), else the ledger would be given the number of a stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for as long as the process lives


def _write_out() -> None:
    """Write what stdout still holds. That its reader has gone (`| head`) is not worth a word, now or at the exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
