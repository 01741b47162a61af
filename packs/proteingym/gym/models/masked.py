"""Masked language models: windows for long proteins, and batches by length.

A sequence that is longer than the network's window is read in windows. With the residue hidden, each position gets a
window of its own, with the position in the middle as far as the ends of the sequence allow; that is the benchmark's
rule. With the wild type visible, windows overlap by half, and each position is read where it is most central.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError
from gym.models import Query

Array = NDArray[np.float64]
TOKENS_A_BATCH = 8192  # some 2 GB of activations for a network of 650 million parameters in half precision


class Piece(NamedTuple):
    """A window of a protein: its residues, one structure token each or none, and which residue is hidden."""

    sequence: str
    tokens: tuple[str, ...] | None
    hidden: int | None


class Network(Protocol):
    """What runs on a device. `window`: the most residues; `structured`: whether it needs structure tokens."""

    window: int
    structured: bool

    def logits(self, pieces: Sequence[Piece]) -> list[Array]:
        """For pieces of one length: log-probabilities of the twenty residues up to a constant a row, (length, 20)."""


def window_around(position: int, length: int, window: int) -> tuple[int, int]:
    """Start and stop of the window in which a position is as central as the ends allow."""
    if length <= window:
        return 0, length
    start = min(max(position - window // 2, 0), length - window)
    return start, start + window


def tiles(length: int, window: int) -> list[tuple[int, int, int, int]]:
    """Windows that overlap by half: (start, stop, first, last), with the positions that are read in each."""
    if length <= window:
        return [(0, length, 0, length)]
    starts = [*range(0, length - window, max(1, window // 2)), length - window]
    middles = np.array([start + window / 2 for start in starts])
    edges = [0, *np.ceil((middles[1:] + middles[:-1]) / 2).astype(int).tolist(), length]
    return [(start, start + window, edges[at], edges[at + 1]) for at, start in enumerate(starts)]


class Masked:
    """A masked model as a `Model`; `hide`: each residue is hidden when it is predicted, at a pass a residue."""

    def __init__(self, network: Network, hide: bool) -> None:
        self.network, self.hide = network, hide

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """Runs pieces of one length together, over all proteins."""
        found = [np.full((len(each.sequence), 20), np.nan) for each in queries]
        jobs = [(at, *job) for at, query in enumerate(queries) for job in self._jobs(query)]
        jobs.sort(key=lambda job: len(job[1].sequence))
        for batch in _batches(jobs):
            for (at, _, start, first, last), logits in zip(
                batch, self.network.logits([job[1] for job in batch]), strict=True
            ):
                rows = logits[first - start : last - start].astype(np.float64)
                top = rows.max(axis=1, keepdims=True)
                found[at][first:last] = rows - top - np.log(np.exp(rows - top).sum(axis=1, keepdims=True))
        return found

    def _jobs(self, query: Query) -> Iterator[tuple[Piece, int, int, int]]:
        """Yield (piece, its start, the first and the last position that it is read for)."""
        sequence, window, tokens = query.sequence, self.network.window, _tokens(query, self.network)
        if self.hide:
            windows = [(*window_around(at, len(sequence), window), at, at + 1) for at in range(len(sequence))]
        else:
            windows = tiles(len(sequence), window)
        for start, stop, first, last in windows:
            part = tokens[start:stop] if tokens is not None else None
            yield Piece(sequence[start:stop], part, first - start if self.hide else None), start, first, last


Job = tuple[int, Piece, int, int, int]


def _batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    batch: list[Job] = []
    for job in jobs:
        length = len(job[1].sequence)
        if batch and (length != len(batch[0][1].sequence) or (len(batch) + 1) * length > TOKENS_A_BATCH):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _tokens(query: Query, network: Network) -> tuple[str, ...] | None:
    """Structure tokens of a file: numbers between commas or spaces, or letters; FASTA's title lines are left out."""
    if not network.structured:
        return None
    if query.tokens is None:
        raise GymError("This model needs structure tokens, one a residue: give --structure-tokens FILE.")
    lines = query.tokens.read_text(encoding="ascii", errors="replace").splitlines()
    text = " ".join(line for line in lines if not line.startswith(">"))
    words = text.replace(",", " ").split()
    found = tuple(words if any(word.isdigit() for word in words) else "".join(words))
    if len(found) != len(query.sequence):
        raise GymError(f"{query.tokens} has {len(found)} structure tokens for {len(query.sequence)} residues.")
    return found
