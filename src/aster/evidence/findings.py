"""What was learnt from one hypothesis, in words and numbers."""

from __future__ import annotations

import math

from aster.board import Board, ExperimentState
from aster.domain.records import Cancelled, Failed, Finding, Invalid, Measured, Objective, Result, Setup, TimedOut
from aster.evidence.racing import concluded


def noise(board: Board) -> float:
    """Return the sd of one measurement of the baseline on the current hardware; 0 if exact or not known yet."""
    score = board.baseline_score
    if board.setup.objective.exact or score is None:
        return 0.0
    return score.sd or 0.0


def noise_seen(board: Board) -> tuple[float, int] | None:
    """Return (sd, runs): the noise of one measurement as all runs of one version tell it by now, the baseline's own and
    those of versions that were measured again; None if the metric is exact, or no version ran twice."""
    if board.setup.objective.exact:
        return None
    base, again = board.baseline_score, board.here.spread
    freedom, runs = (base.n - 1, base.n) if base is not None and base.n > 1 else (0, 0)
    squares = base.squares if base is not None else 0.0
    if not freedom + again.freedom:
        return None
    return math.sqrt((squares + again.squares) / (freedom + again.freedom)), runs + again.runs


def least_told(board: Board, seeds: int) -> float:
    """Return the difference of two means over so many shared seeds that is no larger than the noise seen so far."""
    known = noise_seen(board)
    return max(board.setup.objective.resolution, (known[0] if known else 0.0) * math.sqrt(2.0 / seeds))


def tie(objective: Objective, gain: float) -> str | None:
    """Return in words that a difference is a tie by the metric's resolution, or None: it is larger, or 0."""
    if not 0 < abs(gain) <= objective.resolution:
        return None
    return f"a tie (difference {abs(gain):.2g}, resolution {objective.resolution:g})"


def against_noise(board: Board, gain: float, seeds: int) -> str:
    """Return in words what a gain over so many shared seeds is beside the noise, and no more than so many runs tell."""
    objective, known, least = board.setup.objective, noise_seen(board), least_told(board, seeds)
    runs = "one run" if seeds == 1 else f"mean of {seeds} seeds"
    if objective.exact:
        on = f"; {runs}" if board.setup.paired else ""  # where a run takes a seed, the seed may have made it
        return f"better{on}" if gain > least else f"worse{on}" if gain < -least else "no gain seen"
    if known is None:
        way = "better" if gain > least else "worse" if gain < -least else "a tie"
        return f"{way}, but nothing is known of the noise; {runs}"
    seen = f"the noise seen so far (sd {known[0]:.3g} of {known[1]} runs); {runs}"
    if abs(gain) <= least:
        return f"within {seen}"
    return f"{'better' if gain > 0 else 'worse'} by more than {seen}"


def finding_of(board: Board, state: ExperimentState) -> Finding | None:
    """Return the finding that a search experiment completes, or None.

    None: its candidate has seeds to run yet, its hypothesis has a finding already, its parent has no score on this
    hardware, or the attempt was cancelled from outside, which teaches nothing.
    A success gained more on its parent than the resolution and than one sd of a difference of two measurements, as far
    as the noise was seen by now; that is no proof, and its words say on how many runs it rests.
    """
    record = state.record
    if record.hypothesis is None or record.purpose != "search" or record.hypothesis in board.concluded:
        return None
    if state.outcome is None or state.status == "cancelled":
        return None
    hypothesis = board.hypotheses[record.hypothesis]
    if state.metrics is None:
        text = f"{hypothesis.change}: {trouble(state.outcome.result, board.setup)}"
        return Finding(hypothesis.id, record.id, text, success=False)
    child, parent = board.score(record.candidate), board.score(hypothesis.parent)
    found = board.gain(record.candidate, hypothesis.parent)
    if child is None or parent is None or found is None or not concluded(board, record.candidate):
        return None
    objective = board.setup.objective
    gain, seeds = found
    moved = f"{objective.metric} {_number(parent.mean)} -> {_number(child.mean)}"
    told = tie(objective, gain) or f"({_signed(gain, objective)}): {against_noise(board, gain, seeds)}"
    text = f"{hypothesis.change}: {moved}{':' if told.startswith('a tie') else ''} {told}"
    beyond = board.here.means.beyond(record.candidate)
    if beyond is not None:
        text += f"; but {beyond}: beyond what a claim must show, so none is made of it"
    return Finding(hypothesis.id, record.id, text, success=gain > least_told(board, seeds), gain=gain)


def _number(value: float) -> str:
    return f"{value:.7g}"


def _signed(gain: float, objective: Objective) -> str:
    change = gain if objective.goal == "maximize" else -gain
    return f"{change:+.3g}"


def trouble(result: Result, setup: Setup | None = None) -> str:
    """Return in words what a candidate is to blame for, such as "failed: exit 1".

    The result is neither measured, unless it is infeasible under `setup`, nor cancelled from outside.
    """
    match result:
        case Measured(metrics=metrics) if setup is not None and (why := setup.infeasible(metrics)) is not None:
            return f"infeasible: {why}"
        case Cancelled(reason=reason, early=True):
            return reason
        case Failed(reason=reason):
            return f"failed: {reason}"
        case TimedOut(stage=stage, limit_s=limit):
            return f"timed out: stage {stage} ran past {limit:g} s"
        case Invalid(rule=rule):
            return f"invalid: {rule}"
        case _:
            raise AssertionError(f"{result} is nobody's fault")
