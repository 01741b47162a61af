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


# --- what `aster run` takes ----------------------------------------------------------------------------------

WallOption = Annotated[
    str | None, typer.Option(metavar="TIME", help='Ceiling of active wall time, such as "2h", "90m" or "45s".')
]
ExperimentsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Ceiling of experiments, baselines and confirmations included.")
]
ResearcherOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Who writes the candidates: any of ideas, agents and tuner, such as `ideas+tuner`; by default ideas if "
        "there are any, with --model everybody who has something to vary.",
    ),
]
SlotsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Experiments side by side; by default as many as fit this machine.")
]
SeedOption = Annotated[int, typer.Option(metavar="S", help="The same seed and slots make the same ordered campaign.")]
ModeOption = Annotated[
    ModeName | None,
    typer.Option(
        help="`ordered` repeats exactly; `arrival` never waits. By default ordered under --experiments alone."
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan, its cost and what it could tell; run and write nothing.")
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="[ROLE=]PROVIDER:NAME",
        help="A language model for agents, such as openai:gpt-5-mini; repeat it for a pool (NAME*3: three times as "
        "likely), or name roles: planner,critic=anthropic:claude-opus-4-5.",
    ),
]
BaseUrlOption = Annotated[
    str, typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible server: vLLM, Ollama, llama.cpp.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="MODEL=IN,OUT[,READ,WRITE]",
        help="A model's price in dollars per million tokens, cached input read and written last; repeatable.",
    ),
]
UsdOption = Annotated[
    float | None, typer.Option("--usd", metavar="N", help="Ceiling of dollars for language models; paid ones need it.")
]
TokensOption = Annotated[
    str | None,
    typer.Option("--tokens", metavar="N", help='Ceiling of tokens for language models, such as "500k" or "20M".'),
]
GpuHoursOption = Annotated[
    float | None, typer.Option("--gpu-hours", metavar="N", help="Ceiling of hours on GPUs, added up over devices.")
]
AgentsOption = Annotated[
    int | None, typer.Option("--agents", metavar="N", help="Agents side by side; by default twice the slots.")
]
OneShotOption = Annotated[
    bool, typer.Option("--one-shot", help="Subagents answer once with edits, instead of working with tools.")
]
DirectionsOption = Annotated[
    Path | None,
    typer.Option("--directions", metavar="FILE", help="A text or Markdown file that tells the planner where to look."),
]
