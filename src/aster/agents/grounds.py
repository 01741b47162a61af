"""Where a subagent's work begins: its parent, its surface, and the files that it sees."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import islice

import msgspec
from msgspec import Struct

from aster.agents.guard import Guard
from aster.agents.lineage import own_files
from aster.agents.outline import FROZEN, imported
from aster.agents.protocol import Desk
from aster.agents.quoting import quoted
from aster.agents.tools import listed
from aster.agents.workspace import Workspace
from aster.board import Board
from aster.domain.records import Candidate
from aster.problems.problem import Problem

MOST_NAMED = 32
"""Candidates that a subagent may read beside its parent: those that its brief names first."""

_CANDIDATE = re.compile(r"\bc-[A-Za-z0-9]+")


class Start(Struct, frozen=True):
    """Where an assignment begins, as the board tells it.

    Attributes:
        paths: what may be edited: globs of files or "FILE::DEFINITION"; empty: all that is editable.
        change, text: the hypothesis's. `other`: the candidate whose change is to be brought in.
        named: the candidates that the brief names, by id. `parents`: theirs, as far as these are no such themselves.
        whole: frozen modules are shown at first, and logs without what is for people; an older Aster did neither.
        own: files of the parent that this direction added, in the parent's own line: they may be edited too.
    """

    parent: Candidate
    paths: tuple[str, ...]
    change: str
    text: str
    other: Candidate | None = None
    named: dict[str, Candidate] = {}
    parents: dict[str, Candidate] = {}
    own: tuple[str, ...] = ()
    whole: bool = False


class Grounds:
    """What all subagents of a problem share.

    Attributes:
        baseline: the problem's own editable files.
        strict: whether candidates run under the Python that runs Aster, so that syntax that is wrong here is wrong
            there.
    """

    def __init__(self, problem: Problem) -> None:
        self._editable, self._root = problem.editable, problem.spec.solution.root
        self._guards: dict[tuple[tuple[str, ...], tuple[str, ...]], Guard] = {}
        self.baseline = problem.editable_files
        environment = problem.spec.environment
        self.strict = {environment.python, environment.requirements, environment.interpreter} == {None}
        statement = problem.spec.problem.statement
        self._fixed = dict(problem.frozen_solution_files)
        if statement not in self.baseline:
            self._fixed[statement] = problem.files[statement]

    def workspace(self, desk: Desk, start: Start) -> Workspace:
        """Return a fresh workspace over the parent's files. What is hidden from candidates is not in it."""
        made = Guard(self._editable, self._root, start.paths, start.own)
        guard = self._guards.setdefault((start.paths, start.own), made)
        return Workspace(desk.files(start.parent), self._fixed, guard, self._root)


async def starting(desk: Desk, baseline: Collection[str]) -> Start:
    """Return where the desk's assignment begins; `baseline` are the paths of the problem's own editable files."""

    async def make() -> str:
        board, assignment = desk.look(), desk.assignment
        assert assignment.hypothesis is not None, "a subagent has a hypothesis"
        hypothesis = board.hypotheses[assignment.hypothesis]
        parent = board.candidates[assignment.parent or hypothesis.parent]
        named = named_in(board, desk.brief)
        start = Start(
            parent=parent,
            paths=board.directions[hypothesis.direction].record.paths,
            change=hypothesis.change,
            text=hypothesis.text,
            other=board.candidates[assignment.other] if assignment.other is not None else None,
            named=named,
            parents={
                each: board.candidates[each] for of in named.values() for each in of.parents[:1] if each not in named
            },
            own=own_files(board, parent, hypothesis.direction, desk.files, baseline),
            whole=True,
        )
        return msgspec.json.encode(start).decode()

    return msgspec.json.decode(await desk.step(desk.assignment.id, 0, 0, make), type=Start)


def named_in(board: Board, text: str) -> dict[str, Candidate]:
    """Return the candidates that a text names, at most `MOST_NAMED`, in the order in which it does."""
    ids = dict.fromkeys(found for found in _CANDIDATE.findall(text) if found in board.candidates)
    return {name: board.candidates[name] for name in islice(ids, MOST_NAMED)}


def opening(work: Workspace, most: int, whole: bool = True) -> str:
    """Return the list of files, and as many of them in full as `most` characters hold: those of the surface first, then
    the frozen ones that these import, if `whole`."""
    parts = [f"## Files\n\n{listed(work)}"]
    files, frozen = work.files(), work.frozen if whole else {}
    surface = [path for path in files if work.guard.reach(path) in ("all", "parts")]
    needed = [each for path in surface for each in imported(path, files[path], frozen, work.root)]
    paths = dict.fromkeys([*surface, *needed, *files])
    left = most
    for path in paths:
        text = work.shown(path)
        if text is not None and 0 < len(text) <= left:
            left -= len(text)
            label = f"{path} {FROZEN}" if path in frozen else path
            parts.append(quoted(text.removesuffix("\n"), label, 2 * len(text)))
    return "\n\n".join(parts)
