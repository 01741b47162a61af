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


def finding_of(board: Board, state: ExperimentState) -> Finding | None:
    """Return the finding that a search experiment completes, or None.

    None: its candidate has seeds to run yet, its hypothesis has a finding already, its parent has no score on this
    hardware, or the attempt was cancelled from outside, which teaches nothing.
    A success gained more on its parent than the resolution and than one sd of a difference of two measurements.
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
    least = max(objective.resolution, noise(board) * math.sqrt(2.0 / seeds))
    moved = f"{objective.metric} {_number(parent.mean)} -> {_number(child.mean)} ({_signed(gain, objective)})"
    if gain > least:
        word = "helps"
    elif gain < -least:
        word = "hurts"
    else:
        word = "no gain seen" if least <= objective.resolution else "no gain beyond the noise"
    return Finding(hypothesis.id, record.id, f"{hypothesis.change}: {moved}: {word}", success=gain > least, gain=gain)


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
