"""Runs of two candidates of a campaign."""

from __future__ import annotations

from collections.abc import Iterator

from aster.board import Board, ExperimentState
from aster.comparing.sides import Run, Side
from aster.errors import UserError
from aster.report.wording import clean

WORDS = ("baseline", "champion", "best")


def sides_of(board: Board, a: str, b: str) -> tuple[Side, Side]:
    """Return the measured runs of two candidates on one kind of hardware.

    If a claim was made between them, they are the runs of the latest one, on seeds that no search has used; else all
    runs that search and claims made of each, and a note says so.

    Raises:
        UserError: no such candidate, or both names mean the same one.
    """
    first, second = _named(board, a), _named(board, b)
    if first == second:
        raise UserError(f"{a} and {b} are the same candidate, {first}: there is nothing to compare.")
    claim = _claimed(board, first, second)
    if claim is not None:
        number, runs = claim
        note = f"fresh runs of claim {number}"
        return tuple(  # type: ignore[return-value]  # two of them
            Side(_called(board, each), tuple(_run(board, x) for x in runs.get(each, ())), note)
            for each in (first, second)
        )
    kind = _kind(board, first, second)
    note = "the search's own runs: of the best of many they flatter"
    return tuple(  # type: ignore[return-value]
        Side(_called(board, each), tuple(_run(board, x) for x in _measured(board, each, kind)), note)
        for each in (first, second)
    )


def _named(board: Board, wanted: str) -> str:
    if wanted in WORDS:
        found = {"baseline": board.baseline, "champion": board.champion, "best": board.best_unconfirmed()}[wanted]
        if found is None:
            raise UserError(
                f"The campaign has no {wanted} (yet). Name a candidate by the beginning of its id; "
                "`aster export ID --what candidates` lists them."
            )
        return found
    fits = [key for key in board.candidates if wanted and key.startswith(wanted)]
    if wanted in fits:
        return wanted
    if len(fits) != 1:
        raise UserError(
            f"{clean(wanted, 80)!r} is no file, and begins {len(fits) or 'no'} candidate ids of campaign "
            f"{board.campaign}; a candidate is {', '.join(WORDS)}, or the beginning of an id "
            "(`aster export ID --what candidates` lists them)."
        )
    return fits[0]


def _called(board: Board, candidate: str) -> str:
    label = clean(board.candidates[candidate].label, 40)
    return f"{label} ({candidate[:8]})" if label else candidate[:8]


def _claimed(board: Board, first: str, second: str) -> tuple[int, dict[str, list[ExperimentState]]] | None:
    """Return (number, the runs of each) of the latest decided claim between two candidates, or None."""
    for state in reversed(board.claims.values()):
        record = state.record
        if {record.candidate, record.against} != {first, second} or state.decided is None or record.exact:
            continue
        runs: dict[str, list[ExperimentState]] = {}
        kinds = set()
        for seed in record.seeds:
            for candidate in (first, second):
                experiment = board.experiments[state.experiments[(candidate, seed)]]
                if experiment.metrics is not None and experiment.outcome is not None:
                    runs.setdefault(candidate, []).append(experiment)
                    kinds.add(experiment.outcome.hardware)
        if len(kinds) == 1:
            return record.number, runs
    return None


def _measured(board: Board, candidate: str, kind: str | None = None) -> Iterator[ExperimentState]:
    for name in board.experiments_of.get(candidate, ()):
        state = board.experiments[name]
        if state.metrics is None or state.outcome is None or state.record.purpose in ("check", "diagnosis"):
            continue
        if state.record.artifact is None and kind in (None, state.outcome.hardware):
            yield state


def _kind(board: Board, first: str, second: str) -> str:
    """Return the kind of hardware on which both have the most runs, the current one where that is no fewer."""
    kinds = [[s.outcome.hardware for s in _measured(board, each) if s.outcome] for each in (first, second)]
    known = [board.hardware, *dict.fromkeys(kind for each in kinds for kind in each)]
    return max(known, key=lambda kind: min(each.count(kind) for each in kinds))


def _run(board: Board, state: ExperimentState) -> Run:
    seed = {"seed": str(state.record.seed)} if board.setup.paired else {}
    return Run(state.metrics or {}, seed)
