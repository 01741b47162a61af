"""How the command line writes numbers, names and foreign text."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from aster.board import Board
from aster.domain.records import Claim, Decided
from aster.report import wording

NAME_LIMIT = 44
"""Characters of a candidate's label that are shown."""

SHORT = 8
"""Characters of an id that are shown where it stands beside a label."""

PIPE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, where nobody's window is too narrow."""


def console(stderr: bool = False) -> Console:
    """Return a console that takes text as it is: no markup, no emoji codes, no highlighting."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=wide, soft_wrap=False)


def clean(text: str, limit: int = 200) -> str:
    """Return foreign text as one line without control characters, cut at `limit`."""
    return wording.clean(text, limit)


def name_of(board: Board, candidate: str) -> str:
    """Return a candidate's label and the beginning of its id."""
    known = board.candidates.get(candidate)  # what was only checked is not recorded
    return labelled(known.label if known is not None else "", candidate)


def labelled(label: str, candidate: str) -> str:
    """Return a label and the beginning of an id."""
    return f"{clean(label, NAME_LIMIT)} ({candidate[:SHORT]})" if label else candidate[:SHORT]


def places(board: Board) -> int:
    """Return how many decimals of the objective are worth printing."""
    score = board.baseline_score
    if score is None:
        return 6
    best = board.score(next(iter(board.ranking), ""))
    size = score.mean if best is None else best.mean
    return wording.places_for(size, None if board.setup.objective.exact else score.sd)


def number(value: float, decimals: int) -> str:
    """Return a number as a terminal shows it and a person can copy it: with a plain minus sign."""
    return wording.number(value, decimals).replace(wording.MINUS, "-")


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign always shown."""
    return wording.signed(value, decimals).replace(wording.MINUS, "-")


def noise_text(sd: float | None, n: int, decimals: int) -> str:
    """Return "(sd 0.12, n 3)", "(n 1)"."""
    return f"(sd {number(sd, decimals)}, n {n})" if sd is not None else f"(n {n})"


def level_text(alpha: float) -> str:
    """Return the level of a claim's interval, such as "94%"."""
    return wording.percent(1.0 - 2.0 * alpha)


def claim_text(board: Board, claim: Claim) -> str:
    """Return what a claim says: "claim 2: A beats B by more than 0.001"."""
    least = f" by more than {claim.least:g}" if claim.least else ""
    return f"claim {claim.number}: {name_of(board, claim.candidate)} beats {name_of(board, claim.against)}{least}"


def gain_text(claim: Claim, decided: Decided, decimals: int) -> str:
    """Return a measured gain with its interval, or "" where the claim came to no number."""
    if decided.gain is None or decided.low is None or decided.high is None:
        return ""
    if claim.exact:
        return f"gain {signed(decided.gain, decimals)}"
    low, high = signed(decided.low, decimals), signed(decided.high, decimals)
    return f"gain {signed(decided.gain, decimals)} [{low}, {high}] at {level_text(claim.alpha)}, {decided.pairs} pairs"


def verdict_text(claim: Claim, decided: Decided, decimals: int) -> str:
    """Return a verdict with what it rests on: "confirmed: gain +13.0 [+12.9, +13.1] at 93.9%, 3 pairs"."""
    parts = [gain_text(claim, decided, decimals), clean(decided.note, 400)]
    said = "; ".join(part for part in parts if part)
    return f"{decided.verdict}: {said}" if said else decided.verdict


def shown_path(path: Path) -> str:
    """Return a path as a person here would type it: relative if it lies below the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
