"""A comparison in lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from aster.comparing.compare import Beside, Comparison
from aster.evidence.bounds import bound_text
from aster.report.wording import clean, places_for


def lines_of(found: Comparison) -> Iterator[str]:
    """Yield both sides, what lies between them, what so many runs can tell, and the result."""
    for letter, side, other in (("A", found.a, found.b), ("B", found.b, found.a)):
        yield from _side(letter, side, other)
    effect = found.effect
    if found.by is None:
        how = f"{effect.n[0]} and {effect.n[1]} runs (Welch's t{' on logs' if found.kind == 'ratio' else ''})"
    else:
        pairs = f"{effect.n[0]} pairs by {found.by}"
        how = f"{pairs} (Student's t{' on logs' if found.kind == 'ratio' else ''})"
    if found.kind == "ratio":
        yield (
            f"Ratio of {found.metric}, B/A: {effect.value:.4f}, 95% interval {effect.low:.4f} to {effect.high:.4f}, "
            f"p = {effect.p:.2g}; {how}."
        )
        yield f"So many runs tell, with a power of 80%, a ratio of {effect.least:.4f} or less."
    else:
        yield (
            f"Difference of {found.metric}, B - A: {effect.value:+.4g}, 95% interval {effect.low:+.4g} to "
            f"{effect.high:+.4g}, p = {effect.p:.2g}; {how}."
        )
        yield f"So many runs tell, with a power of 80%, a difference of {effect.least:.3g} or more."
    yield found.said


def _side(letter: str, side: Beside, other: Beside) -> Iterator[str]:
    numbers = []
    for level, beside in zip(side.levels, other.levels, strict=True):
        places = places_for(level.mean, max(level.sd, beside.sd) or None)
        numbers.append(f"{level.name} {level.mean:.{places}f} (sd {level.sd:.2g})")
    note = f" [{clean(side.note, 200)}]" if side.note else ""
    yield f"{letter}: {clean(side.name, 80)}, {side.levels[0].n} runs: {', '.join(numbers)}{note}"
    yield from (f"   {bound_text(level.target)}" for level in side.levels if level.target is not None)
