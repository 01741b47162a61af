"""Comparing two sides: by one metric, or by the time that they take to a target loss."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal

from msgspec import Struct

from aster.comparing.sides import PAIR_COLUMNS, Side, number_named, paired
from aster.domain.constraints import BoundTest
from aster.errors import UserError
from aster.evidence.bounds import bound_test
from aster.evidence.comparison import Effect, difference, ratio

TIMES = ("training_seconds", "train_seconds", "seconds", "train_time", "time_s", "time")
LOSSES = ("val_loss", "validation_loss", "loss", "val_bpb")


class Level(Struct, frozen=True):
    """A side's numbers under one name. `target`: of the loss, whether its mean is shown to be at most the target."""

    name: str
    n: int
    mean: float
    sd: float
    target: BoundTest | None = None


class Beside(Struct, frozen=True):
    """A side as it is shown: its name, the levels of what is compared, and what a reader should know of its runs."""

    name: str
    levels: tuple[Level, ...]
    note: str


class Comparison(Struct, frozen=True):
    """B beside A.

    Attributes:
        metric: what `effect` is about.
        kind: "difference" of the metric, or "ratio" of times.
        by: what the pairs are by: a column, or "order"; None: they are two samples.
        goal: which way the metric is better; None: not told.
        said: the result in a sentence or two.
    """

    metric: str
    kind: Literal["difference", "ratio"]
    a: Beside
    b: Beside
    effect: Effect
    by: str | None
    goal: str | None
    said: str


def compare_times(
    a: Side, b: Side, target: float, p: float, *, time: str | None, loss: str | None, pair: bool | None
) -> Comparison:
    """Compare the times that two sides took to a mean loss of at most `target`.

    Args:
        p: the one-sided p-value of each side's mean loss must be below it.
        time, loss: names of numbers; None: the first usual one that both sides have.
        pair: as in `paired`.

    Raises:
        UserError: a number is missing, there are too few runs, or a time is not positive.
    """
    seconds = number_named(a, b, time, TIMES, "--time")
    losses = number_named(a, b, loss, LOSSES, "--loss")
    a, b, by = _ready(a, b, (seconds, losses), pair)
    for side in (a, b):
        if min(side.of(seconds)) <= 0:
            raise UserError(f"{side.name} has a run with {seconds} {min(side.of(seconds)):g}, which is no time.")
    effect = ratio(a.of(seconds), b.of(seconds), by is not None)
    tests = [bound_test(losses, side.of(losses), target, True, p) for side in (a, b)]
    shown = [
        Beside(side.name, (_level(side, seconds), _level(side, losses, test)), side.note)
        for side, test in zip((a, b), tests, strict=True)
    ]
    said = said_of_times(effect, tests, seconds)
    return Comparison(seconds, "ratio", shown[0], shown[1], effect, by, "minimize", said)


def compare_metric(a: Side, b: Side, metric: str | None, goal: str | None, pair: bool | None) -> Comparison:
    """Compare two sides by the mean of one metric; without a name the usual loss, or the only number that both have.

    Raises:
        UserError: a number is missing, or there are too few runs.
    """
    both = [name for name in a.names if name in b.names and name not in PAIR_COLUMNS]
    usual = both if len(both) == 1 else LOSSES
    name = number_named(a, b, metric, usual, "--metric")
    a, b, by = _ready(a, b, (name,), pair)
    effect = difference(a.of(name), b.of(name), by is not None)
    shown = [Beside(side.name, (_level(side, name),), side.note) for side in (a, b)]
    return Comparison(name, "difference", shown[0], shown[1], effect, by, goal, _said_of_metric(effect, name, goal))


def _ready(a: Side, b: Side, names: Sequence[str], pair: bool | None) -> tuple[Side, Side, str | None]:
    """Return both sides with the runs that have these numbers, in pairs where they are; a half pair is left out."""
    left, right, by = paired(a, b, pair)
    if by is None:
        return left.with_numbers(names), right.with_numbers(names), None
    whole = [
        at
        for at, runs in enumerate(zip(left.runs, right.runs, strict=True))
        if all(name in run.values for run in runs for name in names)
    ]
    sides = []
    for side in (left, right):
        empty = tuple(run if at in whole else type(run)({}, run.keys) for at, run in enumerate(side.runs))
        sides.append(Side(side.name, empty, side.note).with_numbers(names))
    return sides[0], sides[1], by


def _level(side: Side, name: str, target: BoundTest | None = None) -> Level:
    values = side.of(name)
    return Level(name, len(values), fmean(values), stdev(values), target)


def said_of_times(effect: Effect, tests: Sequence[BoundTest], seconds: str) -> str:
    """Return which side is faster to the target, if so many runs tell, and whose mean is not shown to reach it."""
    percent = f"{abs(1.0 - effect.value):.2%}"
    if effect.high < 1.0:
        said = f"B is faster: its {seconds} are {percent} below A's"
    elif effect.low > 1.0:
        said = f"B is slower: its {seconds} are {percent} above A's"
    else:
        said = (
            f"So many runs do not tell B's {seconds} from A's: the interval holds 1; they would tell a ratio of "
            f"{effect.least:.4f} or less (with a power of 80%)"
        )
    bound = f"at most {tests[0].bound:g}"
    beyond, open_ = (
        [name for name, test in zip("AB", tests, strict=True) if test.verdict == verdict]
        for verdict in ("refuted", "undecided")
    )
    if beyond:
        return f"{said}. But {_means(beyond)} not {bound}, so there is no time to the target to compare."
    if open_:
        return f"{said}. But {_means(open_)} not shown to be {bound}: whether these are times to the target is open."
    return f"{said}. Both mean losses are shown to be {bound}."


def _means(sides: Sequence[str]) -> str:
    return f"the mean loss of {sides[0]} is" if len(sides) == 1 else f"the mean losses of {' and '.join(sides)} are"


def _said_of_metric(effect: Effect, name: str, goal: str | None) -> str:
    if effect.low <= 0.0 <= effect.high:
        return (
            f"So many runs do not tell B's {name} from A's: the interval holds 0; they would tell a difference of "
            f"{effect.least:.3g} (with a power of 80%)."
        )
    higher = effect.value > 0
    how = "higher" if higher else "lower"
    if goal is None:
        return f"B's {name} is {how} than A's, by {abs(effect.value):.4g}."
    better = "better" if higher == (goal == "maximize") else "worse"
    return f"B is {better}: its {name} is {how} than A's, by {abs(effect.value):.4g}."
