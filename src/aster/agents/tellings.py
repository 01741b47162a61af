"""Pieces of briefs: what the board says of candidates, claims, directions and memories, an item each.

Every word that a model or a program chose stands in quotation marks; ids, numbers and what the ledger says do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from aster.agents.memory import Memory, Put
from aster.agents.quoting import in_line
from aster.board import Board
from aster.board.research import Line
from aster.domain.records import Reference, Setup
from aster.evidence.bounds import bound_text
from aster.evidence.findings import least_told, noise_seen, tie

MOST_CLAIMS = 50
"""The latest claims that are looked at for what a candidate was beaten by."""

MOST_REFERENCES = 6
"""Published marks that the best score is held against."""


def objective_text(setup: Setup) -> str:
    """Return what is optimised, and which differences count, as far as it is known before anything has run."""
    objective = setup.objective
    better = "Higher is better" if objective.goal == "maximize" else "Lower is better"
    lines = [f"The metric is `{objective.metric}`. {better}. A gain is written as a positive number, whichever way."]
    if objective.resolution:
        lines.append(f"Scores that differ by {objective.resolution:g} or less are ties.")
    if objective.exact:
        lines.append(
            "It is exact: the same output always scores the same, so what a run wrote is what counts, and the score of "
            "one run is a result."
        )
        if setup.paired:
            lines.append(
                "A run takes a seed, though, and another seed may write something better or worse: how reliable a "
                "version is over seeds is another question, which no claim tests."
            )
    else:
        lines.append(
            "It is noisy: a gain within the noise, which your brief tells, is no gain, and one run that is beyond it is"
            " no proof. Only a claim on fresh seeds is."
        )
    if objective.self_reported:
        lines.append("It is read from what the solution's own code prints; printing a number is not reaching it.")
    return " ".join(lines)


def claim_rule(setup: Setup) -> str:
    """Return what a claim is, and what is none."""
    if not setup.objective.exact:
        return (
            "A *claim* is a gain that was tested on fresh seeds. Only a confirmed claim is a result. A gain that was "
            "seen once, inside the noise, is nothing yet."
        )
    seeds = ""
    if setup.paired:
        seeds = (
            " No claim tests whether other seeds do as well; that a version gained on one seed may be its change or "
            "its seed."
        )
    return (
        "A *claim* is a gain of which both results were scored again. The metric is exact, so a result that scored "
        f"once stays what it is; differences up to the resolution are ties.{seeds}"
    )


def reading_rule(setup: Setup) -> str:
    """Return how a subagent is to read what its experiments came to."""
    if not setup.objective.exact:
        return (
            "Read the result against the noise. A difference inside the noise is no gain, whatever its sign. One run "
            "proves nothing: where a noisy gain matters, `measure_again` your version and its parent side by side."
        )
    text = "Scores are exact: a difference beyond the resolution is a real difference of these two results."
    if setup.paired:
        text += (
            " Whether the change or the seed made it, one run cannot tell: where that matters, run your version and "
            "its parent with `another_seed`, side by side."
        )
    return text


def least_gain(board: Board) -> float:
    """Return the gain, in the metric's units, up to which two measurements on one seed tell nothing."""
    return least_told(board, 1)


def shown(value: float) -> str:
    """Return a score as it is shown everywhere: with the digits that tell near ones apart."""
    return f"{value:.10g}"


def gain_text(gain: float | None) -> str:
    """Return a gain, or that there was nothing to measure."""
    return "none (it broke)" if gain is None else f"{gain:+.3g}"


def candidate_line(board: Board, candidate: str) -> str:
    """Return a candidate with its label, score, gain on the baseline, and how long its run took."""
    record, score = board.candidates[candidate], board.score(candidate)
    label = "the unchanged solution" if candidate == board.baseline else in_line(record.label or "unnamed", 120)
    if record.diagnosis:
        return f"{candidate}: {label}, made for a diagnosis: nothing starts from it"
    if score is None:
        return f"{candidate}: {label}, no score yet"
    gain = board.gain(candidate, board.baseline or "")
    beyond = f", gain on the baseline {gain[0]:+.3g}" if gain is not None and candidate != board.baseline else ""
    seeds = f" (mean of {score.n} seeds)" if score.n > 1 else ""
    scored = f"{board.setup.objective.metric} {shown(score.mean)}{seeds}{beyond}"
    return f"{candidate}: {label}, {scored}{_took(board, candidate)}"


def _took(board: Board, candidate: str) -> str:
    """Return how long the first run of a candidate that was measured took; "" for none."""
    for name in board.experiments_of.get(candidate, ()):
        state = board.experiments[name]
        if state.record.purpose in ("baseline", "search") and state.metrics is not None and state.outcome is not None:
            return f", took {state.outcome.usage.wall_s:.1f} s"
    return ""


def beaten(board: Board, candidate: str) -> str:
    """Return which candidate was confirmed to beat one, by the latest claims, to stand behind its line; "" for none."""
    for state in islice(reversed(board.claims.values()), MOST_CLAIMS):
        if state.record.against == candidate and state.decided is not None and state.decided.verdict == "confirmed":
            return f"; {state.record.candidate} was confirmed to beat it"
    return ""


def under_way_lines(board: Board, but: str | None = None) -> Iterator[str]:
    """Yield what subagents are at, an item each, but for that of one assignment."""
    research = board.research
    for name in research.live:
        record = research.assignments[name].record
        if record.hypothesis is not None and name != but:
            yield hypothesis_line(board, record.hypothesis, "a subagent is at it", record.parent)


def hypothesis_line(board: Board, name: str, how: str, start: str | None = None) -> str:
    """Return a hypothesis with what it starts from and its score: `start`, or what its record says."""
    hypothesis = board.hypotheses[name]
    if start is None and not hypothesis.anew:
        start = hypothesis.parent
    score = board.score(start) if start is not None else None
    scored = f" (scored {shown(score.mean)})" if score is not None else ""
    surface = in_line(board.directions[hypothesis.direction].record.surface, 60)
    origin = start or "whatever is best by then"
    return f"- {name} on {surface} from {origin}{scored} {in_line(hypothesis.change, 160)}: {how}"


def standing_lines(board: Board) -> list[str]:
    """Return where the campaign stands: baseline, noise, champion, best unconfirmed; the best beside references."""
    if board.baseline is None:
        return []
    lines = [f"- Baseline {candidate_line(board, board.baseline)}"]
    if not board.setup.objective.exact:
        known = noise_seen(board)
        if known is not None:
            lines.append(f"- Noise seen so far: {_noise(board, *known)}")
    if board.champion is not None:
        lines.append(f"- Champion (confirmed) {candidate_line(board, board.champion)}")
    best = board.best_unconfirmed()
    if best is not None:
        beyond = board.here.means.beyond(best)
        none = f"; no claim is made of it: {beyond}" if beyond else ""
        lines.append(f"- Best, not confirmed {candidate_line(board, best)}{none}")
    return [*lines, *_against_references(board)]


def _noise(board: Board, sd: float, runs: int) -> str:
    if sd == 0:
        return (
            f"none, {runs} runs of the same scored alike. So far scores are exact for what search is scored on, which "
            "tells nothing of what else the fresh seeds of a claim bring: a small gain may not carry over"
        )
    return f"sd {sd:.3g} over {runs} runs; gains of one run up to {least_gain(board):.3g} are within it"


def _against_references(board: Board) -> list[str]:
    """Return where the best score stands to the references that were had under the same conditions, in one line."""
    references = [each for each in board.setup.references if each.same][:MOST_REFERENCES]
    best = board.best_unconfirmed() or board.standing  # what ties with the champion is not better
    score = board.score(best) if best is not None else None
    if not references or best is None or score is None:
        return []
    proven = "" if board.setup.objective.exact or best == board.champion else ", which is not confirmed"
    rows = [f"{in_line(of.name, 80)} stands at {of.value:.12g}: {_reached(board, score.mean, of)}" for of in references]
    return [f"- The best so far is {shown(score.mean)} ({best}){proven}; of the references {'; '.join(rows)}"]


def _reached(board: Board, value: float, of: Reference) -> str:
    """Return where a score stands to a reference, judged no finer than it was published."""
    objective = board.setup.objective
    gain = objective.gain(value, of.value)
    if gain < -objective.resolution:
        return f"short by {-gain:.3g}"
    return f"reached, {gain:.3g} beyond it" if gain > max(of.unit, objective.resolution) else "reached"


def claim_lines(board: Board, most: int = 12) -> list[str]:
    """Return the latest claims with their verdicts, the latest first."""
    lines = []
    for state in islice(reversed(board.claims.values()), most):
        record, decided = state.record, state.decided
        head = f"- {record.candidate} {in_line(board.candidates[record.candidate].label, 80)} beats {record.against}: "
        if decided is None:
            lines.append(head + "under test")
            continue
        numbers = ""
        if decided.gain is not None and decided.low is not None and decided.high is not None:
            interval = f" [{decided.low:+.3g}, {decided.high:+.3g}], {decided.pairs} pairs on fresh seeds"
            numbers = f", gain {decided.gain:+.3g}"
            numbers += ": what both wrote was scored again; other seeds may differ" if record.exact else interval
        means = "".join(f"; {bound_text(test)}" for test in decided.bounds)
        lines.append(head + decided.verdict + numbers + means)
    return lines


def memory_lines(board: Board, memories: Iterable[Memory], width: int = 500) -> list[str]:
    """Return memories with their evidence, an item each; what was measured with its gain, on its parent and in all."""
    return [f"- {_memory(board, each, width)}" for each in memories]


def _memory(board: Board, memory: Memory, width: int) -> str:
    of = memory.candidate or memory.key
    about = [gains_text(board, memory.candidate, memory.parent, memory.gain)] if memory.candidate is not None else []
    about += [f"evidence: {', '.join(memory.evidence[:6])}"] if memory.evidence else []
    evidence = f" ({'; '.join(filter(None, about))})" if any(about) else ""
    kind = "" if memory.kind in ("note", "no gain", "gain") else f"{memory.kind}, "
    return f"{kind}{of} on {in_line(memory.surface, 60)}: {in_line(memory.text, width)}{evidence}"


def gains_text(board: Board, candidate: str, parent: str | None, gain: float | None) -> str:
    """Return a candidate's gain on its parent and on the baseline, which alone compares with others'; "" for none."""
    if gain is None or parent is None:
        return ""
    told = tie(board.setup.objective, gain)
    if parent == board.baseline:
        return f"{told} with the baseline" if told else f"{gain:+.3g} on the baseline"
    total = board.gain(candidate, board.baseline or "")
    beyond = f", {total[0]:+.3g} on the baseline" if total is not None else ""
    return f"{f'{told} with' if told else f'{gain:+.3g} on'} its parent {parent}{beyond}"


def put_text(board: Board, put: Put) -> str:
    """Return what an idea of the library gained where it was put."""
    if put.gain is None:
        return f"{gain_text(None)} on {put.parent}"
    return f"{put.candidate} {gains_text(board, put.candidate, put.parent, put.gain)}"


def distinct(*groups: Iterable[Memory]) -> list[Memory]:
    """Return memories of several searches, each once."""
    return list({each.key: each for group in groups for each in group}.values())


def direction_lines(board: Board, most_retired: int = 8) -> list[str]:
    """Return the directions of agents, open ones first, with what they cost, gained and learnt."""
    names = list(board.research.lines)
    alive = [name for name in names if board.directions[name].retired is None]
    gone = [name for name in reversed(names) if board.directions[name].retired is not None][:most_retired]
    return [_direction(board, name) for name in [*alive, *gone]]


def _direction(board: Board, name: str) -> str:
    state, line = board.directions[name], board.research.lines[name]
    paths = f" [{', '.join(line.record.paths[:6])}]" if line.record.paths else ""
    gains = [gain for gain, _ in state.yields[-50:] if gain is not None]
    best = f", best gain on a parent {_or_tie(board, max(gains))}" if gains else ""
    work = f"{state.experiments} experiments, {state.dry} findings since the last success{best}, ${line.usd:.2f}"
    now = _busy(line) if state.retired is None else f"retired: {in_line(state.retired)}"
    head = f"- {name} on {in_line(line.record.surface, 80)}{paths}: {in_line(line.record.rationale, 240)}"
    parts = [head, f"  {work}; {now}"]
    if line.handoff is not None:
        learnt, concerns = in_line(line.handoff.learnt, 400), in_line(line.handoff.concerns, 200)
        parts.append(f"  worker: learnt {learnt}; concerns {concerns}")
        if line.handoff.retire and state.retired is None:
            parts.append(f"  worker would retire it: {in_line(line.handoff.retire)}")
    return "\n".join(parts)


def _or_tie(board: Board, gain: float) -> str:
    return tie(board.setup.objective, gain) or f"{gain:+.3g}"


def _busy(line: Line) -> str:
    waiting = f"{len(line.drafts)} hypotheses waiting"
    return f"open, {len(line.busy)} agents at work, {waiting}, weight {line.weight:g}"


def machine_lines(board: Board) -> list[str]:
    """Return the directions that proposers work in, one a surface: the idea library's and the tuner's."""
    lines = []
    for surface, states in sorted(board.directions_on.items()):
        runs = sum(state.experiments for state in states)
        gains = [gain for gain, _ in states[-1].yields[-50:] if gain is not None]
        best = f", best gain on a parent {_or_tie(board, max(gains))}" if gains else ""
        retired = "" if states[-1].retired is None else ", retired"
        lines.append(f"- {in_line(surface, 80)}: {runs} experiments{best}{retired}")
    return lines


def spend_lines(board: Board) -> list[str]:
    """Return what was spent of each ceiling."""
    limits, bill = board.setup.limits, board.research.bill
    lines = [f"- {board.spend.experiments}{_of(limits.experiments)} experiments, {len(board.running)} running"]
    usd = f", ${bill.reserved_usd:.2f} more reserved for calls under way" if bill.reserved_usd else ""
    lines.append(f"- models: ${bill.usd:.2f}{_of(limits.usd, '$')} spent{usd}")
    tokens = f", {bill.reserved_tokens:,} more reserved for calls under way" if bill.reserved_tokens else ""
    lines.append(f"- tokens: {bill.tokens:,}{_of(limits.tokens)} spent{tokens}")
    at_work = len(board.research.live)
    lines.append(f"- side by side: {board.setup.slots} experiments; {board.setup.agents} agents, {at_work} at work")
    if limits.wall_s is not None:
        lines.append(f"- wall time: {board.spend.wall_s / 60:.0f} of {limits.wall_s / 60:.0f} minutes")
    return lines


def _of(limit: float | None, unit: str = "") -> str:
    return "" if limit is None else f" of {unit}{limit:,.10g}"


def veto_lines(board: Board, direction: str | None, most: int, look_at: int = 200) -> list[str]:
    """Return the latest drafts that were turned down, in a direction (None: in all), the latest first, each once."""
    told: set[str] = set()

    def found() -> Iterator[str]:
        for where, veto in islice(reversed(board.research.vetoes), look_at):
            if direction in (None, where) and veto.kind != "later" and veto.draft.change not in told:
                told.add(veto.draft.change)
                yield f"- {in_line(veto.draft.change, 120)}: by {veto.by}, {in_line(veto.reason, 240)}"

    return list(islice(found(), most))


def later_lines(board: Board, direction: str, most: int, look_at: int = 200) -> list[str]:
    """Return the latest drafts of a direction that the critic set aside until something else is there, each once."""
    surface, told = board.directions[direction].record.surface, set[str]()

    def found() -> Iterator[str]:
        for where, veto in islice(reversed(board.research.vetoes), look_at):
            own = where == direction or (not where and veto.surface.lower() == surface.lower())
            if own and veto.kind == "later" and veto.draft.change not in told:
                told.add(veto.draft.change)
                draft = f"{in_line(veto.draft.change, 160)}: {in_line(veto.draft.text, 600)}"
                yield f"- {draft}; the critic: {in_line(veto.reason, 400)}"

    return list(islice(found(), most))


def steering_lines(board: Board, most: int = 8, width: int = 1500) -> list[str]:
    """Return what the person who runs the campaign asked for, the latest first; new to the planner is marked."""
    texts, told = board.research.steering[: board.research.heard], board.research.steered
    rows = list(enumerate(texts))[::-1][:most]
    return [f"- {'(new) ' if place >= told else ''}{text.strip()[:width]}" for place, text in rows]


def reference_lines(setup: Setup) -> list[str]:
    """Return published marks."""
    return [
        f"- {each.name}: {each.value:.10g} ({each.source})"
        + ("" if each.same else f"; other conditions: {each.conditions or 'not said'}")
        for each in setup.references
    ]
