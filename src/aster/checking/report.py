"""What a check found, as records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from aster.evidence.noise import Noise, Reach

Verdict = Literal["accepted", "doubtful", "harmless", "refused", "crashed", "hung", "skipped"]
"""What became of a cheat.

accepted: it scored better than the baseline, or got what is hidden from it. doubtful: nonsense was given a score, or
nothing that could be built would stop it. harmless: what may be honest was scored, and no better. refused: by a rule.
crashed: a stage fell over, which gives no score either. hung: until a stage's limit. skipped: it could not be tried.
"""


class Trial(Struct, frozen=True):
    """One cheat that was tried.

    Attributes:
        target: "outputs" where files were spoiled and scored again, "candidate" where a whole solution cheated.
        said: what happened, in words.
        value: the objective where it was measured.
    """

    name: str
    target: Literal["outputs", "candidate"]
    verdict: Verdict
    said: str
    value: float | None = None


class Cost(Struct, frozen=True):
    """What one campaign will take if every experiment takes what the baseline took.

    Attributes:
        experiments: how many it has, baselines and confirmations included.
        wall_s: with the slots of this machine.
        device: "GPU" or "CPU core": what `device_hours` counts, reserved from the beginning of an attempt to its end.
        core_hours: CPU time used, all processes together.
        model_dollars: for language models; the researchers of this version use none.
        device_dollars: None where no price was given.
    """

    experiments: int
    wall_s: float
    device: Literal["GPU", "CPU core"]
    device_hours: float
    core_hours: float
    model_dollars: float = 0.0
    device_dollars: float | None = None


class Pace(Struct, frozen=True):
    """What one experiment of the baseline took, on average.

    Attributes:
        wall_s: seconds of its stages. `turn_s`: from its start to its outcome, with what Aster adds.
        memory_mb: the peak over all runs, MiB.
    """

    wall_s: float
    turn_s: float
    cpu_s: float
    memory_mb: float


class Check(Struct, frozen=True):
    """Everything that was found about a problem.

    Attributes:
        exact: the metric is deterministic given the outputs, so that claims score these again.
        takes_seed: a seed reaches the candidate, so that claims are paired.
        seeds, values: the baseline's runs, one value a seed.
        again: what the first seed gave when it was run a second time; None where it was not.
        rescored: what its outputs gave when they were scored again; empty where that cannot be done.
        reach: what claims of several sizes can tell; empty for an exact metric.
        trials: every cheat that was tried; empty if none was to be.
        notes: what the user ought to know, in sentences.
    """

    problem: str
    title: str
    metric: str
    goal: str
    resolution: float
    exact: bool
    self_reported: bool
    takes_seed: bool
    sandbox: str
    hardware: str
    slots: int
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    again: float | None
    rescored: tuple[float, ...]
    noise: Noise
    reach: tuple[Reach, ...]
    pace: Pace
    cost: Cost
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    took_s: float

    @property
    def accepted(self) -> tuple[Trial, ...]:
        """The cheats that worked."""
        return tuple(trial for trial in self.trials if trial.verdict == "accepted")


def cost_of(
    pace: Pace,
    *,
    slots: int,
    cpus: int,
    gpus: int,
    experiments: int | None,
    wall_s: float | None,
    price: float | None,
) -> Cost:
    """Return what a campaign takes under its first ceiling: so many experiments, or so many seconds.

    `price`: dollars for an hour of one device. With neither ceiling it is told for 100 experiments.
    """
    turn_s = max(pace.turn_s, 1e-3)
    within = None if wall_s is None else max(1, math.floor(wall_s * slots / turn_s))
    planned = min(each for each in (experiments, within, 100 if experiments is within is None else None) if each)
    hours = planned * pace.wall_s * (gpus or cpus) / 3600
    return Cost(
        experiments=planned,
        wall_s=turn_s * math.ceil(planned / slots),
        device="GPU" if gpus else "CPU core",
        device_hours=hours,
        core_hours=planned * pace.cpu_s / 3600,
        device_dollars=None if price is None else price * hours,
    )


def pace_of(runs: Sequence[tuple[float, float, float, float]]) -> Pace:
    """Return the mean over runs of (wall seconds, turnaround seconds, CPU seconds, peak MiB)."""
    wall, turn, cpu, memory = zip(*runs, strict=True)
    return Pace(sum(wall) / len(wall), sum(turn) / len(turn), sum(cpu) / len(cpu), max(memory))
