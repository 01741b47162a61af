"""A campaign as a person holds it: its board, its best, its report."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from aster.board import Board
from aster.domain.records import Candidate, Claim, Decided
from aster.errors import StoreError
from aster.evidence.verdict import champion_value
from aster.ledger.protocol import Store


class Campaign:
    """What is known of a campaign at one moment; load it again to see more.

    Attributes:
        id: its name, which is also its folder's.
        folder: where its ledger and its report lie.
        board: everything that its ledger tells.
    """

    def __init__(self, folder: Path, board: Board, open_store: Callable[[], Store]) -> None:
        """Args:
        open_store: opens the ledger to be read; it is closed again after each use, so that nothing is held.
        """
        self.id = board.campaign
        self.folder = folder
        self.board = board
        self._open_store = open_store

    @property
    def baseline(self) -> float | None:
        """Mean of the unchanged solution over its own runs, or None if it was not measured."""
        score = self.board.baseline_score
        return score.mean if score is not None else None

    @property
    def champion(self) -> Candidate | None:
        """The candidate of the latest confirmed claim, or None."""
        return self.board.candidates[self.board.champion] if self.board.champion else None

    @property
    def champion_value(self) -> float | None:
        """The champion's mean over the fresh seeds of the claim that made it champion, or None without one."""
        return champion_value(self.board)

    @property
    def best_unconfirmed(self) -> Candidate | None:
        """A candidate whose mean is better than the champion's (or the baseline's) but not proven to be, or None."""
        best = self.board.best_unconfirmed()
        return self.board.candidates[best] if best else None

    @property
    def claims(self) -> list[tuple[Claim, Decided | None]]:
        """Every claim with its verdict, oldest first."""
        return [(state.record, state.decided) for state in self.board.claims.values()]

    def get_blob(self, blob: str) -> bytes:
        """Return the bytes of a blob.

        Raises:
            BlobMissing: the ledger has none of that id.
            StoreError: the ledger cannot be read.
        """
        with closing(self._open_store()) as store:
            return store.get_blob(blob)

    def write_report(self) -> list[Path]:
        """Write report.html, the figures, results.tsv and the best solution into the campaign's folder.

        Returns:
            The files written.

        Raises:
            StoreError: the ledger cannot be read, or a file cannot be written.
        """
        from aster.report.folder import write_report  # imported late: it draws, and drawing takes half a second to load

        try:
            with closing(self._open_store()) as store:
                return write_report(self.board, store, self.folder)
        except OSError as error:
            raise StoreError(
                f"The report in {self.folder} cannot be written: {error.strerror or error}. The ledger has it all: "
                f"when there is room again, `aster report {shlex.quote(str(self.folder))}` writes it."
            ) from error

    def __repr__(self) -> str:
        setup = self.board.setup
        parts = [f"{setup.objective.shown}: baseline {self.baseline}"]
        if self.champion is not None:
            parts.append(f"champion {self.champion_value} ({self.champion.label})")
        parts.append(f"{self.board.spend.experiments} experiments")
        return f"<Campaign {self.id}: {', '.join(parts)}>"
