"""The budget meter: what may still be spent, and what is held back for confirmation. Pure."""

from __future__ import annotations

import math
import re

from msgspec import Struct

from aster.board import Board
from aster.campaign.contender import contender
from aster.domain.records import Limits, Setup
from aster.errors import BudgetError
from aster.evidence.design import MIN_PAIRS, baseline_runs, claim_experiments
from aster.problems.model import parse_seconds

HELD_BACK = 0.2
"""The share of the budget that search may not touch: it is for confirmation."""

_BARE_NUMBER = re.compile(r"\s*\d+(\.\d+)?\s*")

RESCORE_S = 5.0
"""Wall seconds set aside for one claim whose artifacts are only scored again."""


class Budget(Struct, frozen=True):
    """The ceiling that a person gives a campaign.

    Attributes:
        wall: active wall time, as "2h", "90m", "45s" or a number of seconds; None: no ceiling of that kind.
        experiments: how many may be planned in all, baselines and confirmations included; None: no ceiling.
    """

    wall: str | float | None = None
    experiments: int | None = None

    @property
    def limits(self) -> Limits:
        """The same as numbers.

        Raises:
            BudgetError: `wall` is not a duration, or `experiments` not a whole number.
        """
        if self.experiments is not None and type(self.experiments) is not int:
            raise BudgetError(f"the budget of experiments must be a whole number, not {self.experiments!r}")
        if isinstance(self.wall, str) and _BARE_NUMBER.fullmatch(self.wall):
            with_units = " or ".join(f'"{self.wall.strip()}{unit}"' for unit in "smh")
            raise BudgetError(f"the wall budget lacks its unit: write {with_units}, not {self.wall!r}")
        try:
            wall_s = None if self.wall is None else parse_seconds(self.wall)
        except ValueError as error:
            raise BudgetError(f"the wall budget {error}") from None
        return Limits(wall_s, self.experiments)


def check_limits(setup: Setup) -> None:
    """Refuse a budget that cannot hold a baseline, one search experiment and the smallest claim.

    Raises:
        BudgetError: there is no limit at all, or one is too small.
    """
    limits = setup.limits
    if limits.experiments is None and limits.wall_s is None:
        raise BudgetError("a campaign needs a budget: give --experiments N, --wall 2h, or both")
    if limits.wall_s is not None and limits.wall_s <= 0:
        raise BudgetError(f"--wall must be positive, not {limits.wall_s:g} s")
    if limits.experiments is None:
        return
    runs, claim = baseline_runs(setup), claim_experiments(setup, "fewest")
    least = runs + setup.search_seeds + claim
    if limits.experiments < least:
        raise BudgetError(
            f"budget too small: {limits.experiments} experiments cannot hold {runs} of the baseline, "
            f"{setup.search_seeds} of search and {claim} to confirm a gain; "
            f"give at least {least} (--experiments {least})"
        )


def nothing_to_confirm(board: Board) -> bool:
    """Whether no candidate stands before a claim, and none is under test."""
    return board.open_claim() is None and contender(board) is None


def held_back(board: Board) -> int:
    """Return how many experiments search must leave for confirmation.

    20% of the budget or one claim, whichever is more (never over half), less what confirmation has used. While
    nothing stands to be confirmed the smallest claim is enough, so that what confirmation does not need is searched.
    """
    fewest = claim_experiments(board.setup, "fewest")
    if nothing_to_confirm(board):
        return fewest
    return max(fewest, set_aside(board.setup) - board.spend.confirm)


def set_aside(setup: Setup) -> int:
    """Return how many experiments of the budget are for confirmation once there is something to confirm."""
    total = setup.limits.experiments
    assert total is not None
    claim = min(claim_experiments(setup), max(claim_experiments(setup, "fewest"), total // 2))
    return max(math.ceil(HELD_BACK * total), claim)


def attempt_seconds(board: Board) -> float:
    """Return the mean wall seconds of an attempt that ran to its end, or 0 before the first.

    What broke or was stopped on its way says nothing of how long a claim's experiments take.
    """
    whole = board.tally.get("measured", 0) + board.tally.get("infeasible", 0)
    return board.spend.whole_s / whole if whole else 0.0


def claim_seconds(board: Board, pairs: int) -> float:
    """Return about how many wall seconds a claim of `pairs` takes with all slots, with a margin of a half."""
    if board.setup.objective.exact:
        return RESCORE_S
    rounds = math.ceil(2 * pairs / board.setup.slots)
    return 1.5 * rounds * attempt_seconds(board)


def held_back_s(board: Board) -> float:
    """Return how many wall seconds search must leave for confirmation; the same rule as `held_back`."""
    wall = board.setup.limits.wall_s
    assert wall is not None
    if nothing_to_confirm(board):
        return min(claim_seconds(board, MIN_PAIRS), wall / 2)
    return max(HELD_BACK * wall, min(claim_seconds(board, max(MIN_PAIRS, board.setup.confirm_seeds)), wall / 2))


def has_room(board: Board) -> bool:
    """Whether the budget has room for one more experiment, whatever it is for."""
    total = board.setup.limits.experiments
    return total is None or board.spend.experiments < total


def may_search(board: Board) -> bool:
    """Whether the budget has room for one more search experiment."""
    limits, spend = board.setup.limits, board.spend
    if limits.experiments is not None and spend.experiments + held_back(board) >= limits.experiments:
        return False
    return limits.wall_s is None or spend.wall_s + held_back_s(board) + attempt_seconds(board) <= limits.wall_s


def search_left(board: Board) -> float:
    """Return about how many experiments search may still make, by whichever limit is nearer."""
    limits, spend, left = board.setup.limits, board.spend, math.inf
    if limits.experiments is not None:
        left = float(limits.experiments - spend.experiments - held_back(board))
    seconds = attempt_seconds(board)
    if limits.wall_s is not None and seconds > 0:
        left = min(left, (limits.wall_s - spend.wall_s - held_back_s(board)) / seconds * board.setup.slots)
    return max(0.0, left)


def spent(board: Board) -> str:
    """Return why a campaign ends that may not search, and has nothing to claim."""
    total = board.setup.limits.experiments
    left = 0 if total is None else total - board.spend.experiments
    return "budget: spent" + (f", but for {left} held back for claims" if left > 0 else "")


def pairs_affordable(board: Board) -> int:
    """Return how many pairs of experiments the budget still has room for, at most the problem's `confirm`."""
    limits, spend = board.setup.limits, board.spend
    pairs = max(MIN_PAIRS, board.setup.confirm_seeds)
    if limits.experiments is not None:
        pairs = min(pairs, (limits.experiments - spend.experiments) // 2)
    if limits.wall_s is not None and not board.setup.objective.exact:
        left = limits.wall_s - spend.wall_s
        while pairs >= MIN_PAIRS and claim_seconds(board, pairs) / 1.5 > left:
            pairs -= 1
    return pairs
