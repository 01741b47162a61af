"""How far the campaign came, and when: the data of the progress figure and of results.tsv.

Time is *experiment time*: the seconds of all attempts up to then, summed whatever their purpose, so that campaigns
with different numbers of slots can be compared. The best so far is the best *mean* over the campaign's search seeds,
which all candidates share (with one search seed, that one value): the search saw it so. With noise it flatters, which
is why a confirmed value stands beside it. The baseline's own level is the mean of all its runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, stdev

from msgspec import Struct

from aster.board import Board, ExperimentState
from aster.domain.ids import search_seed
from aster.domain.records import (
    Cancelled,
    Failed,
    Goal,
    Invalid,
    Measured,
    Mode,
    Outcome,
    Purpose,
    Reference,
    Setup,
    TimedOut,
)
from aster.report.claims import ClaimView, claim_views
from aster.report.wording import places_for


class Level(Struct, frozen=True):
    """A candidate's mean over `n` measured experiments, in the metric's units; `sd` is None below two."""

    mean: float
    sd: float | None
    n: int


class Point(Struct, frozen=True):
    """One measured search or baseline experiment, `x` seconds of experiment time into the campaign.

    `ranked`: it ran on the hardware kind whose scores are compared (always true for exact metrics).
    """

    x: float
    value: float
    experiment: str
    attempt: str
    candidate: str
    purpose: Purpose
    ranked: bool
    memory_mb: float


class Record(Struct, frozen=True):
    """The best so far improved at `x` to `value`, by `gain` (None for the first), through `change`."""

    x: float
    value: float
    gain: float | None
    candidate: str
    experiment: str
    change: str
    seeds: int


class Miss(Struct, frozen=True):
    """A search or baseline experiment that ended without a number that counts.

    `kind`: failed, timed out, invalid, stopped early or infeasible. `value` is that of an infeasible one, else None.
    """

    x: float
    kind: str
    reason: str
    experiment: str
    attempt: str
    candidate: str
    memory_mb: float
    value: float | None = None


class Mark(Struct, frozen=True):
    """A confirmed claim: the candidate's mean over its fresh seeds, and the claim's interval laid beside it.

    `old`: the mean of the beaten candidate in the same test. `low` and `high` are that mean moved by the ends of the
    gain's interval, in order.
    """

    x: float
    value: float
    old: float
    low: float
    high: float
    claim: ClaimView
    champion: bool


class Progress(Struct, frozen=True):
    """All that the progress figure shows.

    `places`: decimals worth printing. `sealed`: claims were measured on other data than the search's line.
    """

    title: str
    metric: str
    goal: Goal
    exact: bool
    self_reported: bool
    mode: Mode
    search_seeds: int
    points: tuple[Point, ...]
    records: tuple[Record, ...]
    misses: tuple[Miss, ...]
    confirmed: tuple[Mark, ...]
    baseline: Level | None
    references: tuple[Reference, ...]
    hardware: tuple[str, ...]
    seconds: float
    places: int
    sealed: bool = False


def progress_view(board: Board) -> Progress:
    """Return the progress of the campaign so far. Counts every outcome that has arrived, seen by a decision or not."""
    setup = board.setup
    ends = list(_ends(board))
    points = tuple(_points(board, ends))
    records = tuple(_records(board, points))
    baseline = level([p.value for p in points if p.ranked and p.purpose == "baseline"])
    best = records[-1].value if records else 0.0
    noise = None if setup.objective.exact or baseline is None else baseline.sd
    return Progress(
        title=setup.title,
        metric=setup.objective.metric,
        goal=setup.objective.goal,
        exact=setup.objective.exact,
        self_reported=setup.objective.self_reported,
        mode=setup.mode,
        search_seeds=setup.search_seeds,
        points=points,
        records=records,
        misses=tuple(_misses(board, ends)),
        confirmed=tuple(_marks(board, dict(_times(ends)))),
        baseline=baseline,
        references=setup.references,
        hardware=tuple(sorted({outcome.hardware for _, _, outcome in ends})),
        seconds=ends[-1][0] if ends else 0.0,
        places=places_for(best, noise, setup.objective.resolution),
        sealed=setup.sealed,
    )


def level(values: list[float]) -> Level | None:
    """Return the mean and sd of `values`, None if there are none."""
    if not values:
        return None
    return Level(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def search_seeds(setup: Setup) -> frozenset[int]:
    """Return the seeds on which candidates are ranked."""
    return frozenset(search_seed(setup.seed, i) for i in range(setup.search_seeds))


def change_of(board: Board, candidate: str) -> str:
    """Return what made the candidate, in a few words: its hypothesis's change, else its label, else its id."""
    record = board.candidates.get(candidate)
    if record is None:
        return candidate  # what was only checked is not recorded
    if candidate == board.baseline:
        return "baseline"
    hypothesis = board.hypotheses.get(record.hypothesis or "")
    return (hypothesis.change if hypothesis else "") or record.label or record.id


def reason_of(outcome: Outcome, setup: Setup) -> tuple[str, str] | None:
    """Return (kind, reason) of an outcome without numbers that count, None if it measured and is feasible."""
    match outcome.result:
        case Measured(metrics=metrics) if (why := setup.infeasible(metrics)) is not None:
            return "infeasible", why
        case Measured():
            return None
        case Failed(reason=reason):
            return "failed", reason
        case Invalid(rule=rule):
            return "invalid", rule
        case TimedOut(stage=stage, limit_s=limit):
            return "timed out", f"stage {stage} ran past its limit of {limit:g} s"
        case Cancelled(reason=reason, early=early):
            return ("stopped early", reason.removeprefix("stopped early ")) if early else ("cancelled", reason)


def _ends(board: Board) -> Iterator[tuple[float, ExperimentState, Outcome]]:
    """Yield (experiment time, experiment, outcome) for all that ended, in order of their ends."""
    ended = [(s, s.outcome) for s in board.experiments.values() if s.outcome is not None]
    elapsed = 0.0
    for state, outcome in sorted(ended, key=lambda pair: (pair[1].ended, pair[1].attempt)):
        elapsed += outcome.usage.wall_s
        yield elapsed, state, outcome


def _times(ends: list[tuple[float, ExperimentState, Outcome]]) -> Iterator[tuple[str, float]]:
    return ((state.record.id, x) for x, state, _ in ends)


def _points(board: Board, ends: list[tuple[float, ExperimentState, Outcome]]) -> Iterator[Point]:
    objective = board.setup.objective
    for x, state, outcome in ends:
        if state.metrics is not None and state.record.purpose in ("baseline", "search"):
            yield Point(
                x=x,
                value=state.metrics[objective.metric],
                experiment=state.record.id,
                attempt=outcome.attempt,
                candidate=state.record.candidate,
                purpose=state.record.purpose,
                ranked=objective.exact or outcome.hardware == board.kind,
                memory_mb=outcome.usage.max_rss_mb,
            )


def _misses(board: Board, ends: list[tuple[float, ExperimentState, Outcome]]) -> Iterator[Miss]:
    for x, state, outcome in ends:
        why = reason_of(outcome, board.setup) if state.record.purpose not in ("confirm", "check") else None
        if why is not None and why[0] != "cancelled":
            record, value = state.record, (state.reported or {}).get(board.setup.objective.metric)
            yield Miss(x, *why, record.id, outcome.attempt, record.candidate, outcome.usage.max_rss_mb, value)


def _records(board: Board, points: tuple[Point, ...]) -> Iterator[Record]:
    """Yield the improvements, each at the point that completed its candidate's mean; ties improve nothing."""
    setup, objective = board.setup, board.setup.objective
    seeds = search_seeds(setup)
    values: dict[str, list[float]] = {}
    best: float | None = None
    for point in points:
        if not point.ranked or board.experiments[point.experiment].record.seed not in seeds:
            continue
        own = values.setdefault(point.candidate, [])
        own.append(point.value)
        if len(own) != setup.search_seeds:
            continue
        mean = fmean(own)
        if best is None or objective.better(mean, best):
            gain = None if best is None else objective.gain(mean, best)
            change = change_of(board, point.candidate)
            yield Record(point.x, mean, gain, point.candidate, point.experiment, change, len(own))
            best = mean


def _marks(board: Board, times: dict[str, float]) -> Iterator[Mark]:
    sign = 1.0 if board.setup.objective.goal == "maximize" else -1.0
    confirmed = [view for view in claim_views(board) if view.verdict == "confirmed"]
    for view in confirmed:
        if not view.pairs or view.low is None or view.high is None:
            continue
        old = fmean(pair.old for pair in view.pairs)
        low, high = sorted((old + sign * view.low, old + sign * view.high))
        x = max(times[end] for pair in view.pairs for end in (pair.experiment, pair.other))
        yield Mark(x, fmean(p.new for p in view.pairs), old, low, high, view, view is confirmed[-1])
