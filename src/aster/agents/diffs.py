"""What differs between two trees."""

from __future__ import annotations

import difflib
from collections.abc import Mapping


def diff(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
    """Return the unified diff from one tree to another."""
    parts: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path, b""), new.get(path, b"")
        if before != after:
            a, b = (data.decode("utf-8", "replace").splitlines() for data in (before, after))
            parts += difflib.unified_diff(a, b, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(parts)
