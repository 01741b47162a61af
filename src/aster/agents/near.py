"""Where a text almost stands: what a model is shown when what it wants to replace is not there. Pure."""

from __future__ import annotations

import difflib
import re

from aster.agents.quoting import quoted

MOST_LINES = 4_000
"""Lines of a file that are looked at."""

MOST_SHOWN = 12
"""Lines of a place that are shown."""

LIKE = 0.6
"""How much alike a place has to be to be shown."""

_NUMBERED = re.compile(r"\s*\d+\s*[\t|:]")


def near_matches(text: str, find: str) -> str:
    """Return a hint, beginning with a blank, on where `find` almost stands in `text`, or that it does nowhere."""
    wanted = find.strip("\n").split("\n")
    if all(_NUMBERED.match(line) for line in wanted):
        return " Its lines begin with line numbers; leave these out."
    lines = text.split("\n")[:MOST_LINES]
    at, like = _closest(lines, wanted)
    if like < LIKE:
        return " Nothing like it does either; read the file again."
    shown = lines[at : at + len(wanted)]
    if [line.split() for line in shown] == [line.split() for line in wanted]:
        what = "It differs from this place in blanks or indentation only"
    else:
        what = "This place is most like it"
    numbered = "\n".join(f"{at + number + 1:6}\t{line[:300]}" for number, line in enumerate(shown[:MOST_SHOWN]))
    more = "\n..." if len(shown) > MOST_SHOWN else ""
    return f" {quoted(numbered + more, what)}\nCopy the text exactly, without line numbers."


def _closest(lines: list[str], wanted: list[str]) -> tuple[int, float]:
    """Return (index, likeness) of the run of lines that is most like the wanted ones; the first of equals."""
    bare = [line.strip() for line in lines]
    target = [line.strip() for line in wanted]
    best, best_like = 0, 0.0
    for at in _places(bare, target):
        like = _likeness(bare[at : at + len(target)], target)
        if like > best_like:
            best, best_like = at, like
    return best, best_like


def _places(bare: list[str], target: list[str]) -> list[int]:
    """Return the places worth comparing: where a wanted line stands, or one that is much like the longest one."""
    places = {at - number for number, line in enumerate(target) if line for at, is_ in enumerate(bare) if is_ == line}
    longest = max(range(len(target)), key=lambda number: len(target[number]))
    alike = difflib.get_close_matches(target[longest][:300], {line[:300] for line in bare if line}, n=3, cutoff=LIKE)
    places |= {at - longest for at, line in enumerate(bare) if line[:300] in alike}
    return sorted(at for at in places if 0 <= at < len(bare))[:200]


def _likeness(found: list[str], target: list[str]) -> float:
    ratios = [
        1.0 if a == b else difflib.SequenceMatcher(None, a[:300], b[:300]).quick_ratio()
        for a, b in zip(found, target, strict=False)
    ]
    return sum(ratios) / len(target)
