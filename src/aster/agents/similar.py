"""Whether something was tried before: hypotheses by their words, trees by the lines that they change."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Reversible, Sequence
from itertools import takewhile
from weakref import WeakKeyDictionary

from msgspec import Struct

from aster.agents.texts import MOST_LOOKED_AT, Texts, numbers_of
from aster.board import Board
from aster.domain.ids import blob_id, tree_id
from aster.domain.records import Candidate
from aster.domain.research import Draft, Note

SAME_WORDS = 0.85
"""From this likeness on, two hypotheses with the same numbers are the same."""

ALIKE_WORDS = 0.35
"""From this likeness on, a critic is told."""

SAME_LINES = 0.9
"""From this share of its changed lines in common with another tree on, a tree is nearly the same."""

MOST_FOLLOWED = 64
"""Lines of a tree that are followed to others, the rarest, and trees that are compared with it."""

FilesOf = Callable[[Candidate], Mapping[str, bytes]]


class Tried(Struct, frozen=True):
    """A hypothesis that was proposed before.

    Attributes:
        likeness: 0 to 1.
        came_to: what became of it, in words.
        success: None: there is no finding.
        counts: whether it was tried, or is being tried; else whoever was to try it never came to it.
        candidate: what was measured of it. `assignment`: whose subagent carried it out, or does.
    """

    hypothesis: str
    change: str
    parent: str
    likeness: float
    came_to: str
    success: bool | None
    counts: bool = True
    candidate: str | None = None
    assignment: str | None = None


class _Hypotheses:
    """The hypotheses of a board, by their words, and what became of them."""

    def __init__(self) -> None:
        self._texts = Texts()
        self._last: str | None = None
        self._finding: dict[str, int] = {}
        self._folded = 0
        self._given: dict[str, str] = {}
        self._last_given: str | None = None

    def grow(self, board: Board) -> None:
        for name in _since(board.hypotheses, self._last):
            hypothesis = board.hypotheses[name]
            self._texts.add(name, wording(hypothesis.change, hypothesis.text))
            self._last = name
        for place in range(self._folded, len(board.findings)):
            self._learn(board, place)
        self._folded = len(board.findings)
        for name in _since(board.research.assignments, self._last_given):
            given = board.research.assignments[name].record.hypothesis
            if given is not None:
                self._given[given] = name
            self._last_given = name

    def _learn(self, board: Board, place: int) -> None:
        """Take in a finding: of its hypothesis, and of the one that it is a version of, if it is the best."""
        finding = board.findings[place]
        self._finding[finding.hypothesis] = place
        of = board.hypotheses[finding.hypothesis].of
        if of:
            known = self._finding.get(of)
            if known is None or not board.findings[known].success or finding.success:
                self._finding[of] = place

    def like(self, board: Board, text: str, most: int) -> list[Tried]:
        return [self.tried(board, name, likeness) for name, likeness in self._texts.search(text, most)]

    def tried(self, board: Board, name: str, likeness: float = 1.0) -> Tried:
        hypothesis, place = board.hypotheses[name], self._finding.get(name)
        about = (name, hypothesis.change, hypothesis.parent, likeness)
        given = self._given.get(name) or self._given.get(hypothesis.of or "")
        if place is not None:
            finding = board.findings[place]
            candidate = board.experiments[finding.experiment].record.candidate
            return Tried(*about, finding.text, finding.success, candidate=candidate, assignment=given)
        if name in self._given:
            return Tried(*about, *_carried_out(board, self._given[name]), assignment=given)
        line = board.research.lines.get(hypothesis.direction)
        waits = line is not None and name in line.drafts
        return Tried(*about, "it waits for a subagent" if waits else "it has no result yet", None)


def _carried_out(board: Board, assignment: str) -> tuple[str, bool | None, bool]:
    """Return what became of an assignment without a finding: in words, no success, and whether it counts."""
    state = board.research.assignments[assignment]
    if state.ending is None:
        return "a subagent is at it", None, True
    if isinstance(state.result, Note):
        return f"nothing was measured: {state.result.text}", None, True
    return "its subagent came to nothing", None, False


def _since(names: Reversible[str], last: str | None) -> list[str]:
    """Return the names behind `last` in a mapping that only grows, oldest first."""
    fresh: list[str] = list(takewhile(lambda name: name != last, reversed(names)))
    return fresh[::-1]


_hypotheses: WeakKeyDictionary[Board, _Hypotheses] = WeakKeyDictionary()


def wording(change: str, text: str) -> str:
    """Return what is compared of a hypothesis."""
    return f"{change}\n{text}"


def tried_like(board: Board, text: str, most: int = 3, least: float = ALIKE_WORDS) -> list[Tried]:
    """Return the hypotheses of all history that are most alike to a text, the most alike first."""
    known = _hypotheses.setdefault(board, _Hypotheses())
    known.grow(board)
    return [each for each in known.like(board, text, most) if each.likeness >= least]


def tried_as(board: Board, hypothesis: str) -> Tried | None:
    """Return what became of a hypothesis, or None if there is none of that id."""
    if hypothesis not in board.hypotheses:
        return None
    known = _hypotheses.setdefault(board, _Hypotheses())
    known.grow(board)
    return known.tried(board, hypothesis)


def tried_before(board: Board, draft: Draft) -> Tried | None:
    """Return the hypothesis that a draft repeats, or None.

    It says the same in nearly the same words and numbers; and it is open, was no success, or had the same parent. What
    gained on one parent may well gain on another.
    """
    text = wording(draft.change, draft.text)
    for each in tried_like(board, text, most=8, least=SAME_WORDS):
        before = board.hypotheses[each.hypothesis]
        if numbers_of(wording(before.change, before.text)) != numbers_of(text):
            continue
        if each.counts and (not each.success or draft.parent in (None, each.parent)):
            return each
    return None


def repeats_one_of(draft: Draft, others: Iterable[Draft]) -> Draft | None:
    """Return the draft among others that says the same as this one, or None."""
    texts, by_key = Texts(), {}
    for number, other in enumerate(others):
        texts.add(str(number), wording(other.change, other.text))
        by_key[str(number)] = other
    text = wording(draft.change, draft.text)
    for key, likeness in texts.search(text, 3):
        other = by_key[key]
        same = numbers_of(wording(other.change, other.text)) == numbers_of(text) and other.parent == draft.parent
        if likeness >= SAME_WORDS and same:
            return other
    return None


def alike_among(drafts: Sequence[Draft], least: float = ALIKE_WORDS) -> list[list[tuple[int, float]]]:
    """Return for each draft which others of them are like it: (place, likeness), the most alike first."""
    texts = Texts()
    for place, draft in enumerate(drafts):
        texts.add(str(place), wording(draft.change, draft.text))
    found = (texts.search(wording(draft.change, draft.text), 4) for draft in drafts)
    return [
        [(int(key), likeness) for key, likeness in rows if int(key) != place and likeness >= least]
        for place, rows in enumerate(found)
    ]


# --- trees -------------------------------------------------------------------------------------------------


class Near(Struct, frozen=True):
    """A candidate whose tree is nearly the same as another one; `share`: of what that one changes in its parent."""

    candidate: str
    share: float


class _Trees:
    """What each candidate by agents changes in the baseline, line by line."""

    def __init__(self) -> None:
        self._lines: dict[str, frozenset[str]] = {}
        self._with: dict[str, deque[str]] = {}
        self._last: str | None = None

    def grow(self, board: Board, baseline: Mapping[str, bytes], files_of: FilesOf) -> None:
        for name in _since(board.candidates, self._last):
            candidate = board.candidates[name]
            if candidate.author == "agents" and not candidate.diagnosis:
                self._add(name, changed_lines(baseline, files_of(candidate)))
            self._last = name

    def _add(self, name: str, lines: frozenset[str]) -> None:
        self._lines[name] = lines
        for line in lines:
            self._with.setdefault(line, deque(maxlen=MOST_LOOKED_AT)).append(name)

    def near(self, lines: frozenset[str], parent: frozenset[str]) -> list[Near]:
        change = len(lines ^ parent)
        known = [line for line in lines if line in self._with]
        rare = sorted(known, key=lambda line: (len(self._with[line]), line))
        shared = Counter(name for line in rare[:MOST_FOLLOWED] for name in self._with[line])
        found = [
            Near(name, 1 - len(lines ^ self._lines[name]) / change) for name, _ in shared.most_common(MOST_FOLLOWED)
        ]
        return sorted(found, key=lambda each: (-each.share, each.candidate))


_trees: WeakKeyDictionary[Board, _Trees] = WeakKeyDictionary()


def trees_like(
    board: Board,
    files: Mapping[str, bytes],
    parent: Mapping[str, bytes],
    baseline: Mapping[str, bytes],
    files_of: FilesOf,
    but: Collection[str] = (),
) -> list[Near]:
    """Return candidates by agents that are nearly `files`, the nearest first: so near that it is the same change.

    Two trees are near if they differ in few lines, blanks and comments aside, beside those that one changes in its
    parent. The same tree is not among them: it has the same id.

    Args:
        parent, baseline: the files that it was made from, and those of the unchanged solution.
        but: candidates that do not count.
    """
    known = _trees.setdefault(board, _Trees())
    known.grow(board, baseline, files_of)
    lines, before = changed_lines(baseline, files), changed_lines(baseline, parent)
    if lines == before:
        return []
    own = {tree_id(files), tree_id(parent), *but}
    return [each for each in known.near(lines, before) if each.share >= SAME_LINES and each.candidate not in own]


def changed_lines(baseline: Mapping[str, bytes], files: Mapping[str, bytes]) -> frozenset[str]:
    """Return what a tree adds to and takes from the baseline, as short hashes of lines.

    Blanks and comments do not count, so a reformatted copy has the same ones.
    """
    found: set[str] = set()
    for path in sorted(baseline.keys() | files.keys()):
        if baseline.get(path) == files.get(path):
            continue
        old, new = _lines(baseline.get(path, b"")), _lines(files.get(path, b""))
        found |= {_hash(path, "+", line) for line in (new - old)} | {_hash(path, "-", line) for line in (old - new)}
    return frozenset(found)


def _lines(data: bytes) -> Counter[str]:
    lines = data.decode("utf-8", "replace").splitlines()
    bare = (re.sub(r"\s+", "", re.sub(r"(^|\s)#.*$", "", line)) for line in lines)
    return Counter(line for line in bare if line)


def _hash(path: str, sign: str, line: str) -> str:
    return blob_id(f"{path}\n{sign}{line}".encode())[:16]
