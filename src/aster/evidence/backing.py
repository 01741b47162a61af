"""Numbers in what a model wrote, held against the ledger and what it was shown: what neither gave is not backed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from msgspec import Struct

from aster.board import Board
from aster.evidence.findings import noise, noise_seen
from aster.evidence.repeats import told_of
from aster.evidence.said import Said, as_ratio, counts, hedged, is_value, numbers, of_metric

MOST_EVIDENCE = 32
"""Experiments in evidence that are looked at."""

SHOWN = (".7g", ".10g")
"""How briefs and findings show scores: whoever takes the difference has no more digits than these."""

LONG, TELLING = 1000, 10
"""Units of their last place that two numbers, and their difference, have where it is no chance: four digits, two."""


class Sources(Struct, frozen=True):
    """What an author has seen, beside what the ledger measured.

    Attributes:
        given: what it was told, such as its brief, tools' answers, the hypothesis and the change that was made.
        code: files that it was shown or wrote, and diffs: no constant of theirs is a metric's value.
        logs: what candidates printed. Looked at only where nothing else gives a number.
    """

    given: Sequence[str] = ()
    code: Sequence[str] = ()
    logs: Iterable[str] = ()


NOTHING = Sources()


class Weighed(Struct, frozen=True, array_like=True):
    """What the numbers of a text are worth, as they stand there, each once.

    Attributes:
        unbacked: nothing gives them.
        logged: only what candidates printed does, and they carry no mark that says so.
        estimates: guesses that are said to be guesses, in concerns.
    """

    unbacked: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()


def weighed(board: Board, text: str, evidence: Sequence[str], seen: Sources = NOTHING, concerns: str = "") -> Weighed:
    """Hold the numbers of a text, and of its concerns, against what is known.

    A number is backed if it is, rounded (or a rounding that was rounded once more) or cut off as it is written: a
    metric of an experiment in evidence, of its parent, of the baseline or of the champion; the difference of two of
    these, exact or as they are shown, as it is, in percent or as a factor; the noise; an intermediate value or the
    seconds of an experiment in evidence; what its author has seen; or the difference or ratio of two numbers beside it
    that are backed. What logs alone give is from the log, and so is what others passed on with that mark.
    Small whole numbers that count things, and those in names, are not looked at. In concerns, what is hedged needs
    nothing to back it.

    Args:
        evidence: experiments; those that do not exist, or were not measured, back nothing.
    """
    return _Scale(board, f"{text}\n{concerns}", len(text), evidence, seen).weigh()


class _Scale:
    """Weighs the numbers of one text. `body`: the text with its concerns, which begin at `doubts`."""

    def __init__(self, board: Board, body: str, doubts: int, evidence: Sequence[str], seen: Sources) -> None:
        self._body, self._doubts, self._logs = body, doubts, seen.logs
        values, self._ratios, by_metric = _known(board, evidence)
        self._values, self._metrics = values, tuple({board.setup.objective.metric, *by_metric})
        scores = by_metric.get(board.setup.objective.metric, [])
        whole = bool(scores) and all(float(each).is_integer() for each in scores)
        self._said = [each for each in numbers(body) if not counts(each, body, self._metrics, whole)]
        given = [each for other in seen.given for each in numbers(other)] if self._said else []
        self._given = [each for each in given if not each.mark]
        self._passed_on = [each for each in given if each.mark == "log"]
        self._guessed = [each for each in given if each.mark == "estimate"]
        self._code = [each for other in seen.code for each in numbers(other)] if self._said else []

    def weigh(self) -> Weighed:
        backed = [(each, value) for each in self._said if (value := self._measured(each)) is not None]
        printed = self._printed(_others(self._said, backed))
        pending = _others(self._said, [*backed, *printed])
        logged = {each.text: None for each, _ in printed if each.mark != "log"}
        unbacked: dict[str, None] = {}
        estimates: dict[str, None] = {}
        for each in pending:
            if self._follows(each, backed):
                continue
            if self._follows(each, [*backed, *printed]):
                logged.update({each.text: None} if each.mark != "log" else {})
            elif each.start > self._doubts and hedged(each, self._body):
                estimates[each.text] = None
            elif not (each.mark == "estimate" and _among(each, self._guessed)):
                unbacked[each.text] = None
        return Weighed(tuple(unbacked), tuple(logged), tuple(estimates))

    def _measured(self, said: Said) -> float | None:
        """Return the value that a number stands for, by the ledger or what its author was shown; None: by neither."""
        pool = self._ratios[said.unit] if said.unit else self._values
        if as_ratio(said, self._body):
            pool = pool + self._ratios["x"]
        told = self._given if of_metric(said, self._body, self._metrics) else [*self._given, *self._code]
        return _first(said, pool) if (found := _among(said, told)) is None else found

    def _printed(self, said: Sequence[Said]) -> list[tuple[Said, float]]:
        """Return those of some numbers that were passed on as printed, or stand in a log, with their values."""
        shown = [*self._passed_on, *(each for log in self._logs for each in numbers(log))] if said else []
        found = ((each, _among(each, shown, exactly=True)) for each in said)
        return [(each, value) for each, value in found if value is not None]

    def _follows(self, said: Said, known: Sequence[tuple[Said, float]]) -> bool:
        """Whether a number is the difference or the ratio of two known ones: of its sentence, or, where all have
        digits enough that it is no chance, of the whole text."""
        if of_metric(said, self._body, self._metrics):
            return False
        near = [pair for pair in known if pair[0].sentence == said.sentence]
        long = [pair for pair in known if pair[0].figures >= LONG] if said.figures >= TELLING else []
        ratio = said.unit == "x" or as_ratio(said, self._body)
        return any(
            is_value(said, value)
            for group in (near, long)
            for one, other in combinations([pair for pair in group if not pair[0].unit], 2)
            for a, b in ((one[0].value, other[0].value), (abs(one[1]), abs(other[1])))
            for value in _between(a, b, "%" if said.unit == "%" else "x" if ratio else "")
        )


def _between(a: float, b: float, unit: str) -> list[float]:
    """Return what is said of two numbers with a unit: their difference, or one as a part of the other."""
    if not unit:
        return [abs(a - b)]
    pairs = [(new, old) for new, old in ((a, b), (b, a)) if old]
    if unit == "x":
        return [new / old for new, old in pairs]
    return [value for new, old in pairs for value in (100 * abs(new - old) / old, 100 * new / old)]


def _others(said: Sequence[Said], known: Sequence[tuple[Said, float]]) -> list[Said]:
    starts = {each.start for each, _ in known}
    return [each for each in said if each.start not in starts]


def _first(said: Said, values: Iterable[float]) -> float | None:
    return next((value for value in values if is_value(said, value)), None)


def _among(said: Said, others: Iterable[Said], exactly: bool = False) -> float | None:
    """Return the value of the first of some numbers that a number repeats. A factor may repeat one without a unit."""
    units = (said.unit,) if exactly or said.unit != "x" else ("x", "")
    return _first(said, (each.value for each in others if each.unit in units))


def _known(board: Board, evidence: Sequence[str]) -> tuple[list[float], dict[str, list[float]], dict[str, list[float]]]:
    """Return values, with differences of two of one metric; such differences as ratios; values by metric."""
    by_metric: dict[str, list[float]] = {}
    seen = noise_seen(board)
    values: list[float] = [noise(board), *([seen[0]] if seen else [])]
    for name in _experiments(board, evidence):
        state = board.experiments[name]
        for metric, value in (state.reported or {}).items():
            by_metric.setdefault(metric, []).append(value)
        if name in evidence and state.outcome is not None:
            used = state.outcome.usage
            values += [used.wall_s, used.cpu_s, used.max_rss_mb]
            values += [number for point in state.outcome.progress for number in point]
    for candidate in _candidates(board, evidence):
        score = board.score(candidate)
        if score is not None:
            by_metric.setdefault(board.setup.objective.metric, []).append(score.mean)
        mean, others = told_of(board, candidate, board.candidates[candidate].parents[:1])
        by_metric.setdefault(board.setup.objective.metric, []).extend(mean)
        values += others
    for found in by_metric.values():
        values += dict.fromkeys(found)
    changes, ratios = _differences(by_metric.values())
    return values + changes, ratios, by_metric


def _differences(metrics: Iterable[list[float]]) -> tuple[list[float], dict[str, list[float]]]:
    changes: list[float] = []
    ratios: dict[str, list[float]] = {"%": [], "x": []}
    for found in metrics:
        different = dict.fromkeys(found)
        for digits in SHOWN:
            changes += [
                abs(a - b) for a, b in combinations(dict.fromkeys(float(f"{x:{digits}}") for x in different), 2)
            ]
        for a, b in combinations(different, 2):
            changes.append(abs(a - b))
            for new, old in ((a, b), (b, a)):
                if old:
                    ratios["%"] += [100 * abs(new - old) / abs(old), 100 * new / old]
                    ratios["x"].append(new / old)
    return changes, ratios


def _experiments(board: Board, evidence: Sequence[str]) -> list[str]:
    """Return the experiments whose numbers may be said: those in evidence, and the latest of what they compare to."""
    found = dict.fromkeys(x for x in evidence[:MOST_EVIDENCE] if x in board.experiments)
    for candidate in _candidates(board, evidence):
        found.update(dict.fromkeys(board.experiments_of.get(candidate, ())[-4:]))
    return list(found)


def _candidates(board: Board, evidence: Sequence[str]) -> list[str]:
    """Return the candidates in evidence, their parents, the baseline, the champion and the best."""
    found: dict[str, None] = {}
    for name in evidence[:MOST_EVIDENCE]:
        if name in board.experiments:
            candidate = board.experiments[name].record.candidate
            found[candidate] = None
            found.update(dict.fromkeys(board.candidates[candidate].parents))
    others = (board.baseline, board.champion, board.best_unconfirmed())
    found.update(dict.fromkeys(each for each in others if each is not None))
    return list(found)
