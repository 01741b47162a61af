"""`aster run --dry-run`: what a campaign would do with its budget, without running or writing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from aster.app import LEDGER, load_campaign
from aster.campaign.budget import HELD_BACK, Budget, check_limits, set_aside
from aster.checking.report import Cost, Pace, cost_of
from aster.domain.ids import tree_id
from aster.domain.records import Mode, Setup
from aster.domain.research import ModelChoice
from aster.errors import AsterError
from aster.evidence.design import MIN_PAIRS, baseline_runs, claim_experiments, fewest_pairs
from aster.evidence.noise import Reach, reach
from aster.handle import Campaign
from aster.minds import choose_researcher, tuned_constants
from aster.problems.problem import Problem
from aster.proposers.ideas import load_ideas
from aster.setup import check_steering, make_setup


class Ground(Struct, frozen=True):
    """What can be tried on one surface: ideas, knobs that they offer, and constants for the tuner."""

    surface: str
    ideas: int = 0
    knobs: int = 0
    constants: int = 0


class Known(Struct, frozen=True):
    """What an earlier campaign measured of the same unchanged solution; `pace` leaves out what Aster adds.

    Attributes:
        sd: of one measurement; None where the metric is exact, or one run was made.
    """

    campaign: str
    hardware: str
    n: int
    mean: float
    sd: float | None
    pace: Pace


class Rehearsal(Struct, frozen=True):
    """The plan of a campaign.

    Attributes:
        experiments: the ceiling, or how many are expected within the wall time; None: not known before a check.
        search: what is left for the search once something is to be confirmed. `held_back`: for claims; None as above.
        claim: the fewest and the most experiments of one claim.
        reach: the smallest gains that claims tell, in units of the noise's sd; empty if exact.
        gains: the same in the metric's units, where the noise is known.
        known: of the youngest campaign on the same solution, or None.
        cost: where an earlier campaign tells how long an experiment takes.
        models, agents, one_shot: as in the campaign's setup. `usd`, `tokens`: the ceilings of model calls.
    """

    problem: str
    title: str
    metric: str
    researcher: str
    mode: Mode
    slots: int
    seed: int
    wall_s: float | None
    limit: int | None
    experiments: int | None
    baseline: int
    search: int | None
    held_back: int | None
    claim: tuple[int, int]
    exact: bool
    paired: bool
    grounds: tuple[Ground, ...]
    reach: tuple[Reach, ...]
    gains: tuple[Reach, ...]
    known: Known | None
    cost: Cost | None
    models: tuple[ModelChoice, ...] = ()
    agents: int = 0
    one_shot: bool = False
    usd: float | None = None
    tokens: int | None = None
    gpu_s: float | None = None


def rehearse(
    problem: Problem,
    budget: Budget,
    *,
    researcher: str | None = None,
    slots: int | None = None,
    seed: int = 0,
    mode: Mode | None = None,
    campaigns: Path = Path("campaigns"),
    models: Sequence[ModelChoice] = (),
    agents: int | None = None,
    one_shot: bool = False,
    directions: str = "",
) -> Rehearsal:
    """Return what `create` and `run` would do with the same arguments.

    Args:
        campaigns: a folder in which an earlier campaign on the same solution may tell its noise and time.

    Raises:
        BudgetError: the budget cannot hold an honest campaign.
        UserError: as `create` does.
    """
    chosen = choose_researcher(problem, researcher, bool(models))
    setup = make_setup(problem, budget, chosen, slots, seed, mode, models=models, agents=agents, one_shot=one_shot)
    check_limits(setup)
    if directions:
        check_steering(setup, directions)
    return _plan(problem, setup, next(_earlier(problem, campaigns), None))


def _plan(problem: Problem, setup: Setup, known: Known | None) -> Rehearsal:
    grounds = tuple(_grounds(problem, setup.researcher))
    limits = setup.limits
    timed = limits.wall_s is not None or limits.gpu_s is not None
    cost = _cost(problem, setup, known.pace) if known is not None else None
    expected = cost.experiments if cost is not None else limits.experiments if not timed else None
    kept = _held_back(setup, expected)
    sizes = sorted({fewest_pairs(setup), _most_pairs(setup, kept)}) if not setup.objective.exact else []
    sd = known.sd if known is not None else None
    return Rehearsal(
        problem=setup.problem,
        title=setup.title,
        metric=setup.objective.metric,
        researcher=setup.researcher,
        mode=setup.mode,
        slots=setup.slots,
        seed=setup.seed,
        wall_s=limits.wall_s,
        limit=limits.experiments,
        experiments=expected,
        baseline=baseline_runs(setup),
        search=None if expected is None or kept is None else max(0, expected - baseline_runs(setup) - kept),
        held_back=kept,
        claim=(claim_experiments(setup, "fewest"), claim_experiments(setup)),
        exact=setup.objective.exact,
        paired=setup.paired,
        grounds=grounds,
        reach=reach(1.0, 0.0, setup.paired, sizes),
        gains=reach(sd, setup.objective.resolution, setup.paired, sizes) if sd is not None else (),
        known=known,
        cost=cost,
        models=setup.models,
        agents=setup.agents,
        one_shot=setup.one_shot,
        usd=limits.usd,
        tokens=limits.tokens,
        gpu_s=limits.gpu_s,
    )


def _cost(problem: Problem, setup: Setup, pace: Pace) -> Cost:
    resources, limits = problem.spec.resources, setup.limits
    by_gpus = None if limits.gpu_s is None else max(1, int(limits.gpu_s / (max(pace.wall_s, 1e-3) * resources.gpus)))
    experiments = [each for each in (limits.experiments, by_gpus) if each is not None]
    return cost_of(
        pace,
        slots=setup.slots,
        cpus=resources.cpus,
        gpus=resources.gpus,
        experiments=min(experiments, default=None),
        wall_s=limits.wall_s,
        price=None,
    )


def _held_back(setup: Setup, expected: int | None) -> int | None:
    """Return how many of the expected experiments are for claims; under a wall time alone it is a share of that."""
    if setup.limits.experiments is not None:
        return set_aside(setup)
    return None if expected is None else round(HELD_BACK * expected)


def _most_pairs(setup: Setup, held_back: int | None) -> int:
    """Return the pairs of the largest claim that the budget lets through."""
    most = max(MIN_PAIRS, setup.confirm_seeds)
    return most if held_back is None else max(MIN_PAIRS, min(most, held_back // 2))


def _grounds(problem: Problem, researcher: str) -> Iterator[Ground]:
    """Yield what the researcher has to try, a surface each; ideas and constants on one of the same name count there."""
    library = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    ideas, knobs, constants = Counter[str](), Counter[str](), Counter[str]()
    if "ideas" in researcher.split("+"):
        for idea in library.values():
            if not idea.resolves:
                ideas[idea.surface] += 1
                knobs[idea.surface] += len(idea.knobs)
    if "tuner" in researcher.split("+"):
        constants.update(tuned_constants(problem, library))
    for surface in sorted({*ideas, *constants}):
        yield Ground(surface, ideas[surface], knobs[surface], constants[surface])


def _earlier(problem: Problem, campaigns: Path) -> Iterator[Known]:
    """Yield what campaigns on the same unchanged solution tell, the youngest first."""
    baseline = tree_id(problem.editable_files)
    folders = (ledger.parent for ledger in campaigns.glob(f"{problem.spec.problem.name}-*/{LEDGER}"))
    for folder in sorted(folders, reverse=True):
        with suppress(AsterError):  # a damaged campaign tells nothing, and is no reason not to plan another
            campaign = load_campaign(folder)
            if campaign.board.baseline == baseline and campaign.board.setup.objective == problem.objective:
                found = _known(campaign)
                if found is not None:
                    yield found


def _known(campaign: Campaign) -> Known | None:
    board = campaign.board
    score = board.baseline_score
    outcomes = [board.experiments[name].outcome for name in board.baselines]
    usages = [each.usage for each in outcomes if each is not None and each.hardware == board.hardware]
    if score is None or not usages:
        return None
    pace = Pace(
        wall_s=sum(each.wall_s for each in usages) / len(usages),
        turn_s=sum(each.wall_s for each in usages) / len(usages),
        cpu_s=sum(each.cpu_s for each in usages) / len(usages),
        memory_mb=max(each.max_rss_mb for each in usages),
    )
    sd = None if board.setup.objective.exact else score.sd
    return Known(campaign.id, board.hardware, score.n, score.mean, sd, pace)
