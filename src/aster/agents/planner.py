"""The planner: reads where the campaign stands, and hands back a plan."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel, Field, FiniteFloat

from aster.agents.converse import Misuse, Place, Submit, converse
from aster.agents.critic import BOUNDARY, MOST_TURNS
from aster.agents.critique import Group, critic_brief
from aster.agents.drafts import Hypothesis, unknown_parents
from aster.agents.protocol import Desk
from aster.agents.quoting import in_line
from aster.agents.reading import no_candidate, reading_tools
from aster.agents.sifting import Sieve, tried_already
from aster.agents.surfaces import paths_of, why_not
from aster.board import Board
from aster.domain.research import Combination, DirectionDraft, Draft, Plan, Veto
from aster.problems.problem import Problem

SPARE = MOST_TURNS + 1
"""Calls of the allowance that are kept for the critic."""

MAX_OUTPUT = 8192


class NewDirection(BaseModel):
    """A direction to open."""

    surface: str = Field(min_length=1, max_length=80, description="the part of the code that it is about")
    paths: list[str] = Field(
        default=[],
        max_length=40,
        description="what is on the surface: FILE, FOLDER or FILE::DEFINITION; empty where the problem says it",
    )
    rationale: str = Field(min_length=20, max_length=1500, description="why it should lead somewhere")
    success: str = Field(max_length=600, description="what would count as success")
    novelty: str = Field(default="", max_length=600, description="what sets it apart from all that was tried")
    expected_gain: FiniteFloat | None = Field(default=None, description="in the metric's units, a positive number")
    experiments: int | None = Field(default=None, ge=1, le=100_000, description="about how many it will take")
    hypotheses: list[Hypothesis] = Field(default=[], max_length=6, description="its first hypotheses, two to four")

    def draft(self) -> DirectionDraft:
        """Return it as a record."""
        return DirectionDraft(
            surface=" ".join(self.surface.split()),
            rationale=self.rationale.strip(),
            paths=tuple(path.strip() for path in self.paths),
            success=self.success.strip(),
            novelty=self.novelty.strip(),
            expected=self.expected_gain,
            experiments=self.experiments,
            drafts=tuple(each.draft() for each in self.hypotheses),
        )


class Funding(BaseModel):
    """How much a direction is to get."""

    direction: str
    weight: float = Field(ge=0.1, le=10, description="relative to 1")


class Retirement(BaseModel):
    """A direction to end."""

    direction: str
    reason: str = Field(min_length=3, max_length=400)


class Merger(BaseModel):
    """Two directions that are about the same thing."""

    ends: str = Field(description="the direction that ends")
    into: str = Field(description="the direction that takes over its hypotheses")


class Pair(BaseModel):
    """Two candidates to combine."""

    first: str = Field(description="a candidate's id")
    second: str = Field(description="the id of one of another direction, whose change is brought in")
    why: str = Field(max_length=600)


class PlanArguments(BaseModel):
    """Arguments of submit_plan."""

    open: list[NewDirection] = Field(default=[], max_length=8)
    fund: list[Funding] = Field(default=[], max_length=40, description="directions that are to get more or less")
    retire: list[Retirement] = Field(default=[], max_length=40)
    merge: list[Merger] = Field(default=[], max_length=20)
    combine: list[Pair] = Field(default=[], max_length=8, description="changes that gained apart and may add up")
    note: str = Field(default="", max_length=2000, description="what you conclude, and what you wait for")
    done: str = Field(
        default="",
        max_length=400,
        description="why nothing more is worth trying, where you see nothing; empty otherwise. You are asked again "
        "only if another candidate becomes the best, or the person who runs the campaign speaks; the campaign ends "
        "once what is under way has ended. Directions that you leave open go on: retire those that should not",
    )

    def plan(self) -> Plan:
        """Return it as a record."""
        return Plan(
            open=tuple(each.draft() for each in self.open),
            fund={each.direction: each.weight for each in self.fund},
            retire={each.direction: each.reason for each in self.retire},
            merge=tuple((each.ends, each.into) for each in self.merge),
            combine=tuple(Combination(each.first, each.second, each.why) for each in self.combine),
            note=self.note.strip(),
            done=self.done.strip(),
        )


class Judged(Struct, frozen=True):
    """What the board says of a plan, as it is recorded.

    Attributes:
        troubles: why it cannot be taken as it is.
        tried: for each first hypothesis of its directions, why it is turned down for what was tried, or None.
        brief: what the critic is told of the others.
    """

    troubles: list[str]
    tried: list[str | None]
    brief: str


async def run_planner(desk: Desk, problem: Problem) -> Plan:
    """Carry out a planner's assignment.

    Raises:
        Spent, Unanswered: it came to no plan.
    """
    own, _, critics = desk.instructions.partition(BOUNDARY)
    tools = reading_tools(desk, problem)
    sieve, kept = Sieve(desk, critics or own, tools), list[Draft | None]()

    async def check(args: PlanArguments, place: Place) -> None:
        plan = args.plan()

        async def judge() -> str:
            return msgspec.json.encode(judged(desk, problem, plan)).decode()

        found = msgspec.json.decode(await desk.step(place.agent, place.turn, place.call, judge), type=Judged)
        if found.troubles:
            raise Misuse("The plan cannot be carried out:\n" + "\n".join(f"- {each}" for each in found.troubles[:12]))
        surfaces = [each.surface for each in plan.open for _ in each.drafts]
        kept[:] = await sieve.sift(drafts_of(plan), found.tried, found.brief, surfaces)

    assignment = desk.assignment
    found = await converse(
        desk,
        assignment.id,
        "planner",
        own,
        desk.brief,
        tools,
        Submit("submit_plan", "Hand back your plan; this ends your work.", PlanArguments, check),
        most_turns=max(1, assignment.allowance.requests - SPARE),
        max_output=MAX_OUTPUT,
    )
    return sifted(found.plan(), kept, tuple(sieve.vetoed))


def drafts_of(plan: Plan) -> list[Draft]:
    """Return the first hypotheses of all directions that a plan opens."""
    return [draft for opened in plan.open for draft in opened.drafts]


def sifted(plan: Plan, kept: Sequence[Draft | None], vetoed: tuple[Veto, ...]) -> Plan:
    """Return a plan with those of its first hypotheses that are left: `kept` is None in the place of others."""
    left = iter(kept)
    opened = [
        replace(each, drafts=tuple(d for _ in each.drafts if (d := next(left)) is not None)) for each in plan.open
    ]
    return replace(plan, open=tuple(opened), vetoed=vetoed)


def judged(desk: Desk, problem: Problem, plan: Plan) -> Judged:
    """Return what the board says of a plan."""
    board = desk.look()
    troubles, tried = troubles_of(board, plan), tried_already(board, drafts_of(plan), None)
    best = next(iter(board.ranking), None)
    files = {**problem.editable_files, **(desk.files(board.candidates[best]) if best is not None else {})}
    for each in plan.open:
        why = why_not(problem, files, board, each)
        if why is None and not paths_of(problem, each) and len(files) > 1:
            why = "it has no paths; name the files on it, so that directions do not get in each other's way"
        if why is not None and not any(gone in why for gone in plan.retire):
            troubles.append(f"direction on {in_line(each.surface, 80)}: {why}")
    if troubles or None not in tried:
        return Judged(troubles, tried, "")
    verdicts = iter(tried)
    groups = [
        Group(each, paths_of(problem, each), [d for d in each.drafts if next(verdicts) is None]) for each in plan.open
    ]
    brief = critic_brief(board, groups, problem.spec.solution.root, desk.files, desk.search_left())
    return Judged(troubles, tried, brief)


def troubles_of(board: Board, plan: Plan) -> list[str]:
    """Return what in a plan names things that there are not, in words."""
    named = [*plan.fund, *(each for pair in plan.merge for each in pair)]
    named += [each for each in plan.retire if each not in board.research.lines]  # closed meanwhile is what is asked for
    found = [_no_direction(board, name) for name in named if not _is_open(board, name)]
    found += [f"{ends} cannot take over its own hypotheses" for ends, into in plan.merge if ends == into]
    if plan.done and (plan.open or plan.combine):
        found.append(
            "`done` says that nothing is worth trying, and yet something is opened or combined; do one of them"
        )
    for pair in plan.combine:
        found += _pair(board, pair)
    for opened in plan.open:
        found += unknown_parents(board, opened.drafts)
    surfaces = [each.surface.lower() for each in plan.open]
    found += [
        f"surface {in_line(each)} is opened twice" for each in dict.fromkeys(surfaces) if surfaces.count(each) > 1
    ]
    return found


def _is_open(board: Board, direction: str) -> bool:
    return direction in board.research.lines and board.directions[direction].retired is None


def _no_direction(board: Board, name: str) -> str:
    known = [each for each in board.research.lines if _is_open(board, each)]
    return f"{in_line(name, 60)} is no open direction of agents; these are: {', '.join(known) or 'none'}"


def _pair(board: Board, pair: Combination) -> list[str]:
    missing = [no_candidate(each) for each in (pair.first, pair.second) if each not in board.candidates]
    if missing:
        return missing
    if pair.first == pair.second or board.baseline in (pair.first, pair.second):
        return ["combine two different candidates, neither of them the baseline"]
    return [
        f"{each} has no score; combine what was measured" for each in (pair.first, pair.second) if not board.score(each)
    ]
