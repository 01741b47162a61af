"""Folds of the ledger: the board that everyone reads and nobody else writes."""

from aster.board.board import Board
from aster.board.research import AskState, AssignmentState, Line, ModelState, Research
from aster.board.states import ArchiveState, ClaimState, DirectionState, ExperimentState, Score

__all__ = [
    "ArchiveState",
    "AskState",
    "AssignmentState",
    "Board",
    "ClaimState",
    "DirectionState",
    "ExperimentState",
    "Line",
    "ModelState",
    "Research",
    "Score",
]
