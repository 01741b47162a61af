"""One dimension of a search over constants: from a coordinate to a value and back. Pure.

A coordinate is a number from 0 to 1, so that every sampler sees the same simple box, or the index of a choice that has
no order. Values are canonical: floats of six significant digits, so that the same value is never tried twice in two
spellings.
"""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from aster.domain.records import Knob
from aster.proposers.knobs import same_value

Number = int | float
Form = Literal["plain", "negative", "complement"]

SPREAD = 4
"""Unmarked numbers are searched from a quarter of their value to four times it."""

DIGITS = 6


class Span(Struct, frozen=True):
    """A range of numbers, both ends included.

    Attributes:
        low, high: ends of what is searched: the value (plain), its opposite (negative) or 1 - value (complement).
        log: equal steps are equal ratios; only for positive ends.
        whole: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    form: Form = "plain"

    @property
    def count(self) -> int | None:
        """How many values there are; None: too many to tell."""
        return int(self.high) - int(self.low) + 1 if self.whole else None

    def at(self, coordinate: float) -> Number:
        """Return the value at a coordinate from 0 to 1."""
        low, high = self._ends()
        x = low + (high - low) * min(1.0, max(0.0, coordinate))
        x = min(self.high, max(self.low, math.exp(x) if self.log else x))
        if self.whole:
            return round(x) if self.form == "plain" else -round(x)
        x = min(self.high, max(self.low, rounded(x)))
        return {"plain": x, "negative": -x, "complement": round(1.0 - x, 12)}[self.form]

    def place(self, value: Knob) -> float | None:
        """Return the coordinate of a value, or None if it is not in the range."""
        if isinstance(value, bool | str | list):
            return None
        x = {"plain": value, "negative": -value, "complement": 1.0 - value}[self.form]
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        if not self.low - slack <= x <= self.high + slack or (self.whole and x != round(x)):
            return None
        low, high = self._ends()
        return min(1.0, max(0.0, ((math.log(x) if self.log else x) - low) / (high - low)))

    def _ends(self) -> tuple[float, float]:
        """Return the ends on the scale of the search; whole numbers own half a step to either side."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        return (math.log(low), math.log(high)) if self.log else (low, high)


class Choice(Struct, frozen=True):
    """A list of values; `ordered` ones are numbers that rise, and are searched as a range of places."""

    values: tuple[Knob, ...]

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers that rise."""
        numbers = [v for v in self.values if isinstance(v, int | float) and not isinstance(v, bool)]
        return len(numbers) == len(self.values) > 2 and numbers == sorted(numbers)

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    def at(self, coordinate: float) -> Knob:
        """Return the value at an index, or at a coordinate from 0 to 1 if the choice is ordered."""
        if self.ordered:
            return self.values[min(self.count - 1, int(coordinate * self.count))]
        return self.values[int(coordinate)]

    def place(self, value: Knob) -> float | None:
        """Return the index or coordinate of a value, or None if it is none of them."""
        index = next((i for i, known in enumerate(self.values) if same_value(known, value)), None)
        if index is None:
            return None
        return (index + 0.5) / self.count if self.ordered else float(index)


Axis = Span | Choice


def rounded(x: float) -> float:
    """Return `x` with DIGITS significant digits."""
    return float(f"{x:.{DIGITS}g}")


def usual(value: Knob) -> Axis | None:
    """Return the range in which an unmarked constant is searched, or None if there is no telling.

    - true or false: both.
    - whole numbers but 0, 1 and -1, which count and switch: from a quarter to four times, by ratio.
    - other numbers but 0: the same; between 0 and 1 they stay there, and from 0.5 up it is 1 - x that is scaled, as
      for 0.9, 0.95, 0.99.
    """
    if isinstance(value, bool):
        return Choice((False, True))
    if isinstance(value, str | list) or (value in (0, 1, -1) and isinstance(value, int)) or value == 0:
        return None
    form: Form = "plain" if value > 0 else "negative"
    size = abs(value)
    if isinstance(size, int):
        return Span(max(1, size // SPREAD), size * SPREAD, log=True, whole=True, form=form)
    if 0.5 < value < 1.0:
        rest = 1.0 - size
        return Span(rounded(rest / SPREAD), rounded(min(1.0, rest * SPREAD)), log=True, form="complement")
    high = size * SPREAD
    return Span(rounded(size / SPREAD), rounded(high if size >= 1.0 else min(1.0, high)), log=True, form=form)
