"""The proposer's seam: board in, hypotheses and candidates out. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from aster.board import Board
from aster.domain.events import MergeConflicted
from aster.domain.records import Change, Knob


class Proposal(Struct, frozen=True):
    """One hypothesis with the candidate that would test it.

    Attributes:
        parent: candidate that it changes.
        change: the change in a few words, such as "+ hex-layout" or "slsqp: STEPS 100 -> 400".
        text: the hypothesis in prose.
        files: the candidate's editable files, path -> content.
        recipe: the ideas that make it up, sorted by name.
        worth: how good the proposer believes the candidate to be, as drawn with its uncertainty; higher is better, and
            only proposals of one author in one decision compare. None: it does not compete, the funds alone decide.
        root, settings: as in the candidate's record.
    """

    author: str
    parent: str
    change: str
    text: str
    predicts: float | None
    label: str
    files: dict[str, bytes]
    recipe: tuple[Change, ...] = ()
    worth: float | None = 0.0
    root: str | None = None
    settings: dict[str, Knob] = {}


class Proposed(Struct, frozen=True):
    """A proposal, or None if the surface has nothing untried; and the conflicts met on the way."""

    proposal: Proposal | None
    conflicts: tuple[MergeConflicted, ...] = ()


class Proposer(Protocol):
    """Called inside `decide`, so it must be pure: the same board and generator give the same proposal.

    The contract suite is `aster.testing.proposers`.
    """

    def surfaces(self) -> Mapping[str, float | None]:
        """Return the surfaces that it can work on, each with the gain that it predicts there (None: no idea)."""
        ...

    def propose(self, board: Board, surface: str, rng: random.Random) -> Proposed:
        """Return an untried candidate that differs from its parent on `surface` only."""
        ...
