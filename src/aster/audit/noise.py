"""Where the noise of a run is known from: said, measured again, marked in the file, or else only bounded from above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import msgspec

from aster.audit.runs import Run
from aster.audit.table import decoded, number_in
from aster.errors import UserError
from aster.evidence.audit import Noise, Tried

MARKED = "marked"
"""The word after --repeats that takes the rows which the file marks."""

FEWEST_SIBLINGS, FEWEST_CHANGES = 5, 6
"""Changes of one version, and of all, below which nothing is said of their spread."""

BOUND = "Most changes measured the same"

FARTHEST = 1e9
"""The noise and the spread of all values are less than this factor apart, or one of them is a mistake."""

NORMAL_HALF = 0.6745
"""Half of a normal distribution lies within so many sds."""


def noise_of(run: Run, sd: float | None, repeats: str) -> tuple[Noise, tuple[Tried, ...]]:
    """Return the noise, and what was tried, with its repeats marked where they were asked for.

    Args:
        run: the run.
        sd: what the user states, or None.
        repeats: what the user gave: numbers, a file of numbers, "marked", or "".

    Raises:
        UserError: both were given, they are no use, or nothing was given and there is too little to bound the noise.
    """
    noise, tried = _noise_of(run, sd, repeats)
    values = [each.value for each in tried if each.value is not None]
    spread = max(values, default=0.0) - min(values, default=0.0)
    if spread and not spread / FARTHEST <= noise.sd <= spread * FARTHEST:
        raise UserError(
            f"A noise of sd {noise.sd:.3g} does not go with values that spread over {spread:.3g}: is it in their unit?"
        )
    return noise, tried


def _noise_of(run: Run, sd: float | None, repeats: str) -> tuple[Noise, tuple[Tried, ...]]:
    if sd is not None and repeats:
        raise UserError("Give --sd or --repeats, not both.")
    if sd is not None:
        if not (math.isfinite(sd) and sd > 0):
            raise UserError(
                "--sd must be above 0. Without noise every kept gain is real, and there is nothing to audit."
            )
        return Noise(sd, "stated"), run.tried
    if repeats == MARKED:
        tried = marked(run)
        return pooled(tried), tried
    if repeats:
        values = repeated_values(repeats)
        return Noise(_positive(stdev(values)), "repeats", len(values) - 1), run.tried
    return Noise(upper_bound(run.tried), "bound"), run.tried


def repeated_values(text: str) -> list[float]:
    """Return measured repeats from a list such as "0.991,0.993" or from a file with a number a line.

    Raises:
        UserError: a word is no number, or there are fewer than two.
    """
    parts = text.replace(";", ",").split(",")
    source = text
    if any(number_in(part) is None for part in parts if part.strip()):
        try:
            source = decoded(Path(text).expanduser().read_bytes())
        except OSError as error:
            raise UserError(
                f"--repeats {text!r} is neither numbers with commas between nor a file that can be read "
                f"({error.strerror}). `--repeats {MARKED}` takes the rows that the results file marks itself."
            ) from None
    words = source.replace(",", " ").replace(";", " ").split()
    strange = [word for word in words if number_in(word) is None]
    if strange[1:] or (strange and strange[0] != words[0]):  # the first may be the column's name
        raise UserError(f"--repeats: {strange[-1]!r} is not a number. Give the measured values alone.")
    values = [value for word in words if (value := number_in(word)) is not None]
    if len(values) < 2:
        raise UserError(
            "--repeats needs at least two measurements of identical code; five know the noise within a factor of 3."
        )
    return values


def marked(run: Run) -> tuple[Tried, ...]:
    """Return what was tried with the repeats that the file marks given to the version that they measure."""
    chosen = set(run.marked)
    return tuple(msgspec.structs.replace(t, repeat=True) if at in chosen else t for at, t in enumerate(run.tried))


def pooled(tried: Sequence[Tried]) -> Noise:
    """Return the sd of repeats within their versions, pooled.

    Raises:
        UserError: no version was measured twice.
    """
    groups: list[list[float]] = []
    for each in tried:
        if each.value is None:
            continue
        if not groups or (each.kept and not each.repeat):
            groups.append([each.value])
        elif each.repeat:
            groups[-1].append(each.value)
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        raise UserError("--repeats marked: no row of the file is marked as a repeat of the version before it.")
    squares = sum((value - fmean(group)) ** 2 for group in groups for value in group)
    return Noise(_positive(math.sqrt(squares / degrees)), "marked", degrees)


def upper_bound(tried: Sequence[Tried]) -> float:
    """Return a rough upper bound on the sd: the spread of the middle half of the changes of one version.

    Changes of one version differ by noise and by what they do, so their spread exceeds the noise; the half that lies
    closest together (the shorth, with Rousseeuw and Leroy's factor for few values) has most of those that do little.
    Versions count by their number of changes. Where none has enough, the moves of all from their versions are taken
    instead, in which the noise comes twice.

    Raises:
        UserError: there are too few changes, or most of them are equal.
    """
    families = _families(tried)
    large = sorted((_half_spread(each), len(each)) for each in families if len(each) >= FEWEST_SIBLINGS)
    if large:
        half = sum(n for _, n in large) / 2
        seen = 0
        for spread, n in large:
            seen += n
            if seen >= half:
                return _positive(spread, BOUND)
    moves = [value - family[0] for family in families for value in family[1:]]
    if len(moves) < FEWEST_CHANGES:
        raise UserError(
            f"The file says nothing of its noise, and {len(moves)} measured changes are too few to bound it. Run the "
            "same code five times and give what it measures: --repeats 0.991,0.993,0.990,0.994,0.992, or --sd."
        )
    return _positive(_half_spread(moves) / math.sqrt(2.0), BOUND)


def _families(tried: Sequence[Tried]) -> list[list[float]]:
    """Return for each version its value and those of its changes, the one that replaced it included."""
    families: list[list[float]] = []
    for each in tried:
        if each.value is None:
            continue
        if families:
            families[-1].append(each.value)
        if not families or each.kept:
            families.append([each.value])
    return families


def _half_spread(values: Sequence[float]) -> float:
    """Return the sd of the normal distribution whose middle half is as long as the shortest half of the values."""
    ordered = sorted(values)
    size = len(ordered) // 2 + 1
    shortest = min(ordered[at + size - 1] - ordered[at] for at in range(len(ordered) - size + 1))
    return shortest / 2 / NORMAL_HALF * (1 + 5 / (len(ordered) - 1))


def _positive(sd: float, equal: str = "The repeats are all equal") -> float:
    if sd > 0:
        return sd
    raise UserError(
        f"{equal}, so the metric looks exact: every kept gain is then real, as far as noise goes, and "
        "there is nothing to audit. If it is rounded, give the noise yourself: --sd."
    )
