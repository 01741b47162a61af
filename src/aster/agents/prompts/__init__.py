"""Prompts as Markdown files with typed variables: `{{title}}` in planner.md is the field `title` of its record.

What is filled in is never read again for variables. A campaign keeps the filled-in text of each prompt as a blob, so
its ledger tells what agents were told whatever becomes of these files.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

_VARIABLE = re.compile(r"\{\{([a-z_]+)\}\}")


class ProblemPrompt(Struct, frozen=True):
    """What every agent is told of the problem; nothing of it changes during a campaign.

    Attributes:
        title: one line.
        statement: the problem's own text, as its author wrote it.
        objective: what is optimised, and which differences count.
        conditions: how an experiment runs: stages, time, processors, memory, constraints.
    """

    title: str
    statement: str
    objective: str
    conditions: str


class PlannerPrompt(ProblemPrompt, frozen=True):
    """planner.md. `files`: the editable files with their definitions. `surfaces`: which surfaces there are, or how to
    name one. `references`: published marks. `ideas`: the idea library, an idea a line. `claims`: what a claim is."""

    files: str
    surfaces: str
    references: str
    ideas: str
    claims: str


class WorkerPrompt(ProblemPrompt, frozen=True):
    """worker.md. `most`: how many hypotheses it may hand over at once."""

    files: str
    most: int


class CriticPrompt(ProblemPrompt, frozen=True):
    """critic.md."""


class SubagentPrompt(ProblemPrompt, frozen=True):
    """subagent.md. `files`: the editable files with their definitions. `reading`: how to read results."""

    files: str
    reading: str


class OneShotPrompt(ProblemPrompt, frozen=True):
    """oneshot.md."""


FILES: dict[type[ProblemPrompt], str] = {
    PlannerPrompt: "planner.md",
    WorkerPrompt: "worker.md",
    CriticPrompt: "critic.md",
    SubagentPrompt: "subagent.md",
    OneShotPrompt: "oneshot.md",
}
"""The file of each kind of prompt."""


def fill(prompt: ProblemPrompt) -> str:
    """Return the text of a prompt's file with its variables filled in."""
    values = asdict(prompt)
    return _VARIABLE.sub(lambda found: str(values[found[1]]).strip(), text_of(FILES[type(prompt)]))


def variables_of(text: str) -> set[str]:
    """Return the names of the variables in a prompt's text."""
    return set(_VARIABLE.findall(text))


@cache
def text_of(name: str) -> str:
    """Return the text of a prompt's file, as it was written."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
