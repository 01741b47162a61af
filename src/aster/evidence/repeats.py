"""What several runs of one version tell, in words: how many, their mean and spread, and paired differences. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from aster.board import Board

TOLD = ("baseline", "search", "repeat", "diagnosis")
"""Runs that count: not those of claims, whose seeds stay fresh."""


def runs_of(board: Board, candidate: str) -> list[tuple[int, float]]:
    """Return (seed, value) of each measured run of a version that decisions have seen and that may be compared now."""
    objective, found = board.setup.objective, []
    for name in board.experiments_of.get(candidate, ()):
        state = board.experiments[name]
        if state.record.purpose not in TOLD or not state.seen or state.metrics is None or state.outcome is None:
            continue
        if objective.exact or state.outcome.hardware == board.kind:
            found.append((state.record.seed, state.metrics[objective.metric]))
    return found


def repeated(board: Board, candidate: str, parent: str) -> list[str]:
    """Return what a version and its parent come to over all their runs, a sentence each; none if both ran once, or
    the metric is exact and no seed could make another result."""
    if board.setup.objective.exact and not board.setup.paired:
        return []
    mine, its = runs_of(board, candidate), runs_of(board, parent)
    if candidate == parent:
        return [_level(board, "This version", mine)] if len(mine) > 1 else []
    if not mine or max(len(mine), len(its)) < 2:
        return []
    told = [_level(board, "This version", mine), *([_level(board, "Its parent", its)] if its else [])]
    if len(mine) > 1 and its:
        told.append(_difference(board, dict(mine), dict(its)))
    return told


def told_of(board: Board, candidate: str, parents: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the numbers that `repeated` tells of a version that ran several times: its mean, if so; and the others."""
    mine = runs_of(board, candidate)
    if len(mine) < 2:
        return [], []
    values = [value for _, value in mine]
    others = [stdev(values)]
    for parent in parents:
        gains = _gains(board, dict(mine), dict(runs_of(board, parent)))
        others += gains and [fmean(gains)]
        others += [stdev(gains) / math.sqrt(len(gains))] if len(gains) > 1 else []
    return [fmean(values)], others


def _level(board: Board, who: str, runs: list[tuple[int, float]]) -> str:
    objective, values = board.setup.objective, [value for _, value in runs]
    if len(values) == 1:
        return f"{who} ran once: {values[0]:.10g}."
    best = f", best {(max if objective.goal == 'maximize' else min)(values):.10g}" if objective.exact else ""
    return f"{who} ran {len(values)} times: mean {fmean(values):.10g}, sd {stdev(values):.3g}{best}."


def _difference(board: Board, mine: dict[int, float], its: dict[int, float]) -> str:
    """Return the paired difference over the seeds that both ran on, if there are some."""
    gains = _gains(board, mine, its)
    if not gains:
        return "They share no seed, so compare the means with both spreads in mind."
    if len(gains) == 1:
        return f"On the one seed that both ran on it gains {gains[0]:+.3g}."
    error = stdev(gains) / math.sqrt(len(gains))
    mean = f"{fmean(gains):+.3g} on average, standard error {error:.3g}"
    return f"On the {len(gains)} seeds that both ran on it gains {mean}."


def _gains(board: Board, mine: dict[int, float], its: dict[int, float]) -> list[float]:
    """Return the gain on each seed that both ran on; none where the solution takes no seed."""
    shared = [seed for seed in mine if seed in its] if board.setup.paired else []
    return [board.setup.objective.gain(mine[seed], its[seed]) for seed in shared]
