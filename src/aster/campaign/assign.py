"""Who of the agents is to do what, what they hand back, and the experiments that they ask for. Pure."""

from __future__ import annotations

import random
from itertools import count

from msgspec.structs import replace

from aster.agents.protocol import Briefing
from aster.agents.quoting import flat
from aster.board import Board, Line
from aster.campaign.budget import may_search, search_room
from aster.campaign.handing import best, take_results
from aster.campaign.places import has_place, open_lines, places, promised, share
from aster.campaign.step import Step
from aster.domain import events as ev
from aster.domain.ids import blob_id, search_seed, seeded, short_id
from aster.domain.records import EXHAUSTED, Candidate, Hypothesis
from aster.domain.research import Allowance, Ask, Assignment, Role
from aster.evidence import early
from aster.planning.lines import fund_lines
from aster.planning.models import choose_model

NOTES_A_PLAN = 8
"""Subagents that have come back before the planner looks again."""

BACK_A_HANDOFF = 3
"""Subagents of a direction that have come back before its worker looks again; fewer if none is under way."""

BARREN = 2
"""Times in a row that a planner, or a worker, may have nothing to propose before it is not asked again."""

FAILURES = 5
"""Assignments in a row that may come to nothing before no more are given; as many as there are agents, if these are
more: what stops one provider for a while stops all who ask it."""

ALLOWANCES: dict[Role, Allowance] = {
    "planner": Allowance(requests=16, tokens=400_000),
    "worker": Allowance(requests=16, tokens=400_000),
    "subagent": Allowance(requests=48, tokens=1_000_000, experiments=8),
}
ONE_SHOT = Allowance(requests=8, tokens=300_000, experiments=4)


OVER = "search is over: the campaign's budget for it is used. Finish with what you learnt"
"""What agents are told once search is over, and whoever asks for an experiment after that."""


def think(step: Step, briefing: Briefing, trouble: str | None = None) -> None:
    """Act on what agents handed back, answer what costs nothing to answer, and give out assignments.

    Args:
        trouble: why nothing can be measured any more: then all agents are cut off.
    """
    if trouble is not None:
        _cut_off(step, trouble)
    take_results(step, briefing)
    _answer(step, trouble)
    measured = step.board.baseline_score is not None
    if trouble is None and measured and may_search(step.board) and stuck(step.board) is None:
        _hand_out(step, briefing)


def _cut_off(step: Step, reason: str) -> None:
    research = step.board.research
    for name in research.live:
        if not research.assignments[name].cut_off:
            step.take(ev.AssignmentCutOff(name, reason))


# --- experiments that are asked for --------------------------------------------------------------------------


def _answer(step: Step, trouble: str | None) -> None:
    """Answer requests for what is known or cannot be; the others wait for a slot."""
    board = step.board
    spent = trouble or (None if may_search(board) else OVER)
    for name in list(board.research.open_asks):
        ask = board.research.asks[name].record
        known = _known(board, ask)
        why = spent or _refusal(board, ask)
        if known is not None:
            step.take(ev.AskAnswered(name, known))
        elif why is not None:
            step.take(ev.AskAnswered(name, None, reason=why))


def _known(board: Board, ask: Ask) -> str | None:
    """Return an experiment that has told, or will tell, what is asked; None if there is none."""
    if ask.quick or ask.again:
        return None
    tell = ("baseline", "search", "diagnosis") if ask.diagnosis else ("baseline", "search")
    for name in board.experiments_of.get(ask.candidate, ()):
        if board.experiments[name].record.purpose in tell:
            return name
    return None


def _refusal(board: Board, ask: Ask) -> str | None:
    state = board.research.assignments[ask.assignment]
    if ask.parent not in board.candidates:
        return f"there is no candidate {ask.parent}"
    if ask.quick and not board.setup.checks:
        return "the problem has no quick stages to check with"
    if ask.again and board.setup.objective.exact and not board.setup.paired:
        return "this problem's metric is exact and its runs take no seed: the same version scores the same every time"
    if ask.again and not board.experiments_of.get(ask.candidate):
        return f"{ask.candidate} was not measured yet, so it cannot be measured again"
    if not ask.quick and state.experiments >= state.record.allowance.experiments:
        return f"all {state.experiments} experiments of this assignment are used"
    return None


def grant(step: Step) -> bool:
    """Plan the experiment of the request that is next, or of a combination that merged; False if there is none."""
    board = step.board
    merged = next(iter(board.research.merged), None)
    if merged is not None:
        _run(step, merged)
        return True
    name = _next_ask(board)
    if name is None:
        return False
    ask = board.research.asks[name].record
    if ask.quick:
        seed = search_seed(board.setup.seed, 0)
        step.take(ev.AskAnswered(name, step.plan(ask.candidate, seed, "check", tree=ask.tree)))
        return True
    if ask.again:
        step.take(ev.AskAnswered(name, _repeat(step, ask.candidate), own=True))
        return True
    if ask.diagnosis:
        _keep_for_diagnosis(step, ask)
        seed = search_seed(board.setup.seed, 0)
        step.take(ev.AskAnswered(name, step.plan(ask.candidate, seed, "diagnosis"), own=True))
        return True
    if ask.candidate not in board.candidates or board.candidates[ask.candidate].diagnosis:
        _adopt(step, ask)
    hypothesis = board.candidates[ask.candidate].hypothesis
    step.take(ev.AskAnswered(name, _run(step, ask.candidate), hypothesis))
    return True


def _run(step: Step, candidate: str) -> str:
    board = step.board
    hypothesis = board.candidates[candidate].hypothesis
    seed = search_seed(board.setup.seed, 0)
    return step.plan(candidate, seed, "search", hypothesis=hypothesis, bars=early.bars(board))


def _repeat(step: Step, candidate: str) -> str:
    """Plan another run of a version, on the first search seed that it has not had, and that no race wants.

    Two versions that are measured again meet on the same seeds. A version that is for diagnosis stays so.
    """
    board = step.board
    setup, taken = board.setup, {board.experiments[x].record.seed for x in board.experiments_of[candidate]}
    first = setup.search_seeds if setup.search_seeds > 1 else 0
    seed = next(s for s in (search_seed(setup.seed, number) for number in count(first)) if s not in taken)
    return step.plan(candidate, seed, "diagnosis" if board.candidates[candidate].diagnosis else "repeat")


def _keep_for_diagnosis(step: Step, ask: Ask) -> None:
    """Record the candidate of a request that is only to learn something: it tests no hypothesis."""
    if ask.candidate not in step.board.candidates:
        of = (ask.candidate, ask.tree, (ask.parent,), "agents", None)
        step.take(ev.CandidateAdded(Candidate(*of, label=ask.change, traits=ask.traits, diagnosis=True)))


def _next_ask(board: Board) -> str | None:
    """Return the oldest check, else the oldest request of the direction that is to have the next experiment."""
    asks = board.research.open_asks
    first: dict[str | None, str] = {}
    for name in asks:
        record = board.research.asks[name].record
        if record.quick:
            return name
        first.setdefault(board.research.assignments[record.assignment].record.direction, name)
    order = fund_lines(board, _rng(board, "ask")) if len(first) > 1 else []
    return next((first[direction] for direction in order if direction in first), next(iter(first.values()), None))


def _adopt(step: Step, ask: Ask) -> None:
    """Record the candidate of a request, and the hypothesis that it tests: a version of its subagent's."""
    assignment = step.board.research.assignments[ask.assignment].record
    assert assignment.direction is not None, "only subagents ask"
    hypothesis = short_id("h", assignment.direction, ask.parent, ask.candidate)
    step.take(
        ev.HypothesisProposed(
            Hypothesis(
                hypothesis, assignment.direction, ask.parent, ask.change, ask.text, None, of=assignment.hypothesis or ""
            )
        ),
        ev.CandidateAdded(
            Candidate(
                id=ask.candidate,
                tree=ask.tree,
                parents=(ask.parent,) if assignment.other is None else (ask.parent, assignment.other),
                author="agents",
                hypothesis=hypothesis,
                label=ask.change,
                traits=ask.traits,
            )
        ),
    )


# --- assignments ---------------------------------------------------------------------------------------------


def _hand_out(step: Step, briefing: Briefing) -> None:
    board, rng = step.board, _rng(step.board, "assign")
    if promised(board) == 0:
        return  # what is left is spoken for: nobody is to write what will never run
    if has_place(board) and _planner_due(board):
        _give(step, briefing, rng, "planner")
    for line in open_lines(board):
        if has_place(board) and _worker_due(line):
            _give(step, briefing, rng, "worker", line)
    left = places(board)
    while left > 0 and has_place(board):
        ready = {line.record.id: line for line in open_lines(board) if line.drafts}
        chosen = next((ready[name] for name in fund_lines(board, rng) if name in ready), None)
        if chosen is None or not _give(step, briefing, rng, "subagent", chosen):
            return
        left -= 1


def _planner_due(board: Board) -> bool:
    research = board.research
    if research.planner is not None:
        return False
    if research.heard > research.steered:
        return True
    if not research.plans:
        return research.barren < FAILURES
    if done(board) is not None:
        return False
    if research.barren >= BARREN:
        return len(research.notes) >= research.planned_at + NOTES_A_PLAN
    return len(research.notes) >= research.planned_at + NOTES_A_PLAN or not _at_work(board)


def done(board: Board) -> str | None:
    """Return why the planner sees nothing more to try, or None where it does, or where there is news since it was asked
    last: another candidate is the best, or the person who runs the campaign said something."""
    research = board.research
    if not research.plans or research.heard > research.steered:
        return None
    assignment, plan = research.plans[-1]
    told, now = research.assignments[assignment].record.best, best(board)
    gained = board.gain(now, told) if told is not None else None
    news = told != now and (gained is None or gained[0] > board.setup.objective.resolution)
    return plan.done if plan.done and not news else None


def _at_work(board: Board) -> bool:
    """Whether any direction has something under way, or may find something to do."""
    return any(line.busy or line.drafts or _worker_due(line) for line in open_lines(board))


def _worker_due(line: Line) -> bool:
    if line.drafts or line.worker is not None or line.barren >= BARREN:
        return False
    return line.back >= BACK_A_HANDOFF or not line.busy


def _give(step: Step, briefing: Briefing, rng: random.Random, role: Role, line: Line | None = None) -> bool:
    """Give an assignment; False if no model can be asked."""
    board = step.board
    model = choose_model(board, role, rng)
    if model is None:
        return False
    hypothesis = board.hypotheses[line.drafts[0]] if line is not None and role == "subagent" else None
    instructions = briefing.instructions(board, role)
    allowed = ONE_SHOT if role == "subagent" and board.setup.one_shot else ALLOWANCES[role]
    assignment = Assignment(
        id=short_id("a", board.setup.seed, board.decision, role, line and line.record.id, hypothesis and hypothesis.id),
        role=role,
        model=model,
        allowance=replace(allowed, experiments=share(board, allowed.experiments)),
        instructions=blob_id(instructions.encode()),
        brief="",
        direction=line.record.id if line is not None else None,
        hypothesis=hypothesis.id if hypothesis is not None else None,
        parent=_start(board, hypothesis) if hypothesis is not None else None,
        other=hypothesis.other if hypothesis is not None else None,
        search_left=search_room(board),
        best=best(board) if role == "planner" else None,
    )
    brief = briefing.brief(board, assignment)
    for text in (instructions, brief):
        step.blobs[blob_id(text.encode())] = text.encode()
    step.take(ev.AssignmentGiven(replace(assignment, brief=blob_id(brief.encode()))))
    return True


def _start(board: Board, hypothesis: Hypothesis) -> str:
    return best(board) if hypothesis.anew else hypothesis.parent


# --- how far along -------------------------------------------------------------------------------------------


def busy(board: Board) -> bool:
    """Whether agents are at work, or what they handed back was not acted upon, as far as it still can be."""
    research = board.research
    return bool(research.live or research.untaken or (research.merged and may_search(board)))


def stuck(board: Board) -> str | None:
    """Return why no agent can be given anything any more, or None (there are none, or they can)."""
    research = board.research
    if not board.setup.models:
        return None
    if research.ceiling:
        return research.ceiling
    if research.failures >= max(FAILURES, board.setup.agents):
        return f"models: {research.failures} agents in a row came to nothing, the last because {research.last_failure}"
    if not research.plans and research.barren >= FAILURES and not research.live:
        return f"models: the planner came to nothing {research.barren} times, the last because {research.last_failure}"
    if all(research.model(each.name).cut_off for each in board.setup.models):
        return "models: none is left to ask; " + research.model(board.setup.models[-1].name).cut_off
    return None


def nothing_more(board: Board) -> str:
    """Return why a campaign ends whose budget has room for search: who has nothing left to try."""
    if not board.setup.models:
        return EXHAUSTED
    said = done(board)
    if said is not None:
        return f"agents: the planner sees nothing more to try: {flat(said, 300)}"
    room = search_room(board)
    left = "" if room is None else f"; search could have made about {room} more experiments"
    return f"agents: the planner and its workers have proposed nothing more{left}"


def leaves_room(board: Board) -> bool:
    """Whether proposers may plan a search experiment: beside agents they get half as many as these, and a slot's worth.

    Proposers need no time to think: with more, they would have used up a budget of cheap experiments before agents
    have drawn conclusions from their first ones.
    """
    if not board.setup.models or stuck(board) is not None:
        return True
    granted = board.research.granted
    others = board.spend.experiments - board.spend.confirm - len(board.baselines) - granted
    return 2 * others < granted + 2 * board.setup.slots or not busy(board)


def _rng(board: Board, what: str) -> random.Random:
    return seeded(board.setup.seed, board.decision, what)
