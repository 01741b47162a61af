"""Which claim to test next, and how. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import islice

from aster.board import Board
from aster.campaign.budget import may_search, pairs_affordable, search_left
from aster.campaign.contender import contender
from aster.domain.ids import search_seed, seed_number, short_id
from aster.domain.records import Claim, Experiment
from aster.evidence.bounds import margins
from aster.evidence.design import (
    MIN_PAIRS,
    POWER,
    alpha_of,
    claim_experiments,
    fewest_pairs,
    luck,
    pairs_needed,
    power_of_mean,
)
from aster.evidence.findings import noise

PATIENCE = 0.1
"""A best candidate is claimed before the end of the search once it has stood for this share of what was seen."""

CHEAP = 0.05
"""Before the end of the search a claim may take this share of the experiments that search has left."""

SHORTLIST = 40
"""Places of the ranking among which a model of the candidates chooses whom to claim."""

Believes = Callable[[Board, str], Mapping[str, float]]
"""What a model expects of a candidate and of those like it, in the metric's units; empty where there is no model."""


def no_model(board: Board, candidate: str) -> Mapping[str, float]:  # noqa: ARG001 - as `Believes`
    """Expect nothing of any candidate."""
    return {}


def next_claim(board: Board, last_chance: bool, believes: Believes = no_model) -> Claim | None:
    """Return the claim to open now, or None.

    Args:
        last_chance: nothing more will be searched and all search outcomes were seen, so the best is claimed whatever
            its chances. Before that, only a candidate that has stood for a while and is likely to be confirmed is, and
            only if that is cheap against what is left.
        believes: asked about the best candidate before a claim on a noisy metric, unless candidates race for seeds.
    """
    candidate = contender(board, last_chance)
    if candidate is None or board.open_claim() is not None or not (last_chance or _has_stood(board, candidate)):
        return None
    most = CHEAP * search_left(board)
    exact = board.setup.objective.exact
    if not (last_chance or exact) and most < 2 * fewest_pairs(board.setup):
        return None  # no claim would be cheap: a model need not be asked
    beliefs: Mapping[str, float] = {}
    if not (exact or board.setup.racing):
        beliefs = believes(board, candidate)
    claim = _design(board, _likeliest(board, candidate, beliefs, last_chance), beliefs)
    if claim is None or last_chance:
        return claim
    likely = claim.power is None or claim.power >= POWER
    cheap = exact or 2 * len(claim.seeds) <= most
    return claim if likely and cheap and _leaves_one(board, claim) else None


def _likeliest(board: Board, best: str, beliefs: Mapping[str, float], last_chance: bool) -> str:
    """Return who is to be claimed: the best by rank, of those that are likely to show what a mean must show.

    Where a model has beliefs, who is believed best among them: the best of many measured once is mostly lucky.
    """
    objective, bounded = board.setup.objective, any(each.p is not None for each in board.setup.constraints)
    if board.standing is None or not (bounded or best in beliefs):
        return best
    listed = [c for c in islice(board.ranking, SHORTLIST) if _may_be_claimed(board, c, last_chance)]
    if bounded:
        listed = _showing(board, listed)
    if best in beliefs:
        return max((c for c in listed if c in beliefs), key=lambda c: objective.gain(beliefs[c], 0.0), default=best)
    return listed[0] if listed else best


def _may_be_claimed(board: Board, candidate: str, last_chance: bool) -> bool:
    """Whether a candidate gained on the standing one, was not claimed against it, and its means keep bounds."""
    standing, setup = board.standing or "", board.setup
    if candidate == standing or board.here.means.beyond(candidate) is not None:
        return False
    if setup.racing and not last_chance and not board.race.complete(candidate):
        return False
    found = board.gain(candidate, standing)
    claimed = any(c.record.candidate == candidate and c.record.against == standing for c in board.claims.values())
    return not claimed and found is not None and found[0] > setup.objective.resolution


def _showing(board: Board, listed: list[str]) -> list[str]:
    """Return those that are likely to show what their means must show with the pairs that are left, best rank first.

    Without any, the likeliest one: a mean that is barely within its bound is mostly lucky to be.
    """
    runs = max(MIN_PAIRS, pairs_affordable(board))
    chance = {c: math.prod(power_of_mean(runs, each) for each in margins(board, c)) for c in listed}
    able = [c for c in listed if chance[c] >= POWER]
    return able or sorted(listed, key=lambda c: -chance[c])[:1]


def _expected(board: Board, candidate: str, seen: tuple[float, int], beliefs: Mapping[str, float]) -> float | None:
    """Return the gain to design for: what a model believes, else the one seen less luck; None: the one seen."""
    setup, standing = board.setup, board.standing
    if candidate in beliefs and standing is not None and standing in beliefs:
        return max(0.0, setup.objective.gain(beliefs[candidate], beliefs[standing]))
    if setup.search_seeds > 1:
        return max(0.0, seen[0] - luck(noise(board), seen[1], len(board.ranking)))
    return None


def _design(board: Board, candidate: str, beliefs: Mapping[str, float]) -> Claim | None:
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
        if affordable < fewest_pairs(setup):
            return None
        expected = _expected(board, candidate, found, beliefs)
        real = seen if expected is None else expected
        least, bounds = fewest_pairs(setup), margins(board, candidate)
        pairs, power = pairs_needed(real - objective.resolution, sd, alpha, setup.paired, affordable, least, bounds)
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
        if (
            state.record.purpose not in ("confirm", "repeat")
            and state.metrics is not None
            and state.outcome is not None
        ):
            return state.record if state.outcome.artifacts else None
    return None
