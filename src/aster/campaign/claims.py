"""Which claim to test next, and how. Pure."""

from __future__ import annotations

import math

from aster.board import Board
from aster.campaign.budget import may_search, pairs_affordable
from aster.campaign.contender import contender
from aster.domain.ids import search_seed, seed_number, short_id
from aster.domain.records import Claim, Experiment
from aster.evidence.design import MIN_PAIRS, POWER, alpha_of, claim_experiments, luck, pairs_needed
from aster.evidence.findings import noise

PATIENCE = 0.1
"""A best candidate is claimed before the end of the search once it has stood for this share of what was seen."""


def next_claim(board: Board, last_chance: bool) -> Claim | None:
    """Return the claim to open now, or None.

    Args:
        last_chance: nothing more will be searched and all search outcomes were seen, so the best is claimed whatever
            its chances. Before that, only a candidate that has stood for a while and is likely to be confirmed is.
    """
    candidate = contender(board, last_chance)
    if candidate is None or board.open_claim() is not None:
        return None
    claim = _design(board, candidate)
    if claim is None or last_chance:
        return claim
    likely = claim.power is None or claim.power >= POWER
    return claim if likely and _has_stood(board, candidate) and _leaves_one(board, claim) else None


def _design(board: Board, candidate: str) -> Claim | None:
    standing = board.standing
    assert standing is not None
    found = board.gain(candidate, standing)
    assert found is not None
    setup, objective = board.setup, board.setup.objective
    number = len(board.claims) + 1
    alpha, seen, sd = alpha_of(number), found[0], noise(board)
    affordable = pairs_affordable(board)
    power: float | None = None
    expected = None
    if objective.exact:
        if affordable < 1:
            return None
        seeds: tuple[int, ...] = (search_seed(setup.seed, 0),)
    else:
        if affordable < MIN_PAIRS:
            return None
        if setup.search_seeds > 1:
            expected = max(0.0, seen - luck(sd, found[1], len(board.ranking)))
        real = seen if expected is None else expected
        pairs, power = pairs_needed(real - objective.resolution, sd, alpha, setup.paired, affordable)
        seeds = tuple(seed_number(setup.seed, "confirm", number, pair) for pair in range(pairs))
    return Claim(
        id=short_id("k", candidate, standing, number),
        number=number,
        candidate=candidate,
        against=standing,
        least=objective.resolution,
        alpha=alpha,
        seen=seen,
        sd=sd,
        seeds=seeds,
        paired=setup.paired,
        exact=objective.exact,
        power=power,
        expected=expected,
    )


def _has_stood(board: Board, candidate: str) -> bool:
    """Whether enough outcomes were seen since the candidate's own."""
    patience = max(2 * board.setup.slots, math.ceil(PATIENCE * len(board.seen)))
    return len(board.seen) - board.seen_at(candidate) >= patience


def _leaves_one(board: Board, claim: Claim) -> bool:
    """Whether the budget holds another smallest claim after this one."""
    total = board.setup.limits.experiments
    if total is None:
        return may_search(board)
    return board.spend.experiments + 2 * len(claim.seeds) + claim_experiments(board.setup, "fewest") <= total


def next_experiment(board: Board) -> tuple[str, int] | None:
    """Return (candidate, seed) of the open claim's next unplanned experiment, or None.

    Both sides of a pair are planned next to each other, in turn which goes first, so that whatever drifts on the
    machine meets both alike.
    """
    claim = board.open_claim()
    if claim is None:
        return None
    for pair, seed in enumerate(claim.record.seeds):
        sides = (claim.record.candidate, claim.record.against)
        for candidate in sides if pair % 2 == 0 else reversed(sides):
            if (candidate, seed) not in claim.experiments:
                return candidate, seed
    return None


def artifact_of(board: Board, candidate: str) -> Experiment | None:
    """Return the measured experiment whose kept outputs a claim on an exact metric scores again, or None."""
    for name in board.experiments_of.get(candidate, ()):
        state = board.experiments[name]
        if state.record.purpose != "confirm" and state.metrics is not None and state.outcome is not None:
            return state.record if state.outcome.artifacts else None
    return None
