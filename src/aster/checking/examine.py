"""A whole check: the baseline's runs, what they tell, and the cheats."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from statistics import fmean

import msgspec
from msgspec import Struct

from aster.checking.bench import Bench, Ran, Work
from aster.checking.impostors import Hidden, Recording, entry_of, impostors, lucky, printed, replay
from aster.checking.mutants import Mutant, mutants
from aster.checking.report import Check, Cost, Pace, Trial, cost_of, pace_of
from aster.checking.verdicts import Honest, judge_impostor, judge_mutant, value_of
from aster.domain.ids import search_seed
from aster.domain.records import Measured
from aster.errors import BaselineError
from aster.evidence.bounds import outlook
from aster.evidence.design import MIN_PAIRS
from aster.evidence.findings import trouble
from aster.evidence.noise import USUAL_PAIRS, noise_of, reach
from aster.execution.local import LocalExecutor
from aster.problems.problem import Problem
from aster.sandbox.keeper.files import MAX_BYTES

CHEAT_S = 5.0
"""The least limit of a stage while cheats are tried; more where the baseline itself takes long."""

LOG_LINES = 12
"""Lines of a baseline's log that are shown where it does not measure."""

SLOW_CHECK_S = 2.0
"""A check that takes less needs no excuse."""

OpenExecutor = Callable[[float | None], AbstractContextManager[LocalExecutor]]
"""Gives the problem's executor, with stages limited to so many seconds (None: to their own limits)."""


class Wishes(Struct, frozen=True):
    """What the user asked of a check.

    Attributes:
        seeds: on how many the baseline runs; None: 5, or 1 if exact.
        experiments, wall_s: the ceiling of the campaign whose cost is told.
        price: dollars for an hour of one device.
        cheats: whether to try them.
    """

    seeds: int | None = None
    experiments: int | None = None
    wall_s: float | None = None
    price: float | None = None
    cheats: bool = True


class Baseline(Struct, frozen=True):
    """The baseline's runs. `again`: the first seed's second run; `rescored`: the first run's outputs, scored again;
    `check_s`: how long its quick stages took, None if there are none."""

    seeds: tuple[int, ...]
    runs: tuple[Ran, ...]
    values: tuple[float, ...]
    again: float | None
    rescored: tuple[float, ...]
    check_s: float | None = None


def examine(
    problem: Problem,
    open_executor: OpenExecutor,
    slots: int,
    wishes: Wishes,
    hidden: Hidden,
    token: str,
    told: Callable[[str], None] = lambda _: None,
) -> Check:
    """Return what a problem is like: its noise, its pace, and the cheats that it accepts.

    Args:
        token: a word that no other process on this machine has in its command line.
        told: hears what is being done, for people.

    Raises:
        BaselineError: the unchanged solution does not measure, or an exact metric is not exact.
        ExecutorError: attempts cannot be run.
    """
    began = time.monotonic()
    with open_executor(None) as executor:
        sandbox, hardware = executor.sandbox, executor.hardware
        baseline = _measure(problem, Bench(executor), wishes, told)
    spec, objective = problem.spec, problem.objective
    noise = noise_of(baseline.values)
    pace = pace_of([(r.usage.wall_s, r.turn_s, r.usage.cpu_s, r.usage.max_rss_mb) for r in baseline.runs])
    trials: tuple[Trial, ...] = ()
    if wishes.cheats:
        with open_executor(max(CHEAT_S, 5 * pace.wall_s)) as executor:
            trials = tuple(_cheat(problem, Bench(executor), baseline, hidden, token, told))
    sizes = sorted({*USUAL_PAIRS, max(MIN_PAIRS, spec.seeds.confirm)})
    known = noise.sd is not None and not objective.exact
    return Check(
        problem=spec.problem.name,
        title=spec.problem.title,
        metric=objective.metric,
        goal=objective.goal,
        resolution=objective.resolution,
        exact=objective.exact,
        self_reported=self_reported(problem),
        takes_seed=spec.takes_seed,
        sandbox=sandbox,
        hardware=hardware,
        slots=slots,
        seeds=baseline.seeds,
        values=baseline.values,
        again=baseline.again,
        rescored=baseline.rescored,
        noise=noise,
        reach=reach(noise.sd or 0.0, objective.resolution, spec.takes_seed, sizes) if known else (),
        pace=pace,
        cost=_cost(problem, pace, slots, wishes),
        trials=trials,
        notes=tuple(_notes(problem, baseline)),
        took_s=time.monotonic() - began,
    )


def _cost(problem: Problem, pace: Pace, slots: int, wishes: Wishes) -> Cost:
    resources = problem.spec.resources
    return cost_of(
        pace,
        slots=slots,
        cpus=resources.cpus,
        gpus=resources.gpus,
        experiments=wishes.experiments,
        wall_s=wishes.wall_s,
        price=wishes.price,
    )


def self_reported(problem: Problem) -> bool:
    """Whether the objective is read from what the candidate's own code prints."""
    return problem.objective.self_reported


# --- the baseline --------------------------------------------------------------------------------------------


def _measure(problem: Problem, bench: Bench, wishes: Wishes, told: Callable[[str], None]) -> Baseline:
    files, objective = problem.solution_files, problem.objective
    count = wishes.seeds or (1 if objective.exact else 5)
    seeds = tuple(search_seed(0, index) for index in range(count))
    plan = seeds if objective.exact else (*seeds, seeds[0])
    told(f"baseline: {len(plan)} runs")
    runs = bench.run(
        (Work(seed, files) for seed in plan), lambda done: told(f"baseline: {done} of {len(plan)} runs done")
    )
    values = tuple(_value(problem, run) for run in runs)
    rescored = _rescore(problem, bench, runs[0])
    if objective.exact and any(abs(value - values[0]) > objective.resolution for value in rescored):
        raise BaselineError(
            f"{objective.metric} says exact = true, but the same outputs scored {values[0]!r} and then "
            f"{rescored[-1]!r}: every claim would be refused. Make the evaluator deterministic, or remove exact."
        )
    again = None if objective.exact else values[-1]
    return Baseline(seeds, tuple(runs), values[:count], again, rescored, _check(problem, bench))


def _check(problem: Problem, bench: Bench) -> float | None:
    """Return the seconds that the unchanged solution takes for its quick stages, which it must pass; None: none."""
    if not problem.spec.has_check:
        return None
    [run] = bench.run([Work(search_seed(0, 0), problem.solution_files, quick=True)])
    if not isinstance(run.result, Measured):
        raise BaselineError(
            f"The unchanged solution of {problem.spec.problem.name} does not pass its own quick stages, so every agent "
            f"would be told that its work is broken: it {trouble(run.result)}. Mend them, and see that none needs the "
            f"outputs of a stage that is not quick. The end of the log:\n{_end_of(run)}"
        )
    return run.usage.wall_s


def _end_of(run: Ran) -> str:
    return "\n".join(f"    {line}" for line in run.log.strip().splitlines()[-LOG_LINES:])


def _value(problem: Problem, run: Ran) -> float:
    value = value_of(run.result, problem.objective)
    metrics = run.result.metrics if isinstance(run.result, Measured) else None
    for bounds in problem.spec.bounds if metrics is not None else ():
        if (why := bounds.broken_by(metrics or {})) is not None:
            raise BaselineError(
                f"The unchanged solution of {problem.spec.problem.name} breaks a constraint: {why}. Loosen the "
                "[[constraint]], or begin with a solution that keeps it."
            )
    if value is None:
        raise BaselineError(
            f"The unchanged solution of {problem.spec.problem.name} does not measure, so a campaign would have nothing "
            f"to compare with: it {trouble(run.result)}. Mend the problem folder. The end of its log:\n{_end_of(run)}"
        )
    return value


def _rescore(problem: Problem, bench: Bench, run: Ran) -> tuple[float, ...]:
    """Score a run's kept outputs twice more; empty if they are not all that the evaluator needs."""
    spec = problem.spec
    served, trusted = any(each.service for each in spec.measuring), any(each.trusted for each in spec.measuring)
    if served or not run.outputs or not trusted:
        return ()
    found = [value_of(ran.result, problem.objective) for ran in bench.run([Work(0, {}, run.outputs)] * 2)]
    return tuple(value for value in found if value is not None) if None not in found else ()


def _why_not_again(problem: Problem, run: Ran) -> str:
    """Return why a run's outputs alone cannot be scored again."""
    if any(each.service for each in problem.spec.measuring):
        return "the outputs alone cannot be scored again: the evaluator asks a service, which runs the candidate's code"
    if not any(each.trusted for each in problem.spec.measuring):
        return "there is no trusted stage that could score them again"
    if not run.outputs:
        why = next((line for line in reversed(run.log.splitlines()) if "not kept: " in line), "")
        said = f" ({why.partition('not kept: ')[2]})" if why else ""
        return f"the baseline leaves no outputs that are kept{said}"
    return "the outputs that are kept do not score again on their own: there are others, or too many"


def _notes(problem: Problem, baseline: Baseline) -> Iterator[str]:
    objective, spread = problem.objective, len(set(baseline.values))
    if not objective.exact and len(baseline.values) > 1 and spread == 1:
        why = "the solution ignores its seed" if problem.spec.takes_seed else "the solution is deterministic"
        mend = "; if scoring the same outputs always gives the same score, say `exact = true`"
        if any(each.sealed for each in problem.spec.data):
            mend = ": claims read sealed data, and what they scatter by is not seen here"
        yield (
            f"All {len(baseline.values)} runs gave the same score: {why}. Noise that is not seen cannot be allowed "
            f"for{'' if self_reported(problem) else mend}."
        )
    if self_reported(problem):
        yield (
            f"{objective.metric} is self-reported: any candidate can print any number, and nothing here can tell. "
            "Score in a trusted stage what has to be believed."
        )
    yield from _means(problem, baseline)
    whole_s = fmean(run.usage.wall_s for run in baseline.runs)
    if baseline.check_s is not None and baseline.check_s > SLOW_CHECK_S and baseline.check_s > whole_s / 2:
        yield (
            f"The quick stages take {baseline.check_s:.3g} s, a whole experiment {whole_s:.3g} s: a check that is no "
            "cheaper is of little use to agents."
        )
    if objective.exact and (
        not baseline.rescored or any(len(d) > MAX_BYTES for d in baseline.runs[0].outputs.values())
    ):
        yield "Its outputs are not all kept (16 files of 1 MiB, flat), so claims would run the code again."


def _means(problem: Problem, baseline: Baseline) -> Iterator[str]:
    """Say of each bounded mean what a claim takes to show it, where the baseline ran more than once."""
    own = baseline.runs[: len(baseline.values)]  # without the first seed's second run
    measured = [run.result.metrics for run in own if isinstance(run.result, Measured)]
    for bounds in problem.spec.bounds:
        values = [metrics[bounds.metric] for metrics in measured if bounds.metric in metrics]
        if bounds.p is not None and len(values) > 1:
            yield outlook(bounds, values, max(MIN_PAIRS, problem.spec.seeds.confirm))


# --- the cheats ----------------------------------------------------------------------------------------------


def _cheat(
    problem: Problem, bench: Bench, baseline: Baseline, hidden: Hidden, token: str, told: Callable[[str], None]
) -> Iterator[Trial]:
    outputs = baseline.runs[0].outputs
    honest = _honest(problem, baseline)
    score = _better_score(problem, honest)
    yield from _spoil(problem, bench, baseline, score, told)
    entry = entry_of(problem)
    if entry is None:
        said = "no untrusted command names a Python file that is editable or imports one: nowhere to put a cheat"
        yield Trial("cheating candidates", "candidate", "skipped", said)
        return
    told("cheating candidates")
    recording = Recording(outputs, baseline.runs[0].log, baseline.seeds[0])
    tricks = list(impostors(problem, entry, recording, hidden, score, token))
    best, seed = _luckiest(problem, baseline), baseline.seeds[0]
    drawn = len(baseline.seeds) > 1 and problem.spec.takes_seed and not problem.objective.exact
    if drawn and best is not None and (entry.module is None or outputs):
        run = baseline.runs[best]
        tricks.append(lucky(entry, Recording(run.outputs, run.log, baseline.seeds[best]), seed))
    pattern = problem.spec.metrics[0].pattern
    if pattern is not None:
        value = json_value(score, problem.objective.metric)
        shown = printed(entry, pattern, recording.log, value, seed)
        tricks += [shown] if shown is not None else []
    files = problem.solution_files
    control, *ran = bench.run(Work(each.seed, {**files, **each.files}) for each in [replay(entry, recording), *tricks])
    for trick, result in zip(tricks, ran, strict=True):
        yield judge_impostor(trick, result, honest, token)
    if not isinstance(control.result, Measured):
        said = f"stored outputs cannot be replayed here ({trouble(control.result)}), so the cheats above had no others"
        yield Trial("replays stored outputs", "candidate", "skipped", said)


def _spoil(
    problem: Problem, bench: Bench, baseline: Baseline, score: str, told: Callable[[str], None]
) -> Iterator[Trial]:
    """Spoil the first run's outputs, and have the trusted stages score each version."""
    if not baseline.rescored:
        yield Trial("spoiled outputs", "outputs", "skipped", _why_not_again(problem, baseline.runs[0]))
        return
    tried: list[Mutant] = []

    def works() -> Iterator[Work]:
        for mutant in mutants(baseline.runs[0].outputs, score):
            tried.append(msgspec.structs.replace(mutant, outputs={}))
            yield Work(0, {}, mutant.outputs)

    ran = bench.run(works(), lambda done: told(f"spoiled outputs: {done} scored"))
    value = baseline.values[0]
    wobble = max(abs(each - value) for each in baseline.rescored)
    honest = Honest(problem.objective, value, max(problem.objective.resolution, 3 * wobble, 1e-12 * abs(value)))
    for mutant, result in zip(tried, ran, strict=True):
        yield judge_mutant(mutant, result, honest)


def _honest(problem: Problem, baseline: Baseline) -> Honest:
    """Return what a whole candidate has to beat: the first seed's value, by more than its second run differs."""
    value = baseline.values[0]
    wobble = 0.0 if baseline.again is None else abs(baseline.again - value)
    return Honest(problem.objective, value, max(problem.objective.resolution, 3 * wobble, 1e-12 * abs(value)))


def _luckiest(problem: Problem, baseline: Baseline) -> int | None:
    """Return the place of the best value, if it is not the first seed's."""
    gains = [problem.objective.gain(value, baseline.values[0]) for value in baseline.values]
    best = gains.index(max(gains))
    return best if gains[best] > 0 else None


def _better_score(problem: Problem, honest: Honest) -> str:
    """Return what an evaluator would write for a score that is better, and within the valid range if that is open."""
    metric, value = problem.spec.metrics[0], honest.value
    step = max(0.5, 0.5 * abs(value), 2 * honest.margin)
    wanted = value + step if metric.goal == "maximize" else value - step
    if metric.valid is not None:
        low, high = metric.valid
        if not low <= wanted <= high:
            edge = high if metric.goal == "maximize" else low
            wanted = (value + edge) / 2 if math.isfinite(edge) else value
    return msgspec.json.encode({metric.name: wanted}).decode()


def json_value(score: str, metric: str) -> float:
    """Return a metric's value in a score."""
    return float(msgspec.json.decode(score, type=dict[str, float])[metric])
