"""What a campaign's agents know together: findings, dead ends and notes, found by surface and by what they say.

Only what the ledger backs is in here: a finding is made of measurements; a note whose numbers no experiment gave stays
out. The memory of a board is a cache: it can be thrown away, and grows with the board by what is new.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from typing import Literal
from weakref import WeakKeyDictionary

from msgspec import Struct

from aster.agents.texts import Texts
from aster.board import Board
from aster.domain.records import Finding
from aster.domain.research import Note
from aster.evidence.said import marked

Kind = Literal["gain", "no gain", "note", "dead end"]

MOST_KEPT = 64
"""Memories of a kind on a surface that can be had without a search: the best-scored gains, the latest others."""


MOST_GAINS = 6
"""Latest gains of an idea that are remembered."""


class Memory(Struct, frozen=True):
    """One thing that is known.

    Attributes:
        key: the hypothesis, or the assignment whose subagent noted it.
        evidence: the experiments that it rests on.
        candidate: what was measured; None for notes. `parent`: what `gain` is over.
        measured: the text is the ledger's own, made from measurements; else it is a model's.
    """

    key: str
    kind: Kind
    surface: str
    text: str
    gain: float | None = None
    evidence: tuple[str, ...] = ()
    candidate: str | None = None
    measured: bool = True
    parent: str | None = None


class Put(Struct, frozen=True):
    """An idea of the library put on a parent. `gain`: on that parent; None: it broke."""

    gain: float | None
    candidate: str
    parent: str


class Memories:
    """The memory of one board.

    Findings and notes are kept apart, each in the board's order: what is found must not depend on when it was grown.
    """

    def __init__(self) -> None:
        self._all: dict[str, Memory] = {}
        self._measured, self._noted = Texts(), Texts()
        self._gains: dict[str, list[tuple[float, int, str]]] = {}
        self._latest: dict[tuple[str, Kind], deque[str]] = {}
        self._said: set[str] = set()
        self._ideas: dict[str, deque[Put]] = {}
        self._findings = self._notes = 0

    def grow(self, board: Board) -> None:
        """Take in what is new on the board."""
        for finding in board.findings[self._findings :]:
            memory = _of_finding(board, finding)
            self._keep(memory, _score(board, finding))
            idea = _idea_added(board, finding)
            if idea is not None and memory.candidate is not None and memory.parent is not None:
                put = Put(finding.gain, memory.candidate, memory.parent)
                self._ideas.setdefault(idea, deque(maxlen=MOST_GAINS)).append(put)
        self._findings = len(board.findings)
        notes = board.research.notes
        for place in range(self._notes, len(notes)):
            assignment, note = notes[place]
            self._keep(_of_note(board, assignment, note))
        self._notes = len(notes)

    def __len__(self) -> int:
        return len(self._all)

    def get(self, key: str) -> Memory | None:
        """Return what is known by a hypothesis or an assignment, or None."""
        return self._all.get(key)

    def gains(self, surface: str | None, most: int) -> list[Memory]:
        """Return what gained on its parent, the best scores first, on a surface (None: on all).

        The order is that of what was measured when each was found: gains on different parents do not compare.
        """
        rows = self._gains.get(surface or "", [])
        return [self._all[key] for _, _, key in rows[:most]]

    def ideas(self, most: int) -> list[tuple[str, list[Put]]]:
        """Return the library's ideas with the latest parents that they were put on, the largest gain on one first."""
        best = {
            name: max((put.gain for put in puts if put.gain is not None), default=0.0)
            for name, puts in self._ideas.items()
        }
        return [(name, list(self._ideas[name])) for name in sorted(best, key=lambda name: (-best[name], name))[:most]]

    def latest(self, surface: str | None, kind: Kind, most: int) -> list[Memory]:
        """Return the latest of a kind on a surface (None: on all), the latest first."""
        keys = self._latest.get((surface or "", kind), ())
        return [self._all[key] for key in list(keys)[::-1][:most]]

    def about(self, query: str, most: int, surface: str | None = None) -> list[Memory]:
        """Return what is most alike to a query, on a surface (None: on all)."""
        wanted = most if surface is None else most * 4
        rows = [*self._measured.search(query, wanted), *self._noted.search(query, wanted)]
        found = [self._all[key] for key, _ in sorted(rows, key=lambda row: -row[1])]
        return [each for each in found if surface in (None, each.surface)][:most]

    def _keep(self, memory: Memory, score: float | None = None) -> None:
        """Take in a memory. `score`: what it measured, more is better."""
        said = f"{memory.surface}: {memory.text}"
        if memory.key in self._all or (not memory.measured and said in self._said):
            return
        self._said.add(said)
        self._all[memory.key] = memory
        texts = self._measured if memory.measured else self._noted
        texts.add(memory.key, said)
        for surface in {"", memory.surface}:
            self._latest.setdefault((surface, memory.kind), deque(maxlen=MOST_KEPT)).append(memory.key)
            if memory.kind == "gain" and score is not None:
                rows = self._gains.setdefault(surface, [])
                insort(rows, (-score, len(self._all), memory.key))
                del rows[MOST_KEPT:]


def _of_finding(board: Board, finding: Finding) -> Memory:
    hypothesis = board.hypotheses[finding.hypothesis]
    surface = board.directions[hypothesis.direction].record.surface
    candidate = board.experiments[finding.experiment].record.candidate
    kind: Kind = "gain" if finding.success else "no gain"
    measured = (finding.text, finding.gain, (finding.experiment,), candidate)
    return Memory(finding.hypothesis, kind, surface, *measured, parent=hypothesis.parent)


def _score(board: Board, finding: Finding) -> float | None:
    """Return what the experiment of a finding measured, with the sign by which more is better; None: nothing."""
    objective, metrics = board.setup.objective, board.experiments[finding.experiment].metrics
    return None if metrics is None else objective.gain(metrics[objective.metric], 0.0)


def _idea_added(board: Board, finding: Finding) -> str | None:
    """Return the one idea that a candidate has beside those of its parent, or None if it is not so."""
    candidate = board.candidates[board.experiments[finding.experiment].record.candidate]
    if not candidate.recipe or candidate.root is not None:
        return None
    before = {change.idea for change in board.candidates[board.hypotheses[finding.hypothesis].parent].recipe}
    added = [change.idea for change in candidate.recipe if change.idea not in before]
    return added[0] if len(added) == 1 and len(candidate.recipe) == len(before) + 1 else None


def _of_note(board: Board, assignment: str, note: Note) -> Memory:
    record = board.research.assignments[assignment].record
    direction = board.directions.get(record.direction or "")
    surface = direction.record.surface if direction is not None else ""
    kind: Kind = "dead end" if note.dead_end else "note"
    text = marked(note.text, note.unbacked, note.logged)
    if note.concerns:
        text += f" Concerns: {marked(note.concerns, note.unbacked, note.logged, note.estimates)}"
    return Memory(assignment, kind, surface, text, None, note.evidence, measured=False)


def best_gains(board: Board, surface: str | None, most: int) -> list[Memory]:
    """Return what gained on its parent, the best scores first, over all seeds that each has by now."""

    def worse(memory: Memory) -> float:
        found = board.gain(memory.candidate or "", board.baseline or "")
        return -found[0] if found is not None else math.inf

    return sorted(memories_of(board).gains(surface, MOST_KEPT), key=worse)[:most]


_of: WeakKeyDictionary[Board, Memories] = WeakKeyDictionary()


def memories_of(board: Board) -> Memories:
    """Return the memory of a board as it is now."""
    found = _of.setdefault(board, Memories())
    found.grow(board)
    return found
