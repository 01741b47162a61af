"""Troubles in a user's files are gathered, then raised together, so that one reading mends them all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aster.errors import ProblemError


class Trouble(NamedTuple):
    """One thing to mend: the file, the key in it ("" for the whole file), what is wrong and how to mend it."""

    where: str
    key: str
    text: str


def raise_troubles(troubles: Sequence[Trouble]) -> None:
    """Raise all troubles as one error; do nothing if there are none.

    Raises:
        ProblemError: names every file, key and mend, one trouble a line if there are several.
    """
    if not troubles:
        return
    if len(troubles) == 1:
        raise ProblemError(*troubles[0])
    first, files = troubles[0].where, {trouble.where for trouble in troubles}
    lines = [_line(trouble, name_file=len(files) > 1) for trouble in troubles]
    title = first if len(files) == 1 else f"{first} and {len(files) - 1} more"
    raise ProblemError(title, "", f"{len(troubles)} things to mend:\n" + "\n".join(lines))


def _line(trouble: Trouble, *, name_file: bool) -> str:
    parts = ([trouble.where] if name_file else []) + ([trouble.key] if trouble.key else []) + [trouble.text]
    return "  - " + ": ".join(parts)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean "x"?' for the known name most like `name`, or "" if none is like it."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{found[0]}"?' if found else ""
