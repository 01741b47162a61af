"""The shape of a candidate's diff, as a short vector."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping

MOST_FILES = 8


def traits(baseline: Mapping[str, bytes], files: Mapping[str, bytes]) -> tuple[float, ...]:
    """Return the shape of the diff from `baseline` to `files`, for clustering.

    The vector has MOST_FILES + 1 entries: log(1 + changed lines) for each of the first baseline files by name, and the
    same over all files. Files beyond the first MOST_FILES and new ones count in the last entry only.
    """
    paths = baseline.keys() | files.keys()  # a file that is gone has lost all its lines
    changed = {path: _changed(baseline.get(path, b""), files.get(path, b"")) for path in paths}
    names = sorted(baseline)[:MOST_FILES]
    shape = [math.log1p(changed.get(path, 0)) for path in names] + [0.0] * (MOST_FILES - len(names))
    return (*shape, math.log1p(sum(changed.values())))


def _changed(old: bytes, new: bytes) -> int:
    if old == new:
        return 0
    a, b = old.splitlines(), new.splitlines()
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=True).get_matching_blocks()
    kept = sum(block.size for block in blocks)
    return len(a) + len(b) - 2 * kept
