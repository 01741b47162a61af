"""`aster export`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aster.cli.options import DEFAULT_CAMPAIGNS, CampaignArgument, CampaignsOption


class FormName(StrEnum):
    """The formats of files; the same words as `report.export.FORMS`."""

    parquet = "parquet"
    csv = "csv"
    tsv = "tsv"
    jsonl = "jsonl"


class TableName(StrEnum):
    """What is exported; the same words as `report.tables.TABLES`, and all of them."""

    experiments = "experiments"
    claims = "claims"
    candidates = "candidates"
    findings = "findings"
    all = "all"


def export(
    campaign: CampaignArgument,
    form: Annotated[
        FormName | None,
        typer.Option("--format", help="The format; else by the ending of --out, else csv.", show_default=False),
    ] = None,
    what: Annotated[TableName, typer.Option(help="Which table; `all` writes one file each.")] = TableName.experiments,
    out: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The file, the folder for `all`, or - for stdout [ID-TABLE.FORMAT]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    campaigns: CampaignsOption = DEFAULT_CAMPAIGNS,
) -> None:
    """Write a campaign's tables: Parquet, CSV, TSV, JSON lines.

    For other programs: one row a record, and each metric is a column. The campaign may be running meanwhile.
    """
    from aster.app import load_campaign
    from aster.cli.find import find_campaign
    from aster.cli.words import shown_path
    from aster.errors import UserError
    from aster.report.export import export_all, form_of, write_file, write_text
    from aster.report.tables import TABLES, table_of

    loaded = load_campaign(find_campaign(campaign, campaigns))
    chosen = form.value if form is not None else form_of(Path(out) if out is not None else None)
    if out == "-":
        if what is TableName.all:
            raise UserError("Only one table goes to stdout; choose it with --what, or a folder with --out DIR.")
        write_text(table_of(loaded.board, what.value), chosen, sys.stdout)
        return
    if what is TableName.all:
        folder = Path(out or f"{loaded.id}-export")
        written = export_all([table_of(loaded.board, name) for name in TABLES], chosen, folder, force)
    else:
        path = Path(out or f"{loaded.id}-{what.value}.{chosen}")
        write_file(table_of(loaded.board, what.value), chosen, path, force)
        written = [path]
    for path in written:
        typer.echo(shown_path(path))
