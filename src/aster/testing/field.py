"""A field of candidates whose true gains are known: what the rules of search and evidence find in it.

Campaigns are those of `aster.testing.simulation`; candidates come one after the other, none built on another, and
what one measures is the baseline's value, less its gain, and normal noise of sd 1.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from aster.board import Board
from aster.campaign.decide import Minds
from aster.domain.ids import seeded
from aster.domain.records import Candidate, Experiment, Limits, Measured, Mode, Objective, Result, Setup
from aster.planning.bandit import BanditPlanner
from aster.proposers.protocol import Proposal, Proposed
from aster.testing.simulation import simulate

Gains = Callable[[int], float]
"""The true gain of candidate number 1, 2, ..., in sd of one measurement."""

BASELINE = 10.0
SOLUTION = {"solution/number.py": b"NUMBER = 0\n"}


class Field:
    """Proposes candidates 1, 2, ... `size`, whatever became of the others."""

    def __init__(self, size: int) -> None:
        self._size = size

    def surfaces(self) -> dict[str, float | None]:
        """Return the one surface."""
        return {"field": None}

    def propose(self, board: Board, surface: str, rng: random.Random) -> Proposed:  # noqa: ARG002 - the seam's
        """Return the next candidate, or none when all were."""
        number = len(board.candidates)
        if number > self._size:
            return Proposed(None)
        assert board.baseline is not None
        files = {"solution/number.py": b"NUMBER = %d\n" % number}
        text = f"Number {number} may be better."
        return Proposed(Proposal("field", board.baseline, f"+ {number}", text, None, str(number), files))


def field_setup(
    experiments: int, seed: int, *, search_seeds: int = 1, racing: bool = False, mode: Mode = "ordered", slots: int = 2
) -> Setup:
    """Return the setup of a campaign over a field."""
    objective, limits = Objective("loss", "minimize", 1e-6), Limits(None, experiments)
    return Setup("field", "A field", objective, limits, mode, slots, seed, search_seeds, 10, racing=racing)


def measurements(gains: Gains, world: int, shared: float = 0.0) -> Callable[[Candidate, Experiment], Result]:
    """Return measurements of a field, fixed by world, candidate and seed.

    Args:
        shared: the share of the noise's variance that all candidates have in common on one seed.
    """

    def measure(candidate: Candidate, experiment: Experiment) -> Result:
        number = int(candidate.label) if candidate.author == "field" else 0
        own = seeded("field", world, number, experiment.seed).gauss(0.0, 1.0)
        common = seeded("field", world, "all", experiment.seed).gauss(0.0, 1.0) if shared else 0.0
        noise = (1.0 - shared) ** 0.5 * own + shared**0.5 * common
        return Measured({"loss": BASELINE - (gains(number) if number else 0.0) + noise})

    return measure


def search_field(setup: Setup, gains: Gains, size: int, shared: float = 0.0) -> Board:
    """Run a campaign over a field of `size` candidates; the setup's seed is the world's too."""
    field = Field(size)
    minds = Minds(BanditPlanner(field.surfaces()), field, SOLUTION)
    return simulate(setup, minds, measurements(gains, setup.seed, shared)).board


def number_of(board: Board, candidate: str | None) -> int | None:
    """Return a candidate's number in the field; 0 for the baseline, None for no candidate."""
    if candidate is None:
        return None
    return 0 if candidate == board.baseline else int(board.candidates[candidate].label)
