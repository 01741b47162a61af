"""The store's seam: append, read after a position, blobs.

The contract suite is `aster.testing.stores`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from aster.domain.events import Entry, Event
from aster.errors import StoreError


class LedgerDamaged(StoreError):
    """What is stored is not what was written: no resume goes on from there, only a copy of the ledger helps."""


class BlobMissing(StoreError, KeyError):
    """No blob of that id in this store."""

    __str__ = Exception.__str__  # KeyError would show the sentence in quotes


class Batch(Struct, frozen=True):
    """Events that are appended together or not at all, with the bytes of the blobs that they name.

    `time` is Unix seconds; `term` is the decider's, 0 for facts from elsewhere; `blobs` go from id to content.
    """

    events: Sequence[Event]
    time: float
    term: int = 0
    blobs: Mapping[str, bytes] = {}


class Store(Protocol):
    """The append-only record of one campaign. Any thread may call it; several processes may append to one ledger.

    Facts are accepted under any term, and one whose natural key is already stored is skipped. Decisions are
    accepted only under the current term. Positions count from 1 without gaps. What an append returned
    survives the death of the process and of the machine.

    Every method may raise StoreError: disk full, read-only, damaged, or locked for too long. An append that
    raised it has most likely left nothing behind; only reading the ledger again tells.
    """

    def append(
        self, events: Sequence[Event], *, term: int = 0, time: float, blobs: Mapping[str, bytes] = {}
    ) -> list[Entry]:
        """Append one batch in one transaction, its blobs before its events.

        Returns:
            The new entries in the order given. Facts that were known are not among them.

        Raises:
            StaleTerm: a decision came with another term than the current one; nothing was appended.
            ValueError: an event does not read back as it was written (a number that is not finite, a list
                for a tuple), a blob's id is not its hash, or the time is not finite; nothing was appended.
        """
        ...

    def append_group(self, batches: Sequence[Batch]) -> list[list[Entry] | Exception]:
        """Append several batches, in order, in one commit.

        Returns:
            For each batch what `append` would have returned or raised (StaleTerm, ValueError): a refused batch
            leaves no trace, and does not keep the others from being appended.
        """
        ...

    def begin_term(self, time: float) -> int:
        """Begin a new term, which fences all earlier ones, and return its number: 1, 2, ...

        Before the first, the current term is 0.
        """
        ...

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Yield at most `limit` entries behind position `after`, in order, fetched in chunks.

        Entries appended meanwhile may be among them.

        Raises:
            LedgerDamaged: all entries before the damage have been yielded, and the text names the last good position.
        """
        ...

    def last_position(self) -> int:
        """Return the position of the last entry; 0 if there is none."""
        ...

    def changed(self) -> bool:
        """Whether somebody else may have appended since the last call, or since this store was opened.

        Cheap enough for many calls a second. Never misses an append; now and then it is true without one.
        """
        ...

    def put_blob(self, data: bytes) -> str:
        """Store `data`, if it is not there yet, and return its id."""
        ...

    def get_blob(self, blob: str) -> bytes:
        """Return the content of a blob, checked against its hash.

        Raises:
            BlobMissing: there is none of that id.
            LedgerDamaged: the content is not what was stored.
        """
        ...

    def has_blob(self, blob: str) -> bool:
        """Whether a blob of that id is stored."""
        ...

    def close(self) -> None:
        """Let go of the ledger. Closing twice is allowed, any other use after it is a bug."""
        ...
