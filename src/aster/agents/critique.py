"""What a critic is told: hypotheses, the code that they are about, and what is like them. Pure, within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from msgspec import Struct

from aster.agents import tellings as tell
from aster.agents.combining import FilesOf
from aster.agents.memory import memories_of
from aster.agents.outline import source_of
from aster.agents.quoting import bounded, in_line, quoted
from aster.agents.sections import BYTES_A_TOKEN, Section, tokens_of, written
from aster.agents.sifting import handed_over
from aster.agents.similar import Tried, alike_among, tried_like, wording
from aster.board import Board
from aster.domain.records import Direction
from aster.domain.research import DirectionDraft, Draft
from aster.problems.globs import Globs

CODE_TOKENS = 9_000
"""Of code, all surfaces and parents together."""

MOST_CODES = 8
"""Surfaces and parents whose code is shown."""

LIKE_TOKENS = 24_000
"""Of what is like the hypotheses, all of them together; no single one has more than `LIKE_EACH`."""

LIKE_EACH = 3_000

MOST_ALIKE, MOST_KNOWN = 3, 4
"""Earlier hypotheses, and findings and notes, that are told whole for each hypothesis."""


class Group(Struct, frozen=True):
    """Hypotheses of one direction, which is there or is to be opened. `paths`: as resolved; empty: all files."""

    direction: Direction | DirectionDraft
    paths: tuple[str, ...]
    drafts: Sequence[Draft]


def critic_brief(board: Board, groups: Sequence[Group], root: str, files_of: FilesOf, left: int | None = None) -> str:
    """Return what the critic is told: about 12,000 tokens, and for each hypothesis itself and up to 3,000 more.

    Args:
        root: the solution's folder.
        files_of: the editable files of a candidate.
        left: about how many experiments the campaign has left for search; None: no limit tells.
    """
    groups = [group for group in groups if group.drafts]
    drafts = [draft for group in groups for draft in group.drafts]
    alike = alike_among(drafts)
    share = min(LIKE_EACH, LIKE_TOKENS // max(1, len(drafts)))
    codes = _codes(board, groups)
    sections = [
        Section("Where the campaign stands", [*_left(left), *tell.standing_lines(board)], 800),
        Section("Under way and waiting, in all directions", list(_under_way(board)), 1500),
    ]
    number = 0
    for group in groups:
        sections.append(Section("The direction of what follows", _about(group), 900))
        for parent in (parent for of, parent in codes if of is group):
            most = CODE_TOKENS // len(codes)
            code = _code(group.paths, root, files_of(board.candidates[parent]), most)
            sections.append(Section(f"The code of this surface in {parent}", code, most + 300 * len(code)))
        for draft in group.drafts:
            number += 1
            own = _own(board, draft)
            like = [_beside(alike[number - 1]), *_like(board, draft)]
            most = sum(map(tokens_of, own)) + 60 + share
            sections.append(Section(f"Hypothesis {number}", [*own, *filter(None, like)], most))
    return written([*sections, Section("What to do", ["Review them all with submit_reviews."], 100)])


def _left(left: int | None) -> list[str]:
    text = f"- For search the campaign has about {left} experiments left, for all who are at work or wait"
    return [] if left is None else [text]


def _about(group: Group) -> list[str]:
    of = group.direction
    return [
        f"- surface: {in_line(of.surface, 80)}; what may be edited: {in_line(', '.join(group.paths) or 'all', 600)}",
        f"- rationale: {in_line(of.rationale, 600)}",
    ]


def _under_way(board: Board) -> Iterator[str]:
    """Yield what is being tried, was handed over or asked for, or waits, an item each."""
    research = board.research
    yield from tell.under_way_lines(board)
    for draft in handed_over(board):
        yield f"- {in_line(draft.change, 160)} from {draft.parent or 'the best'}: handed over or asked for just now"
    for hypothesis in chain.from_iterable(line.drafts for line in research.lines.values()):
        yield tell.hypothesis_line(board, hypothesis, "it waits for a subagent")


# --- code ----------------------------------------------------------------------------------------------------


def _start(board: Board, draft: Draft) -> str:
    """Return the candidate that a draft starts from as things stand."""
    start = draft.parent if draft.parent in board.candidates else next(iter(board.ranking), board.baseline)
    assert start is not None, "agents work once the baseline is there"
    return start


def _codes(board: Board, groups: Sequence[Group]) -> list[tuple[Group, str]]:
    """Return the surfaces and parents whose code is shown, those that come first."""
    found = [(group, _start(board, draft)) for group in groups for draft in group.drafts]
    kept: list[tuple[Group, str]] = []
    for group, parent in found:
        if not any(of is group and name == parent for of, name in kept):
            kept.append((group, parent))
    return kept[:MOST_CODES]


def _code(paths: Sequence[str], root: str, files: Mapping[str, bytes], most: int) -> list[str]:
    """Return the code on a surface, quoted, as far as about `most` tokens hold it; what does not fit is named."""
    left, shown, missing = most, list[str](), list[str]()
    for label, text in _parts(paths, root, files):
        if left < 150:
            missing.append(label)
            continue
        kept = bounded(text, max(1, left * BYTES_A_TOKEN * len(text) // max(1, len(text.encode("utf-8", "replace")))))
        left -= tokens_of(kept)
        shown.append(quoted(kept, in_line(label, 160), len(kept)))
    if missing:
        shown.append(f"Not shown: {in_line(', '.join(missing), 400)}; read them with read_file.")
    return shown


def _parts(paths: Sequence[str], root: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield what is on a surface: whole files, and definitions of others, with what they are called."""
    globs = Globs(root, [path.removeprefix(root + "/") for path in paths if "::" not in path])
    whole = [path for path in sorted(files) if not paths or path in globs]
    for path in paths:
        file, _, name = path.partition("::")
        if name and file in files and file not in whole:
            source = source_of(files[file], name)
            yield path, source if source is not None else files[file].decode("utf-8", "replace")
    for path in whole:
        yield path, files[path].decode("utf-8", "replace")


# --- hypotheses ----------------------------------------------------------------------------------------------


def _own(board: Board, draft: Draft) -> list[str]:
    predicts = "" if draft.predicts is None else f"; predicts a gain of {draft.predicts:g}"
    line = tell.candidate_line(board, _start(board, draft))
    start = line if draft.parent else f"whatever is best by then, now {line}"
    return [
        quoted(f"{draft.change}\n\n{draft.text}", "as its author wrote it", 3000),
        f"- starts from: {start}{predicts}",
    ]


def _beside(alike: Sequence[tuple[int, float]]) -> str:
    rows = [f"hypothesis {other + 1} ({likeness:.0%} alike)" for other, likeness in alike]
    return f"- like others in this list: {', '.join(rows)}" if rows else ""


def _like(board: Board, draft: Draft) -> list[str]:
    """Return what was proposed or found before and is like a draft, whole, the most alike first."""
    text = wording(draft.change, draft.text)
    tried = tried_like(board, text, MOST_ALIKE)
    told = {name for each in tried for name in (each.hypothesis, each.assignment)}
    known = [each for each in memories_of(board).about(text, MOST_KNOWN + MOST_ALIKE) if each.key not in told]
    lines = [_tried(board, each) for each in tried]
    return [*lines, *(f"- known: {line[2:]}" for line in tell.memory_lines(board, known[:MOST_KNOWN], 1000))]


def _tried(board: Board, tried: Tried) -> str:
    note = memories_of(board).get(tried.assignment or "")
    measured = "" if tried.candidate is None else f", measured as {tried.candidate}"
    rows = [
        f"- proposed before: {tried.hypothesis} ({tried.likeness:.0%} alike, from {tried.parent}{measured}) "
        f"{in_line(tried.change, 160)}: {in_line(tried.came_to, 1000)}",
        f"  it said: {in_line(board.hypotheses[tried.hypothesis].text, 500)}",
    ]
    if note is not None:
        rows.append(f"  its subagent noted: {in_line(note.text, 1200)}")
    return "\n".join(rows)
