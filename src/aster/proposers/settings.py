"""Settings: constants of a tree that were set, from "FILE::QUALIFIED.NAME" to the value. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from aster.board import Board
from aster.domain.records import Knob
from aster.proposers.knobs import read_knob, same_value, set_knobs

MOST_WORDS = 4
"""Constants named in a label."""

Settings = Mapping[str, Knob]
Files = Mapping[str, bytes]


def with_settings(files: Files, settings: Settings) -> dict[str, bytes]:
    """Return a tree with constants set; each must be there."""
    made = dict(files)
    for path in dict.fromkeys(name.partition("::")[0] for name in settings):
        values = {name.partition("::")[2]: v for name, v in settings.items() if name.partition("::")[0] == path}
        made[path] = set_knobs(made[path].decode("utf-8"), values).encode("utf-8")
    return made


def describe_settings(settings: Settings, before: Settings | None = None) -> str:
    """Return settings in a few words: "LR=0.021, DEPTH=6", or "LR 0.04 -> 0.021" if what they replace is given."""
    parts = []
    for name, value in settings.items():
        short = name.rpartition("::")[2].rpartition(".")[2]
        old = f" {_word(before[name])} -> " if before is not None else "="
        parts.append(f"{short}{old}{_word(value)}")
    more = len(parts) - MOST_WORDS
    return ", ".join(parts[:MOST_WORDS]) + (f" and {more} more" if more > 0 else "")


def _word(value: Knob) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def is_composed(board: Board, candidate: str) -> bool:
    """Whether a candidate is the baseline or made of ideas, be it tuned: whether ideas can be put on top of it."""
    return candidate in board.composed or board.candidates[candidate].root in board.composed


def settings_over(board: Board, candidate: str) -> dict[str, Knob]:
    """Return all that is set in a candidate over the tree that its recipe makes."""
    found = board.candidates[candidate]
    return found.settings if found.root is None else {**board.candidates[found.root].settings, **found.settings}


def carried(settings: Settings, before: Files, after: Files) -> dict[str, Knob]:
    """Return the settings that pass from one tree to another: those of constants that are the same in both."""
    return {
        name: value
        for name, value in settings.items()
        if (own := _read(after, name)) is not None and (old := _read(before, name)) is not None and same_value(own, old)
    }


def _read(files: Files, name: str) -> Knob | None:
    path, _, qualified = name.partition("::")
    return read_knob(files[path].decode("utf-8"), qualified) if path in files else None
