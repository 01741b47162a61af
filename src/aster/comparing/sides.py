"""The two sides of a comparison: their runs, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from aster.errors import UserError
from aster.report.wording import clean

PAIR_COLUMNS = ("pair", "round", "seed")
"""What tells which runs of the two sides belong together, the surest first."""

LEAST_RUNS = 2
"""Runs a side, without which nothing is known of their spread."""


class Run(Struct, frozen=True):
    """One run: its numbers by name, and what tells its partner on the other side, by column of PAIR_COLUMNS."""

    values: dict[str, float]
    keys: dict[str, str] = {}


class Side(Struct, frozen=True):
    """A or B: what it is called, its runs in order, and what a reader should know of them."""

    name: str
    runs: tuple[Run, ...]
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all numbers that any run has, in order."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.values))

    def with_numbers(self, names: Sequence[str]) -> Side:
        """Return the side with only those runs that have all these numbers.

        Raises:
            UserError: fewer than two have.
        """
        kept = tuple(run for run in self.runs if all(name in run.values for name in names))
        wanted = " and ".join(names)
        if len(kept) < LEAST_RUNS:
            runs = f"{len(kept) or 'no'} run{'s' if len(kept) != 1 else ''}"
            raise UserError(
                f"{self.name} has {runs} with {wanted}, and a comparison needs at least {LEAST_RUNS} a side: with "
                "fewer nothing is known of how far runs lie apart."
            )
        left = len(self.runs) - len(kept)
        said = f"{left} run{'s' if left > 1 else ''} without {wanted} left out" if left else ""
        return Side(self.name, kept, "; ".join(filter(None, (self.note, said))))

    def of(self, name: str) -> list[float]:
        """Return one number of every run, in order."""
        return [run.values[name] for run in self.runs]


def paired(a: Side, b: Side, wanted: bool | None) -> tuple[Side, Side, str | None]:
    """Return both sides in the order of their pairs, and what the pairs are by; None: they are not paired.

    Args:
        wanted: True: the first run of A belongs to the first of B, and so on, if no column tells more; False: never
            paired; None: paired if a column of PAIR_COLUMNS tells every run's only partner.

    Raises:
        UserError: pairs are wanted, and the sides have not as many runs.
    """
    if wanted is False:
        return a, b, None
    for column in PAIR_COLUMNS:
        left, right = ({run.keys.get(column): run for run in side.runs} for side in (a, b))
        whole = len(left) == len(a.runs) and len(right) == len(b.runs) and None not in left
        if whole and left.keys() == right.keys():
            ordered = tuple(right[key] for key in left)
            return a, Side(b.name, ordered, b.note), column
    if wanted is None:
        return a, b, None
    if len(a.runs) != len(b.runs):
        raise UserError(
            f"--paired takes the first run of A with the first of B, and so on, but {a.name} has {len(a.runs)} runs "
            f"and {b.name} {len(b.runs)}; leave it out, or name pairs in a column `pair`."
        )
    return a, b, "order"


def number_named(a: Side, b: Side, asked: str | None, usual: Sequence[str], option: str) -> str:
    """Return the name of a number that both sides have: the one asked for, else the first usual one.

    Raises:
        UserError: there is none; lists those that there are, and names the option.
    """
    both = [name for name in a.names if name in b.names]
    if asked is not None and asked in both:
        return asked
    found = None if asked is not None else next((name for name in usual if name in both), None)
    if found is not None:
        return found
    listed = ", ".join(clean(name, 40) for name in both[:20]) or "none at all"
    what = f"no number {clean(asked, 60)!r}" if asked is not None else f"none of {', '.join(usual)}"
    raise UserError(
        f"{a.name} and {b.name} have {what} in common. Numbers of both: {listed}. Choose with {option} NAME."
    )
