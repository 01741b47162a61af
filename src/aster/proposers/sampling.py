"""Where to look next in a box, given what was measured: Optuna's TPE, or CMA-ES. Pure: each ask is made afresh.

No sampler outlives an ask: it is fed with the history, which is capped, and seeded by the caller. So nothing that a
proposal depends on is anywhere but in the history.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from aster.domain.records import Goal
from aster.proposers.axes import Axis, Choice

if TYPE_CHECKING:
    import optuna

LEAST_FOR_CMA = 8
"""Dimensions, all continuous, from which CMA-ES is used, if the budget holds CMA_RUNS experiments for each."""

CMA_RUNS = 40

CMA_STEP = 0.2
"""First step of CMA-ES, as a share of each range."""

CMA_WINDOW = 300
"""Measurements that CMA-ES is fed with, at most; it then begins at the best that is older."""

GAUSSIAN = 0.7
"""Share of the asks that go to a Gaussian process; TPE has the others, and those whose guess is known already."""

FENCE = 3.0
"""Losses count as at most this many quartile distances above the upper quartile: one that diverged tells no more."""

Point = Mapping[str, float]
"""A coordinate for each dimension."""

Status = Literal["measured", "failed", "running"]


class Told(Struct, frozen=True):
    """A point of the history. `value` is None unless it measured; a failure ranks below everything measured."""

    point: Point
    status: Status
    value: float | None = None


def asks(
    axes: Mapping[str, Axis], history: Sequence[Told], goal: Goal, budget: int | None, rng: random.Random
) -> Iterator[Point]:
    """Yield points worth trying, one after the other, without end.

    Args:
        axes: the dimensions.
        history: oldest first; the first point is where the search started from.
        budget: experiments of the whole campaign; None: no ceiling.
        rng: the seed of the sampler.
    """
    if len(axes) >= LEAST_FOR_CMA and budget is not None and budget >= CMA_RUNS * len(axes) and _continuous(axes):
        return _cma(list(axes), history, goal, rng)
    if rng.random() < GAUSSIAN:
        return chain([_guess(axes, history, goal, rng)], _tpe(axes, history, goal, rng))
    return _tpe(axes, history, goal, rng)


def is_index(axis: Axis) -> bool:
    """Whether coordinates of the axis are indices of choices without an order."""
    return isinstance(axis, Choice) and not axis.ordered


def uniform(axis: Axis, rng: random.Random) -> float:
    """Return a coordinate drawn evenly."""
    return float(rng.randrange(axis.count)) if isinstance(axis, Choice) and is_index(axis) else rng.random()


def _continuous(axes: Mapping[str, Axis]) -> bool:
    return not any(isinstance(axis, Choice) or axis.whole for axis in axes.values())


def _guess(axes: Mapping[str, Axis], history: Sequence[Told], goal: Goal, rng: random.Random) -> Point:
    """Return the best guess of a Gaussian process."""
    from aster.proposers.gaussian import as_array, best_guess

    pending = [told for told in history if told.status == "running"]
    running = as_array([[told.point[name] for name in axes] for told in pending], len(axes))
    points, losses, indices = _table(axes, history, goal)
    return dict(zip(axes, map(float, best_guess(points, losses, running, indices, rng)), strict=True))


def believed(axes: Mapping[str, Axis], history: Sequence[Told], goal: Goal) -> list[float]:
    """Return what a Gaussian process expects at each point of a history, in the metric's units.

    That is a measurement shrunk towards what its neighbours make of it, so that the luckiest of many noisy ones is not
    taken for the best. At least one point has measured.
    """
    from aster.proposers.gaussian import Process, as_array

    points, losses, indices = _table(axes, history, goal)
    asked = as_array([[told.point[name] for name in axes] for told in history], len(axes))
    means = Process(points, losses, indices).predict(asked)[0]
    return [float(mean) if goal == "minimize" else -float(mean) for mean in means]


def _table(axes: Mapping[str, Axis], history: Sequence[Told], goal: Goal) -> tuple[Any, Any, dict[int, int]]:
    """Return points that have ended, their losses, and the columns that hold indices; a failure is as bad as any."""
    import numpy as np

    from aster.proposers.gaussian import as_array

    ended = [told for told in history if told.status != "running"]
    points = as_array([[told.point[name] for name in axes] for told in ended], len(axes))
    measured = np.asarray([_loss(told, goal) for told in ended if told.value is not None] or [0.0])
    low, high = np.quantile(measured, (0.25, 0.75))
    worst = min(float(measured.max()), float(high + FENCE * (high - low)))
    broken = worst + (worst - float(measured.min()) or 1.0)
    losses = [min(_loss(told, goal), worst) if told.value is not None else broken for told in ended]
    indices = {at: axis.count for at, axis in enumerate(axes.values()) if isinstance(axis, Choice) and is_index(axis)}
    return points, np.asarray(losses, dtype=np.float64), indices


# --- TPE ---------------------------------------------------------------------------------------------------


def _tpe(axes: Mapping[str, Axis], history: Sequence[Told], goal: Goal, rng: random.Random) -> Iterator[Point]:
    """Yield what Optuna's tree-structured Parzen estimator asks for; what is running counts as a bad place."""
    with _quietly():  # tqdm, which comes with it, misses its widgets in a notebook
        import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    dimensions = {name: _dimension(axis) for name, axis in axes.items()}
    seed = rng.getrandbits(31)
    with _quietly():
        sampler = optuna.samplers.TPESampler(multivariate=True, constant_liar=True, n_startup_trials=1, seed=seed)
        study = optuna.create_study(sampler=sampler, direction=goal)
        study.add_trials([_trial(told, dimensions) for told in history])
    while True:
        with _quietly():
            found = study.ask(dimensions).params
        yield {name: float(found[name]) for name in axes}


def _dimension(axis: Axis) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return (
        CategoricalDistribution(range(axis.count))
        if isinstance(axis, Choice) and is_index(axis)
        else FloatDistribution(0.0, 1.0)
    )


def _trial(told: Told, dimensions: Mapping[str, Any]) -> optuna.trial.FrozenTrial:
    """Return a point as Optuna's record.

    A failure is a trial pruned before its first value: the sampler ranks those last, where it would leave out a trial
    told as failed, and go there again.
    """
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    params = {
        name: int(told.point[name]) if isinstance(of, CategoricalDistribution) else told.point[name]
        for name, of in dimensions.items()
    }
    state = {"measured": TrialState.COMPLETE, "failed": TrialState.PRUNED, "running": TrialState.RUNNING}[told.status]
    return create_trial(state=state, params=params, distributions=dict(dimensions), value=told.value)


class _quietly(warnings.catch_warnings):  # noqa: N801  # read as a word: with _quietly()
    """Without Optuna's warnings that what we use is experimental."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered


# --- CMA-ES ------------------------------------------------------------------------------------------------


def _cma(names: list[str], history: Sequence[Told], goal: Goal, rng: random.Random) -> Iterator[Point]:
    """Yield points of a covariance matrix adaptation that was fed the history, a generation at a time.

    Optuna's own sampler keeps its state in the storage of a study, and a study rebuilt from measurements has none; so
    `cmaes`, on which that sampler rests, is used directly. Points that it did not ask for are as good as its own.
    """
    import numpy as np
    from cmaes import CMA

    ended = [told for told in history if told.status != "running"]
    size = 4 + math.floor(3 * math.log(len(names)))
    skipped = max(0, math.ceil((len(ended) - CMA_WINDOW) / size)) * size
    better: Callable[[Told], float] = lambda told: _loss(told, goal)  # noqa: E731
    start = min(ended[:skipped] or ended[:1], key=better, default=None)
    bounds = np.tile([0.0, 1.0], (len(names), 1))
    mean = np.asarray([start.point[name] for name in names] if start is not None else [0.5] * len(names))
    optimizer = CMA(mean=mean.clip(0.01, 0.99), sigma=CMA_STEP, bounds=bounds, population_size=size, seed=0)
    worst = max((_loss(told, goal) for told in ended if told.value is not None), default=0.0)
    for first in range(skipped, len(ended) - size + 1, size):
        told = [
            (np.asarray([one.point[name] for name in names]), min(_loss(one, goal), worst + 1.0))
            for one in ended[first : first + size]
        ]
        optimizer.tell(told)
    optimizer.reseed_rng(rng.getrandbits(31))
    while True:
        yield dict(zip(names, map(float, optimizer.ask()), strict=True))


def _loss(told: Told, goal: Goal) -> float:
    if told.value is None:
        return math.inf
    return told.value if goal == "minimize" else -told.value
