"""What agents are told, and what of their results can be had: implements the seam `Briefing`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from aster.agents import tellings as tell
from aster.agents.briefs import planner_brief, subagent_brief, worker_brief
from aster.agents.combining import combined
from aster.agents.critic import BOUNDARY
from aster.agents.outline import outline
from aster.agents.prompts import (
    CriticPrompt,
    OneShotPrompt,
    PlannerPrompt,
    ProblemPrompt,
    SubagentPrompt,
    WorkerPrompt,
    fill,
)
from aster.agents.quoting import in_line
from aster.agents.surfaces import paths_of, why_not
from aster.agents.worker import MOST_DRAFTS
from aster.board import Board
from aster.domain.records import Candidate, Setup
from aster.domain.research import Assignment, DirectionDraft, Effect, Role
from aster.problems.problem import Problem

OUTLINE_TOKENS, FROZEN_TOKENS = 4_000, 1_000
STATEMENT_CHARS = 30_000


class IdeaLine(Struct, frozen=True):
    """An idea of the library, as the planner is told of it.

    Attributes:
        predicts: in the metric's units.
        requires: ideas that it builds on. `effect`: measured on these; None: nothing is known.
    """

    name: str
    surface: str
    title: str
    predicts: float | None = None
    requires: tuple[str, ...] = ()
    effect: Effect | None = None


class CampaignBriefing:
    """Briefs of campaigns on one problem."""

    def __init__(
        self, problem: Problem, files_of: Callable[[Candidate], Mapping[str, bytes]], ideas: Sequence[IdeaLine] = ()
    ) -> None:
        """Args:
        files_of: the editable files of a candidate; always the same for the same one.
        ideas: the idea library.
        """
        self._problem, self._files_of, self._ideas = problem, files_of, tuple(ideas)
        self._instructions: dict[tuple[Role, bool], str] = {}

    @property
    def baseline(self) -> Mapping[str, bytes]:
        """The unchanged editable files."""
        return self._problem.editable_files

    def instructions(self, board: Board, role: Role) -> str:
        """Return the prompt of a role, filled in; the same for all of a campaign's agents of that role.

        A planner's and a worker's have their critic's behind them.
        """
        key = role, board.setup.one_shot
        if key not in self._instructions:
            text = fill(self._prompt(board.setup, role))
            if role in ("planner", "worker"):
                text += BOUNDARY + fill(self._prompt(board.setup, "critic"))
            self._instructions[key] = text
        return self._instructions[key]

    def brief(self, board: Board, assignment: Assignment) -> str:
        """Return what an agent is told of the campaign as it is now, within a budget of tokens."""
        match assignment.role:
            case "planner":
                frozen = self._problem.frozen_solution_files
                return planner_brief(board, self._best_files(board), _measured(self._ideas), frozen)
            case "worker":
                return worker_brief(board, assignment)
            case "subagent":
                return subagent_brief(board, assignment, self._files_of)
            case "critic":
                raise ValueError("a critic has no assignment: its worker briefs it")

    def refuse(self, board: Board, draft: DirectionDraft) -> str | None:
        """Return why a direction cannot be opened (no such file, definition or surface; open already), or None."""
        return why_not(self._problem, self._best_files(board), board, draft)

    def surface_paths(self, draft: DirectionDraft) -> tuple[str, ...]:
        """Return what may be edited in a direction: the problem's own paths of its surface, else the draft's."""
        return paths_of(self._problem, draft)

    def combine(self, board: Board, first: str, second: str) -> dict[str, bytes] | None:
        """Return the editable files of `first` with the change of `second` merged in; None if they conflict."""
        return combined(board, first, second, self._files_of)

    def _best_files(self, board: Board) -> Mapping[str, bytes]:
        """Return the baseline's files with those that the standing and the best candidate added."""
        names = (board.best_unconfirmed(), board.standing)
        trees = [self._files_of(board.candidates[name]) for name in dict.fromkeys(names) if name is not None]
        files: dict[str, bytes] = {}
        for tree in (self._problem.editable_files, *trees):
            files.update(tree)
        return files

    def _prompt(self, setup: Setup, role: Role) -> ProblemPrompt:
        problem = self._problem
        about = (
            problem.spec.problem.title,
            _untitled(problem.statement_text, problem.spec.problem.title)[:STATEMENT_CHARS],
            tell.objective_text(setup),
            _conditions(problem),
        )
        frozen = _frozen(problem)
        files = outline(problem.editable_files, OUTLINE_TOKENS) + (f"\n\n{frozen}" if frozen else "")
        match role:
            case "planner":
                references = "\n".join(tell.reference_lines(setup)) or "None."
                ideas, claims = _ideas(self._ideas), tell.claim_rule(setup)
                return PlannerPrompt(*about, files, _surfaces(problem), references, ideas, claims)
            case "worker":
                return WorkerPrompt(*about, files, MOST_DRAFTS)
            case "critic":
                title, statement, objective, conditions = about
                return CriticPrompt(title, statement, objective, f"{conditions}\n\n{frozen}".strip())
            case "subagent":
                if setup.one_shot:
                    return OneShotPrompt(*about)
                return SubagentPrompt(*about, files, tell.reading_rule(setup))


def _untitled(statement: str, title: str) -> str:
    """Return a statement without a first heading that is the title, which prompts have above it."""
    head, _, rest = statement.lstrip("\ufeff \t\r\n").partition("\n")
    said = " ".join(head.removeprefix("#").rstrip("# \t\r").split())
    return rest.lstrip("\r\n") if head.startswith("# ") and said == " ".join(title.split()) else statement


def _conditions(problem: Problem) -> str:
    spec = problem.spec
    stages = [f"`{' '.join(each.command)}` within {each.timeout_s:g} s" for each in spec.measuring if not each.trusted]
    uses = spec.resources
    gpus = f", {uses.gpus} GPUs" if uses.gpus else ""
    lines = [
        f"An experiment runs {' and then '.join(stages)}, with {uses.cpus} CPU cores, {uses.memory_mb} MiB{gpus}, no "
        "network and a read-only file system around it; then a trusted stage, which runs none of its code, scores it."
    ]
    if any(each.sealed for each in spec.data):
        lines.append(
            "Claims are tested on sealed data, which no search sees. However little scores of a search scatter, a "
            "small gain may be one on the search's data alone: a change needs a reason to hold on other data too."
        )
    for each in spec.bounds:
        if each.p is None:
            lines.append(f"Constraint: `{each.metric}` must be {each.wanted}.")
        else:
            lines.append(
                f"Constraint: a claim must show that the mean of `{each.metric}` over the candidate's runs is "
                f"{each.wanted} (one-sided t test, p < {each.p:g}). A single run may be beyond; a version whose mean "
                "is beyond is not claimed, however good its score."
            )
    return "\n".join(lines)


def _frozen(problem: Problem) -> str:
    """Return the solution's files that only can be read, with their definitions; "" if there are none."""
    files = problem.frozen_solution_files
    return f"Frozen, which `read_file` shows too:\n\n{outline(files, FROZEN_TOKENS)}" if files else ""


def _surfaces(problem: Problem) -> str:
    named = problem.spec.solution.surfaces
    if named:
        rows = [f"- {name}: {', '.join(paths)}" for name, paths in sorted(named.items())]
        return "A direction is on one of these surfaces, and its paths are these:\n\n" + "\n".join(rows)
    return (
        "The problem binds no surface to paths. Give each direction a surface, with a name from the problem's text or "
        "of your own, and the paths that belong to it, `FILE` or `FILE::DEFINITION`, so that open directions do not "
        "share any; without paths all files may be edited. New files may always be added where the problem allows it."
    )


def _ideas(ideas: Sequence[IdeaLine]) -> str:
    rows = [
        f"- {each.name} [{each.surface}]: {in_line(each.title, 160)}"
        + (f" (said to gain {each.predicts:g})" if each.predicts is not None else "")
        for each in ideas[:80]
    ]
    return "\n".join(rows) or "None."


def _measured(ideas: Sequence[IdeaLine]) -> list[str]:
    """Return the ideas that earlier campaigns measured, with the conditions, those surest to gain first."""
    known = [(each, each.effect) for each in ideas if each.effect is not None]
    return [_effect(idea, effect) for idea, effect in sorted(known, key=lambda row: (-row[1].low, row[0].name))]


def _effect(idea: IdeaLine, of: Effect) -> str:
    interval = f"[{of.low:+.3g}, {of.high:+.3g}] at {of.level:.1%}, {of.pairs} pairs"
    sure = "exact" if of.low == of.high else interval
    on = f"on top of {', '.join(idea.requires)}" if idea.requires else "on the unchanged solution"
    where = [f"hardware {in_line(of.hardware, 60)}"] if of.hardware else []
    where += [f"campaign {in_line(of.campaign, 60)}"] if of.campaign else []
    head = f"- {idea.name} [{idea.surface}] {in_line(idea.title, 100)}: gained {of.gain:+.3g} {on} ({sure})"
    return head + (f", {', '.join(where)}" if where else "")
