"""A campaign as a person holds it: its board, its best, its tables, its figures, its report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from aster.board import Board
from aster.domain.events import Event
from aster.domain.records import Candidate
from aster.errors import StoreError
from aster.evidence.verdict import champion_value
from aster.ledger.protocol import Store
from aster.report.agents import AgentsView, agents_view
from aster.report.claims import ClaimView, claim_views
from aster.report.tables import Table, table_of

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from matplotlib.figure import Figure

Observer = Callable[[Board, Sequence[Event]], None]


class Best(Struct, frozen=True):
    """The candidate to look at: the champion, else the one that looks best.

    Attributes:
        candidate: its id.
        value: its mean: the champion's over the fresh seeds of its claim, else the search's.
        low, high: the interval of that mean at the claim's level; None where it is exact or nothing was confirmed.
        n: measurements behind the value.
        files: its whole solution, path -> content; paths are relative to the problem folder.
        patch: the change from the baseline, as `git apply` takes it.
    """

    candidate: str
    label: str
    value: float
    low: float | None
    high: float | None
    n: int
    confirmed: bool
    files: dict[str, bytes]
    patch: bytes

    def __repr__(self) -> str:
        kind = "confirmed" if self.confirmed else "unconfirmed"
        return f"<Best {self.candidate[:8]} {self.label!r}: {self.value!r} (n {self.n}), {kind}>"


class Rows(Sequence[dict[str, Any]]):
    """A table of the campaign as rows: dicts from column to value, made as they are asked for."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.table.columns]

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a data frame.

        Raises:
            UserError: pandas or pyarrow is not installed.
        """
        from aster.report.frames import to_pandas

        return to_pandas(self.table)

    def to_arrow(self) -> pyarrow.Table:
        """Return the rows as an Arrow table, whose metadata has the campaign and the units.

        Raises:
            UserError: pyarrow is not installed.
        """
        from aster.report.frames import to_arrow

        return to_arrow(self.table)

    def __len__(self) -> int:
        return self.table.size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self.columns
        return (dict(zip(names, row, strict=True)) for row in self.table.rows())

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return [self[at] for at in range(*which.indices(len(self)))]
        at = which + len(self) if which < 0 else which
        if not 0 <= at < len(self):
            raise IndexError(f"row {which} of {len(self)}")
        return next(islice(iter(self), at, None))

    def __repr__(self) -> str:
        return f"<{len(self)} {self.table.name}: {', '.join(self.columns)}>"


class Campaign:
    """What is known of a campaign at one moment; `refresh` looks again.

    Attributes:
        id: its name, which is also its folder's.
        folder: where its ledger and its report lie.
        board: everything that its ledger tells.
        open_store: opens the ledger to be read; whoever does closes it.
    """

    def __init__(
        self, folder: Path, board: Board, open_store: Callable[[], Store], go_on: Callable[..., Campaign]
    ) -> None:
        """Args:
        open_store: opens the ledger to be read; it is closed again after each use, so that nothing is held.
        go_on: runs the campaign to its end, told of observers; what `resume` does.
        """
        self.id = board.campaign
        self.folder = folder
        self.board = board
        self.open_store, self._go_on = open_store, go_on

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
    def best(self) -> Best | None:
        """The champion, else the best that is unconfirmed; None where nothing looks better than the baseline.

        Raises:
            StoreError: the ledger cannot be read.
        """
        from aster.report.page import solution_of

        with closing(self.open_store()) as store:
            found = solution_of(self.board, store)
        if found is None:
            return None
        shown = found.standout
        known = (shown.level.mean, shown.low, shown.high, shown.level.n, found.confirmed)
        return Best(shown.candidate, shown.label, *known, found.files, found.patch)

    @property
    def claims(self) -> list[ClaimView]:
        """Every claim with its verdict, gain, interval and pairs, oldest first."""
        return claim_views(self.board)

    @property
    def agents(self) -> AgentsView | None:
        """What agents did and what they cost; None without language models."""
        return agents_view(self.board)

    @property
    def experiments(self) -> Rows:
        """Every experiment as a row, oldest first."""
        return self.table("experiments")

    def table(self, what: str) -> Rows:
        """Return "experiments", "claims", "candidates" or "findings" as rows.

        Raises:
            UserError: there is no such table.
        """
        return Rows(table_of(self.board, what))

    def to_pandas(self, what: str = "experiments") -> pandas.DataFrame:
        """Return a table as a data frame; raises as `Rows.to_pandas`."""
        return self.table(what).to_pandas()

    def to_arrow(self, what: str = "experiments") -> pyarrow.Table:
        """Return a table as Arrow; raises as `Rows.to_arrow`."""
        return self.table(what).to_arrow()

    def figures(self) -> dict[str, Figure]:
        """Return the figures that there is something for: "progress", "claims". pyplot knows nothing of them."""
        from aster.report.claims_figure import claims
        from aster.report.figures import progress
        from aster.report.page import claim_changes
        from aster.report.progress import progress_view
        from aster.report.summary import summarize

        summary, figures = summarize(self.board), {"progress": progress(progress_view(self.board))}
        if summary.claims:
            objective = summary.objective
            names = claim_changes(self.board, summary)
            figures["claims"] = claims(summary.claims, names, objective.shown, objective.goal, summary.places)
        return figures

    def refresh(self) -> Self:
        """Read the ledger again, for a campaign that another process runs; returns the campaign itself.

        Raises:
            StoreError: the ledger cannot be read.
        """
        with closing(self.open_store()) as store:
            self.board = Board().fold(store.read())
        return self

    def resume(self, *, on_event: Observer | None = None, progress: bool = False) -> Self:
        """Go on with the campaign until it ends, as `aster resume` does; returns the campaign itself.

        Args:
            on_event, progress: as `aster.research` takes them.

        Raises:
            CampaignBusy: another process is running it.
            UserError, SystemTrouble: as `aster.research`.
        """
        from aster.ticker import observing

        with observing(on_event, progress) as observers:
            self.board = self._go_on(observers=observers).board
        return self

    def get_blob(self, blob: str) -> bytes:
        """Return the bytes of a blob.

        Raises:
            BlobMissing: the ledger has none of that id.
            StoreError: the ledger cannot be read.
        """
        with closing(self.open_store()) as store:
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
            with closing(self.open_store()) as store:
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

    def _repr_html_(self) -> str:
        from aster.report.card import card

        return card(self.board)
