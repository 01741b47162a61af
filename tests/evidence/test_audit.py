"""Audits: what they count, and that they are calibrated over simulated runs whose truth is known."""

from __future__ import annotations

from random import Random
from statistics import fmean

import pytest

from aster.evidence.audit import Noise, Tried, audit, expected_maximum, records_by_chance, reruns, settles
from aster.testing.greedy import WORLDS, greedy_run

STATED = Noise(1.0, "stated")


def tried(*values: float | None, kept: tuple[int, ...] = (), repeats: tuple[int, ...] = ()) -> list[Tried]:
    return [Tried(n + 2, value, n in kept, f"change {n}", n in repeats) for n, value in enumerate(values)]


def test_what_is_counted() -> None:
    found = audit(tried(10.0, None, 12.0, 9.0, 9.5, 30.0, kept=(0, 2, 5), repeats=(3, 4)), "maximize", STATED)
    assert (found.measured, found.crashed, found.repeats, found.gained) == (5, 1, 2, 2)
    assert [step.line for step in found.steps] == [4, 7]
    assert [step.gain for step in found.steps] == [2.0, 18.0]
    assert found.steps[1].z == pytest.approx(18 / 2**0.5)
    assert (found.best, found.claimed_gain) == (1, 20.0)
    assert found.steps[1].verdict == "likely real"
    assert found.expected_false == pytest.approx(sum(step.chance for step in found.steps))


def test_goals_mirror_each_other() -> None:
    values = [10.0, 11.5, 9.0, 14.0, 13.0]
    up = audit(tried(*values, kept=(0, 1, 3)), "maximize", STATED)
    down = audit(tried(*(-v for v in values), kept=(0, 1, 3)), "minimize", STATED)
    assert [s.chance for s in up.steps] == [s.chance for s in down.steps]
    assert up.honest_gain == down.honest_gain
    assert down.steps[1].honest.low == -up.steps[1].honest.high


def test_the_first_measured_is_the_baseline_kept_or_not() -> None:
    found = audit(tried(None, 5.0, 5.5), "maximize", STATED)
    assert found.baseline == 5.0
    assert (found.best, found.steps, found.claimed_gain, found.reruns) == (None, (), 0.0, None)


def test_a_step_that_measured_worse_is_no_gain() -> None:
    found = audit(tried(5.0, 4.0, kept=(0, 1)), "maximize", STATED)
    assert found.steps[0].verdict == "not better"
    assert (found.gained, found.expected_false, found.best) == (0, 0.0, None)


def test_repeats_count_for_the_version_before() -> None:
    lucky = tried(0.0, 3.0, kept=(0, 1))
    again = tried(0.0, 3.0, 0.1, -0.1, 0.2, kept=(0, 1), repeats=(2, 3, 4))
    assert audit(again, "maximize", STATED).honest_gain.mean < audit(lucky, "maximize", STATED).honest_gain.mean - 0.5


def test_noise_known_from_few_repeats_makes_wider_intervals() -> None:
    run = tried(0.0, -1.0, 4.0, 3.0, kept=(0, 2))
    known, guessed = (audit(run, "maximize", noise).honest_gain for noise in (STATED, Noise(1.0, "repeats", 2)))
    assert guessed.high - guessed.low > 1.1 * (known.high - known.low)


def test_what_chance_alone_keeps() -> None:
    rng, runs, tries = Random(0), 4000, 20
    kept, best = 0, 0.0
    for _ in range(runs):
        values = [rng.gauss(0, 1) for _ in range(tries)]
        kept += sum(values[n] > max(values[:n]) for n in range(1, tries))
        best += max(values)
    assert kept / runs == pytest.approx(records_by_chance(tries), abs=0.1)
    assert best / runs == pytest.approx(expected_maximum(tries), abs=0.04)
    assert expected_maximum(1) == pytest.approx(0.0, abs=1e-9)


def test_reruns() -> None:
    assert settles(reruns(1.0, 1.0))
    assert 12 < reruns(1.0, 1.0).each < 17
    assert not settles(reruns(0.01, 1.0))
    assert not settles(reruns(-1.0, 1.0))


def test_what_would_settle_the_rest() -> None:
    run = tried(0.0, 20.0, 21.0, kept=(0, 1, 2))
    found = audit(run, "maximize", STATED)
    assert found.anchor == 0
    assert found.later is not None
    assert found.later.gain == pytest.approx(found.honest_gain.mean - 20, abs=1.0)
    assert found.later.each > 5


def test_a_larger_sd_makes_less_of_it_real() -> None:
    run = greedy_run(Random(3), 40, WORLDS["rare gains"])
    small, large = audit(run.tried, "minimize", Noise(0.01, "stated"), factors=(0.25, 4.0)).sensitivity
    assert small.real > large.real


@pytest.mark.parametrize("world", WORLDS)
def test_audits_are_calibrated(world: str) -> None:
    """The interval holds the truth, steps called real are, and shrinkage takes the flattery away."""
    covered, wrong, called, raw, honest = [], 0, 0, [], []
    for seed in range(16):
        run = greedy_run(Random(f"{world} {seed}"), 30, WORLDS[world])
        found = audit(run.tried, "minimize", Noise(0.01, "stated"), factors=())
        gain = run.truth[0] - run.truth[-1]
        covered.append(found.honest_gain.low - 0.001 <= gain <= found.honest_gain.high + 0.001)
        for k, step in enumerate(found.steps):
            called += step.verdict == "likely real"
            wrong += step.verdict == "likely real" and run.truth[k + 1] >= run.truth[k]
        if found.steps:
            raw.append(run.truth[-1] - found.steps[-1].value)
            honest.append(run.truth[-1] - found.steps[-1].honest.mean)
    assert fmean(covered) >= 0.87
    assert wrong <= 1 + 0.1 * called
    assert abs(fmean(honest)) < 0.5 * abs(fmean(raw)) + 0.004
