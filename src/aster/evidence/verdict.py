"""From the measured pairs of a claim to its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from msgspec.structs import replace

from aster.board import Board, ClaimState
from aster.domain.constraints import Verdict
from aster.domain.records import Decided
from aster.evidence.bounds import bound_tests, bound_text
from aster.evidence.design import MIN_PAIRS, t_quantile
from aster.evidence.findings import trouble


def interval(gains: Sequence[float], alpha: float) -> tuple[float, float, float]:
    """Return (mean, low, high) of paired gains: Student's t interval at level 1 - 2 alpha.

    Its lower end is the one-sided bound at level 1 - alpha. At least two gains.
    """
    mean = fmean(gains)
    half = t_quantile(1.0 - alpha, len(gains) - 1) * math.sqrt(variance(gains, mean) / len(gains))
    return mean, mean - half, mean + half


def interval_unpaired(new: Sequence[float], old: Sequence[float], alpha: float) -> tuple[float, float, float]:
    """Return (mean, low, high) of new - old by Welch's t interval (Welch 1947), at level 1 - 2 alpha."""
    mean, error, df = welch(new, old)
    if error == 0.0:
        return mean, mean, mean
    half = t_quantile(1.0 - alpha, df) * error
    return mean, mean - half, mean + half


def welch(new: Sequence[float], old: Sequence[float]) -> tuple[float, float, float]:
    """Return the difference of two means, its standard error and Welch's degrees of freedom. At least two each."""
    mean = fmean(new) - fmean(old)
    a, b = variance(new) / len(new), variance(old) / len(old)
    if a + b == 0.0:
        return mean, 0.0, float(len(new) + len(old) - 2)
    share = a / (a + b)  # of the squared error; squares of a and b themselves could underflow
    df = 1.0 / (share**2 / (len(new) - 1) + (1.0 - share) ** 2 / (len(old) - 1))
    return mean, math.sqrt(a + b), df


def verdict_of(low: float, high: float, least: float) -> Verdict:
    """Return the verdict on "the gain is more than `least`" given its interval."""
    if low > least:
        return "confirmed"
    return "refuted" if high <= least else "undecided"


def finished(board: Board, claim: ClaimState) -> bool:
    """Whether decisions have seen an outcome for every experiment of the claim."""
    planned = 2 * len(claim.record.seeds)
    return len(claim.experiments) == planned and all(board.experiments[x].seen for x in claim.experiments.values())


def complete_pairs(board: Board, claim: ClaimState) -> list[tuple[float, float]]:
    """Return (new, old) for each seed of the claim on which both sides measured, on one kind of hardware."""
    record, metric = claim.record, board.setup.objective.metric
    pairs = []
    for seed in record.seeds:
        sides = [claim.experiments.get((candidate, seed)) for candidate in (record.candidate, record.against)]
        new, old = (board.experiments[x] if x is not None else None for x in sides)
        if new is None or old is None or new.outcome is None or old.outcome is None:
            continue
        if new.metrics is None or old.metrics is None:
            continue
        if record.exact or new.outcome.hardware == old.outcome.hardware:
            pairs.append((new.metrics[metric], old.metrics[metric]))
    return pairs


def decide_claim(board: Board, claim: ClaimState) -> Decided:
    """Return the verdict on a finished claim. Pure: reads the board only.

    It claims a gain, and that each bounded mean keeps its bound: confirmed if all is shown, refuted if any is refuted.
    """
    decided = _decide_gain(board, claim)
    tests = bound_tests(board, claim) if decided.gain is not None else ()
    if not tests:
        return decided
    verdicts = {decided.verdict, *(test.verdict for test in tests)}
    worst: Verdict = "refuted" if "refuted" in verdicts else "undecided" if "undecided" in verdicts else "confirmed"
    parts = [decided.note]
    if decided.verdict == "confirmed" != worst:
        parts.append("the gain is shown")
    note = "; ".join(part for part in (*parts, *(bound_text(test) for test in tests)) if part)
    return replace(decided, verdict=worst, note=note, bounds=tests)


def _decide_gain(board: Board, claim: ClaimState) -> Decided:
    """Return the verdict on the gain.

    A candidate that breaks, or is infeasible, on fresh seeds is refuted. A standing candidate that does spoils its
    pairs, and so does a pair that ran on two kinds of hardware; with fewer than MIN_PAIRS left the claim is undecided.
    """
    record, objective = claim.record, board.setup.objective
    for state in (board.experiments[claim.experiments[(record.candidate, seed)]] for seed in record.seeds):
        if state.outcome is not None and state.status not in ("measured", "cancelled"):
            note = f"{state.record.id} of the claimed candidate {trouble(state.outcome.result, board.setup)}"
            return Decided(record.id, "refuted", None, None, None, 0, note)
    pairs = complete_pairs(board, claim)
    if record.exact:
        return _exact(board, claim, pairs)
    if len(pairs) < MIN_PAIRS:
        return Decided(record.id, "undecided", None, None, None, len(pairs), "too few complete pairs")
    if record.paired:
        mean, low, high = interval([objective.gain(a, b) for a, b in pairs], record.alpha)
    else:
        mean, low, high = _unpaired(board, pairs, record.alpha)
    verdict = verdict_of(low, high, record.least)
    return Decided(record.id, verdict, mean, low, high, len(pairs), _note(verdict, mean, low, len(pairs), record.least))


def _unpaired(board: Board, pairs: list[tuple[float, float]], alpha: float) -> tuple[float, float, float]:
    sign = 1.0 if board.setup.objective.goal == "maximize" else -1.0
    return interval_unpaired([sign * a for a, _ in pairs], [sign * b for _, b in pairs], alpha)


def _exact(board: Board, claim: ClaimState, pairs: list[tuple[float, float]]) -> Decided:
    record, objective = claim.record, board.setup.objective
    if not pairs:
        return Decided(record.id, "undecided", None, None, None, 0, "an artifact could not be scored again")
    new, old = pairs[0]
    for candidate, value in ((record.candidate, new), (record.against, old)):
        first = _measured_first(board, claim, candidate)
        if first is None or abs(first - value) > objective.resolution:
            note = f"scoring {candidate} again gave {value!r}, not what was measured first: the metric is not exact"
            return Decided(record.id, "refuted", None, None, None, 1, note)
    gain = objective.gain(new, old)
    return Decided(
        record.id, verdict_of(gain, gain, record.least), gain, gain, gain, 1, "exact: both artifacts scored again"
    )


def _measured_first(board: Board, claim: ClaimState, candidate: str) -> float | None:
    """Return what the artifact that the claim scores again was worth when it was made."""
    again = board.experiments[claim.experiments[(candidate, claim.record.seeds[0])]].record
    if again.artifact is None:  # no output was kept, so the code itself ran again
        score = board.score(candidate)
        return score.mean if score is not None else None
    metrics = board.experiments[again.artifact].metrics
    return metrics[board.setup.objective.metric] if metrics is not None else None


def _note(verdict: Verdict, mean: float, low: float, pairs: int, least: float) -> str:
    """Say what would decide an undecided claim: pairs needed grow with the square of the interval's half width."""
    if verdict != "undecided":
        return ""
    excess = mean - least
    if excess <= 0:
        return "the mean gain over fresh seeds is at most the least that counts; more pairs would rather refute it"
    more = math.ceil(pairs * ((mean - low) / excess) ** 2)
    return f"about {max(more, pairs + 1)} pairs would decide it if the gain is as measured"


def champion_value(board: Board) -> float | None:
    """Return the champion's mean over the pairs of its confirmed claim (its artifact's score if exact)."""
    for claim in reversed(board.claims.values()):
        if claim.decided is not None and claim.decided.verdict == "confirmed":
            values = [new for new, _ in complete_pairs(board, claim)]
            return fmean(values) if values else None
    return None
