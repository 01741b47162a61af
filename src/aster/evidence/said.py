"""Numbers as they stand in a text: how exact they are, what they are said of, and the marks that they carry."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Literal

from msgspec import Struct

FROM_LOG = " [from the log]"
"""Stands behind a number that only a log shows, where others are told it: it was printed, and nobody measured it."""

FROM_LOGS = " [numbers from the log]"
"""Stands at the end of a sentence, for all of its numbers that nobody measured."""

ESTIMATE = " [estimate]"
"""Stands behind a number that its author guessed, and said so."""

UNBACKED = "[unbacked]"
"""What others read in the place of a number that nothing backs."""

FEW = 10
"""Whole numbers up to this count things, unless they are said of a measurement."""

COUNTS = 999
"""So do those up to this, where scores are not whole numbers."""

_NUMBER = re.compile(
    r"(?<![\w.#/-])(?P<sign>[+\-−±]?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\.\d+|\d+)"
    r"(?P<power>[eE][+\-−]?\d+)?(?P<unit>\s?%|\s?[x×](?!\w|\s+(?:[A-Z_]{2}|\d))|\s?percent\b)?(?![\w]*::)(?!\w)"
)
_MEASURED = re.compile(
    r"(?:\b(?:by|gain(?:s|ed)?|scored?s?|reach(?:es|ed)?|improv\w+|loss|lost)|[=~≈→>+])\s*$", re.IGNORECASE
)
_CHANGED = re.compile(
    r"(?:\b(?:by|gain(?:s|ed)?|scored?s?|reach(?:es|ed)?|improv\w+|loss|lost)|\d\.\d+\s*-?(?:[=~≈→>+]|to))\s*$",
    re.IGNORECASE,
)
_UNITS = r"(?:[mµun]?s|secs?|seconds?|min|minutes?|h|hours?|[KMG]i?B|bytes|[kMG]?Hz|T?FLOPS|dB|points?|pp|bps)\b"
_OF_A_UNIT = re.compile(rf"\s*{_UNITS}")
_A_THING = re.compile(
    rf"\s+(?!{_UNITS})(?!(?:more|better|worse|higher|lower|larger|smaller|fewer|less|than|over|with|and|from|for|"
    r"times|percent|after|but|which|that|against|instead|units?|per|now|here|only|when|while|because|this|the)\b)"
    r"[A-Za-z][A-Za-z_-]{2,}"
)
_RATIO_BEFORE = re.compile(r"\b(?:ratio|factor)(?:\s+(?:of|is|was))?\s*$", re.IGNORECASE)
_RATIO_AFTER = re.compile(r"\s+times\b")
_LINK = (
    r"(?:\s*(?:[=:(≈~→>]|->|"
    r"\b(?:is|was|are|were|of|at|to|from|now|about|reach(?:es|ed)|f[ae]lls?|rises?|rose|goes|went)\b))"
)
_HEDGE = (
    r"\b(?:perhaps|maybe|possibly|probably|presumably|likely|about|around|roughly|approximately|an?\s+estimated|"
    r"estimate[sd]?|expect(?:ed|s|ing)?|predict(?:ed|s)?|guess(?:ed)?|would|could|might|may|should)"
    r"(?:\s+(?:an?|of|by|to|the|is|at|be|gains?|cost|save|take|bring|give|another|only|some|least|most|up|about|"
    r"around|perhaps|roughly|another|further|between|from|lies?|lying|somewhere|anywhere|range[sd]?))*\s*[~≈]?\s*$"
)
_RANGE = rf"(?:[+\-−±]?[\d.,]+(?:\s?%|\s*(?:{_UNITS}|sd\b))?\s*(?:to|or|and|-|–)\s*)?"
_HEDGED = re.compile(_HEDGE.replace(r"\s*[~≈]?\s*$", rf"\s*[~≈]?\s*{_RANGE}$"), re.IGNORECASE)
_HAPPENED = re.compile(
    r"\b(?:scor(?:ed|es)|measur(?:ed|es)|reach(?:ed|es)|gain(?:ed|s)|improved|improves|got|gave|gives|took|takes|was|"
    r"were|is|are|had|has|ran|saw|showed|shows|rose|fell|went|lost|came)"
    r"(?:\s+(?:by|of|to|at|the|an|a|its|in|out|as|from))*\s*$",
    re.IGNORECASE,
)
_HAPPENED_AFTER = re.compile(
    r"[^.;,]{0,20}\b(?:was|were|is|are|has|had)(?:\s+been)?\s+(?:reached|measured|scored|seen|gained|found)",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?;])\s+|\n+")


class Said(Struct, frozen=True):
    """A number as it stands in a text.

    Attributes:
        text: it, with its sign and unit. `start`, `end`: where it stands. `sentence`: in which, from 0.
        step: one unit in its last place.
        unit: "%", "x" or none.
        mark: what stands behind it, or at the end of its sentence.
        whole: it has no point, power, sign or unit.
    """

    text: str
    value: float
    step: float
    unit: str
    mark: Literal["", "log", "estimate"]
    whole: bool
    start: int
    end: int
    sentence: int

    @property
    def figures(self) -> float:
        """How many units of its last place it has: 1000 or more are four digits or more."""
        return self.value / self.step


def numbers(text: str) -> Iterator[Said]:
    """Yield the numbers in a text, in their order; not those in names."""
    for place, (first, last) in enumerate(sentences(text)):
        whole_marked = FROM_LOGS.strip() in text[first:last]
        for found in _NUMBER.finditer(text, first, last):
            yield from _said(text, found, place, whole_marked)


def _said(text: str, found: re.Match[str], place: int, marked: bool) -> Iterator[Said]:
    digits, power = found["digits"].replace(",", ""), (found["power"] or "").replace("−", "-")
    value, unit = float(digits + power), _unit(found["unit"])
    if not math.isfinite(value):
        return
    decimals = len(digits.partition(".")[2])
    step = 10.0 ** (int(power[1:] or 0) - decimals if power else -decimals)
    mark: Literal["", "log", "estimate"] = ""
    if marked or text.startswith(FROM_LOG, found.end()):
        mark = "log"
    elif text.startswith(ESTIMATE, found.end()):
        mark = "estimate"
    whole = "." not in digits and not power and not unit and not found["sign"]
    yield Said(found[0].strip(), value, step, unit, mark, whole, found.start(), found.end(), place)


def _unit(text: str | None) -> str:
    stripped = (text or "").strip()
    return "%" if stripped in ("%", "percent") else "x" if stripped else ""


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence of a text begins and ends; lines end sentences too."""
    ends = [(found.start(), found.end()) for found in _END.finditer(text)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(text)]
    return list(zip(starts, stops, strict=True))


def counts(said: Said, text: str, metrics: Collection[str], whole_scores: bool) -> bool:
    """Whether a number of a text only counts things, so that nothing need give it.

    Args:
        metrics: names of metrics: what is said of one is a measurement.
        whole_scores: scores are whole numbers, so that any number above a few may be one.
    """
    if not said.whole or said.value > COUNTS or of_metric(said, text, metrics):
        return False
    before, after = text[max(0, said.start - 24) : said.start], text[said.end : said.end + 24]
    thing = _A_THING.match(after) is not None
    if said.value > FEW:
        if whole_scores or _OF_A_UNIT.match(after):
            return False
        return thing or not _CHANGED.search(before)
    return not (_MEASURED if whole_scores else _CHANGED).search(before) or (thing and not whole_scores)


def of_metric(said: Said, text: str, metrics: Collection[str]) -> bool:
    """Whether a number stands beside the name of a metric: "score 2.5", "score from 2.5 to 2.6", "2.5 of score"."""
    before, after = text[max(0, said.start - 80) : said.start], text[said.end : said.end + 60]
    return any(one.search(before) or other.match(after) for one, other in map(_beside, metrics))


@lru_cache(maxsize=64)
def _beside(metric: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    name = r"[\s_]".join(map(re.escape, metric.split("_")))
    number = r"\s*[+\-−]?\d[\d.,]*\d?"
    before = rf"(?<!\w){name}(?!\w){_LINK}{{0,3}}(?:{number}\s*(?:to|->|→)\s*)?\s*$"
    return re.compile(before, re.IGNORECASE), re.compile(rf"\s*(?:of\s+|in\s+)?(?:the\s+)?{name}(?!\w)", re.IGNORECASE)


def as_ratio(said: Said, text: str) -> bool:
    """Whether a number without a unit is said as a factor: "2.5 times", "a factor of 2.5"."""
    before, after = text[max(0, said.start - 24) : said.start], text[said.end : said.end + 12]
    return not said.unit and bool(_RATIO_BEFORE.search(before) or _RATIO_AFTER.match(after))


def hedged(said: Said, text: str) -> bool:
    """Whether a number is plainly a guess: such a word stands directly before it, and nothing says that it was so."""
    begun = text[max(0, said.start - 120) : said.start]
    found = _HEDGED.search(begun)
    if found is None:
        return said.mark == "estimate"
    return not _HAPPENED.search(begun[: found.start()]) and not _HAPPENED_AFTER.match(text[said.end : said.end + 60])


def is_value(said: Said, value: float) -> bool:
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


def marked(text: str, unbacked: Iterable[str], logged: Iterable[str], estimates: Iterable[str] = ()) -> str:
    """Return a text as others are told it, with what its numbers are worth.

    Args:
        unbacked: numbers, as they stand there, that are left out.
        logged: those that only a log shows: marked one by one, or once where a sentence has several.
        estimates: those that are marked where they stand as a guess.
    """
    out, gone, printed, guessed = text, set(unbacked), set(logged), set(estimates)
    found = list(numbers(text))
    for place, (_, last) in reversed(list(enumerate(sentences(text)))):
        here = [each for each in found if each.sentence == place]
        several = [each for each in here if each.text in printed - gone and not each.mark]
        if len(several) > 1:
            end = last - (text[last - 1] in ".!?;")
            out = out[:end] + FROM_LOGS + out[end:]
        for each in reversed(here):
            end = each.start + len(text[each.start : each.end].rstrip())
            if each.text in gone:
                out = out[: each.start] + UNBACKED + out[end:]
            elif several == [each]:
                out = out[:end] + FROM_LOG + out[end:]
            elif each.text in guessed and not each.mark and hedged(each, text):
                out = out[:end] + ESTIMATE + out[end:]
    return out
