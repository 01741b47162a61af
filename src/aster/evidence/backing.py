"""Numbers in what a model wrote, held against the ledger: what no experiment gave is not backed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from msgspec import Struct

from aster.board import Board
from aster.evidence.findings import noise, noise_seen
from aster.evidence.repeats import told_of

MOST_EVIDENCE = 32
"""Experiments in evidence that are looked at."""

FROM_LOG = " [from the log]"
"""Stands behind a number that only a log shows, where others are told it: it was printed, and nobody measured it."""

FREE = 10
"""Whole numbers up to this count things, unless they are said of a measurement."""

SHOWN = (".7g", ".10g")
"""How briefs and findings show scores: whoever takes the difference has no more digits than these."""

_NUMBER = re.compile(
    r"(?<![\w.#/-])(?P<sign>[+\-−±]?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\.\d+|\d+)"
    r"(?P<power>[eE][+\-−]?\d+)?(?P<unit>\s?%|\s?[x×](?!\w)|\s?percent\b)?(?![\w]*::)(?!\w)"
)
_MEASURED = re.compile(
    r"(?:\b(?:by|gain(?:s|ed)?|scored?s?|reach(?:es|ed)?|improv\w+|loss|lost)|[=~≈→>+])\s*$", re.IGNORECASE
)


class _Said(Struct, frozen=True):
    """A number as it stands in a text. `step`: one unit in its last place. `unit`: "%", "x" or none. `printed`: it is
    marked as one that only a log shows."""

    text: str
    value: float
    step: float
    signed: bool
    unit: str
    printed: bool


def unbacked(board: Board, text: str, evidence: Sequence[str], given: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the numbers in a text that nothing known gives, as they stand there, each once.

    A number is backed if it is, rounded (or a rounding that was rounded once more) or cut off as it is written: a
    metric of an experiment in evidence, of its parent, of the baseline or of the champion; the difference of two of
    these, exact or as they are shown, as it is, in percent or as a factor; the noise; an intermediate value or the
    seconds of an experiment in evidence; or if it stands in `given`.
    Small whole numbers that count things, and those in names, are not looked at.

    Args:
        evidence: experiments; those that do not exist, or were not measured, back nothing.
        given: texts whose numbers may be repeated, such as the hypothesis and the change that was made.
    """
    said = list(_numbers(text))
    if not said:
        return ()
    repeated = [each for other in given for each in _numbers(other, all_of_them=True)]
    values, changes, ratios = _known(board, evidence)
    missing: dict[str, None] = {}
    for each in said:
        if each.unit == "%":
            pool = ratios["%"]
        elif each.unit == "x":
            pool = ratios["x"]
        else:
            pool = values + changes
        told = (other.value for other in repeated if each.printed or not other.printed)  # the mark has to stay
        if not any(_is(each, value) for value in [*pool, *told]):
            missing[each.text] = None
    return tuple(missing)


def in_logs(numbers: Sequence[str], logs: Iterable[str]) -> tuple[str, ...]:
    """Return those of some numbers, as they stand in a text, that stand in a log too, rounded or cut off."""
    shown = [each for log in logs for each in _numbers(log, all_of_them=True)] if numbers else []
    found = [(text, said) for text in numbers for said in _numbers(text, all_of_them=True)]
    return tuple(
        text for text, said in found if any(said.unit == each.unit and _is(said, each.value) for each in shown)
    )


def _numbers(text: str, all_of_them: bool = False) -> Iterator[_Said]:
    for found in _NUMBER.finditer(text):
        digits, power = found["digits"].replace(",", ""), (found["power"] or "").replace("−", "-")
        value, unit = float(digits + power), _unit(found["unit"])
        if not math.isfinite(value):
            continue
        whole = "." not in digits and not power and not unit and not found["sign"]
        before = text[max(0, found.start() - 20) : found.start()]
        if whole and value <= FREE and not all_of_them and not _MEASURED.search(before):
            continue
        decimals = len(digits.partition(".")[2])
        step = 10.0 ** (int(power[1:] or 0) - decimals if power else -decimals)
        printed = text.startswith(FROM_LOG, found.end())
        yield _Said(found[0].strip(), value, step, found["sign"] not in ("", "±"), unit, printed)


def _unit(text: str | None) -> str:
    stripped = (text or "").strip()
    return "%" if stripped in ("%", "percent") else "x" if stripped else ""


def _is(said: _Said, value: float) -> bool:
    """Whether a number is that value, rounded or cut off; signs are those of words, so they are not compared.

    A rounding of what was rounded to one digit more, or to several more, is a rounding: 0.12449 is shown as 0.1245, and
    said as 0.125. It never lies further off than what rounding to one digit more gives. A single digit is too coarse
    for that.
    """
    size = abs(value)
    half = said.step * 0.5000001
    rounded = abs(said.value - size) <= half
    twice = said.value >= 10 * said.step and abs(said.value - round(10 * size / said.step) * said.step / 10) <= half
    long = said.value >= 1000 * said.step  # four digits or more: cutting off misleads nobody
    return rounded or twice or (long and 0 <= size - said.value < said.step)


def _known(board: Board, evidence: Sequence[str]) -> tuple[list[float], list[float], dict[str, list[float]]]:
    """Return what is known: values; differences of two values of one metric; such differences as ratios."""
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
    return values, *_differences(by_metric.values())


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
