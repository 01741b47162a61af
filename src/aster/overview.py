"""What a list of campaigns says of each one: folded once, then remembered beside the ledger until that has grown."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from aster.board import Board
from aster.evidence.verdict import champion_value

FILE = ".overview.json"
FORMAT = 1


class Overview(Struct, frozen=True):
    """A campaign in a few words and numbers.

    Attributes:
        mark: position and time of the ledger's last entry, which it was made from.
        opened: when the campaign was, in Unix seconds.
        sd: the baseline's noise; None where there is none, or one run of it.
        verdict: "confirmed", "no claim", "testing", or that of the latest claim.
    """

    mark: tuple[int, float]
    opened: float
    problem: str
    ended: bool
    experiments: int
    baseline: float | None
    sd: float | None
    champion: float | None
    verdict: str
    format: int = FORMAT


def overview_of(board: Board, opened: float, mark: tuple[int, float]) -> Overview:
    """Return the overview of a folded ledger."""
    score = board.baseline_score
    exact = board.setup.objective.exact
    return Overview(
        mark=mark,
        opened=opened,
        problem=board.setup.problem,
        ended=board.ended is not None,
        experiments=board.spend.experiments,
        baseline=score.mean if score else None,
        sd=score.sd if score and not exact else None,
        champion=champion_value(board),
        verdict=_verdict(board),
    )


def _verdict(board: Board) -> str:
    if board.champion is not None:
        return "confirmed"
    last = next(reversed(board.claims.values()), None)
    if last is None:
        return "no claim"
    return last.decided.verdict if last.decided else "testing"


def recall(folder: Path, mark: tuple[int, float]) -> Overview | None:
    """Return what was remembered of the campaign in `folder`, if its ledger still ends at `mark`."""
    with suppress(OSError, msgspec.MsgspecError):
        known = msgspec.json.decode((folder / FILE).read_bytes(), type=Overview)
        return known if known.mark == mark and known.format == FORMAT else None
    return None


def remember(folder: Path, overview: Overview) -> None:
    """Keep an overview for `recall`; where nothing can be written it is made again each time."""
    draft = folder / f"{FILE}.{os.getpid()}"
    with suppress(OSError):
        draft.write_bytes(msgspec.json.encode(overview))
        draft.replace(folder / FILE)
    with suppress(OSError):
        draft.unlink(missing_ok=True)
