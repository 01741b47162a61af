"""The options that commands share. Imported for `aster --help`, so it imports nothing but typer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aster.cli.completing import campaign_ids, problem_names

DEFAULT_CAMPAIGNS = Path("campaigns")
CAMPAIGNS_VARIABLE = "ASTER_CAMPAIGNS"


class ModeName(StrEnum):
    """How decisions see outcomes; the same words as `domain.records.Mode`."""

    ordered = "ordered"
    arrival = "arrival"


class SandboxName(StrEnum):
    """What candidate code runs in; the same words as `sandbox.layers.SandboxName`."""

    auto = "auto"
    bubblewrap = "bubblewrap"
    landlock = "landlock"
    plain = "plain"


CampaignsOption = Annotated[
    Path,
    typer.Option("--campaigns", envvar=CAMPAIGNS_VARIABLE, metavar="DIR", help="The folder that holds campaigns."),
]
CampaignArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="A campaign: its id, an unambiguous beginning or end of it, its folder, or `last`.",
        show_default=False,
        autocompletion=campaign_ids,
    ),
]
ProblemArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROBLEM",
        help="A problem folder, or a built-in problem (`aster problems`).",
        autocompletion=problem_names,
    ),
]
SandboxOption = Annotated[
    SandboxName,
    typer.Option("--sandbox", help="What candidate code runs in; `auto` takes the strongest that works here."),
]
RequireSandboxOption = Annotated[
    bool, typer.Option("--require-sandbox", help="Refuse to run where only plain processes would hold candidate code.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
