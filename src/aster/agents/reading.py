"""Tools by which planners and workers read: code, changes, and what is known. All of it is quoted as data."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from aster.agents import tellings as tell
from aster.agents.briefs import diff
from aster.agents.converse import Misuse, Place, Tool
from aster.agents.memory import memories_of
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line, quoted
from aster.agents.similar import ALIKE_WORDS, tried_like
from aster.board import Board
from aster.problems.troubles import nearest

MOST_LINES = 400
"""Lines of a file that one call gives."""

MOST_CHARS = 18_000

FAINT = 0.1
"""From this likeness on, a search for a few words finds a hypothesis."""


class ReadFile(BaseModel):
    """Arguments of read_file."""

    path: str = Field(description="the file, as it is listed, such as solution/search.py")
    candidate: str | None = Field(default=None, description="whose version; left out: the best candidate's")
    first_line: int = Field(default=1, ge=1)
    lines: int = Field(default=MOST_LINES, ge=1, le=MOST_LINES)


class ShowChange(BaseModel):
    """Arguments of show_change."""

    candidate: str = Field(description="the candidate's id, such as c-0123456789ab")
    against: str | None = Field(default=None, description="the candidate to compare with; left out: its parent")


class LookUp(BaseModel):
    """Arguments of look_up."""

    query: str = Field(min_length=3, max_length=600, description="a mechanism, a hypothesis, a question, in words")


def reading_tools(desk: Desk) -> list[Tool[Any]]:
    """Return the tools, for one agent."""
    reader = Reader(desk)
    return [
        Tool("read_file", "Read a file of a candidate, with line numbers.", ReadFile, reader.read_file, outside=True),
        Tool(
            "show_change",
            "Show as a diff what a candidate changed: in its parent, or in any other candidate.",
            ShowChange,
            reader.show_change,
            outside=True,
        ),
        Tool(
            "look_up",
            "Search all findings, dead ends and notes, and all hypotheses that were proposed, by what they say.",
            LookUp,
            reader.look_up,
            outside=True,
        ),
    ]


class Reader:
    """Answers the reading tools. Used inside steps, because it looks at the board."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def read_file(self, args: ReadFile, _: Place) -> str:
        """Return numbered lines of a file."""
        board = self._desk.look()
        name = args.candidate or board.best_unconfirmed() or board.standing or ""
        files = self._files(board, name)
        if args.path not in files:
            raise Misuse(f"{name} has no editable file {in_line(args.path, 120)}{nearest(args.path, list(files))}.")
        lines = files[args.path].decode("utf-8", "replace").splitlines()
        shown = lines[args.first_line - 1 : args.first_line - 1 + args.lines]
        numbered = "\n".join(f"{number:5} {line}" for number, line in enumerate(shown, args.first_line))
        return quoted(numbered, f"{in_line(args.path)} of {name}, {len(lines)} lines in all", MOST_CHARS)

    async def show_change(self, args: ShowChange, _: Place) -> str:
        """Return a diff."""
        board = self._desk.look()
        new = self._files(board, args.candidate)
        parents = board.candidates[args.candidate].parents
        against = args.against or (parents[0] if parents else args.candidate)
        change = diff(self._files(board, against), new) or "no difference"
        return f"{tell.candidate_line(board, args.candidate)}\n" + quoted(change, f"against {against}", MOST_CHARS)

    async def look_up(self, args: LookUp, _: Place) -> str:
        """Return what is known and what was proposed that is alike."""
        board = self._desk.look()
        known = tell.memory_lines(memories_of(board).about(args.query, 8))
        tried = tried_lines(board, args.query, 6, least=FAINT)
        return (
            "Known:\n" + ("\n".join(known) or "- nothing like it") + "\n\nProposed:\n" + ("\n".join(tried) or "- none")
        )

    def _files(self, board: Board, candidate: str) -> dict[str, bytes]:
        if candidate not in board.candidates:
            raise Misuse(no_candidate(candidate))
        return self._desk.files(board.candidates[candidate])


def no_candidate(name: str) -> str:
    """Return that there is no such candidate."""
    return (
        f"There is no candidate {in_line(name, 60)}; use an id such as c-0123456789ab, as your brief or a tool gave it."
    )


def tried_lines(board: Board, text: str, most: int, least: float = ALIKE_WORDS) -> list[str]:
    """Return hypotheses of all history that are like a text, and what came of them, an item each."""
    return [
        f"- {each.hypothesis} ({each.likeness:.0%} alike, from {each.parent}) {in_line(each.change, 160)}: "
        f"{in_line(each.came_to, 200)}"
        for each in tried_like(board, text, most, least)
    ]
