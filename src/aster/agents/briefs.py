"""What each agent is told of the campaign as it is when it begins: pure, within a budget of tokens, never raw logs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from aster.agents import tellings as tell
from aster.agents.combining import FilesOf
from aster.agents.memory import best_gains, memories_of
from aster.agents.outline import FROZEN
from aster.agents.pairs import combination_lines
from aster.agents.quoting import in_line, quoted
from aster.agents.sections import Section, written
from aster.archive import draw_parents, ranked_elites
from aster.board import Board
from aster.domain.ids import seeded
from aster.domain.research import Assignment
from aster.evidence.findings import noise_seen

MOST_ADVICE = 600
"""Characters of the critic's advice that a subagent is told."""
MOST_BESIDE = 12
"""Others at work that a subagent is told of: more have no room, and there may be a thousand."""

PARENTS = 5
"""Parents that are drawn from the archive for a worker."""


BEST = "What gained on its parent, the best scores first"

LATER = "What the critic set aside; hand it over again once what it needs is there"

WRITTEN_BY = {"planner": "The hypothesis, by the planner", "worker": "The hypothesis, by your worker"}


def planner_brief(
    board: Board, files: Mapping[str, bytes], measured: Sequence[str] = (), frozen: Collection[str] = ()
) -> str:
    """Return what the planner is told: about 16,000 tokens at most.

    Args:
        files: nothing of them but their names.
        measured: what earlier campaigns measured of ideas of the library, an item each, the best first.
        frozen: the names of files that can only be read.
    """
    known = memories_of(board)
    elites = [f"- {tell.candidate_line(board, each)}{tell.beaten(board, each)}" for each in ranked_elites(board)[:10]]
    refused = _refused(board)
    ideas = [f"- {name}: {'; '.join(tell.put_text(board, put) for put in puts)}" for name, puts in known.ideas(24)]
    return written(
        [
            Section("What the person who runs the campaign asks for", tell.steering_lines(board), 2500),
            Section("Where the campaign stands", tell.standing_lines(board), 750, "Nothing was measured yet."),
            Section("Claims", tell.claim_lines(board), 900, "None was tested yet."),
            Section("Directions of agents", tell.direction_lines(board), 3000, "None is open. Open some."),
            Section("What machines try beside you: library ideas, tuning", tell.machine_lines(board), 600),
            Section(BEST, tell.memory_lines(board, best_gains(board, None, 14)), 1700, "Nothing yet."),
            Section("Dead ends", tell.memory_lines(board, known.latest(None, "dead end", 12)), 1000),
            Section("What earlier campaigns measured of library ideas", measured, 1200),
            Section("Library ideas as they were measured here, each on the parent that it was put on", ideas, 900),
            Section(
                "What brought nothing lately", tell.memory_lines(board, known.latest(None, "no gain", 12), 240), 900
            ),
            Section("Notes", tell.memory_lines(board, known.latest(None, "note", 8), 300), 800),
            Section("Candidates that differ, the best of each kind", elites, 700),
            Section("Spent, and at work", tell.spend_lines(board), 250),
            Section("What of your last plan could not be done", refused, 400),
            Section("Files in the best version", _files(files, frozen), 600),
            Section("Your last note", _last_note(board), 500),
        ]
    )


def _files(files: Collection[str], frozen: Collection[str]) -> list[str]:
    own = [f"- {in_line(path)}" for path in sorted(files)]
    return [*own, *(f"- {in_line(path)} {FROZEN}" for path in sorted(frozen))]


def _refused(board: Board) -> list[str]:
    if not board.research.plans:
        return []
    assignment, _ = board.research.plans[-1]
    return [f"- {in_line(each, 300)}" for each in board.research.assignments[assignment].refused]


def _last_note(board: Board) -> list[str]:
    if not board.research.plans:
        return []
    plan = board.research.plans[-1][1]
    news = "since then another is the best, or you are asked for more"
    done = f"You saw nothing more to try: {in_line(plan.done, 600)}; {news}."
    return [*([done] if plan.done else []), *([in_line(plan.note, 1000)] if plan.note else [])]


def worker_brief(board: Board, assignment: Assignment) -> str:
    """Return what a worker is told: about 11,500 tokens at most."""
    direction = assignment.direction or ""
    record, line, known = board.directions[direction].record, board.research.lines[direction], memories_of(board)
    surface = record.surface
    here = tell.memory_lines(
        board, tell.distinct(best_gains(board, surface, 8), known.latest(surface, "no gain", 10)), 300
    )
    elsewhere = [each for each in best_gains(board, None, 12) if each.surface != surface][:6]
    dead = tell.distinct(
        known.latest(surface, "dead end", 8),
        (each for each in known.about(f"{surface} {record.rationale}", 8) if each.kind == "dead end"),
    )
    waiting = [f"- {in_line(board.hypotheses[each].change, 160)}" for each in line.drafts]
    return written(
        [
            Section("Your direction", _direction_lines(board, direction), 1200),
            Section("What the person who runs the campaign asks for", tell.steering_lines(board, 4), 1000),
            Section("Where the campaign stands", tell.standing_lines(board), 750),
            Section("Parents to start from, drawn from the archive", _parents(board, assignment), 600),
            Section("What was tried on your surface", here, 1600, "Nothing yet."),
            Section("What subagents noted", tell.memory_lines(board, known.latest(surface, "note", 10), 1200), 2400),
            Section("Dead ends", tell.memory_lines(board, dead), 1000),
            Section("What gained elsewhere", tell.memory_lines(board, elsewhere, 240), 600),
            Section("Hypotheses that wait for a subagent; do not hand them over again", waiting, 500),
            Section(LATER, tell.later_lines(board, direction, 4), 1200),
            Section("What was turned down", tell.veto_lines(board, direction, 8), 700),
            Section("Spent, and at work", tell.spend_lines(board), 250),
            Section("Your last handoff", _handoff(board, direction), 600),
        ]
    )


def _direction_lines(board: Board, direction: str) -> list[str]:
    record = board.directions[direction].record
    lines = [f"- id: {direction}", f"- surface: {in_line(record.surface, 80)}"]
    lines.append(f"- what may be edited: {', '.join(record.paths) or 'all editable files'}")
    lines.append(f"- rationale: {in_line(record.rationale, 1200)}")
    if record.success:
        lines.append(f"- what counts as success: {in_line(record.success, 600)}")
    if record.novelty:
        lines.append(f"- what sets it apart: {in_line(record.novelty, 400)}")
    if record.expected is not None:
        lines.append(f"- expected gain: {record.expected:g}")
    if record.experiments is not None:
        done = board.directions[direction].experiments
        lines.append(f"- experiments planned: about {record.experiments}; done: {done}")
    return lines


def _parents(board: Board, assignment: Assignment) -> list[str]:
    """Return the standing and the best candidates and some drawn from the archive, by the assignment's own seed."""
    rng = seeded(board.setup.seed, "parents", assignment.id)
    firsts = [each for each in (board.best_unconfirmed(), board.standing) if each is not None]
    drawn = draw_parents(board, rng, PARENTS)
    names = dict.fromkeys([*firsts, *drawn])
    return [f"- {tell.candidate_line(board, each)}{tell.beaten(board, each)}" for each in names]


def _handoff(board: Board, direction: str) -> list[str]:
    handoff = board.research.lines[direction].handoff
    if handoff is None:
        return []
    rows = (("done", handoff.done), ("learnt", handoff.learnt), ("concerns", handoff.concerns))
    return [f"- {name}: {in_line(text, 500)}" for name, text in rows if text]


def subagent_brief(board: Board, assignment: Assignment, files_of: FilesOf) -> str:
    """Return what a subagent is told: about 10,700 tokens at most."""
    hypothesis = board.hypotheses[assignment.hypothesis or ""]
    surface = board.directions[hypothesis.direction].record.surface
    known = memories_of(board)
    query = f"{surface} {hypothesis.change} {hypothesis.text}"
    dead = known.latest(surface, "dead end", 5)
    found = tell.distinct(known.about(query, 6, surface), best_gains(board, surface, 3), known.about(query, 3))
    near = [each for each in found if each not in dead]
    return written(
        [
            Section("Your hypothesis", _task(board, assignment), 3000),
            Section("Your direction", _direction_lines(board, hypothesis.direction), 800),
            Section("Where you start from", _start(board, assignment), 400),
            Section("What is to be combined", combination_lines(board, assignment, files_of), 3400),
            Section("Where the campaign stands", tell.standing_lines(board), 650),
            Section("Under way beside you", list(islice(tell.under_way_lines(board, assignment.id), MOST_BESIDE)), 500),
            Section("What is known nearby", tell.memory_lines(board, near, 300), 1000),
            Section("Dead ends here", tell.memory_lines(board, dead, 300), 500),
            Section("What you may spend", [*_allowance(assignment), *tell.spend_lines(board)], 450),
        ]
    )


def _task(board: Board, assignment: Assignment) -> list[str]:
    hypothesis = board.hypotheses[assignment.hypothesis or ""]
    lines = [
        "Carry out what the following text claims, on your surface, and find out whether it holds.",
        quoted(f"{hypothesis.change}\n\n{hypothesis.text}", WRITTEN_BY.get(hypothesis.by, "The hypothesis"), 3600),
    ]
    if hypothesis.advice:
        lines.append(quoted(hypothesis.advice, "Advice of the critic that let it through; weigh it", MOST_ADVICE))
    if hypothesis.predicts is not None:
        lines.append(f"It predicts a gain of {hypothesis.predicts:g}.")
    least, known = tell.least_gain(board), noise_seen(board)
    if not board.setup.objective.exact and (known is None or known[0] > 0):
        lines.append(f"A gain below {least:.3g} cannot be told from none by one measurement.")
    elif least > 0:
        lines.append(f"A difference of at most {least:.3g} is a tie.")
    return lines


def _start(board: Board, assignment: Assignment) -> list[str]:
    return [f"- {tell.candidate_line(board, assignment.parent)}"] if assignment.parent is not None else []


def _allowance(assignment: Assignment) -> list[str]:
    allowed = assignment.allowance
    usd = f", ${allowed.usd:.2f}" if allowed.usd is not None else ""
    own = f"{allowed.requests} model calls, {allowed.tokens} tokens{usd}, {allowed.experiments} experiments"
    left = assignment.search_left
    lines = []
    if left is not None:
        lines.append(
            f"For search the campaign had about {left} experiments left when you began, beyond what others had asked "
            "for, for all who are at work together. Once they are used search is over, whatever your allowance."
        )
    return [*lines, f"You: {own}. All of the campaign together, a part of it held back for confirmation:"]
