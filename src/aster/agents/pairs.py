"""What whoever combines two candidates is told: what each brings and gained, where they clash, earlier tries. Pure."""

from __future__ import annotations

from aster.agents import tellings as tell
from aster.agents.combining import FilesOf, clashes, common_ancestor
from aster.agents.diffs import diff
from aster.agents.memory import Kind, Memory, memories_of
from aster.agents.quoting import in_line, quoted
from aster.board import Board
from aster.domain.records import COMBINATION
from aster.domain.research import Assignment

MOST_DIFF, MOST_CLASH = 4_800, 1_600
"""Characters of the change to bring in, and of the lines that clash."""

LOOKED_AT = 32
"""Latest findings, and notes, on combinations among which earlier tries of these candidates are looked for."""


def combination_lines(board: Board, assignment: Assignment, files_of: FilesOf) -> list[str]:
    """Return what a subagent that combines two candidates is told of them; nothing for others."""
    parent, other = assignment.parent, assignment.other
    if parent is None or other is None:
        return []
    lines = [
        f"- your parent: {_brought(board, parent)}",
        f"- to be brought in: {_brought(board, other)}",
        "Both changes are to be in one solution.",
    ]
    found = clashes(board, parent, other, files_of)
    if found:
        lines.append(
            f"They change the same lines in {in_line(', '.join(found), 300)}, so they do not merge by themselves."
        )
        text = "\n\n".join(f"{path}\n{lines}" for path, lines in found.items())
        lines.append(quoted(text, "Where they clash: the parent's lines, then the other's", MOST_CLASH))
    else:
        lines.append("Their changes touch different lines.")
    tried = tell.memory_lines(board, _tried(board, parent, other), 300)
    lines += [f"- tried before: {line[2:]}" for line in tried]
    base = common_ancestor(board, parent, other)
    change = diff(files_of(board.candidates[base]), files_of(board.candidates[other]))
    return [*lines, quoted(change, f"What {other} changes in {base}", MOST_DIFF)]


def _brought(board: Board, candidate: str) -> str:
    """Return a candidate with the direction that it comes from and what it gained on its parent."""
    record = board.candidates[candidate]
    hypothesis = board.hypotheses[record.hypothesis] if record.hypothesis is not None else None
    line = tell.candidate_line(board, candidate)
    if hypothesis is None:
        return line
    surface = board.directions[hypothesis.direction].record.surface
    gain = board.gain(candidate, hypothesis.parent)
    gained = tell.gains_text(board, candidate, hypothesis.parent, gain[0] if gain is not None else None)
    return f"{line}; from direction {hypothesis.direction} on {in_line(surface, 80)}" + (
        f", {gained}" if gained else ""
    )


def _tried(board: Board, first: str, second: str, most: int = 4) -> list[Memory]:
    """Return what came of earlier combinations with one of two candidates, with both of them first."""
    known, pair = memories_of(board), {first, second}
    kinds: tuple[Kind, ...] = ("gain", "no gain", "dead end", "note")
    latest = [each for kind in kinds for each in known.latest(COMBINATION, kind, LOOKED_AT)]
    rows = [(len(_combines(board, each) & pair), each) for each in latest]
    found = sorted((row for row in rows if row[0]), key=lambda row: -row[0])
    return tell.distinct(each for _, each in found)[:most]


def _combines(board: Board, memory: Memory) -> set[str | None]:
    """Return the candidates that what is remembered is a combination of."""
    if memory.candidate is not None and len(board.candidates[memory.candidate].parents) > 1:
        return set(board.candidates[memory.candidate].parents)
    if memory.key in board.research.assignments:
        record = board.research.assignments[memory.key].record
        return {record.parent, record.other}
    hypothesis = board.hypotheses.get(memory.key)
    return {hypothesis.parent, hypothesis.other} if hypothesis is not None and hypothesis.other is not None else set()
