"""The campaign in numbers: what was proven, what was learnt, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from aster.board import Board, DirectionState
from aster.domain.records import Change, Limits, Objective, Purpose, Reference
from aster.evidence.design import t_quantile
from aster.report.claims import ClaimView, champion_claim, claim_views, status_of
from aster.report.progress import Level, change_of, level, search_seeds
from aster.report.wording import places_for

Standing = Literal["beaten", "reached", "not reached", "not compared"]


class Standout(Struct, frozen=True):
    """A candidate worth naming: the champion, or the best that is unconfirmed. `level` is what is known of it.

    Attributes:
        low, high: interval of its mean at the claim's level; None where it is exact or not known.
        experiment: the measured experiment whose pictures and artifacts show it, None if there is none.
        beyond: which of its means are beyond what a claim must show, None if all those seen keep their bounds.
    """

    candidate: str
    change: str
    label: str
    level: Level
    low: float | None
    high: float | None
    experiment: str | None
    beyond: str | None = None


class Step(Struct, frozen=True):
    """One step on the way from the baseline to a candidate. `level`: its mean in the search, None if not measured."""

    candidate: str
    change: str
    text: str
    level: Level | None


class Ingredient(Struct, frozen=True):
    """One idea in a recipe, with the knob values that differ from its own, and what its author expected of it."""

    change: Change
    text: str


class DirectionRow(Struct, frozen=True):
    """A direction and its yield. `best` is the best gain over a parent, `seconds` the time of its experiments."""

    surface: str
    rationale: str
    retired: str | None
    experiments: int
    findings: int
    successes: int
    best: float | None
    seconds: float


class FindingRow(Struct, frozen=True):
    """What was learnt from one hypothesis."""

    surface: str
    change: str
    text: str
    success: bool
    gain: float | None
    experiment: str


class ReferenceRow(Struct, frozen=True):
    """A reference and where the champion stands to it; only one under the same conditions is compared."""

    reference: Reference
    standing: Standing


class Costs(Struct, frozen=True):
    """What was spent. Seconds: of the campaign's active wall clock, of all attempts, of leased GPUs."""

    experiments: int
    confirm: int
    wall_s: float
    attempt_s: float
    gpu_s: float
    limits: Limits


class Summary(Struct, frozen=True):
    """The campaign in numbers.

    Attributes:
        counts: experiments by status, those with at least one, in a fixed order.
        unseen: outcomes that have arrived and that no decision has used yet.
        ended: why it ended; None while it runs or after it was cut off.
        champion: the latest confirmed winner; None until there is one.
        unconfirmed: the best-ranked candidate, if it looks better than the champion (or the baseline).
        places: decimals worth printing.
    """

    title: str
    problem: str
    campaign: str
    objective: Objective
    ended: str | None
    baseline: Level | None
    champion: Standout | None
    claim: ClaimView | None
    unconfirmed: Standout | None
    claims: tuple[ClaimView, ...]
    counts: dict[str, int]
    unseen: int
    lost: int
    costs: Costs
    directions: tuple[DirectionRow, ...]
    findings: tuple[FindingRow, ...]
    steps: tuple[Step, ...]
    recipe: tuple[Ingredient, ...]
    references: tuple[ReferenceRow, ...]
    hardware: tuple[str, ...]
    sandboxes: tuple[str, ...]
    places: int

    @property
    def beaten(self) -> str:
        """What the champion's claim beat, in words."""
        confirmed = sum(claim.verdict == "confirmed" for claim in self.claims)
        return "the baseline" if confirmed < 2 else "the champion before it"

    @property
    def subject(self) -> Standout | None:
        """The candidate that the report shows: the champion, else the best unconfirmed."""
        return self.champion or self.unconfirmed


_STATUSES = (
    "measured", "infeasible", "failed", "timed out", "invalid", "stopped early", "cancelled", "running", "waiting"
)  # fmt: skip


def summarize(board: Board) -> Summary:
    """Return the summary of the campaign so far."""
    setup, claim = board.setup, champion_claim(board)
    baseline = baseline_level(board)
    champion = _champion(board, claim) if claim else None
    unconfirmed = _unconfirmed(board)
    subject = champion or unconfirmed
    noise = None if setup.objective.exact or baseline is None else baseline.sd
    shown = [each.level.mean for each in (champion, unconfirmed) if each] or ([baseline.mean] if baseline else [])
    size = min((abs(mean) for mean in shown), default=0.0)
    statuses = [status_of(state) for state in board.counted]
    hardware = {s.outcome.hardware for s in board.counted if s.outcome is not None}
    return Summary(
        title=setup.title,
        problem=setup.problem,
        campaign=board.campaign,
        objective=setup.objective,
        ended=board.ended,
        baseline=baseline,
        champion=champion,
        claim=claim,
        unconfirmed=unconfirmed,
        claims=tuple(claim_views(board)),
        counts={status: statuses.count(status) for status in _STATUSES if status in statuses},
        unseen=sum(board.experiments[x].record.purpose != "check" for x in board.unseen),
        lost=board.lost,
        costs=_costs(board),
        directions=tuple(_directions(board)),
        findings=tuple(_findings(board)),
        steps=tuple(_steps(board, subject.candidate)) if subject else (),
        recipe=tuple(_ingredients(board, subject.candidate)) if subject else (),
        references=tuple(ReferenceRow(r, standing(setup.objective, champion, r)) for r in setup.references),
        hardware=tuple(sorted(hardware or ({board.hardware} if board.hardware else set()))),
        sandboxes=board.sandboxes,
        places=places_for(size, noise),
    )


def baseline_level(board: Board) -> Level | None:
    """Return the mean over all the baseline's own runs on the current hardware kind, which also tell the noise."""
    return level([value for _, value in _values(board, board.baseline, "baseline")]) if board.baseline else None


def search_level(board: Board, candidate: str) -> Level | None:
    """Return the candidate's mean over the search seeds on the current hardware kind, as the search ranks it."""
    seeds = search_seeds(board.setup)
    found = [*_values(board, candidate, "baseline"), *_values(board, candidate, "search")]
    return level([value for seed, value in found if seed in seeds])


def _values(board: Board, candidate: str, purpose: Purpose) -> Iterator[tuple[int, float]]:
    """Yield (seed, value) of the candidate's measured experiments that rankings on the current hardware may use."""
    objective = board.setup.objective
    for experiment in board.experiments_of.get(candidate, ()):
        state = board.experiments[experiment]
        if state.metrics is None or state.outcome is None or state.record.purpose != purpose:
            continue
        if objective.exact or state.outcome.hardware == board.kind:
            yield state.record.seed, state.metrics[objective.metric]


def standing(objective: Objective, champion: Standout | None, reference: Reference) -> Standing:
    """Return where the champion stands to a reference, judged no finer than the reference was published.

    A value printed as 2.635 may be anything up to 2.636, so it is beaten only by more than one unit of its last
    digit; by the lower end of the champion's interval where the metric is noisy.
    """
    if champion is None or not reference.same:
        return "not compared"
    safe = champion.level.mean
    if not objective.exact:
        end = champion.low if objective.goal == "maximize" else champion.high
        if end is None:
            return "not compared"
        safe = end
    if objective.gain(safe, reference.value) > max(reference.unit, objective.resolution):
        return "beaten"
    return "reached" if objective.gain(champion.level.mean, reference.value) >= -objective.resolution else "not reached"


def _champion(board: Board, claim: ClaimView) -> Standout | None:
    """The champion with its mean over the fresh seeds of its claim, which no selection has touched."""
    values = [pair.new for pair in claim.pairs]
    known = level(values)
    if known is None:
        return None
    low = high = None
    if known.sd is not None and not claim.exact:
        half = t_quantile(1.0 - claim.alpha, known.n - 1) * known.sd / known.n**0.5
        low, high = known.mean - half, known.mean + half
    return _standout(board, claim.candidate, known, low, high)


def _unconfirmed(board: Board) -> Standout | None:
    candidate = board.best_unconfirmed()
    known = search_level(board, candidate) if candidate else None
    return _standout(board, candidate, known, None, None) if candidate and known else None


def _standout(board: Board, candidate: str, known: Level, low: float | None, high: float | None) -> Standout:
    record = board.candidates[candidate]
    shown = next(iter(_with_artifacts(board, candidate)), None)
    beyond = board.here.means.beyond(candidate)
    return Standout(candidate, change_of(board, candidate), record.label, known, low, high, shown, beyond)


def _with_artifacts(board: Board, candidate: str) -> Iterator[str]:
    """Yield the candidate's measured experiments, those whose own code made the artifacts first."""
    states = [board.experiments[x] for x in board.experiments_of.get(candidate, ())]
    measured = [s for s in states if s.metrics is not None]
    for state in sorted(measured, key=lambda s: s.record.artifact is not None):
        yield state.record.id


def _costs(board: Board) -> Costs:
    spend = board.spend
    return Costs(spend.experiments, spend.confirm, spend.wall_s, spend.attempt_s, spend.gpu_s, board.setup.limits)


def _directions(board: Board) -> Iterator[DirectionRow]:
    wins: dict[str, int] = {}
    for finding in board.findings:
        owner = board.hypotheses[finding.hypothesis].direction
        wins[owner] = wins.get(owner, 0) + finding.success
    for key, state in board.directions.items():
        yield _direction(state, wins.get(key, 0))


def _direction(state: DirectionState, successes: int) -> DirectionRow:
    gains = [gain for gain, _ in state.yields if gain is not None]
    record = state.record
    return DirectionRow(
        surface=record.surface,
        rationale=record.rationale,
        retired=state.retired,
        experiments=state.experiments,
        findings=len(state.yields),
        successes=successes,
        best=max(gains, default=None),
        seconds=state.seconds,
    )


def _findings(board: Board) -> Iterator[FindingRow]:
    for finding in board.findings:
        hypothesis = board.hypotheses[finding.hypothesis]
        direction = board.directions.get(hypothesis.direction)
        surface = direction.record.surface if direction else hypothesis.direction
        yield FindingRow(
            surface,
            hypothesis.change,
            finding.text.removeprefix(f"{hypothesis.change}: "),
            finding.success,
            finding.gain,
            finding.experiment,
        )


def _steps(board: Board, candidate: str) -> list[Step]:
    """Return the way from the baseline to `candidate` along first parents, at most 100 steps back."""
    way: list[str] = []
    here: str | None = candidate
    while here is not None and here not in way and len(way) < 100:
        way.append(here)
        parents = board.candidates[here].parents
        here = parents[0] if parents and parents[0] in board.candidates else None
    return [_step(board, key) for key in reversed(way)]


def _step(board: Board, candidate: str) -> Step:
    hypothesis = board.hypotheses.get(board.candidates[candidate].hypothesis or "")
    text = hypothesis.text if hypothesis else ""
    return Step(candidate, change_of(board, candidate), text, search_level(board, candidate))


def _ingredients(board: Board, candidate: str) -> Iterator[Ingredient]:
    """Yield the ideas of a recipe, each with the text of the first hypothesis that added it."""
    recipe = board.candidates[candidate].recipe
    wanted = {f"+ {change.idea}": change.idea for change in recipe}
    texts: dict[str, str] = {}
    for hypothesis in board.hypotheses.values():
        idea = wanted.get(hypothesis.change)
        if idea is not None:
            texts.setdefault(idea, hypothesis.text)
    for change in recipe:
        yield Ingredient(change, texts.get(change.idea, ""))
