"""What a subagent may do with files: list, read, search, edit, compare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from aster.agents.converse import Misuse, Place, Tool
from aster.agents.diffs import diff
from aster.agents.protocol import Desk
from aster.agents.quoting import bounded, quoted
from aster.agents.searching import MOST_MATCHES, TooSlow, is_harmless, search
from aster.agents.workspace import Workspace
from aster.domain.records import Candidate

if TYPE_CHECKING:
    from aster.agents.grounds import Start

MOST_LINES = 400
"""Lines that one look at a file shows."""

MOST_SHOWN = 20_000
"""Characters of files, diffs and matches that one result holds."""

MOST_LISTED = 200

AROUND = 3
"""Lines that are shown around an edit."""


class Nothing(BaseModel):
    """No arguments."""


class Reading(BaseModel):
    path: str = Field(description="the file, such as solution/solve.py")
    start: int = Field(default=1, ge=1, description="the first line to show")
    end: int | None = Field(default=None, ge=1, description=f"the last line; at most {MOST_LINES} are shown at once")
    version: str = Field(
        default="mine",
        description="mine: as you have changed it; parent: as it was; other: of the candidate to bring in, if any; or "
        "the id of a candidate that your brief names, such as c-0123456789ab",
    )


class Searching(BaseModel):
    pattern: str = Field(description="a Python regular expression, matched line by line")
    path: str = Field(default="", description="only in this file, or in files below this folder; empty: everywhere")


class Editing(BaseModel):
    path: str = Field(description="the file, such as solution/solve.py")
    find: str = Field(description="the text to replace, exactly as it stands there, without line numbers")
    replace: str = Field(description="what to put in its place")
    every: bool = Field(default=False, description="replace all places where it stands; else it must stand there once")


class Writing(BaseModel):
    path: str = Field(description="the file, such as solution/helper.py; it may be new")
    content: str = Field(description="the whole new content")


class Naming(BaseModel):
    path: str = Field(description="the file")


class Comparing(BaseModel):
    candidate: str = Field(description="the id of a candidate that your brief names, such as c-0123456789ab")


def file_tools(desk: Desk, workspace: Workspace, start: Start | None = None) -> list[Tool[Any]]:
    """Return the tools that work on files.

    Args:
        start: which candidates may be read beside the parent; None: none.
    """
    bench = _Bench(desk, workspace, start)
    return [
        Tool("list_files", "List the files with their sizes and what of them may be edited.", Nothing, bench.list),
        Tool("read_file", "Read a file, with line numbers.", Reading, bench.read),
        Tool("search_files", "Find lines that match a regular expression.", Searching, bench.search),
        Tool(
            "edit_file", "Replace a text in a file. Several calls in one reply are done in order.", Editing, bench.edit
        ),
        Tool("write_file", "Write a whole file, new or not. For small changes use edit_file.", Writing, bench.write),
        Tool("delete_file", "Delete a file.", Naming, bench.delete),
        Tool("revert_file", "Undo all your changes to a file.", Naming, bench.revert),
        Tool("show_diff", "Show all that you have changed so far.", Nothing, bench.diff),
        Tool(
            "show_change",
            "Show as a diff what a candidate that your brief names changed in its own parent.",
            Comparing,
            bench.show_change,
        ),
    ]


class _Bench:
    def __init__(self, desk: Desk, workspace: Workspace, start: Start | None) -> None:
        self._desk, self._work = desk, workspace
        self._other = start.other if start is not None else None
        self._named = start.named if start is not None else {}
        self._known = {**start.parents, **start.named} if start is not None else {}

    async def list(self, _args: Nothing, _place: Place) -> str:
        return listed(self._work)

    async def read(self, args: Reading, _place: Place) -> str:
        path, text = self._version(args)
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        if not lines:
            return f"{path} is empty."
        if args.start > len(lines):
            raise Misuse(f"{path} has {len(lines)} lines.")
        shown = lines[args.start - 1 : min(args.end or len(lines), args.start + MOST_LINES - 1)]
        kept = _fitting(shown, args.start)
        end = args.start + len(kept) - 1
        more = f"\nGo on with start={end + 1}." if end < min(args.end or len(lines), len(lines)) else ""
        label = f"{path}, lines {args.start} to {end} of {len(lines)}"
        return quoted("\n".join(kept), label, 2 * MOST_SHOWN) + more

    async def search(self, args: Searching, place: Place) -> str:
        texts = {path: text for path in self._work.readable() if (text := self._readable(path, args.path)) is not None}
        if not texts:
            raise Misuse(f"There is no file {args.path[:200]!r}, nor anything below it.")

        async def make() -> str:
            return await _matches(args.pattern, texts)

        if is_harmless(args.pattern):
            return await make()
        # How far another expression gets depends on the time that it has, so what came of it is recorded.
        return await self._desk.step(place.agent, place.turn, place.call, make)

    async def edit(self, args: Editing, _place: Place) -> str:
        path, line = self._work.replace(args.path, args.find, args.replace, args.every)
        lines = self._work.text(path).split("\n")
        first = max(1, line - AROUND)
        last = min(len(lines), line + args.replace.count("\n") + AROUND)
        shown = "\n".join(_fitting(lines[first - 1 : last], first)[:40])
        return quoted(shown, f"Done. {path} now reads", MOST_SHOWN) + self._warning()

    async def write(self, args: Writing, _place: Place) -> str:
        path = self._work.write(args.path, args.content)
        lines = len(args.content.splitlines())
        return f"Done. {path} has {lines} lines now.{self._warning()}"

    async def delete(self, args: Naming, _place: Place) -> str:
        self._work.remove(args.path)
        return "Done."

    async def revert(self, args: Naming, _place: Place) -> str:
        self._work.revert(args.path)
        return f"Done.{self._warning()}"

    async def diff(self, _args: Nothing, _place: Place) -> str:
        diff = self._work.diff()
        return quoted(diff, "Your changes", MOST_SHOWN) if diff else "Nothing has changed yet."

    async def show_change(self, args: Comparing, _place: Place) -> str:
        candidate = self._candidate(args.candidate)
        parent = self._known.get(candidate.parents[0]) if candidate.parents else None
        if parent is None:
            raise Misuse(f"{candidate.id} was made from nothing else; read its files with read_file.")
        change = diff(self._desk.files(parent), self._desk.files(candidate)) or "no difference"
        return quoted(change, f"What {candidate.id} changes in {parent.id}", MOST_SHOWN)

    def _candidate(self, name: str) -> Candidate:
        if name not in self._named:
            raise Misuse(f"Your brief names no candidate {name[:60]!r}; it names: {', '.join(self._named) or 'none'}.")
        return self._named[name]

    def _version(self, args: Reading) -> tuple[str, str]:
        if args.version == "mine":
            return args.path, self._work.text(args.path)
        if args.version == "parent":
            return f"{args.path} of the parent", self._work.text_before(args.path)
        if args.version == "other" and self._other is None:
            raise Misuse("There is no other candidate to bring in here.")
        whose = "the other candidate" if args.version == "other" else args.version
        candidate = self._other if args.version == "other" else self._candidate(args.version)
        assert candidate is not None
        files = self._desk.files(candidate)
        path = next((each for each in self._work.names_for(args.path) if each in files), None)
        if path is None:
            what = whose[0].upper() + whose[1:] if args.version == "other" else whose
            raise Misuse(f"{what} has no file {args.path[:200]!r}; it has: {', '.join(files)[:500]}.")
        return f"{path} of {whose}", files[path].decode("utf-8", "replace").replace("\r\n", "\n")

    def _readable(self, path: str, wanted: str) -> str | None:
        """Return a file's text if it is wanted and is text."""
        names = self._work.names_for(wanted.rstrip("/")) if wanted.strip("./ ") else ("",)
        if not any(not name or path == name or path.startswith(name + "/") for name in names):
            return None
        return self._work.shown(path)

    def _warning(self) -> str:
        troubles = self._work.troubles()
        return "\nThe syntax is wrong now: " + bounded("; ".join(troubles), 600) if troubles else ""


def listed(workspace: Workspace) -> str:
    """Return the files, a line each."""
    entries = list(workspace.listing())
    lines = [f"{entry.path}  {entry.lines} lines, {entry.size} bytes, {entry.note}" for entry in entries]
    more = [f"... and {len(lines) - MOST_LISTED} more"] if len(lines) > MOST_LISTED else []
    return "\n".join([*lines[:MOST_LISTED], *more])


async def _matches(pattern: str, texts: Mapping[str, str]) -> str:
    try:
        found = await search(pattern, texts)
    except re.error as error:
        return f"Error: that is no regular expression: {error}."
    except TooSlow:
        return "Error: that expression takes too long to match; use a simpler one."
    if not found:
        return "Nothing matches."
    lines = [f"{path}:{number}: {line[:240]}" for path, number, line in found[:MOST_MATCHES]]
    more = f"\nThere are more than {MOST_MATCHES}; narrow it down." if len(found) > MOST_MATCHES else ""
    return quoted("\n".join(lines), f"{len(lines)} lines", MOST_SHOWN) + more


def _fitting(lines: list[str], first: int) -> list[str]:
    """Return numbered lines as far as they fit, at least one."""
    kept: list[str] = []
    left = MOST_SHOWN
    for number, line in enumerate(lines, first):
        left -= len(line) + 7
        if left < 0 and kept:
            break
        kept.append(f"{number:6}\t{bounded(line, 4_000)}")
    return kept
