"""What the live view knows: noted in the campaign's thread, read by the one that draws.

Noting costs O(1) an event (a walk over the board's history once, when a campaign is resumed), and reading copies a
bounded number of rows, so that a view costs the same at ten experiments and at a hundred thousand.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import starmap
from time import monotonic

from aster.board import Board, ClaimState
from aster.cli.agents import trouble_text
from aster.cli.words import claim_text, clean, gain_text, name_of, noise_text, number, places, verdict_text
from aster.domain import events as ev
from aster.domain.records import Finding
from aster.domain.research import ROLES
from aster.evidence.verdict import champion_value
from aster.report.waiting import waiting_lines

FINDINGS = 6
"""Findings that are kept, the latest."""


@dataclass
class Surface:
    """All directions on one surface. `gain` sums the gains of its findings over their parents, losses left out.

    `agents` are at work in it now, and `usd` is what models were paid for it.
    """

    name: str
    experiments: int = 0
    findings: int = 0
    successes: int = 0
    gain: float = 0.0
    state: str = "open"
    agents: int = 0
    usd: float = 0.0

    @property
    def per_experiment(self) -> float:
        """Gain per experiment, in the metric's units."""
        return self.gain / self.experiments if self.experiments else 0.0


@dataclass(frozen=True)
class Agents:
    """Who is at work, and what models came to; reserved is what calls under way may cost at most."""

    most: int
    working: tuple[tuple[str, int], ...] = ()
    calls: int = 0
    usd: float = 0.0
    reserved_usd: float = 0.0
    usd_limit: float | None = None
    tokens: int = 0
    reserved_tokens: int = 0
    tokens_limit: int | None = None
    trouble: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glance:
    """A campaign at one moment, in words and numbers that can be drawn as they are.

    `wall_s` is active wall time up to now; `attempt_s` the mean duration of an attempt, None before the first.
    """

    title: str = ""
    campaign: str = ""
    metric: str = ""
    slots: int = 1
    baseline: str = ""
    best: str = ""
    best_name: str = ""
    best_proven: bool = False
    champion: str = ""
    champion_name: str = ""
    champion_gain: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    running: int = 0
    lost: int = 0
    planned: int = 0
    most: int | None = None
    wall_s: float = 0.0
    wall_limit_s: float | None = None
    attempt_s: float | None = None
    surfaces: tuple[Surface, ...] = ()
    surfaces_hidden: int = 0
    findings: tuple[tuple[bool, str], ...] = ()
    claim: str = ""
    pairs_done: int = 0
    pairs: int = 0
    verdict: str = ""
    ending: str = ""
    ended: str = ""
    agents: Agents | None = None

    @property
    def left_s(self) -> float | None:
        """About how many seconds are left until a ceiling is reached; None if nothing tells."""
        guesses = []
        if self.wall_limit_s is not None:
            guesses.append(self.wall_limit_s - self.wall_s)
        if self.most is not None and self.attempt_s is not None:
            guesses.append((self.most - self.planned + self.running) * self.attempt_s / self.slots)
        return max(0.0, min(guesses)) if guesses else None


class Watch:
    """Keeps a `Glance` up to date. `note` and `look` may be called from different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = Glance()
        self._primed = False
        self._surfaces: dict[str, Surface] = {}
        self._findings: deque[tuple[bool, str]] = deque(maxlen=FINDINGS)
        self._best: tuple[str, int, str | None] | None = None
        self._working: Counter[str] = Counter()
        self._billed: dict[str, float] = {}
        self._wall = 0.0, monotonic()
        """The wall time that the ledger told last, and when it did; it goes on from there."""

    def look(self, most_surfaces: int) -> Glance:
        """Return what is known now, with at most so many surfaces: the open ones first, then the best yields."""
        with self._lock:
            rows = sorted(self._surfaces.values(), key=lambda s: (s.state != "open", -s.per_experiment))
            now = self._now
            return replace(
                now,
                wall_s=self._wall[0] if now.ended else self._elapsed(),
                surfaces=tuple(replace(row) for row in rows[:most_surfaces]),
                surfaces_hidden=max(0, len(rows) - most_surfaces),
                findings=tuple(self._findings),
            )

    def note(self, board: Board, events: Sequence[ev.Event]) -> None:
        """Take in events that `board` has folded."""
        with self._lock:
            if not self._primed:
                self._prime(board)
            else:
                for event in events:
                    self._take(board, event)
            self._count(board)

    def _prime(self, board: Board) -> None:
        """Start from a board that may hold a long history."""
        self._primed = True
        self._wall = board.spend.wall_s, monotonic()
        setup = board.setup
        self._now = Glance(
            title=clean(setup.title, 100),
            campaign=board.campaign,
            metric=clean(setup.objective.shown, 56),
            slots=setup.slots,
            most=setup.limits.experiments,
            wall_limit_s=setup.limits.wall_s,
        )
        for key, state in board.directions.items():
            row = self._surface(board, key)
            row.experiments += state.experiments
            row.state = "open" if state.retired is None else _short(state.retired)
        for line in board.research.lines.values():
            self._pay(board, line.record.id)
        for name in board.research.live:
            self._put_to_work(board, name, 1)
        for finding in board.findings:
            self._learn(board, finding)
        for claim in board.claims.values():
            if claim.decided is not None:
                self._decide(board, claim)

    def _take(self, board: Board, event: ev.Event) -> None:
        match event:
            case ev.DirectionOpened(direction=direction):
                self._surface(board, direction.id).state = "open"
            case ev.DirectionRetired(direction=key, reason=reason):
                self._surface(board, key).state = _short(reason)
            case ev.ExperimentPlanned(experiment=experiment):
                state = board.direction_of(experiment)
                if state is not None:
                    self._surface(board, state.record.id).experiments += 1
            case ev.FindingRecorded(finding=finding):
                self._learn(board, finding)
            case ev.AssignmentGiven(assignment=assignment):
                self._put_to_work(board, assignment.id, 1)
            case ev.AssignmentEnded(assignment=name):
                self._put_to_work(board, name, -1)
            case ev.CallSettled(settled=settled):
                agent = settled.call.partition("/")[0].partition(".")[0]
                self._pay(board, board.research.assignments[agent].record.direction)
            case ev.ClaimDecided(decided=decided):
                self._decide(board, board.claims[decided.claim])
            case _:
                return

    def _elapsed(self) -> float:
        return self._wall[0] + monotonic() - self._wall[1]

    def _surface(self, board: Board, direction: str) -> Surface:
        name = board.directions[direction].record.surface
        return self._surfaces.setdefault(name, Surface(clean(name, 40)))

    def _put_to_work(self, board: Board, assignment: str, change: int) -> None:
        record = board.research.assignments[assignment].record
        self._working[record.role] += change
        if record.direction is not None:
            self._surface(board, record.direction).agents += change

    def _pay(self, board: Board, direction: str | None) -> None:
        """Take over what a direction was billed; one surface may have had several."""
        if direction is not None and direction in board.research.lines:
            usd = board.research.lines[direction].usd
            self._surface(board, direction).usd += usd - self._billed.get(direction, 0.0)
            self._billed[direction] = usd

    def _agents(self, board: Board) -> Agents | None:
        setup, bill = board.setup, board.research.bill
        if not setup.models:
            return None
        return Agents(
            most=setup.agents,
            working=tuple((role, self._working[role]) for role in ROLES if self._working[role] > 0),
            calls=len(board.research.calls),
            usd=bill.usd,
            reserved_usd=bill.reserved_usd,
            usd_limit=setup.limits.usd,
            tokens=bill.tokens,
            reserved_tokens=bill.reserved_tokens,
            tokens_limit=setup.limits.tokens,
            trouble=tuple(filter(None, starmap(trouble_text, board.research.models.items()))),
            waiting=tuple(waiting_lines(board.research.waits.now)),
        )

    def _learn(self, board: Board, finding: Finding) -> None:
        row = self._surface(board, board.hypotheses[finding.hypothesis].direction)
        row.findings += 1
        row.successes += finding.success
        row.gain += max(0.0, finding.gain or 0.0)
        self._findings.append((finding.success, clean(finding.text)))

    def _decide(self, board: Board, claim: ClaimState) -> None:
        decided, record, decimals = claim.decided, claim.record, places(board)
        assert decided is not None
        words = f"claim {record.number} {verdict_text(record, decided, decimals)}"
        self._now = replace(self._now, verdict=words)
        if decided.verdict == "confirmed":
            value = champion_value(board)
            gain = gain_text(record, decided, decimals) + (", exact" if record.exact else "")
            self._now = replace(
                self._now,
                champion="" if value is None else number(value, decimals),
                champion_name=name_of(board, record.candidate),
                champion_gain=f"{gain}, over {name_of(board, record.against)}",
            )

    def _count(self, board: Board) -> None:
        """Note what may change with any event. O(1), but for the pairs of a claim under test."""
        spend, done = board.spend, sum(board.tally.values())
        if spend.wall_s > self._elapsed() or board.ended is not None:
            self._wall = max(spend.wall_s, self._elapsed()), monotonic()
        claim = board.open_claim()
        self._now = replace(
            self._now,
            counts=dict(board.tally),
            running=len(board.running),
            lost=board.lost,
            planned=spend.experiments,
            attempt_s=spend.attempt_s / done if done else None,
            claim=claim_text(board, claim.record) if claim else "",
            pairs_done=_pairs_done(board, claim) if claim else 0,
            pairs=len(claim.record.seeds) if claim else 0,
            ending=clean(board.stop) if board.stop is not None else "",
            ended=clean(board.ended) if board.ended is not None else "",
            agents=self._agents(board),
        )
        self._rank(board)

    def _rank(self, board: Board) -> None:
        best = next(iter(board.ranking), None)
        score = board.score(best) if best is not None else None
        noise = board.baseline_score
        if best is None or score is None or noise is None or self._best == (best, noise.n, board.champion):
            return
        self._best = (best, noise.n, board.champion)
        decimals = places(board)
        self._now = replace(
            self._now,
            baseline=f"{number(noise.mean, decimals)} {noise_text(noise.sd, noise.n, decimals)}",
            best="" if best == board.baseline else number(score.mean, decimals),
            best_name=name_of(board, best),
            best_proven=best == board.champion,
        )


def _short(reason: str) -> str:
    """Return the word that a reason for retiring begins with, such as "exhausted"."""
    return clean(reason.partition(":")[0], 30)


def _pairs_done(board: Board, claim: ClaimState) -> int:
    ended: dict[int, int] = {}
    for (_, seed), name in claim.experiments.items():
        ended[seed] = ended.get(seed, 0) + (board.experiments[name].outcome is not None)
    return sum(both == 2 for both in ended.values())
