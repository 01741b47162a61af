"""Tools by which planners and workers read: code, changes, and what is known. All of it is quoted as data."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field

from aster.agents import tellings as tell
from aster.agents.converse import Misuse, Place, Tool
from aster.agents.diffs import diff
from aster.agents.memory import memories_of
from aster.agents.outline import FROZEN
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line, quoted
from aster.agents.similar import ALIKE_WORDS, tried_as, tried_like
from aster.board import Board
from aster.problems.problem import Problem
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


class ShowHypothesis(BaseModel):
    """Arguments of show_hypothesis."""

    hypothesis: str = Field(description="its id, such as h-0123456789ab")


class ShowIdea(BaseModel):
    """Arguments of show_idea."""

    name: str = Field(description="the idea's name, as it is listed")


def reading_tools(desk: Desk, problem: Problem) -> list[Tool[Any]]:
    """Return the tools, for one agent."""
    reader = Reader(desk, problem)
    return [
        Tool(
            "read_file",
            "Read a file of a candidate, with line numbers.",
            ReadFile,
            reader.read_file,
            outside=True,
        ),
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
        Tool(
            "show_hypothesis",
            "Show a hypothesis whole: its text, its finding and its subagent's note, and the diff that was measured.",
            ShowHypothesis,
            reader.show_hypothesis,
            outside=True,
        ),
        Tool(
            "show_idea",
            "Show an idea of the library whole: why it should help, its diff, and what was measured of it.",
            ShowIdea,
            reader.show_idea,
        ),
    ]


class Reader:
    """Answers the reading tools. Used inside steps, because it looks at the board."""

    def __init__(self, desk: Desk, problem: Problem) -> None:
        self._desk, self._problem = desk, problem

    async def read_file(self, args: ReadFile, _: Place) -> str:
        """Return numbered lines of a file."""
        board = self._desk.look()
        name = args.candidate or board.best_unconfirmed() or board.standing or ""
        frozen = self._problem.frozen_solution_files
        files = {**frozen, **self._files(board, name)}
        path = args.path.strip().removeprefix("./")
        path = path if path in files else f"{self._problem.spec.solution.root}/{path}"
        if path not in files:
            raise Misuse(f"{name} has no file {in_line(args.path, 120)}{nearest(args.path, list(files))}.")
        lines = files[path].decode("utf-8", "replace").splitlines()
        shown = lines[args.first_line - 1 : args.first_line - 1 + args.lines]
        numbered = "\n".join(f"{number:5} {line}" for number, line in enumerate(shown, args.first_line))
        whose = FROZEN if path in frozen else f"of {name}"
        return quoted(numbered, f"{in_line(path)} {whose}, {len(lines)} lines in all", MOST_CHARS)

    async def show_change(self, args: ShowChange, _: Place) -> str:
        """Return a diff."""
        board = self._desk.look()
        return self._change(board, args.candidate, args.against, MOST_CHARS)

    def _change(self, board: Board, candidate: str, against: str | None, most: int) -> str:
        new = self._files(board, candidate)
        parents = board.candidates[candidate].parents
        against = against or (parents[0] if parents else candidate)
        change = diff(self._files(board, against), new) or "no difference"
        return f"{tell.candidate_line(board, candidate)}\n" + quoted(change, f"against {against}", most)

    async def show_hypothesis(self, args: ShowHypothesis, _: Place) -> str:
        """Return a hypothesis and all that became of it."""
        board = self._desk.look()
        tried = tried_as(board, args.hypothesis)
        if tried is None:
            raise Misuse(f"There is no hypothesis {in_line(args.hypothesis, 60)}; use an id such as h-0123456789ab.")
        text = board.hypotheses[tried.hypothesis].text
        parts = [
            f"{tried.hypothesis} from {tried.parent} {in_line(tried.change)}: {in_line(tried.came_to, 1500)}",
            quoted(text, "as its author wrote it", 3_000),
        ]
        note = memories_of(board).get(tried.assignment or "")
        if note is not None:
            parts.append(quoted(note.text, "its subagent's note", 4_000))
        if tried.candidate is not None:
            parts.append(self._change(board, tried.candidate, None, MOST_CHARS // 2))
        return "\n".join(parts)

    async def show_idea(self, args: ShowIdea, _: Place) -> str:
        """Return the page of an idea."""
        pages = {PurePosixPath(path).stem: text for path, text in self._problem.idea_files.items()}
        if args.name not in pages:
            known = nearest(args.name, list(pages)) if pages else "; the library is empty"
            raise Misuse(f"There is no idea {in_line(args.name, 60)}{known}.")
        return quoted(pages[args.name], f"the idea {args.name}", MOST_CHARS)

    async def look_up(self, args: LookUp, _: Place) -> str:
        """Return what is known and what was proposed that is alike."""
        board = self._desk.look()
        known = tell.memory_lines(board, memories_of(board).about(args.query, 8))
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
