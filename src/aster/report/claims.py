"""Claims as a reader checks them: the verdict, the pairs that it rests on, and their attempts."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from aster.board import Board, ClaimState, ExperimentState
from aster.domain.constraints import BoundTest
from aster.errors import UserError


class Pair(Struct, frozen=True):
    """The claimed candidate and the one that it must beat, measured on one seed.

    `experiment` and `other` are their experiments, `attempt` and `other_attempt` the attempts that count.
    """

    seed: int
    new: float
    old: float
    experiment: str
    other: str
    attempt: str
    other_attempt: str


class ClaimView(Struct, frozen=True):
    """A claim with its verdict, "testing" until there is one. Gains are in the metric's units, positive is better.

    Attributes:
        level: confidence level of the interval, 1 - 2 alpha.
        planned: pairs fixed beforehand.
        pairs: those that are complete, on one kind of hardware each.
        ended: how many of its experiments have ended, of `2 * planned`.
        bounds: what its experiments tell of each mean that has to keep a bound.
    """

    id: str
    number: int
    candidate: str
    against: str
    verdict: Literal["confirmed", "refuted", "undecided", "testing"]
    gain: float | None
    low: float | None
    high: float | None
    alpha: float
    level: float
    least: float
    seen: float
    sd: float
    power: float | None
    expected: float | None
    exact: bool
    paired: bool
    planned: int
    pairs: tuple[Pair, ...]
    ended: int
    note: str
    bounds: tuple[BoundTest, ...] = ()


class TraceRow(Struct, frozen=True):
    """One experiment behind a claim: which attempt counts, and what it measured.

    `value` is None where it did not measure, `attempt` is "" and `started` 0 where it has not ended. `artifact` is
    the experiment whose stored outputs were scored again, None where the candidate's code ran.
    """

    role: Literal["claimed", "against", "scored artifact"]
    experiment: str
    attempt: str
    candidate: str
    seed: int
    status: str
    value: float | None
    hardware: str
    started: float
    seconds: float
    artifact: str | None


def claim_views(board: Board) -> list[ClaimView]:
    """Return every claim of the campaign, oldest first."""
    return [claim_view(board, claim) for claim in board.claims.values()]


def claim_view(board: Board, claim: ClaimState) -> ClaimView:
    """Return one claim with its complete pairs."""
    record, decided = claim.record, claim.decided
    states = [board.experiments[x] for x in claim.experiments.values()]
    return ClaimView(
        id=record.id,
        number=record.number,
        candidate=record.candidate,
        against=record.against,
        verdict=decided.verdict if decided else "testing",
        gain=decided.gain if decided else None,
        low=decided.low if decided else None,
        high=decided.high if decided else None,
        alpha=record.alpha,
        level=1.0 - 2.0 * record.alpha,
        least=record.least,
        seen=record.seen,
        sd=record.sd,
        power=record.power,
        expected=record.expected,
        exact=record.exact,
        paired=record.paired,
        planned=len(record.seeds),
        pairs=_pairs(board, claim),
        ended=sum(state.outcome is not None for state in states),
        note=decided.note if decided else "",
        bounds=decided.bounds if decided else (),
    )


def champion_claim(board: Board) -> ClaimView | None:
    """Return the latest confirmed claim, which made the champion; None where nothing was confirmed."""
    for claim in reversed(board.claims.values()):
        if claim.decided is not None and claim.decided.verdict == "confirmed":
            return claim_view(board, claim)
    return None


def trace(board: Board, claim: str) -> list[TraceRow]:
    """Return the experiments that a claim rests on, pair by pair, then the ones whose artifacts were scored again.

    Raises:
        UserError: the campaign has no claim of that id; the text lists those it has.
    """
    state = board.claims.get(claim)
    if state is None:
        known = ", ".join(board.claims) or "none yet"
        raise UserError(f"This campaign has no claim {claim!r}. Its claims are: {known}.")
    record, rows = state.record, []
    for seed in record.seeds:
        for candidate in (record.candidate, record.against):
            experiment = state.experiments.get((candidate, seed))
            if experiment is not None:
                role: Literal["claimed", "against"] = "claimed" if candidate == record.candidate else "against"
                rows.append(_row(board, board.experiments[experiment], role))
    scored = dict.fromkeys(row.artifact for row in rows if row.artifact is not None)
    return rows + [_row(board, board.experiments[x], "scored artifact") for x in scored]


def _row(board: Board, state: ExperimentState, role: Literal["claimed", "against", "scored artifact"]) -> TraceRow:
    record, outcome, metrics = state.record, state.outcome, state.reported
    return TraceRow(
        role=role,
        experiment=record.id,
        attempt=outcome.attempt if outcome else "",
        candidate=record.candidate,
        seed=record.seed,
        status=status_of(state),
        value=metrics[board.setup.objective.metric] if metrics else None,
        hardware=outcome.hardware if outcome else "",
        started=outcome.started if outcome else 0.0,
        seconds=outcome.usage.wall_s if outcome else 0.0,
        artifact=record.artifact,
    )


def status_of(state: ExperimentState) -> str:
    """Return its status with spaces, such as "timed out"; running or waiting before the end; a check passed."""
    if state.status is None:
        return "running" if state.attempt is not None else "waiting"
    if state.record.purpose == "check" and state.status == "measured":
        return "passed"
    return state.status.replace("_", " ")


def _pairs(board: Board, claim: ClaimState) -> tuple[Pair, ...]:
    """Return the pairs that a verdict may use, by the same rule as `evidence.verdict.decide_claim`."""
    record, metric, found = claim.record, board.setup.objective.metric, []
    for seed in record.seeds:
        names = [claim.experiments.get((c, seed)) for c in (record.candidate, record.against)]
        new, old = (board.experiments.get(name or "") for name in names)
        if new is None or old is None or new.outcome is None or old.outcome is None:
            continue
        if new.metrics is None or old.metrics is None:
            continue
        if record.exact or new.outcome.hardware == old.outcome.hardware:
            values = new.metrics[metric], old.metrics[metric]
            attempts = new.outcome.attempt, old.outcome.attempt
            found.append(Pair(seed, *values, new.record.id, old.record.id, *attempts))
    return tuple(found)
