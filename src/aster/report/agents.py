"""Agents in numbers: their directions, what they handed back, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from aster.board import Board
from aster.board.research import AssignmentState, Line, ModelState
from aster.domain.research import ROLES, Handoff, ModelChoice, Role
from aster.report.waiting import WaitRow, wait_row, waited_text

TROUBLED = 3
"""Calls in a row that fail before a model counts as in trouble: one or two happen to all of them."""


class LineRow(Struct, frozen=True):
    """A direction that agents work in.

    Attributes:
        expected: the gain that the planner expects; `best`: the best over a parent; in the metric's units.
        helped: findings with a success, of `findings`.
        agents: assignments under way. `waiting`: hypotheses that no subagent has had. `vetoed`: those turned down.
        usd: settled for its agents.
        handoff: what its worker handed back last.
    """

    direction: str
    surface: str
    rationale: str
    success: str
    novelty: str
    expected: float | None
    weight: float
    retired: str | None
    experiments: int
    findings: int
    helped: int
    best: float | None
    agents: int
    waiting: int
    vetoed: int
    usd: float
    handoff: Handoff | None


class ModelRow(Struct, frozen=True):
    """A model and how it has done. `gained`: by subagents' assignments that it ended, in the metric's units.

    `troubles`: calls that failed since its last answer; `last_error` says how; `cut_off`: why it is asked no more.
    """

    model: str
    roles: tuple[Role, ...]
    priced: bool
    answered: int
    refused: int
    unknown: int
    troubles: int
    last_error: str
    cut_off: str
    tokens: int
    usd: float
    assignments: int
    gained: float


class RoleRow(Struct, frozen=True):
    """All assignments of a role, by what became of them; what critics used counts with their workers.

    `live`: under way. `failed`: the provider or the model let it down. `spent`: out of an allowance.
    """

    role: Role
    assignments: int
    live: int
    done: int
    spent: int
    failed: int
    cancelled: int
    requests: int
    tokens: int
    usd: float
    experiments: int


class NoteRow(Struct, frozen=True):
    """What a subagent handed back. `unbacked`: its numbers that no experiment gave, which others are not told.

    `logged`: those that only a log shows, which others are told as such.
    """

    assignment: str
    surface: str
    text: str
    dead_end: bool
    unbacked: tuple[str, ...]
    evidence: tuple[str, ...]
    concerns: str
    logged: tuple[str, ...] = ()


class VetoRow(Struct, frozen=True):
    """A hypothesis that was turned down before it cost an experiment; `kind`: veto, later or merge."""

    surface: str
    change: str
    by: str
    reason: str
    kind: str = "veto"


class AgentsView(Struct, frozen=True):
    """Research by language models, so far.

    Attributes:
        one_shot: how subagents work: one answer with edits, else a conversation with tools.
        most: agents side by side, at most. `calls`: under way.
        usd, tokens: settled. `reserved_usd`, `reserved_tokens`: held by calls that are under way or were cut off.
        over_usd: what providers reported beyond what was reserved, and is not counted.
        candidates: made by subagents, an experiment each; `tokens_each`, `usd_each`: of subagents, for one of them.
        steering: (what a person told the planner, whether it was told yet), oldest first.
        waits: calls that wait, or had to.
    """

    one_shot: bool
    most: int
    calls: int
    usd: float
    tokens: int
    reserved_usd: float
    reserved_tokens: int
    over_usd: float
    limit_usd: float | None
    limit_tokens: int | None
    candidates: int
    tokens_each: float | None
    usd_each: float | None
    lines: tuple[LineRow, ...]
    models: tuple[ModelRow, ...]
    roles: tuple[RoleRow, ...]
    notes: tuple[NoteRow, ...]
    vetoes: tuple[VetoRow, ...]
    steering: tuple[tuple[str, bool], ...]
    waits: WaitRow

    @property
    def live(self) -> int:
        """Agents at work."""
        return sum(row.live for row in self.roles)

    @property
    def waited(self) -> str:
        """What calls waited for, and how often one was made again, in words; "" for nothing."""
        return waited_text(self.waits)

    @property
    def unbacked(self) -> int:
        """Notes with numbers that no experiment gave."""
        return sum(bool(row.unbacked) for row in self.notes)


def agents_view(board: Board) -> AgentsView | None:
    """Return how a campaign's agents have done, or None if it has none."""
    setup, research = board.setup, board.research
    if not setup.models:
        return None
    bill = research.bill
    roles = tuple(_roles(board))
    made = next(row for row in roles if row.role == "subagent")
    return AgentsView(
        one_shot=setup.one_shot,
        most=setup.agents,
        calls=len(research.calls),
        usd=bill.usd,
        tokens=bill.tokens,
        reserved_usd=bill.reserved_usd,
        reserved_tokens=bill.reserved_tokens,
        over_usd=bill.over_usd,
        limit_usd=setup.limits.usd,
        limit_tokens=setup.limits.tokens,
        candidates=made.experiments,
        tokens_each=made.tokens / made.experiments if made.experiments else None,
        usd_each=made.usd / made.experiments if made.experiments else None,
        lines=tuple(_lines(board)),
        models=tuple(_model(model, research.models.get(model.name) or ModelState()) for model in setup.models),
        roles=roles,
        notes=tuple(_notes(board)),
        vetoes=tuple(_vetoes(board)),
        steering=tuple((text, at < research.steered) for at, text in enumerate(research.steering)),
        waits=wait_row(board),
    )


def _lines(board: Board) -> Iterator[LineRow]:
    wins: dict[str, int] = {}
    for finding in board.findings:
        owner = board.hypotheses[finding.hypothesis].direction
        wins[owner] = wins.get(owner, 0) + finding.success
    vetoed: dict[str, int] = {}
    for direction, _ in board.research.vetoes:
        vetoed[direction] = vetoed.get(direction, 0) + 1
    for key, line in board.research.lines.items():
        yield _line(board, key, line, wins.get(key, 0), vetoed.get(key, 0))


def _line(board: Board, key: str, line: Line, helped: int, vetoed: int) -> LineRow:
    state, record = board.directions[key], line.record
    return LineRow(
        direction=key,
        surface=record.surface,
        rationale=record.rationale,
        success=record.success,
        novelty=record.novelty,
        expected=record.expected,
        weight=line.weight,
        retired=state.retired,
        experiments=state.experiments,
        findings=len(state.yields),
        helped=helped,
        best=max((gain for gain, _ in state.yields if gain is not None), default=None),
        agents=len(line.busy),
        waiting=len(line.drafts),
        vetoed=vetoed,
        usd=line.usd,
        handoff=line.handoff,
    )


def _model(model: ModelChoice, state: ModelState) -> ModelRow:
    return ModelRow(
        model=model.name,
        roles=model.roles,
        priced=model.price is not None,
        answered=state.answered,
        refused=state.refused,
        unknown=state.unknown,
        troubles=state.troubles,
        last_error=state.last_error,
        cut_off=state.cut_off,
        tokens=state.tokens,
        usd=state.usd,
        assignments=len(state.yields),
        gained=sum(gain for gain, _ in state.yields),
    )


def _roles(board: Board) -> Iterator[RoleRow]:
    by_role: dict[str, list[AssignmentState]] = {role: [] for role in ROLES if role != "critic"}
    for state in board.research.assignments.values():
        by_role[state.record.role].append(state)
    for role in ROLES:
        if role in by_role:
            yield _role(role, by_role[role])


def _role(role: Role, states: list[AssignmentState]) -> RoleRow:
    endings = [state.ending for state in states]
    return RoleRow(
        role=role,
        assignments=len(states),
        live=endings.count(None),
        done=endings.count("done"),
        spent=endings.count("spent"),
        failed=endings.count("failed"),
        cancelled=endings.count("cancelled"),
        requests=sum(state.requests for state in states),
        tokens=sum(state.tokens for state in states),
        usd=sum(state.usd for state in states),
        experiments=sum(state.experiments for state in states),
    )


def _notes(board: Board) -> Iterator[NoteRow]:
    for assignment, note in board.research.notes:
        direction = board.research.assignments[assignment].record.direction
        yield NoteRow(
            assignment,
            surface_of(board, direction),
            note.text,
            note.dead_end,
            note.unbacked,
            note.evidence,
            note.concerns,
            note.logged,
        )


def _vetoes(board: Board) -> Iterator[VetoRow]:
    for direction, veto in board.research.vetoes:
        surface = veto.surface or surface_of(board, direction)
        yield VetoRow(surface, veto.draft.change, veto.by, veto.reason, veto.kind)


def surface_of(board: Board, direction: str | None) -> str:
    """Return the surface of a direction; "" for none."""
    state = board.directions.get(direction or "")
    return state.record.surface if state is not None else ""
