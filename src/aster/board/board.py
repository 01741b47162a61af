"""The board: one fold of the ledger, in place and indexed.

An event costs O(log n). The board never checks whether a decision was wise; it only keeps the books, so that
folding a ledger gives the same board whatever process does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from sys import intern
from typing import Any

from msgspec.structs import replace

from aster.board.curves import Curves
from aster.board.race import Race
from aster.board.research import RESEARCH_FOLDS, Research
from aster.board.scores import Scores
from aster.board.shelf import Shelf, Words, candidates, hypotheses, shared
from aster.board.states import (
    ArchiveState,
    ClaimState,
    DirectionState,
    ExperimentState,
    Ranking,
    Score,
    Spend,
    planned_at,
)
from aster.domain import events as ev
from aster.domain.ids import made_key
from aster.domain.records import Candidate, Experiment, Finding, Hypothesis, Setup

ANY_HARDWARE = "any"
"""The kind under which exact metrics are kept: a re-scored artifact does not depend on the machine."""


class Board:
    """Everything that is known of one campaign.

    Decisions read only what they have *seen*: in ordered mode an outcome that has arrived waits until the
    decision that may see it, so that the order of arrival cannot matter.
    """

    setup: Setup
    campaign: str
    snapshot: str

    def __init__(self) -> None:
        self.term = self.decision = self.lost = 0
        self.sandboxes: tuple[str, ...] = ()
        """The sandboxes that candidate code ran in, over the campaign's terms, the current one last."""
        self.hardware = ""
        """The kind of hardware of the current term; scores of other kinds are kept but not ranked with it."""
        self.ended: str | None = None
        self.stop: str | None = None
        self.directions: dict[str, DirectionState] = {}
        self.directions_on: dict[str, list[DirectionState]] = {}
        """The directions of each surface, oldest first."""
        self.winners: set[str] = set()
        """The surfaces on which a hypothesis has succeeded."""
        words = Words()
        self.hypotheses: Shelf[Hypothesis] = hypotheses(words)
        self.candidates: Shelf[Candidate] = candidates(words)
        self.recipes: set[int] = set()
        """Keys of the recipes that have a candidate, each with the settings that it took over (`made_key`)."""
        self.composed: set[str] = set()  # the baseline and the candidates that ideas made, without tuned ones
        self.tuned: dict[str, dict[str, None]] = {}
        """By root, the candidates that are its tree with other constants, oldest first."""
        self.children: dict[str, int] = {}  # how many hypotheses branched from a candidate
        self.experiments: dict[str, ExperimentState] = {}
        self.experiments_of: dict[str, list[str]] = {}
        self.baselines: list[str] = []  # its own runs on any hardware, without those that confirm or refute claims
        self.claims: dict[str, ClaimState] = {}
        self.findings: list[Finding] = []
        self.concluded: set[str] = set()  # hypotheses that have a finding
        self.conflicts: set[tuple[str, ...]] = set()
        self.archive = ArchiveState()
        self.spend = Spend()
        self.baseline: str | None = None
        self.champion: str | None = None
        """The candidate of the latest confirmed claim; None until there is one."""
        self.running: dict[str, str] = {}  # attempt -> experiment, for attempts without an end
        self.waiting: dict[str, None] = {}  # experiments without a running attempt and an outcome, oldest first
        self.unseen: dict[str, None] = {}  # experiments whose outcome no decision has seen, in order of arrival
        self.seen: list[str] = []  # experiments in the order in which decisions saw them, without checks
        self.fresh: list[str] = []  # those that the current decision is the first to see
        self.tally: dict[str, int] = {}  # how many outcomes of each kind have arrived
        self.research = Research()
        self.curves: dict[str, Curves] = {}
        """By kind of hardware, the latest intermediate values that decisions have seen."""
        self._scores: dict[str, Scores] = {}  # by kind of hardware
        self._claimed: dict[str, set[str]] = {}
        """By standing candidate, those that were claimed to beat it."""

    # --- reading -----------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """The kind of hardware whose scores may be compared now."""
        return ANY_HARDWARE if self.setup.objective.exact else self.hardware

    @property
    def counted(self) -> Iterator[ExperimentState]:
        """The experiments in the order in which they were planned, without checks."""
        return (state for state in self.experiments.values() if state.record.purpose != "check")

    @property
    def ranking(self) -> Ranking:
        """Fully measured, feasible candidates, best first, on the current kind of hardware.

        Where the campaign races, all that measured, a mean over few seeds with a handicap (`Scores`).
        """
        return self.here.ranking

    @property
    def here(self) -> Scores:
        """What was measured on the current kind of hardware."""
        return self._scores.get(self.kind) or Scores(self.setup, self._claimed)

    def score(self, candidate: str) -> Score | None:
        """Return the candidate's score over the search seeds, on the current kind of hardware, or None."""
        return self.here.of.get(candidate)

    @property
    def race(self) -> Race:
        """The race for search seeds on the current kind of hardware; empty unless the campaign races."""
        return self.here.race

    def gain(self, candidate: str, against: str) -> tuple[float, int] | None:
        """Return (gain, seeds): how much better `candidate` is over the search seeds of both; None if one has none."""
        return self.here.gain(candidate, against)

    @property
    def baseline_score(self) -> Score | None:
        """All the baseline's own runs on the current kind of hardware, which tell the noise; None before any."""
        noise = self.here.noise
        return noise if noise.n else None

    def seen_at(self, candidate: str) -> int:
        """Return how many experiments had been seen when the candidate's latest was; 0 before any."""
        states = (self.experiments[x] for x in self.experiments_of.get(candidate, ()))
        return max((state.place for state in states if state.record.purpose != "repeat"), default=0)

    @property
    def standing(self) -> str | None:
        """The candidate that a claim must beat: the champion, or the baseline before there is one.

        The baseline stands in for a champion that has no score on the current kind of hardware.
        """
        known = self.champion is not None and self.champion in self.ranking
        return self.champion if known else self.baseline

    def unclaimed(self) -> str | None:
        """Return the best-ranked candidate of which no claim against the standing one was opened, or None."""
        return self.here.unclaimed(self.standing or "")

    def best_unconfirmed(self) -> str | None:
        """Return the best-ranked candidate if its mean beats the standing candidate's, else None."""
        standing = self.standing
        best = next(iter(self.ranking), None)
        if best is None or standing is None or best == standing:
            return None
        found = self.gain(best, standing)
        return best if found is not None and found[0] > self.setup.objective.resolution else None

    def open_claim(self) -> ClaimState | None:
        """Return the claim under test, or None. There is at most one."""
        last = next(reversed(self.claims.values()), None)
        return last if last is not None and last.decided is None else None

    def direction_of(self, experiment: Experiment) -> DirectionState | None:
        """Return the direction that an experiment belongs to; None for baselines and confirmations."""
        if experiment.hypothesis is None or experiment.purpose != "search":
            return None
        return self.directions[self.hypotheses[experiment.hypothesis].direction]

    # --- folding -----------------------------------------------------------------------------------------

    def apply(self, event: ev.Event) -> None:
        """Take in one event, in ledger order."""
        kind = type(event)
        if kind in RESEARCH_FOLDS:
            RESEARCH_FOLDS[kind](self.research, event)
        else:
            _FOLDS[kind](self, event)

    def fold(self, entries: Iterable[ev.Entry]) -> Board:
        """Take in entries of a ledger; returns the board itself."""
        for entry in entries:
            self.apply(entry.event)
        return self

    def _opened(self, event: ev.CampaignOpened) -> None:
        self.setup, self.campaign, self.snapshot = event.setup, event.campaign, event.snapshot

    def _term(self, event: ev.TermStarted) -> None:
        self.term, self.hardware, self.ended, self.stop = event.term, event.hardware, None, None
        if event.sandbox:
            self.sandboxes = (*(each for each in self.sandboxes if each != event.sandbox), event.sandbox)
        self.research.term_started()

    def _decision(self, event: ev.DecisionTaken) -> None:
        self.decision = event.number
        self.research.decision_taken(event.heard)
        self.spend.wall_s = max(self.spend.wall_s, event.elapsed)
        arrived = [self.experiments[x] for x in self.unseen]
        if event.sees is not None:
            arrived = sorted((x for x in arrived if x.record.decision <= event.sees), key=planned_at)
        self.fresh = []
        for state in arrived:
            self._see(state)

    def _see(self, state: ExperimentState) -> None:
        record, outcome = state.record, state.outcome
        assert outcome is not None
        del self.unseen[record.id]
        self.fresh.append(record.id)
        if record.purpose == "check":
            state.place = len(self.seen) + 1  # it takes none of its own: patience is counted in experiments
            return
        self.seen.append(record.id)
        state.place = len(self.seen)
        direction = self.direction_of(record)
        if direction is not None:
            direction.seconds += outcome.usage.wall_s
        if state.metrics is not None:
            self._on(outcome.hardware).take(record, state.metrics)
        else:
            held = record.candidate in (self.baseline, self.champion)
            self._on(outcome.hardware).miss(record, state.status, held=held)
        if outcome.progress:
            self.curves.setdefault(outcome.hardware, Curves()).take(record.purpose, state.status, outcome.progress)

    def _on(self, hardware: str) -> Scores:
        kind = ANY_HARDWARE if self.setup.objective.exact else hardware
        if kind not in self._scores:
            self._scores[kind] = Scores(self.setup, self._claimed)
        return self._scores[kind]

    def _direction_opened(self, event: ev.DirectionOpened) -> None:
        state = DirectionState(event.direction)
        self.directions[event.direction.id] = state
        self.research.direction_opened(event.direction)
        if event.direction.by:
            return
        here = self.directions_on.setdefault(event.direction.surface, [])
        if here:
            here[-1].elites_then = frozenset()  # only a surface's latest direction is asked what changed since
        here.append(state)

    def _direction_retired(self, event: ev.DirectionRetired) -> None:
        state = self.directions[event.direction]
        state.retired = event.reason
        state.best_then = next(iter(self.ranking), None)
        state.elites_then = frozenset(self.archive.elites.values())
        state.seen_then = len(self.seen)

    def _hypothesis(self, event: ev.HypothesisProposed) -> None:
        self.hypotheses.put(event.hypothesis.id, event.hypothesis)
        self.research.hypothesis(event.hypothesis)
        parent = event.hypothesis.parent
        self.children[parent] = self.children.get(parent, 0) + 1

    def _candidate(self, event: ev.CandidateAdded) -> None:
        self.candidates.put(event.candidate.id, event.candidate)
        self.research.candidate(event.candidate)
        if event.candidate.root is not None:
            self.tuned.setdefault(event.candidate.root, {})[event.candidate.id] = None
        elif event.candidate.recipe or event.candidate.settings or self.baseline is None:
            self.recipes.add(made_key(event.candidate))
            self.composed.add(intern(event.candidate.id))
        if self.baseline is None:
            self.baseline = event.candidate.id

    def _planned(self, event: ev.ExperimentPlanned) -> None:
        record = shared(event.experiment)
        self.experiments[record.id] = ExperimentState(record)
        self.waiting[record.id] = None
        if record.purpose == "check":
            return
        if record.candidate in self.experiments_of:
            self.experiments_of[record.candidate].append(record.id)
        else:
            self.experiments_of[record.candidate] = [record.id]  # a list of exactly one place: most stay so
        self.research.planned(record)
        if self.setup.racing and record.purpose == "search":
            self._on(record.hardware).race.plan(record.candidate)
        if record.purpose == "baseline":
            self.baselines.append(record.id)
            self._on(record.hardware).race.exempt(record.candidate)
        self.spend.experiments += 1
        if record.claim is not None:
            self.spend.confirm += 1
            self.claims[record.claim].experiments[(record.candidate, record.seed)] = record.id
        direction = self.direction_of(record)
        if direction is not None:
            direction.experiments += 1

    def _attempt(self, event: ev.AttemptStarted) -> None:
        state = self.experiments[event.experiment]
        state.attempts += 1
        state.attempt = event.attempt
        self.waiting.pop(event.experiment, None)
        self.running[event.attempt] = event.experiment

    def _attempt_lost(self, event: ev.AttemptLost) -> None:
        self.lost += 1
        self.running.pop(event.attempt, None)
        state = self.experiments[event.experiment]
        if state.attempt == event.attempt:  # else a later attempt has taken its place
            state.attempt = None
            if state.outcome is None:
                self.waiting[event.experiment] = None

    def _outcome(self, event: ev.OutcomeRecorded) -> None:
        outcome = event.outcome
        self.running.pop(outcome.attempt, None)
        self.spend.attempt_s += outcome.usage.wall_s
        self.spend.gpu_s += outcome.usage.gpu_s
        state = self.experiments[outcome.experiment]
        if state.attempt == outcome.attempt:
            state.attempt = None
        if state.outcome is not None:
            return  # exactly one attempt counts; a duplicate's cost was charged above
        state.end(outcome, self.setup)
        self.waiting.pop(outcome.experiment, None)
        self.unseen[outcome.experiment] = None
        assert state.status is not None
        if state.record.purpose == "check":
            return
        if state.status in ("measured", "infeasible"):
            self.spend.whole_s += outcome.usage.wall_s
        self.tally[state.status] = self.tally.get(state.status, 0) + 1

    def _finding(self, event: ev.FindingRecorded) -> None:
        state = self.experiments[event.finding.experiment]
        finding = replace(event.finding, experiment=state.record.id, hypothesis=intern(event.finding.hypothesis))
        self.findings.append(finding)
        self.concluded.add(finding.hypothesis)
        self.research.finding(finding)
        direction = self.direction_of(state.record)
        if direction is not None and state.outcome is not None:
            direction.yields.append((finding.gain, state.outcome.usage.wall_s))
            direction.dry = 0 if finding.success else direction.dry + 1
            if finding.success:
                self.winners.add(direction.record.surface)

    def _reclustered(self, event: ev.ArchiveReclustered) -> None:
        self.archive.centroids = list(event.centroids)
        self.archive.elites = dict(enumerate(event.elites))
        self.archive.shift, self.archive.scale = event.shift, event.scale
        self.archive.size_clustered = event.size

    def _claim(self, event: ev.ClaimOpened) -> None:
        claim = event.claim
        self.claims[claim.id] = ClaimState(claim)
        self._claimed.setdefault(claim.against, set()).add(claim.candidate)
        for scores in self._scores.values():
            scores.mark(claim.candidate, claim.against)

    def _decided(self, event: ev.ClaimDecided) -> None:
        claim = self.claims[event.decided.claim]
        claim.decided = event.decided
        if event.decided.verdict == "confirmed":
            self.champion = claim.record.candidate

    def _beat(self, event: ev.Heartbeat) -> None:
        self.spend.wall_s = max(self.spend.wall_s, event.elapsed)
        self.research.waits.now = event.waiting

    def _ended(self, event: ev.CampaignEnded) -> None:
        self.ended = event.reason
        self.research.waits.now = ()
        self.spend.wall_s = max(self.spend.wall_s, event.elapsed)


_FOLDS: dict[type, Callable[[Board, Any], None]] = {
    ev.CampaignOpened: Board._opened,
    ev.TermStarted: Board._term,
    ev.DecisionTaken: Board._decision,
    ev.DirectionOpened: Board._direction_opened,
    ev.DirectionRetired: Board._direction_retired,
    ev.HypothesisProposed: Board._hypothesis,
    ev.CandidateAdded: Board._candidate,
    ev.ExperimentPlanned: Board._planned,
    ev.AttemptStarted: Board._attempt,
    ev.AttemptLost: Board._attempt_lost,
    ev.OutcomeRecorded: Board._outcome,
    ev.FindingRecorded: Board._finding,
    ev.EliteNamed: lambda board, event: board.archive.elites.__setitem__(event.cluster, event.candidate),
    ev.ArchiveReclustered: Board._reclustered,
    ev.ClaimOpened: Board._claim,
    ev.ClaimDecided: Board._decided,
    ev.MergeConflicted: lambda board, event: board.conflicts.add(event.ideas),
    ev.Heartbeat: Board._beat,
    ev.StopRequested: lambda board, event: setattr(board, "stop", event.reason),
    ev.CampaignEnded: Board._ended,
}
