"""A campaign as tables for other programs: typed columns, one row a record, made one after another.

A table is made from the board as it is read, so that a campaign of any length costs no memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct, to_builtins

from aster.board import Board, ExperimentState
from aster.domain.records import Candidate, Measured, Outcome
from aster.errors import UserError
from aster.report.claims import claim_views, status_of
from aster.report.progress import reason_of

Kind = Literal["text", "int", "float", "bool", "time", "json"]
Row = tuple[Any, ...]

METRIC = "metrics."
"""What the name of a metric's column begins with, so that no metric can take another column's name."""


class Column(Struct, frozen=True):
    """A column. Any value may be None: there is none.

    `kind`: "time" is an aware datetime in UTC, "json" lists and objects as `json.loads` gives them. `unit` is "" where
    there is none.
    """

    name: str
    kind: Kind
    unit: str = ""


class Table(Struct, frozen=True):
    """A table of `size` rows. `rows` makes them anew at each call; values stand in the order of the columns.

    `about`: what the file says of the campaign: its id, problem, metric and goal.
    """

    name: str
    columns: tuple[Column, ...]
    size: int
    rows: Callable[[], Iterator[Row]]
    about: dict[str, str]


def table_of(board: Board, name: str) -> Table:
    """Return one of the campaign's tables: "experiments", "claims", "candidates" or "findings".

    Raises:
        UserError: there is no table of that name.
    """
    if name not in _TABLES:
        raise UserError(f"There is no table {name!r}; choose one of: {', '.join(_TABLES)}.")
    objective = board.setup.objective
    about = {
        "campaign": board.campaign, "problem": board.setup.problem, "table": name,
        "metric": objective.metric, "goal": objective.goal, "self_reported": str(objective.self_reported).lower(),
    }  # fmt: skip
    return _TABLES[name](board, about)


def _columns(text: str) -> tuple[Column, ...]:
    """Read columns from a line: name:kind:unit, with blanks between them; kind "text" where none is named."""
    parts = [(*word.split(":"), "", "")[:3] for word in text.split()]
    return tuple(Column(name, kind or "text", unit) for name, kind, unit in parts)  # type: ignore[arg-type]


def _utc(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


# --- experiments -----------------------------------------------------------------------------------------------

_BEFORE = _columns(
    "campaign experiment decision:int candidate label author surface hypothesis change purpose seed:int claim artifact "
    "hardware status reason"
)
_AFTER = _columns(
    "attempt attempts:int started:time ended:time wall:float:s cpu:float:s max_rss:float:MiB gpu:float:s progress:json "
    "root recipe:json settings:json"
)


def _experiments(board: Board, about: dict[str, str]) -> Table:
    metrics = _metrics(board)
    columns = (*_BEFORE, *(Column(METRIC + metric, "float") for metric in metrics), *_AFTER)

    def rows() -> Iterator[Row]:
        return (_experiment(board, state, metrics) for state in board.counted)

    return Table("experiments", columns, sum(1 for _ in board.counted), rows, about)


def _metrics(board: Board) -> list[str]:
    """Return the names of all that was measured, the objective first, the others sorted."""
    names: set[str] = set()
    for state in board.counted:
        if state.status in ("measured", "infeasible"):
            names.update(state.reported or ())
    objective = board.setup.objective.metric
    return [objective, *sorted(names - {objective})]


def _experiment(board: Board, state: ExperimentState, metrics: list[str]) -> Row:
    record, outcome, made = state.record, state.outcome, board.candidates[state.record.candidate]
    surface, change = _purpose(board, record.hypothesis)
    measured = outcome.result.metrics if outcome and isinstance(outcome.result, Measured) else {}
    return (
        board.campaign, record.id, record.decision, record.candidate, made.label, made.author, surface,
        record.hypothesis, change, record.purpose, record.seed, record.claim, record.artifact,
        outcome.hardware if outcome else record.hardware, status_of(state), _reason(board, outcome),
        *(measured.get(metric) for metric in metrics),
        *_ended(outcome, state), *_made(made),
    )  # fmt: skip


def _purpose(board: Board, hypothesis: str | None) -> tuple[str | None, str | None]:
    """Return the surface that a hypothesis is about, and its change."""
    if hypothesis is None or hypothesis not in board.hypotheses:
        return None, None
    known = board.hypotheses[hypothesis]
    direction = board.directions.get(known.direction)
    return direction.record.surface if direction else None, known.change


def _reason(board: Board, outcome: Outcome | None) -> str | None:
    found = reason_of(outcome, board.setup) if outcome else None
    return found[1] if found else None


def _ended(outcome: Outcome | None, state: ExperimentState) -> Row:
    if outcome is None:
        return (state.attempt, state.attempts, None, None, None, None, None, None, None)
    used = outcome.usage
    times = _utc(outcome.started), _utc(outcome.ended)
    progress = [list(point) for point in outcome.progress]
    return (outcome.attempt, state.attempts, *times, used.wall_s, used.cpu_s, used.max_rss_mb, used.gpu_s, progress)


def _made(candidate: Candidate) -> Row:
    return candidate.root, list(to_builtins(candidate.recipe)), dict(candidate.settings)


# --- claims, candidates, findings --------------------------------------------------------------------------------

_CLAIM = _columns(
    "campaign claim number:int candidate label against verdict gain:float low:float high:float level:float pairs:int "
    "planned:int alpha:float least:float seen:float expected:float sd:float power:float exact:bool paired:bool note"
)
_CANDIDATE = _columns(
    "campaign candidate label author hypothesis surface change parents:json mean:float sd:float seeds:int "
    "confirmed:bool tree root recipe:json settings:json"
)
_FINDING = _columns("campaign hypothesis surface change success:bool gain:float experiment candidate text")


def _claims(board: Board, about: dict[str, str]) -> Table:
    def rows() -> Iterator[Row]:
        for view in claim_views(board):
            yield (
                board.campaign, view.id, view.number, view.candidate, board.candidates[view.candidate].label,
                view.against, view.verdict, view.gain, view.low, view.high, view.level, len(view.pairs), view.planned,
                view.alpha, view.least, view.seen, view.expected, view.sd, view.power, view.exact, view.paired,
                view.note,
            )  # fmt: skip

    return Table("claims", _CLAIM, len(board.claims), rows, about)


def _candidates(board: Board, about: dict[str, str]) -> Table:
    won = {
        claim.record.candidate
        for claim in board.claims.values()
        if claim.decided is not None and claim.decided.verdict == "confirmed"
    }

    def rows() -> Iterator[Row]:
        for key in board.candidates:
            made, score = board.candidates[key], board.score(key)
            known = (score.mean, score.sd, score.n) if score else (None, None, 0)
            yield (
                board.campaign, key, made.label, made.author, made.hypothesis, *_purpose(board, made.hypothesis),
                list(made.parents), *known, key in won, made.tree, *_made(made),
            )  # fmt: skip

    return Table("candidates", _CANDIDATE, len(board.candidates), rows, about)


def _findings(board: Board, about: dict[str, str]) -> Table:
    def rows() -> Iterator[Row]:
        for finding in board.findings:
            candidate = board.experiments[finding.experiment].record.candidate
            yield (
                board.campaign, finding.hypothesis, *_purpose(board, finding.hypothesis), finding.success, finding.gain,
                finding.experiment, candidate, finding.text,
            )  # fmt: skip

    return Table("findings", _FINDING, len(board.findings), rows, about)


_TABLES: dict[str, Callable[[Board, dict[str, str]], Table]] = {
    "experiments": _experiments,
    "claims": _claims,
    "candidates": _candidates,
    "findings": _findings,
}
TABLES = tuple(_TABLES)
