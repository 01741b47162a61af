"""What a finished keep-if-better run really gained: each kept step judged, the best shrunk, the reruns that settle it.

For runs of any tool: all that is needed is what was tried, in order, its value and whether it was kept. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from aster.domain.records import Goal
from aster.evidence.design import ALPHA, MIN_PAIRS, POWER, pairs_needed
from aster.evidence.shrinkage import Chain, Fit, Spread, fit, mixed

Verdict = Literal["likely real", "unclear", "likely noise", "not better"]

REAL_BELOW, NOISE_FROM = 0.05, 0.5
"""A step is likely real if the chance that it gained nothing is below the first, likely noise from the second on."""

MOST_PAIRS = 200
"""More reruns than this are not worth counting: nobody would make them."""

LEVEL = 0.95
"""Of all intervals of an audit."""

DEGREES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where the sd itself is an estimate, the audit is averaged over these quantiles of what it may be."""


class Tried(Struct, frozen=True):
    """One line of the run.

    Args:
        line: its number in the file, for people.
        value: what was measured, in the metric's units; None where it crashed.
        kept: whether the run went on from here. The first that was measured is the baseline, kept or not.
        label: what was changed.
        repeat: whether it measures the version before it again, unchanged.
    """

    line: int
    value: float | None
    kept: bool
    label: str = ""
    repeat: bool = False


class Noise(Struct, frozen=True):
    """The sd of one measurement of unchanged code.

    Args:
        sd: in the metric's units, above 0.
        source: who says so: the user, repeats that the user gave, rows that the file marks as repeats, or nobody, and
            then it is a rough upper bound.
        degrees: degrees of freedom behind it; None where it is taken as known.
    """

    sd: float
    source: Literal["stated", "repeats", "marked", "bound"]
    degrees: int | None = None


class Estimate(Struct, frozen=True):
    """A posterior mean with its central interval at LEVEL."""

    mean: float
    low: float
    high: float


class Step(Struct, frozen=True):
    """One kept change. Gains are positive where the change helped, whatever the goal.

    Args:
        line, label: as in Tried.
        value: what was measured.
        gain: what was measured less what the version before was measured at.
        z: the gain in sds of a difference of two measurements, sd * sqrt(2).
        chance: that the true gain is zero or less.
        likely: the gain after shrinkage.
        honest: the version's value after shrinkage, in the metric's units.
    """

    line: int
    label: str
    value: float
    gain: float
    z: float
    chance: float
    likely: Estimate
    honest: Estimate

    @property
    def verdict(self) -> Verdict:
        """What to think of the step."""
        if self.gain <= 0:
            return "not better"
        if self.chance < REAL_BELOW:
            return "likely real"
        return "likely noise" if self.chance >= NOISE_FROM else "unclear"


class Reruns(Struct, frozen=True):
    """How many runs of the best and as many of the baseline would show a true `gain`, at ALPHA, with `power`.

    If `power` is below POWER, even MOST_PAIRS of each would not do.
    """

    gain: float
    each: int
    power: float


class Sensitivity(Struct, frozen=True):
    """What the audit would say under another sd."""

    sd: float
    real: int
    noise: int
    gain: Estimate


class Audit(Struct, frozen=True):
    """An audit.

    Args:
        goal: which way is better.
        noise: the noise that was assumed.
        measured, crashed, repeats: how many lines had a value, had none, and measured an unchanged version again.
        baseline: the first measured value; `baseline_honest` after shrinkage.
        steps: all kept changes, in order.
        best: which of the steps measured best, None if none was better than the baseline.
        claimed_gain, honest_gain: the best over the baseline, as measured and after shrinkage.
        expected_false: how many of the steps that measured better are expected to have gained nothing.
        chance_kept, chance_gain: how many changes a keep-if-better run of as many tries keeps, and what gain it claims
            on average, where no change does anything.
        nothing, better, worse: the shares of all changes that do nothing, help and hurt, as far as the run tells.
        reruns: what it would take to settle whether the best beats the baseline; None without a best.
        anchor: the last step before the best that is likely real, None if there is none.
        later: what it would take to settle whether the best beats that step.
        sensitivity: the same under other sds.
    """

    goal: Goal
    noise: Noise
    measured: int
    crashed: int
    repeats: int
    baseline: float
    baseline_honest: Estimate
    steps: tuple[Step, ...]
    best: int | None
    claimed_gain: float
    honest_gain: Estimate
    expected_false: float
    chance_kept: float
    chance_gain: float
    nothing: float
    better: float
    worse: float
    reruns: Reruns | None
    anchor: int | None
    later: Reruns | None
    sensitivity: tuple[Sensitivity, ...]

    def count(self, verdict: Verdict) -> int:
        """Return how many steps have this verdict."""
        return sum(step.verdict == verdict for step in self.steps)

    @property
    def gained(self) -> int:
        """How many kept steps measured better than the version before."""
        return sum(step.gain > 0 for step in self.steps)


def audit(tried: Sequence[Tried], goal: Goal, noise: Noise, factors: Sequence[float] = (0.5, 2.0)) -> Audit:
    """Return the audit of a run, and what it would be under the sd times each of the `factors`.

    Raises:
        ValueError: nothing was measured, a value is not finite, or the sd is not above 0.
    """
    run = _Run(tried, goal)
    whole = _judge(run, _fits(run.chain, noise))
    best = run.best()
    tries = run.measured - run.repeats
    anchor = _anchor(whole.steps, best)
    later = None if best is None or anchor is None else whole.totals[best].mean - whole.totals[anchor + 1].mean
    return Audit(
        goal=goal,
        noise=noise,
        measured=run.measured,
        crashed=len(tried) - run.measured,
        repeats=run.repeats,
        baseline=run.sign * run.chain.versions[0][0],
        baseline_honest=whole.levels[0],
        steps=whole.steps,
        best=None if best is None else best - 1,
        claimed_gain=0.0 if best is None else run.chain.versions[best][0] - run.chain.versions[0][0],
        honest_gain=whole.totals[best or 0],
        expected_false=sum(step.chance for step in whole.steps if step.gain > 0),
        chance_kept=records_by_chance(tries),
        chance_gain=noise.sd * expected_maximum(tries),
        nothing=whole.nothing,
        better=whole.better,
        worse=whole.worse,
        reruns=None if best is None else reruns(whole.totals[best].mean, noise.sd),
        anchor=anchor,
        later=None if later is None else reruns(later, noise.sd),
        sensitivity=tuple(_sensitivity(run, noise.sd * factor) for factor in factors),
    )


def _anchor(steps: Sequence[Step], best: int | None) -> int | None:
    """Return the last likely real step before version `best`, None if that is the step to it."""
    real = [k for k, step in enumerate(steps[: best or 0]) if step.verdict == "likely real"]
    return real[-1] if real and best is not None and real[-1] + 1 != best else None


def reruns(gain: float, sd: float) -> Reruns:
    """Return how many reruns of each of two versions would find a true `gain` at one-sided ALPHA with POWER."""
    if gain <= 0:
        return Reruns(gain, MOST_PAIRS, 0.0)
    each, power = pairs_needed(gain, sd, ALPHA, True, MOST_PAIRS)
    return Reruns(gain, max(each, MIN_PAIRS), power)


def settles(wanted: Reruns) -> bool:
    """Whether so many reruns would do."""
    return wanted.power >= POWER


def records_by_chance(tries: int) -> float:
    """Return how many of `tries` equal things, the first apart, are expected to measure better than all before.

    The i-th of independent measurements is the best so far with chance 1/i (Renyi 1962).
    """
    return sum(1.0 / i for i in range(2, tries + 1))


def expected_maximum(tries: int) -> float:
    """Return the mean of the largest of `tries` standard normal numbers."""
    import numpy as np
    from scipy.special import log_ndtr

    at = np.linspace(-9.0, 9.0, 3601)
    density = tries * np.exp((tries - 1) * log_ndtr(at) - at**2 / 2) / math.sqrt(2 * math.pi)
    return float(np.sum(at * density) * (at[1] - at[0]))


class _Run:
    """A run as a chain: oriented, repeats given to the version that they measure."""

    def __init__(self, tried: Sequence[Tried], goal: Goal) -> None:
        self.sign = 1.0 if goal == "maximize" else -1.0
        versions: list[list[float]] = []
        self.kept: list[Tried] = []
        thrown: list[tuple[int, float]] = []
        self.measured = self.repeats = 0
        for each in tried:
            if each.value is None:
                continue
            value = self.sign * each.value
            self.measured += 1
            if not versions or (each.kept and not each.repeat):
                versions.append([value])
                self.kept.append(each)
            elif each.repeat:
                self.repeats += 1
                versions[-1].append(value)
            else:
                thrown.append((len(versions) - 1, value))
        self.chain = Chain(tuple(map(tuple, versions)), tuple(thrown))

    def best(self) -> int | None:
        """Return the version that was measured best when it was kept, None if that is the baseline."""
        firsts = [version[0] for version in self.chain.versions]
        best = firsts.index(max(firsts))
        return best or None


class _Judged(Struct, frozen=True):
    levels: tuple[Estimate, ...]
    totals: tuple[Estimate, ...]
    steps: tuple[Step, ...]
    nothing: float
    better: float
    worse: float


def _fits(chain: Chain, noise: Noise) -> list[Fit]:
    """Return the fit under the sd, or under each of several where it is known from a few repeats only."""
    if noise.degrees is None:
        return [fit(chain, noise.sd)]
    from scipy.special import chdtri

    return [fit(chain, noise.sd * math.sqrt(noise.degrees / float(chdtri(noise.degrees, q)))) for q in DEGREES]


def _judge(run: _Run, fits: Sequence[Fit]) -> _Judged:
    levels = tuple(_estimate([each.levels[k] for each in fits]) for k in range(len(run.kept)))
    firsts = [version[0] for version in run.chain.versions]
    steps = []
    for k, kept in enumerate(run.kept[1:]):
        gain = firsts[k + 1] - firsts[k]
        spread = sum(each.sd for each in fits) / len(fits) * math.sqrt(2.0)
        chance = sum(each.chances[k] for each in fits) / len(fits)
        likely = _estimate([each.gains[k] for each in fits])
        honest = _oriented(levels[k + 1], run.sign)
        steps.append(Step(kept.line, kept.label, run.sign * firsts[k + 1], gain, gain / spread, chance, likely, honest))
    return _Judged(
        tuple(_oriented(level, run.sign) for level in levels),
        tuple(_estimate([each.totals[k] for each in fits]) for k in range(len(run.kept))),
        tuple(steps),
        *(sum(getattr(each, name) for each in fits) / len(fits) for name in ("nothing", "better", "worse")),
    )


def _estimate(spreads: Sequence[Spread]) -> Estimate:
    whole = mixed(spreads)
    low, high = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    return Estimate(whole.mean, whole.quantile(low), whole.quantile(high))


def _oriented(estimate: Estimate, sign: float) -> Estimate:
    if sign > 0:
        return estimate
    return Estimate(-estimate.mean, -estimate.high, -estimate.low)


def _sensitivity(run: _Run, sd: float) -> Sensitivity:
    judged = _judge(run, [fit(run.chain, sd)])
    verdicts = [step.verdict for step in judged.steps]
    real, noise = verdicts.count("likely real"), verdicts.count("likely noise")
    return Sensitivity(sd, real, noise, judged.totals[run.best() or 0])
