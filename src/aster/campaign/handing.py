"""What agents handed back, acted upon: directions, hypotheses, combinations. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from aster.agents.protocol import Briefing
from aster.agents.quoting import in_line
from aster.agents.similar import tried_before
from aster.archive import traits
from aster.board import Board
from aster.campaign.step import Step
from aster.domain import events as ev
from aster.domain.ids import short_id, tree_id
from aster.domain.records import COMBINATION, Candidate, Direction, Hypothesis
from aster.domain.research import Combination, DirectionDraft, Draft, Handoff, Plan, Role
from aster.domain.trees import pack_tree

MOST_DIRECTIONS = 8
"""Directions that agents may work in at the same time."""

MOST_DRAFTS = 12
"""Hypotheses that one result may propose in a direction."""

FUNDS = (0.1, 10.0)
"""The least and the most that the planner may weigh a direction."""


def take_results(step: Step, briefing: Briefing) -> None:
    """Act upon every result that has come, and record what of it could not be."""
    research = step.board.research
    for name in list(research.untaken):
        state = research.assignments[name]
        refused: list[str] = []
        before = len(step.events)
        match state.result:
            case Plan() as plan:
                _take_plan(step, briefing, plan, refused)
            case Handoff() as handoff:
                assert state.record.direction is not None
                _take_handoff(step, state.record.direction, handoff, refused)
        step.take(ev.ResultTaken(name, tuple(refused), fruitful=len(step.events) > before))


def _take_plan(step: Step, briefing: Briefing, plan: Plan, refused: list[str]) -> None:
    """Act upon a plan; its mappings in sorted order, since the ledger, unlike a planner, keeps no other."""
    board = step.board
    for direction, why in sorted(plan.retire.items()):
        if _is_open(board, direction, refused):
            step.take(ev.DirectionRetired(direction, why or "retired by the planner"))
    for ending, heir in plan.merge:
        if ending != heir and _is_open(board, ending, refused) and _is_open(board, heir, refused):
            _merge(step, ending, heir)
    for draft in plan.open:
        _open(step, briefing, draft, refused)
    for direction, weight in sorted(plan.fund.items()):
        if _is_open(board, direction, refused) and weight == weight:
            step.take(ev.DirectionFunded(direction, min(FUNDS[1], max(FUNDS[0], weight))))
    for pair in plan.combine:
        _combine(step, briefing, pair, refused)


def _take_handoff(step: Step, direction: str, handoff: Handoff, refused: list[str]) -> None:
    if step.board.directions[direction].retired is not None:
        return
    if handoff.retire:
        step.take(ev.DirectionRetired(direction, handoff.retire))
        return
    _propose(step, direction, handoff.drafts, refused, "worker")


def _is_open(board: Board, direction: str, refused: list[str]) -> bool:
    if direction in board.research.lines and board.directions[direction].retired is None:
        return True
    refused.append(f"{direction} is no open direction")
    return False


def _merge(step: Step, ending: str, heir: str) -> None:
    board = step.board
    waiting = [board.hypotheses[name] for name in board.research.lines[ending].drafts]
    step.take(ev.DirectionRetired(ending, f"merged into {heir}"))
    for each in waiting:
        step.take(ev.HypothesisProposed(replace(each, id=short_id("h", heir, each.id), direction=heir)))


def _open(step: Step, briefing: Briefing, draft: DirectionDraft, refused: list[str]) -> None:
    board = step.board
    working = sum(board.directions[name].retired is None for name in board.research.lines)
    if working >= MOST_DIRECTIONS:
        refused.append(f"direction on {draft.surface}: {MOST_DIRECTIONS} are open already; retire one first")
        return
    why_not = briefing.refuse(board, draft)
    if why_not is not None:
        refused.append(f"direction on {draft.surface}: {why_not}")
        return
    direction = _begin(step, draft, briefing.surface_paths(draft))
    _propose(step, direction, draft.drafts, refused, "planner")


def _begin(step: Step, draft: DirectionDraft, paths: tuple[str, ...]) -> str:
    board = step.board
    name = short_id("d", board.setup.seed, "agents", draft.surface, len(board.research.lines))
    step.take(
        ev.DirectionOpened(
            Direction(
                id=name,
                surface=draft.surface,
                rationale=draft.rationale,
                by="agents",
                paths=paths,
                success=draft.success,
                novelty=draft.novelty,
                expected=draft.expected,
                experiments=draft.experiments,
            )
        )
    )
    return name


def _propose(step: Step, direction: str, drafts: Iterable[Draft], refused: list[str], by: Role) -> None:
    """Propose drafts, but for those that others handed over, or tried, since they were judged."""
    board = step.board
    for number, draft in enumerate(drafts):
        if number >= MOST_DRAFTS:
            refused.append(f"hypotheses beyond the first {MOST_DRAFTS}")
            return
        before = tried_before(board, draft)
        if before is not None:
            refused.append(
                f"{in_line(draft.change)}: meanwhile {before.hypothesis} says the same: {in_line(before.came_to)}"
            )
            continue
        parent = draft.parent
        if parent is not None and parent not in board.candidates:
            refused.append(f"{draft.change}: there is no candidate {parent}, so it starts from the best")
            parent = None
        if parent is not None and board.candidates[parent].diagnosis:
            refused.append(f"{draft.change}: {parent} was made for a diagnosis, so it starts from the best")
            parent = None
        name = short_id("h", direction, "draft", board.decision, number, draft.change, draft.text)
        start, anew = parent or best(board), parent is None
        about = (draft.change, draft.text, draft.predicts)
        told = Hypothesis(name, direction, start, *about, anew=anew, by=by, advice=draft.advice)
        step.take(ev.HypothesisProposed(told))


def best(board: Board) -> str:
    """Return the candidate that new work starts from: the best measured one, at first the baseline."""
    assert board.baseline is not None
    return next(iter(board.ranking), board.baseline)


def _combine(step: Step, briefing: Briefing, pair: Combination, refused: list[str]) -> None:
    """Merge two candidates; where their changes conflict, a subagent is to bring them together."""
    board = step.board
    missing = [name for name in (pair.first, pair.second) if name not in board.ranking]
    if missing or pair.first == pair.second:
        refused.append(f"{pair.first} with {pair.second}: {', '.join(missing) or 'they'} cannot be combined")
        return
    direction = _combining(step)
    change = f"{board.candidates[pair.first].label} + {board.candidates[pair.second].label}"
    files = briefing.combine(board, pair.first, pair.second)
    if files is not None and tree_id(files) in board.candidates:
        refused.append(f"{change}: that is the candidate {tree_id(files)}, which is known")
        return
    name = short_id("h", direction, pair.first, pair.second)
    if name in board.hypotheses:
        refused.append(f"{change}: combined before")
        return
    of = "" if files is not None else None
    about = (pair.first, change, pair.why, None)
    step.take(ev.HypothesisProposed(Hypothesis(name, direction, *about, of=of, other=pair.second, by="planner")))
    if files is not None:
        tree, blobs = pack_tree(files)
        step.blobs.update(blobs)
        parents = (pair.first, pair.second)
        shape = traits(briefing.baseline, files)
        step.take(ev.CandidateAdded(Candidate(tree_id(files), tree, parents, "merge", name, (), change, shape)))


def _combining(step: Step) -> str:
    """Return the open direction of combinations, opened if there is none."""
    board = step.board
    for name, line in board.research.lines.items():
        if line.record.surface == COMBINATION and board.directions[name].retired is None:
            return name
    return _begin(step, DirectionDraft(COMBINATION, "Changes that won apart, in other directions, may add up."), ())
