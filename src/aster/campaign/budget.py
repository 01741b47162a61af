"""The budget meter: what may still be spent, and what is held back for confirmation. Pure."""

from __future__ import annotations

import math
import re

from msgspec import Struct

from aster.board import Board
from aster.campaign.contender import contender
from aster.domain.records import Limits, Setup
from aster.errors import BudgetError
from aster.evidence.design import MIN_PAIRS, baseline_runs, claim_experiments, fewest_pairs
from aster.problems.model import parse_seconds

HELD_BACK = 0.2
"""The share of the budget that search may not touch: it is for confirmation."""

GPU_SPENT = "budget: the GPU time is spent"

_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMG]?)\s*")
_SIZES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}

_BARE_NUMBER = re.compile(r"\s*\d+(\.\d+)?\s*")

RESCORE_S = 5.0
"""Wall seconds set aside for one claim whose artifacts are only scored again."""


class Budget(Struct, frozen=True):
    """The ceiling that a person gives a campaign.

    Attributes:
        wall: active wall time, as "2h", "90m", "45s" or a number of seconds; None: no ceiling of that kind.
        experiments: how many may be planned in all, baselines and confirmations included; None: no ceiling.
        usd: dollars for calls of language models that have a price; None: no ceiling, and no such model.
        tokens: for calls of language models, input and output together, as a number or "20M", "500k"; None: no ceiling.
        gpu_hours: hours for which GPUs are leased, added up over the devices; None: no ceiling.
    """

    wall: str | float | None = None
    experiments: int | None = None
    usd: float | None = None
    tokens: int | str | None = None
    gpu_hours: float | None = None

    @property
    def limits(self) -> Limits:
        """The same as numbers.

        Raises:
            BudgetError: one of them is no such amount.
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
        gpu_hours = _positive(self.gpu_hours, "GPU hours")
        return Limits(
            wall_s=wall_s,
            experiments=self.experiments,
            usd=_positive(self.usd, "dollars"),
            tokens=_tokens(self.tokens),
            gpu_s=None if gpu_hours is None else gpu_hours * 3600,
        )


def _positive(value: object, what: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not (value > 0 and math.isfinite(value)):
        raise BudgetError(f"the budget of {what} must be a number above 0, not {value!r}")
    return float(value)


def _tokens(value: object) -> int | None:
    if value is None:
        return None
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    number = round(float(found[1]) * _SIZES[found[2]]) if found else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise BudgetError(f'the budget of tokens must be a whole number, or such as "500k" or "20M", not {value!r}')
    return number


def check_limits(setup: Setup) -> None:
    """Refuse a budget that cannot hold a baseline, one search experiment and the smallest claim, or bounds no models.

    Raises:
        BudgetError: there is no limit at all, one is too small, or there is none for what language models cost.
    """
    limits = setup.limits
    if limits.experiments is None and limits.wall_s is None and limits.gpu_s is None:
        raise BudgetError("a campaign needs a budget: give --experiments N, --wall 2h, or both")
    if limits.wall_s is not None and limits.wall_s <= 0:
        raise BudgetError(f"--wall must be positive, not {limits.wall_s:g} s")
    _check_gpu_limit(setup)
    _check_model_limits(setup)
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


def _check_gpu_limit(setup: Setup) -> None:
    limit, most = setup.limits.gpu_s, setup.attempt_gpu_s
    if limit is None:
        return
    if not most:
        raise BudgetError("--gpu-hours bounds nothing: this problem uses no GPU (`gpus` under [resources])")
    if limit < most:
        raise BudgetError(
            f"budget too small: one attempt may take {most / 3600:.3g} GPU hours (its stages' timeouts, times its "
            f"GPUs), and {limit / 3600:.3g} are given; raise --gpu-hours, or lower the timeouts in problem.toml"
        )


def _check_model_limits(setup: Setup) -> None:
    """Refuse models without a ceiling, and a ceiling that bounds nothing."""
    limits = setup.limits
    priced = [model.name for model in setup.models if model.price is not None]
    unpriced = [model.name for model in setup.models if model.price is None]
    if priced and limits.usd is None:
        raise BudgetError(f"{priced[0]} costs money: give --usd N, the most dollars that its calls may come to")
    if unpriced and limits.tokens is None:
        raise BudgetError(
            f"no price is known for {unpriced[0]}: give --price {unpriced[0]}=INPUT,OUTPUT in dollars per million "
            "tokens and --usd N, or, where calls cost nothing, the most tokens that they may use: --tokens N"
        )
    if limits.usd is not None and not priced:
        why = f"no price is known for {unpriced[0]}" if unpriced else "this campaign has no language model"
        raise BudgetError(f"--usd bounds nothing: {why}; give --{'price' if unpriced else 'model'}, or leave --usd out")
    if limits.tokens is not None and not setup.models:
        raise BudgetError("--tokens bounds nothing: this campaign has no language model; give --model, or leave it out")


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
        return min(claim_seconds(board, fewest_pairs(board.setup)), wall / 2)
    return max(HELD_BACK * wall, min(claim_seconds(board, max(MIN_PAIRS, board.setup.confirm_seeds)), wall / 2))


def gpus_spent(board: Board) -> bool:
    """Whether no attempt may begin now: what runs, waits or was lost counts as the most GPU time that it may take."""
    limit, most = board.setup.limits.gpu_s, board.setup.attempt_gpu_s
    promised = len(board.running) + len(board.waiting) + board.lost
    return limit is not None and board.spend.gpu_s + (promised + 1) * most > limit


def gpu_s_left(board: Board) -> float:
    """Return about how many GPU seconds are left once what is under way has ended; 0 if not one more attempt fits."""
    limit, most = board.setup.limits.gpu_s, board.setup.attempt_gpu_s
    assert limit is not None
    left = limit - board.spend.gpu_s - board.lost * most
    if left < most:
        return 0.0
    return max(0.0, left - (len(board.running) + len(board.waiting)) * attempt_gpu_s(board))


def attempt_gpu_s(board: Board) -> float:
    """Return the mean GPU seconds of an attempt, or the most that it may take before the first has ended."""
    ended = sum(board.tally.values())
    return board.spend.gpu_s / ended if ended else board.setup.attempt_gpu_s


def claim_gpu_s(board: Board, pairs: int) -> float:
    """Return about how many GPU seconds a claim of `pairs` takes, with a margin of a half."""
    return 0.0 if board.setup.objective.exact else 1.5 * 2 * pairs * attempt_gpu_s(board)


def held_back_gpu_s(board: Board) -> float:
    """Return how many GPU seconds search must leave for confirmation; the same rule as `held_back`."""
    limit = board.setup.limits.gpu_s
    assert limit is not None
    if nothing_to_confirm(board):
        return min(claim_gpu_s(board, fewest_pairs(board.setup)), limit / 2)
    return max(HELD_BACK * limit, min(claim_gpu_s(board, max(MIN_PAIRS, board.setup.confirm_seeds)), limit / 2))


def has_room(board: Board) -> bool:
    """Whether the budget has room for one more experiment, whatever it is for."""
    total = board.setup.limits.experiments
    return (total is None or board.spend.experiments < total) and not gpus_spent(board)


def may_search(board: Board) -> bool:
    """Whether the budget has room for one more search experiment."""
    limits, spend = board.setup.limits, board.spend
    if limits.experiments is not None and spend.experiments + held_back(board) >= limits.experiments:
        return False
    if limits.gpu_s is not None and gpu_s_left(board) < attempt_gpu_s(board) + held_back_gpu_s(board):
        return False
    return limits.wall_s is None or spend.wall_s + held_back_s(board) + attempt_seconds(board) <= limits.wall_s


def search_left(board: Board) -> float:
    """Return about how many experiments search may still make, by whichever limit is nearest."""
    limits, spend, left = board.setup.limits, board.spend, math.inf
    if limits.experiments is not None:
        left = float(limits.experiments - spend.experiments - held_back(board))
    seconds = attempt_seconds(board)
    if limits.wall_s is not None and seconds > 0:
        left = min(left, (limits.wall_s - spend.wall_s - held_back_s(board)) / seconds * board.setup.slots)
    if limits.gpu_s is not None:
        left = min(left, (gpu_s_left(board) - held_back_gpu_s(board)) / max(attempt_gpu_s(board), 1e-3))
    return max(0.0, left)


def search_room(board: Board) -> int | None:
    """Return about how many experiments search may still begin beyond those that agents have asked for; None: no limit
    tells. 0 once search is over."""
    if not may_search(board):
        return 0
    left = search_left(board)
    if math.isinf(left):
        return None
    asked = board.research.open_runs + len(board.research.merged)
    return max(0, max(1, math.floor(left + 1e-9)) - asked)


def spent(board: Board) -> str:
    """Return why a campaign ends that may not search, and has nothing to claim: which limit it was."""
    if gpus_spent(board):
        return GPU_SPENT
    limits = board.setup.limits
    left = math.inf if limits.experiments is None else limits.experiments - board.spend.experiments
    if left < math.inf and left <= held_back(board):
        return "budget: experiments spent" + (f", but for {left} held back for claims" if left > 0 else "")
    if limits.gpu_s is not None and gpu_s_left(board) < attempt_gpu_s(board) + held_back_gpu_s(board):
        return f"{GPU_SPENT}, but for what is held back for claims"
    return "budget: the wall time is spent, but for what is held back for claims"


def pairs_affordable(board: Board) -> int:
    """Return how many pairs of experiments the budget still has room for, at most the problem's `confirm`."""
    limits, spend = board.setup.limits, board.spend
    pairs = max(MIN_PAIRS, board.setup.confirm_seeds)
    if limits.experiments is not None:
        pairs = min(pairs, (limits.experiments - spend.experiments) // 2)
    if limits.gpu_s is not None and not gpu_s_left(board):
        return 0
    if board.setup.objective.exact:
        return pairs
    if limits.wall_s is not None:
        left = limits.wall_s - spend.wall_s
        while pairs >= fewest_pairs(board.setup) and claim_seconds(board, pairs) / 1.5 > left:
            pairs -= 1
    if limits.gpu_s is not None:
        while pairs >= fewest_pairs(board.setup) and claim_gpu_s(board, pairs) / 1.5 > gpu_s_left(board):
            pairs -= 1
    return pairs
