"""How long an export takes and how much memory it needs beside the board, in each format.

    python benchmarks/export.py [--experiments 100000]

The board is told a made-up campaign; the files are written into a temporary folder. Memory is what the process
holds resident: with the board alone, and at most until a format was written. Arrow itself is part of Parquet's.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from pathlib import Path

from aster.board import Board
from aster.domain import events as ev
from aster.domain.records import (
    Candidate,
    Change,
    Direction,
    Experiment,
    Hypothesis,
    Limits,
    Measured,
    Objective,
    Outcome,
    Setup,
    Usage,
)
from aster.report.export import FORMS, write_file
from aster.report.tables import table_of


def board_of(experiments: int) -> Board:
    """Return the board of a campaign with two seeds a candidate and two metrics."""
    board, rng = Board(), random.Random(1)
    objective = Objective("loss", "minimize")
    setup = Setup("made-up", "Made up", objective, Limits(None, experiments), "ordered", 2, 0, search_seeds=2)
    board.apply(ev.CampaignOpened("made-up-1", setup, "0" * 64))
    board.apply(ev.TermStarted(1, "cpu", "here", 1, "0"))
    board.apply(ev.CandidateAdded(Candidate("c-base", "0" * 64, (), "baseline", None, (), "baseline")))
    board.apply(ev.DirectionOpened(Direction("d", "layout", "why not")))
    for n in range(experiments):
        of = f"c-{n // 2:012x}"
        if n % 2 == 0:
            hypothesis = Hypothesis(f"h-{n}", "d", "c-base", f"+ idea-{n}", "It may help.")
            change = Change("idea", {"solution/solve.py::N": n})
            board.apply(ev.HypothesisProposed(hypothesis))
            made = Candidate(of, f"{n:064x}", ("c-base",), "ideas", hypothesis.id, (change,), f"idea-{n}")
            board.apply(ev.CandidateAdded(made))
        name = f"x-{n:012x}"
        board.apply(ev.ExperimentPlanned(Experiment(name, n, of, n % 2, "search", "cpu", f"h-{n - n % 2}")))
        board.apply(ev.AttemptStarted(f"{name}.1", name))
        result = Measured({"loss": rng.random(), "memory": rng.random()})
        at = 1e9 + n
        board.apply(ev.OutcomeRecorded(Outcome(f"{name}.1", name, result, "cpu", Usage(1, 1, 100), at, at + 1)))
    return board


def resident_mb() -> float:
    """Return what the process holds at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a row a format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=100_000)
    wanted = parser.parse_args().experiments
    table = table_of(board_of(wanted), "experiments")
    alone = resident_mb()
    print(f"{wanted} experiments, the board alone: {alone:.0f} MB")
    print(f"{'format':<9} {'seconds':>8} {'more MB':>8} {'file MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for form in (*FORMS[1:], FORMS[0]):  # Parquet last: Arrow stays loaded
            path, began = Path(folder) / f"x.{form}", time.monotonic()
            write_file(table, form, path)
            took, more = time.monotonic() - began, resident_mb() - alone
            print(f"{form:<9} {took:>8.1f} {more:>8.0f} {path.stat().st_size / 1e6:>8.1f}")


if __name__ == "__main__":
    main()
