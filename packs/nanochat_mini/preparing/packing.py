"""Documents into rows of equal length: best fit, with nothing lost but the tails that are cropped.

Every row begins with a document. Of the documents that wait (at least `WAITING`, refilled in batches), the longest that
still fits goes in next; where none fits, the shortest is cropped to what is left. The order is that of the benchmark,
but finding the next document takes the time of a few bit operations instead of a look at each that waits: the lengths
that are waiting are the bits of one integer.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

WAITING, BATCH = 1000, 128
Tokens = NDArray[np.uint16]
Row = list[tuple[int, int]]
"""Documents, by number, and how many tokens of each."""


class Waiting:
    """The documents that wait, first in first out among those of one length."""

    def __init__(self, capacity: int) -> None:
        self._fits: list[deque[int]] = [deque() for _ in range(capacity + 1)]
        self._lengths = 0  # bit n: a document of length n waits
        self._longer: list[tuple[int, int]] = []  # heap of (length, document): those that fit in no row
        self.count = 0

    def put(self, document: int, length: int) -> None:
        """Add a document of at least one token; numbers grow."""
        if length < len(self._fits):
            self._fits[length].append(document)
            self._lengths |= 1 << length
        else:
            heapq.heappush(self._longer, (length, document))
        self.count += 1

    def take(self, room: int) -> tuple[int, int]:
        """The document that goes into `room` tokens, and how many of its tokens do."""
        self.count -= 1
        fitting = self._lengths & ((2 << room) - 1)
        if fitting:
            length = fitting.bit_length() - 1
            return self._pop(length), length
        if self._lengths:
            shortest = (self._lengths & -self._lengths).bit_length() - 1
            return self._pop(shortest), room
        return heapq.heappop(self._longer)[1], room

    def _pop(self, length: int) -> int:
        document = self._fits[length].popleft()
        if not self._fits[length]:
            self._lengths ^= 1 << length
        return document


def pack(lengths: Sequence[int], capacity: int, groups: Sequence[int] = ()) -> list[Row]:
    """The rows of `capacity` tokens, each full; what is left at the end and fills none is dropped.

    Args:
        lengths: tokens of each document, with the one that begins it.
        groups: sizes of the runs of documents that batches do not cross (of the groups in a file); () for one run.
    """
    waiting, batches = Waiting(capacity), _batches(len(lengths), groups)
    rows: list[Row] = []
    while True:
        row: Row = []
        room = capacity
        while room:
            while waiting.count < WAITING and (batch := next(batches, None)) is not None:
                for document in batch:
                    waiting.put(document, lengths[document])
            if not waiting.count:
                return rows
            document, taken = waiting.take(room)
            row.append((document, taken))
            room -= taken
        rows.append(row)


def _batches(documents: int, groups: Sequence[int]) -> Iterator[range]:
    at = 0
    for size in groups or [documents]:
        for start in range(at, at + size, BATCH):
            yield range(start, min(start + BATCH, at + size))
        at += size


def lay_out(rows: Sequence[Row], tokens: Tokens, starts: Sequence[int], capacity: int) -> Tokens:
    """The rows as an array [rows, capacity]; document n begins at `starts[n]` of `tokens`."""
    found = np.empty((len(rows), capacity), dtype=np.uint16)
    for index, row in enumerate(rows):
        at = 0
        for document, taken in row:
            start = starts[document]
            found[index, at : at + taken] = tokens[start : start + taken]
            at += taken
    return found


def split(lengths: Sequence[int], capacity: int, groups: Sequence[int], most: int) -> tuple[list[Row], list[Row]]:
    """Rows for validation, and rows to seal away: of other documents.

    The first are the first `most` rows of all, but a quarter (of the rows, or of `most`, whichever is less) is kept
    back. The others are packed from the documents that none of these has touched, at most `most` too.
    """
    rows = pack(lengths, capacity, groups)
    chosen = rows[: min(most, len(rows) - min(len(rows), most) // 4)]
    used = {document for row in chosen for document, _ in row}
    rest = [document for document in range(len(lengths)) if document not in used]
    others = pack([lengths[document] for document in rest], capacity)[:most]
    return chosen, [[(rest[document], taken) for document, taken in row] for row in others]
