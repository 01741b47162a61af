"""Model calls that wait, in words: who waits now, and how long they waited altogether."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from aster.board import Board
from aster.domain.research import WAIT_CAUSES, WaitCause, Waiting
from aster.report.wording import clean, count, duration

SHORT = 40
"""Characters of the reason in a line that has little room."""

_FOR: dict[WaitCause, str] = {
    "limit": "for a provider's limits",
    "room": "for room below the ceiling",
    "pause": "in pauses after failures or that a provider asked for",
    "breaker": "for models left alone after many failures",
}


class WaitRow(Struct, frozen=True):
    """Waits of a campaign's model calls.

    Attributes:
        now: who waits, as it was last told.
        seconds: cause -> what calls that were made had waited, all together. `retries`: calls made because the
            one before came to nothing. `openings`: how many times a model was left alone after many failures.
    """

    now: tuple[Waiting, ...]
    seconds: dict[WaitCause, float]
    retries: int
    openings: int


def wait_row(board: Board) -> WaitRow:
    """Return the waits that a ledger tells of."""
    waits = board.research.waits
    seconds = {cause: waits.seconds[cause] for cause in WAIT_CAUSES if cause in waits.seconds}
    return WaitRow(waits.now, seconds, waits.retries, waits.openings)


def waiting_lines(waiting: Iterable[Waiting]) -> list[str]:
    """Return who waits now, a line a reason."""
    return [f"{_calls(each.agents)}: {_why(each, 200)} (longest {duration(each.longest_s)})" for each in waiting]


def waiting_short(waiting: Sequence[Waiting]) -> str:
    """Return who waits now in a few words, such as "3 calls wait: openai limit 60/min"; "" for nobody."""
    if not waiting:
        return ""
    most = max(waiting, key=lambda each: each.agents)
    return f"{_calls(sum(each.agents for each in waiting))}: {_in_short(most)}"


def waited_text(row: WaitRow) -> str:
    """Return the totals in words; "" where no call had to wait or to be made again."""
    parts = [f"{duration(seconds)} {_FOR[cause]}" for cause, seconds in row.seconds.items()]
    waited = [f"calls waited {', '.join(parts)}, all added up"] if parts else []
    waited += [f"{row.retries:,} {'retry' if row.retries == 1 else 'retries'}"] if row.retries else []
    waited += [f"a model was left alone {count(row.openings, 'time')}"] if row.openings else []
    return "; ".join(waited)


def _calls(agents: int) -> str:
    return f"{count(agents, 'call')} {'waits' if agents == 1 else 'wait'}"


def _why(each: Waiting, limit: int) -> str:
    return clean(f"{each.model}: {each.why}" if each.model else each.why, limit)


def _in_short(each: Waiting) -> str:
    provider = each.model.partition(":")[0]
    match each.cause:
        case "limit":
            return clean(f"{provider} {each.why}", SHORT)
        case "room":
            return "room below the ceiling"
        case "pause":
            return clean(f"{provider}, a pause", SHORT)
        case "breaker":
            return clean(f"{each.model} is left alone", SHORT)
