"""What to do next: pure rules over the board.

A decision is a list of events. Each rule reads the board and returns events; they are folded before the next rule
looks, so that a rule never reasons about a board that is out of date. Nothing here knows the clock, the store or the
executor; randomness comes from H(campaign seed, decision number).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import count, takewhile

from msgspec import Struct

from aster.agents.protocol import Briefing
from aster.archive import place, recluster, traits
from aster.board import Board, ExperimentState
from aster.campaign import assign
from aster.campaign.budget import gpus_spent, has_room, may_search, spent
from aster.campaign.claims import Believes, artifact_of, next_claim, next_experiment, no_model
from aster.campaign.step import Step
from aster.domain import events as ev
from aster.domain.ids import search_seed, seeded, short_id, tree_id
from aster.domain.records import EXHAUSTED, Candidate, Hypothesis, Purpose
from aster.domain.trees import pack_tree
from aster.evidence import early
from aster.evidence.design import baseline_runs
from aster.evidence.findings import finding_of, trouble
from aster.evidence.racing import next_run
from aster.evidence.verdict import decide_claim, finished
from aster.planning.protocol import Planner
from aster.proposers.protocol import Proposal, Proposer

RIVALS = 4
"""Directions that compete for one search experiment, the best-funded first."""


class Minds(Struct, frozen=True):
    """The policies that decisions consult, all pure.

    `baseline`: the unchanged editable files, for diffs; `believes`: a model of the candidates, if there is one;
    `briefing`: what agents are told, if the campaign has any.
    """

    planner: Planner
    proposer: Proposer
    baseline: Mapping[str, bytes]
    believes: Believes = no_model
    briefing: Briefing | None = None


def ready(board: Board) -> bool:
    """Whether the next decision may be made: in ordered mode, all that it must see has arrived; else a slot is free, or
    there is news of agents."""
    if board.setup.mode == "arrival":
        return _slot_free(board) or (bool(board.setup.models) and (board.research.news or bool(board.unseen)))
    sees = board.decision + 1 - board.setup.slots
    return all(board.experiments[x].record.decision > sees for x in (*board.running.values(), *board.waiting))


def _slot_free(board: Board) -> bool:
    """Whether an attempt may begin. What must wait for GPU time that others may give back has no slot."""
    under_way = len(board.running) + len(board.waiting)
    return under_way < board.setup.slots and (not under_way or not gpus_spent(board))


def must_end(board: Board, elapsed: float) -> str | None:
    """Return why no new work may begin whatever decisions would say, or None. `elapsed` as in `decide`."""
    if board.stop is not None:
        return f"stopped: {board.stop}"
    wall = board.setup.limits.wall_s
    return "budget: the wall time is spent" if wall is not None and elapsed >= wall else None


def conclude(board: Board, elapsed: float, reason: str, heard: int | None = None) -> Step:
    """Return the last step of a campaign that must end, once none of its attempts runs; `heard` as in `decide`.

    In arrival mode it takes in what has arrived. In ordered mode that would depend on what finished first, so unseen
    outcomes wait in the ledger for a resume.
    """
    step = Step(board, [], {})
    if board.setup.mode == "arrival":
        _begin(step, elapsed, heard)
    step.take(ev.CampaignEnded(reason, elapsed))
    return step


def decide(board: Board, minds: Minds, elapsed: float, heard: int | None = None) -> Step:
    """Make the next decision: fold its events into `board` and return them for the ledger.

    Args:
        board: all that is known; only `ready` boards.
        elapsed: active wall seconds of the campaign so far.
        heard: how many of the texts that steer the campaign are known; None: all on the board.
    """
    step = Step(board, [], {})
    _begin(step, elapsed, heard)
    _choose(step, minds)
    return step


def _begin(step: Step, elapsed: float, heard: int | None) -> None:
    """Open the decision: see what it may see, learn from it, and settle the claim that it completes."""
    board = step.board
    number = board.decision + 1
    sees = number - board.setup.slots if board.setup.mode == "ordered" else None
    step.take(ev.DecisionTaken(number, sees, elapsed, len(board.research.steering) if heard is None else heard))
    _learn(step)
    claim = board.open_claim()
    if claim is not None and finished(board, claim):
        step.take(ev.ClaimDecided(decide_claim(board, claim)))


def _learn(step: Step) -> None:
    """Turn what this decision is the first to see into findings and places in the archive."""
    board = step.board
    for name in board.fresh:
        state = board.experiments[name]
        finding = finding_of(board, state)
        if finding is not None:
            step.take(ev.FindingRecorded(finding))
        elite = place(board, state.record.candidate) if state.record.purpose not in ("confirm", "check") else None
        if elite is not None:
            step.take(elite)
    clustered = recluster(board) if board.fresh else None
    if clustered is not None:
        step.take(clustered)


def _choose(step: Step, minds: Minds) -> None:
    """Plan one experiment, or end the campaign if nothing is left to do; or neither, to wait for outcomes."""
    board = step.board
    trouble = _broken_baseline(board)
    if trouble is not None:
        if minds.briefing is not None:
            assign.think(step, minds.briefing, trouble)
        _end_when_quiet(step, trouble)
        return
    free = board.setup.mode == "ordered" or _slot_free(board)
    if free and _plan_standing(step):
        return
    if minds.briefing is not None:
        assign.think(step, minds.briefing)
    if free and not _plan_claim(step) and not _plan_seed(step):
        _search_or_confirm(step, minds)


def _plan_standing(step: Step) -> bool:
    """Plan what is to be known on this hardware before anything is claimed or searched, or wait for it."""
    board = step.board
    baselines, runs = _baselines_here(board), baseline_runs(board.setup)
    if _plan_known(step, baselines, board.baseline, runs, "baseline"):
        return True
    return _plan_known(step, _champion_here(board), board.champion, board.setup.search_seeds, "search")


def _broken_baseline(board: Board) -> str | None:
    for state in (board.experiments[x] for x in board.baselines):
        if state.seen and state.status not in ("measured", "cancelled"):
            assert state.outcome is not None
            return f"baseline {trouble(state.outcome.result, board.setup)}"
    return None


def _baselines_here(board: Board) -> list[ExperimentState]:
    """Return the baseline's runs whose scores count on the current kind of hardware."""
    exact = board.setup.objective.exact
    states = (board.experiments[x] for x in board.baselines)
    return [s for s in states if (exact or s.record.hardware == board.hardware) and not _came_to_nothing(s)]


def _champion_here(board: Board) -> list[ExperimentState] | None:
    """Return the runs that are to rank the champion on a kind of hardware new to it; None if there is no need.

    There is none once it is ranked, nor once it broke there: then the baseline stands in for it.
    """
    champion = board.champion
    if champion is None or champion in board.ranking:
        return None
    latest = (board.experiments[x] for x in reversed(board.experiments_of[champion]))
    here = takewhile(lambda state: state.record.hardware == board.hardware, latest)
    runs = [s for s in here if s.record.purpose == "search" and not _came_to_nothing(s)]
    return None if any(s.seen and s.status != "measured" for s in runs) else runs


def _came_to_nothing(state: ExperimentState) -> bool:
    return state.seen and state.status == "cancelled"


def _plan_known(
    step: Step, runs: list[ExperimentState] | None, candidate: str | None, wanted: int, purpose: Purpose
) -> bool:
    """Plan the next of the `wanted` runs that rank a candidate, or wait for them; False if there is nothing to do.

    Nothing is planned beyond the budget; what is claimed then rests on fewer runs, or nothing is.
    """
    board = step.board
    if runs is None or candidate is None:
        return False
    if len(runs) < wanted and has_room(board):
        taken = {state.record.seed for state in runs}
        seed = next(s for s in (search_seed(board.setup.seed, i) for i in count()) if s not in taken)
        step.plan(candidate, seed, purpose, hypothesis=board.candidates[candidate].hypothesis)
        return True
    return not all(state.seen for state in runs)


def _plan_claim(step: Step) -> bool:
    board = step.board
    chosen, claim = next_experiment(board), board.open_claim()
    if chosen is None or claim is None or gpus_spent(board):
        return False
    candidate, seed = chosen
    kept = artifact_of(board, candidate) if claim.record.exact else None
    step.plan(candidate, seed, "confirm", claim=claim.record.id, artifact=kept.id if kept else None)
    return True


def _plan_seed(step: Step) -> bool:
    """Plan the next search seed of the youngest candidate, unless it has them all or one has failed already.

    Where candidates race, of the one that is next in the race.
    """
    board = step.board
    if board.setup.racing:
        return _plan_race(step)
    candidate = next(reversed(board.candidates))
    searched: list[ExperimentState] = []
    for name in board.experiments_of.get(candidate, ()):
        if board.experiments[name].record.purpose == "search":
            searched.append(board.experiments[name])
        if len(searched) >= board.setup.search_seeds:
            return False
    if not searched or not may_search(board):
        return False
    if any(s.seen and s.status != "measured" for s in searched):
        return False
    step.plan(
        candidate,
        search_seed(board.setup.seed, len(searched)),
        "search",
        hypothesis=searched[0].record.hypothesis,
        bars=early.bars(board),
    )
    return True


def _plan_race(step: Step) -> bool:
    board = step.board
    chosen = next_run(board)
    if chosen is None or not may_search(board):
        return False
    candidate, number = chosen
    seed = search_seed(board.setup.seed, number)
    bars = early.bars(board) if candidate != board.standing else ()  # which others are held against: it runs to its end
    step.plan(candidate, seed, "search", hypothesis=board.candidates[candidate].hypothesis, bars=bars)
    return True


def _search_or_confirm(step: Step, minds: Minds) -> None:
    board = step.board
    claim = next_claim(board, last_chance=False, believes=minds.believes)
    if claim is not None:
        step.take(ev.ClaimOpened(claim))
        _plan_claim(step)
        return
    if may_search(board) and _search(step, minds):
        return
    if _quiet(board):
        claim = next_claim(board, last_chance=True, believes=minds.believes)
        if claim is not None:
            step.take(ev.ClaimOpened(claim))
            _plan_claim(step)
            return
    _end_when_quiet(step, assign.stuck(board) or assign.nothing_more(board) if may_search(board) else spent(board))


def _search(step: Step, minds: Minds) -> bool:
    """Plan the experiment of a new hypothesis; False if no open direction has one.

    The best-funded directions compete with one proposal each; the one believed best is tested.
    """
    board = step.board
    if assign.grant(step):
        return True
    if not assign.leaves_room(board):
        return False
    rng = seeded(board.setup.seed, board.decision)
    rivals: list[tuple[str, Proposal]] = []
    while not rivals:
        changes = minds.planner.plan(board)
        step.take(*changes)
        rivals = _rivals(step, minds, rng)
        if not changes:
            break  # the planner has seen every exhausted direction retired, and opens no more
    if rivals:
        _adopt(step, minds, *max(rivals, key=lambda rival: rival[1].worth or 0.0))
    return bool(rivals)


def _rivals(step: Step, minds: Minds, rng: random.Random) -> list[tuple[str, Proposal]]:
    """Return proposals of the best-funded directions that have one; those that have none are retired.

    All are by the author of the first, because what two authors believe of their own proposals does not compare.
    """
    board = step.board
    rivals: list[tuple[str, Proposal]] = []
    for direction in minds.planner.fund(board, rng):
        proposed = minds.proposer.propose(board, board.directions[direction].record.surface, rng)
        step.take(*proposed.conflicts)
        if proposed.proposal is None:
            step.take(ev.DirectionRetired(direction, EXHAUSTED))
            continue
        if rivals and proposed.proposal.author != rivals[0][1].author:
            continue
        rivals.append((direction, proposed.proposal))
        if len(rivals) == RIVALS or proposed.proposal.worth is None:
            break
    return rivals


def _adopt(step: Step, minds: Minds, direction: str, proposal: Proposal) -> None:
    """Record a hypothesis and its candidate, and plan the first experiment."""
    board = step.board
    candidate = tree_id(proposal.files)
    hypothesis = short_id("h", direction, proposal.parent, candidate)
    tree, blobs = pack_tree(proposal.files)
    step.blobs.update(blobs)
    step.take(
        ev.HypothesisProposed(
            Hypothesis(hypothesis, direction, proposal.parent, proposal.change, proposal.text, proposal.predicts)
        ),
        ev.CandidateAdded(
            Candidate(
                id=candidate,
                tree=tree,
                parents=(proposal.parent,),
                author=proposal.author,
                hypothesis=hypothesis,
                recipe=proposal.recipe,
                label=proposal.label,
                traits=traits(minds.baseline, proposal.files),
                root=proposal.root,
                settings=proposal.settings,
            )
        ),
    )
    step.plan(candidate, search_seed(board.setup.seed, 0), "search", hypothesis=hypothesis, bars=early.bars(board))


def _quiet(board: Board) -> bool:
    """Whether nothing is under way and everything that has arrived was seen."""
    return not board.running and not board.waiting and not board.unseen and not assign.busy(board)


def _end_when_quiet(step: Step, reason: str) -> None:
    if _quiet(step.board):
        step.take(ev.CampaignEnded(reason))
