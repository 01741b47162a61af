"""results.tsv, in the columns that `autoresearch` users know."""

from __future__ import annotations

from aster.board import Board
from aster.report.progress import Miss, Point, Progress, change_of
from aster.report.wording import clean


def results_tsv(board: Board, view: Progress) -> bytes:
    """Return the table: one row per search or baseline experiment that ended, in order of their ends.

    Columns: commit (first 7 hex digits of the candidate's id), the metric by its name (in full precision; empty where
    nothing was measured), memory_gb (peak resident memory in GiB), status and description. Status is "keep" for all
    seeds of a candidate that improved the best so far, "discard" for others, "crash" where there is no number. The
    description is the change, and the commit that it was made on.
    An infeasible experiment keeps its number, and is "discard" like one that was stopped early and has none. Cancelled
    experiments are left out. A metric that candidates report themselves is marked in its heading.
    """
    kept = {record.candidate for record in view.records}
    ends: list[Point | Miss] = sorted([*view.points, *view.misses], key=lambda end: end.x)
    lines = [f"commit\t{clean(board.setup.objective.shown, 80)}\tmemory_gb\tstatus\tdescription"]
    for end in ends:
        commit = _commit(end.candidate)
        memory = f"{end.memory_mb / 1024:.2f}"
        parents = board.candidates[end.candidate].parents
        words = change_of(board, end.candidate) + (f" (on {_commit(parents[0])})" if parents else "")
        if isinstance(end, Point):
            status = "keep" if end.candidate in kept else "discard"
            lines.append(f"{commit}\t{end.value!r}\t{memory}\t{status}\t{clean(words, 200)}")
        else:
            value = "" if end.value is None else repr(end.value)
            status = "discard" if end.kind in ("infeasible", "stopped early") else "crash"
            lines.append(f"{commit}\t{value}\t{memory}\t{status}\t{clean(f'{words} ({end.kind}: {end.reason})', 200)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _commit(candidate: str) -> str:
    return candidate.removeprefix("c-")[:7]
