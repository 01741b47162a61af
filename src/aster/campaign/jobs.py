"""From a planned experiment to what its attempt needs, by the ledger's blobs alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aster.board import Board
from aster.domain.records import Experiment
from aster.domain.trees import unpack_tree
from aster.execution.protocol import Job


def job_of(
    board: Board,
    experiment: Experiment,
    attempt: str,
    frozen: Mapping[str, bytes],
    get_blob: Callable[[str], bytes],
) -> Job:
    """Return the job of an attempt.

    Args:
        frozen: the solution's files that no candidate may change, path -> content.
        get_blob: gives a blob's content, or raises StoreError.
    """
    tree = experiment.tree or board.candidates[experiment.candidate].tree
    files = {**unpack_tree(tree, get_blob), **frozen}
    inputs = None
    if experiment.artifact is not None:
        outcome = board.experiments[experiment.artifact].outcome
        assert outcome is not None
        inputs = {name: get_blob(blob) for name, blob in outcome.artifacts.items()}
    confirms, quick = experiment.purpose == "confirm", experiment.purpose == "check"
    return Job(attempt, experiment.id, experiment.seed, files, inputs, confirms, experiment.bars, quick)
