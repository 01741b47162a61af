"""The planner that needs no model: a bandit over directions, by gain per cost with its uncertainty."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from aster.board import Board, DirectionState
from aster.domain.events import DirectionOpened, DirectionRetired
from aster.domain.ids import short_id
from aster.domain.records import COMBINATION, EXHAUSTED, Direction

DRY = 6
"""A direction whose last DRY hypotheses brought no success is retired, as long as another one is open."""

MEMORY = 12
"""Yields looked at, the latest; older ones were measured against parents that are no longer the best."""

FADE = 0.85
"""Weight of a yield relative to the one after it."""


class BanditPlanner:
    """Opens one direction a surface, funds them by Thompson sampling, retires dry ones, and opens a combination.

    A retired surface is opened again as a new direction once the best candidate has changed by another hand (an
    exhausted one: once the archive's elites have), and dry ones are when nothing else is left.
    """

    def __init__(self, surfaces: Mapping[str, float | None], written: frozenset[str] = frozenset()) -> None:
        """Args:
        surfaces: each surface with the gain predicted there, in the metric's units, or None.
        written: those where there is nothing before agents have written something that is worth building on.
        """
        self._surfaces, self._written = dict(surfaces), written

    def plan(self, board: Board) -> list[DirectionOpened | DirectionRetired]:
        """Return the directions to open and to retire now, retirements first."""
        if not self._surfaces:
            return []
        changes: list[DirectionOpened | DirectionRetired] = []
        alive = _alive(board)
        left = len(alive)
        for _, state in sorted(alive.items()):
            if left > 1 and state.dry >= DRY:
                changes.append(DirectionRetired(state.record.id, f"dry: no success in the last {DRY} hypotheses"))
                left -= 1
        for surface in sorted(self._surfaces):
            empty = surface in self._written and not _agents_lead(board)
            if surface not in alive and not empty and _may_open(board, surface):
                changes.append(DirectionOpened(_direction(board, surface, self._why(board, surface))))
        apart = sorted(board.winners - {COMBINATION})
        if COMBINATION not in alive and len(apart) >= 2 and _may_open(board, COMBINATION):
            why = f"Changes won apart on {', '.join(apart)}; do they add up?"
            changes.append(DirectionOpened(_direction(board, COMBINATION, why)))
        if not alive and not changes:
            changes += [DirectionOpened(_direction(board, s, "Nothing else is left.")) for s in _left_over(board)]
        return changes

    def fund(self, board: Board, rng: random.Random) -> list[str]:
        """Return the open directions by one draw of their gain per cost, highest first."""
        alive = list(_alive(board).values())
        unit_cost = board.setup.mode == "ordered"
        yields = {s.record.id: recent_yields(s, unit_cost) for s in alive}
        scale = max((y for rows in yields.values() for y in rows), default=0.0) or 1.0
        top = max((p for p in self._surfaces.values() if p is not None), default=None)
        worth = {
            s.record.id: draw_worth(
                self._surfaces.get(s.record.surface), top, [row / scale for row in yields[s.record.id]], rng
            )
            for s in alive
        }
        return sorted(worth, key=lambda d: (-worth[d], d))

    def _why(self, board: Board, surface: str) -> str:
        if surface in board.directions_on:
            return f"Opened again: what others found since {surface} was retired may change what helps there."
        predicted = self._surfaces.get(surface)
        gain = f", predicted to gain up to {predicted:g}" if predicted is not None else ""
        return f"There is something to try on {surface}{gain}."


def _alive(board: Board) -> dict[str, DirectionState]:
    """Return the open directions by surface."""
    latest = {surface: states[-1] for surface, states in board.directions_on.items()}
    return {surface: state for surface, state in latest.items() if state.retired is None}


def _may_open(board: Board, surface: str) -> bool:
    """Whether the surface was never open, or what made its last direction retire has changed since."""
    if surface not in board.directions_on:
        return True
    last = board.directions_on[surface][-1]
    if last.retired == EXHAUSTED:
        return len(board.seen) >= last.seen_then + DRY and _elites_changed(board, last)
    return last.best_then != next(iter(board.ranking), None)


def _agents_lead(board: Board) -> bool:
    """Whether any of the candidates that others build on is what agents wrote."""
    leading = (next(iter(board.ranking), None), *board.archive.elites.values())
    roots = (board.candidates[c].root or c for c in leading if c is not None)
    return any(board.candidates[root].author in ("agents", "merge") for root in roots)


def _elites_changed(board: Board, last: DirectionState) -> bool:
    return last.elites_then != frozenset(board.archive.elites.values())


def _left_over(board: Board) -> list[str]:
    """Return surfaces that may have something untried: not exhausted, or exhausted before the elites changed."""
    latest = {surface: states[-1] for surface, states in board.directions_on.items()}
    return sorted(s for s, last in latest.items() if last.retired != EXHAUSTED or _elites_changed(board, last))


def _direction(board: Board, surface: str, why: str) -> Direction:
    number = len(board.directions_on.get(surface, ()))
    return Direction(short_id("d", board.setup.seed, surface, number), surface, why)


def recent_yields(state: DirectionState, unit_cost: bool) -> list[float]:
    """Return the latest yields, newest first: gain (never negative) per experiment, or per second in arrival mode."""
    rows = state.yields[-MEMORY:][::-1]
    return [max(0.0, gain or 0.0) / (1.0 if unit_cost else max(seconds, 0.1)) for gain, seconds in rows]


def draw_worth(predicted: float | None, top: float | None, rows: list[float], rng: random.Random) -> float:
    """Draw a direction's mean yield, as a share of the largest yield seen.

    The prior counts as one yield: optimistic, and more so where a large gain is predicted. The draw is normal
    about the faded mean, with sd 0.5 / sqrt(faded count).

    Args:
        predicted, top: the gain predicted here, and the largest predicted anywhere, in the metric's units.
        rows: the direction's yields as shares of the largest, newest first.
    """
    prior = 0.5 if predicted is None or not top or top <= 0 else 0.25 + 0.5 * max(0.0, predicted) / top
    weights = [FADE**age for age in range(len(rows))]
    count = 1.0 + sum(weights)
    mean = (prior + sum(w * math.sqrt(row) for w, row in zip(weights, rows, strict=True))) / count
    return rng.gauss(mean, 0.5 / math.sqrt(count))
