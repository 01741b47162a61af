"""The one-shot subagent: one prompt, several samples, an edit and an experiment each. No second look at anything."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from pydantic import BaseModel, Field

from aster.agents.converse import Misuse, OutOfTurns, Place, Submit, converse
from aster.agents.grounds import Grounds, Start, opening, starting
from aster.agents.measuring import Laboratory
from aster.agents.protocol import Desk
from aster.agents.quoting import bounded
from aster.agents.subagent import MAX_OUTPUT
from aster.agents.workspace import Workspace
from aster.domain.research import Note
from aster.problems.problem import Problem

TURNS = 2
"""Calls that a sample may take: one, and one to mend an edit that did not fit."""

SHOWN = 60_000
"""Characters of files that the prompt holds in full."""


class Edit(BaseModel):
    path: str = Field(description="the file, such as solution/solve.py")
    find: str = Field(description="the text to replace, exactly as it stands there once")
    replace: str = Field(description="what to put in its place")


class NewFile(BaseModel):
    path: str = Field(description="the file; it may be new")
    content: str = Field(description="its whole content")


class Proposal(BaseModel):
    change: str = Field(min_length=3, max_length=200, description="what you change, in a few words")
    why: str = Field(default="", max_length=2000, description="why it should help")
    edits: list[Edit] = Field(default=[], max_length=60, description="replacements, done in order")
    files: list[NewFile] = Field(default=[], max_length=20, description="files to write whole, before the replacements")


class _Sample(NamedTuple):
    """What became of a sample, in a line, and its experiment if there was one."""

    text: str
    experiment: str | None = None


class OneShot:
    """Carries out the assignments of subagents by samples of one prompt, all at once.

    Args:
        problem: the campaign's.
    """

    def __init__(self, problem: Problem) -> None:
        self._grounds = Grounds(problem)

    async def __call__(self, desk: Desk) -> Note:
        """Take samples and measure them; see `AgentRunner`.

        Whatever one sample comes to, the others come to their end first: they are under way, and paid for.
        """
        start = await starting(desk, self._grounds.baseline)
        laboratory = Laboratory(desk, start.parent, self._grounds.baseline, checks=False, whole=start.whole)
        allowance = desk.assignment.allowance
        number = max(1, min(allowance.experiments, allowance.requests // TURNS))
        samples = [self._sample(desk, start, laboratory, each) for each in range(number)]
        ended = await asyncio.gather(*samples, return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return _note([each for each in ended if isinstance(each, _Sample)])

    async def _sample(self, desk: Desk, start: Start, laboratory: Laboratory, number: int) -> _Sample:
        work = self._grounds.workspace(desk, start)
        place = Place(desk.assignment.id, TURNS * number + 1, 1)

        async def check(proposal: Proposal, at: Place) -> None:
            nonlocal place
            place = at
            apply(proposal, work, strict=self._grounds.strict)

        try:
            proposal = await converse(
                desk,
                desk.assignment.id,
                "subagent",
                desk.instructions,
                f"{desk.brief}\n\n{opening(work, SHOWN, start.whole)}",
                [],
                Submit("propose", "Hand in your change.", Proposal, check),
                most_turns=TURNS,
                max_output=MAX_OUTPUT,
                first_turn=TURNS * number + 1,
            )
            ran = await laboratory.measure(work.files(), proposal.change, proposal.why, place)
        except OutOfTurns:
            return _Sample("an edit that did not fit")
        except Misuse as misuse:
            return _Sample(f"an edit that was not run ({bounded(str(misuse), 200)})")
        return _Sample(f"{proposal.change}: {ran.summary}", ran.experiment)


def apply(proposal: Proposal, work: Workspace, *, strict: bool) -> None:
    """Make a proposal's changes in a workspace that is as the parent is, or none of them.

    Args:
        strict: refuse Python files with wrong syntax.

    Raises:
        Misuse: one does not fit, or nothing would change.
    """
    try:
        for file in proposal.files:
            work.write(file.path, file.content)
        for number, edit in enumerate(proposal.edits, 1):
            try:
                work.replace(edit.path, edit.find, edit.replace)
            except Misuse as misuse:
                raise Misuse(f"Edit {number}: {misuse}") from None
        if strict and (troubles := work.troubles()):
            raise Misuse("The syntax would be wrong: " + bounded("; ".join(troubles), 1000))
        if not work.changed:
            raise Misuse("This changes nothing.")
    except Misuse as misuse:
        for path in work.changed:
            work.revert(path)
        raise Misuse(f"{misuse} None of it was done; hand in the whole proposal again.") from None


def _note(samples: list[_Sample]) -> Note:
    lines = [f"{number}. {sample.text}" for number, sample in enumerate(samples, 1)]
    evidence = tuple(dict.fromkeys(each.experiment for each in samples if each.experiment is not None))
    return Note("\n".join([f"{len(samples)} samples of one prompt, measured once each:", *lines]), evidence)
