"""Taking a lineage of versions apart: what is left of the last one without a step, and each step by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from aster.domain.merging import edits, is_python, merge_text, merge_touching, split_lines

Files = Mapping[str, bytes]


class Part(Struct, frozen=True):
    """Some steps of a lineage that follow each other, taken out and taken alone.

    Attributes:
        steps: what each does, the first one first.
        without: the last version without them. None: later steps change what they wrote.
        alone: the first version with nothing but them. None: they change what earlier steps wrote.
        lines: how many lines they add and remove, over all files.
    """

    steps: tuple[str, ...]
    without: dict[str, bytes] | None
    alone: dict[str, bytes] | None
    lines: int


def take_apart(lineage: Sequence[tuple[str, Files]]) -> list[Part]:
    """Return a part for each step, and where one cannot be left out, for it and the fewest next ones that can be.

    Args:
        lineage: versions with what each did to the one before it; the first is what all began from.
    """
    names, trees = [name for name, _ in lineage], [files for _, files in lineage]
    parts: list[Part] = []
    for first in range(1, len(trees)):
        for last in range(first, len(trees)):
            if (first, last) == (1, len(trees) - 1) and last > 1:
                break  # that is all of it
            before, after = trees[first - 1], trees[last]
            without = merge_trees(after, before, trees[-1])
            if last == first or without is not None:
                alone = merge_trees(before, after, trees[0])
                parts.append(Part(tuple(names[first : last + 1]), without, alone, changed_lines(before, after)))
            if without is not None:
                break
    return parts


def merge_trees(base: Files, ours: Files, theirs: Files) -> dict[str, bytes] | None:
    """Return `theirs` with what leads from `base` to `ours`; changes may touch each other and not overlap.

    None: they overlap, or what comes out is no Python.
    """
    texts = [_texts(tree) for tree in (base, ours, theirs)]
    merged: dict[str, str] = {}
    for path in sorted({path for tree in texts for path in tree}):
        versions = [tree.get(path) for tree in texts]
        clash, text = merge_text(*versions)
        if clash and None not in versions:
            clash, text = merge_touching(*(each or "" for each in versions))
        if clash or not is_python(path, text or ""):
            return None
        if text is not None:
            merged[path] = text
    return {path: text.encode("utf-8", "surrogateescape") for path, text in merged.items()}


def changed_lines(before: Files, after: Files) -> int:
    """Return how many lines were added and removed."""
    return sum(_changed(_texts(before), _texts(after)))


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[int]:
    for path in before.keys() | after.keys():
        old, new = before.get(path, ""), after.get(path, "")
        yield from (edit.end - edit.start + len(edit.lines) for edit in edits(split_lines(old), split_lines(new)))


def simplest(gains: Sequence[tuple[int, float]], whole: float, share: float = 0.5) -> int | None:
    """Return which of some (changed lines, gain alone) is the smallest with at least `share` of the gain `whole`.

    Of two as small the one that gains more. None: none carries so much.
    """
    carrying = [(lines, -gain, at) for at, (lines, gain) in enumerate(gains) if gain >= share * whole]
    return min(carrying)[2] if carrying else None


def _texts(files: Files) -> dict[str, str]:
    """Return files as text; bytes that are no UTF-8 come back as they were."""
    return {path: data.decode("utf-8", "surrogateescape") for path, data in files.items()}
