"""One decision as it is made."""

from __future__ import annotations

from msgspec import Struct

from aster.board import Board
from aster.domain import events as ev
from aster.domain.ids import short_id
from aster.domain.records import Experiment, Purpose


class Step(Struct):
    """One decision as it is made: its events, already folded, and the blobs that they name."""

    board: Board
    events: list[ev.Event]
    blobs: dict[str, bytes]

    def take(self, *events: ev.Event) -> None:
        """Fold events and keep them for the ledger."""
        for event in events:
            self.board.apply(event)
            self.events.append(event)

    @property
    def idle(self) -> bool:
        """Whether the decision came to nothing but its own number."""
        return len(self.events) == 1

    def plan(
        self,
        candidate: str,
        seed: int,
        purpose: Purpose,
        hypothesis: str | None = None,
        claim: str | None = None,
        artifact: str | None = None,
        bars: tuple[tuple[int, float], ...] = (),
        tree: str | None = None,
    ) -> str:
        """Plan an experiment and return its id."""
        board = self.board
        experiment = short_id("x", candidate, seed, purpose, board.decision)
        self.take(
            ev.ExperimentPlanned(
                Experiment(
                    id=experiment,
                    decision=board.decision,
                    candidate=candidate,
                    seed=seed,
                    purpose=purpose,
                    hardware=board.hardware,
                    hypothesis=hypothesis,
                    claim=claim,
                    artifact=artifact,
                    bars=bars,
                    tree=tree,
                )
            )
        )
        return experiment
