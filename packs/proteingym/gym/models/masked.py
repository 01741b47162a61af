"""Masked language models: windows for long proteins, and batches by length.

A sequence of more tokens than the network reads, its two ends among them, is read in windows, as the benchmark's
scripts do. With the residue hidden each position gets a window of its own, with the position in the middle as far as
the ends of the sequence allow. With the wild type visible windows overlap by half, from both ends to the middle, and
log-probabilities are averaged with weights that fall off towards a window's ends. A window has the token of an end only
where the sequence ends.
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
    """A window of a protein: its residues, one structure token each or none, and which residue is hidden.

    `begins`, `ends`: whether the protein begins and ends with it.
    """

    sequence: str
    tokens: tuple[str, ...] | None
    hidden: int | None
    begins: bool = True
    ends: bool = True


class Network(Protocol):
    """What runs on a device. `window`: the most tokens, ends included; `structured`: it needs structure tokens."""

    window: int
    structured: bool

    def logits(self, pieces: Sequence[Piece]) -> list[Array]:
        """For pieces of one shape: log-probabilities of the twenty residues up to a constant a row, (length, 20)."""


def window_around(position: int, length: int, window: int) -> tuple[int, int]:
    """Start and stop of the window in which a token is as central as the ends allow."""
    if length <= window:
        return 0, length
    start = min(max(position - window // 2, 0), length - window)
    return start, start + window


def overlapping(length: int, window: int) -> list[tuple[int, int]]:
    """Start and stop of windows that overlap by half, from both ends of so many tokens towards the middle."""
    if length <= window:
        return [(0, length)]
    step, left, right, found = window // 2 - 1, 0, length - window, []
    while True:
        found += [(left, left + window), (right, right + window)]
        if left + window - 1 > right:
            break
        left, right = left + step, right - step
    if left + window - right < step:
        middle = length // 2 - window // 2
        found.append((middle, middle + window))
    return found


def fading(window: int) -> Array:
    """The weight of each token of a window: 1 in the middle half, and by a sigmoid almost 0 at the ends.

    The outermost two have 1, as in the benchmark's script: at the ends of the sequence they are no residues.
    """
    at, quarter, centre, width = np.arange(window), window // 4, window / 8, window / 64
    slope = np.ones(window)
    slope[1 : quarter + 1] = 1.0 / (1.0 + np.exp(-(at[1 : quarter + 1] - centre) / width))
    slope[-quarter - 2 : -1] = 1.0 / (1.0 + np.exp((at[-quarter - 2 : -1] - (window - 2 - centre)) / width))
    return slope


class Masked:
    """A masked model as a `Model`; `hide`: each residue is hidden when it is predicted, at a pass a residue."""

    def __init__(self, network: Network, hide: bool) -> None:
        self.network, self.hide = network, hide

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """Runs pieces of one length together, over all proteins."""
        found = [np.zeros((len(each.sequence), 20)) for each in queries]
        totals = [np.zeros((len(each.sequence), 1)) for each in queries]
        jobs = [(at, *job) for at, query in enumerate(queries) for job in self._jobs(query)]
        jobs.sort(key=lambda job: _shape(job[1]))
        for batch in _batches(jobs):
            logits = self.network.logits([job[1] for job in batch])
            for (at, _, start, first, weights), rows in zip(batch, logits, strict=True):
                read = slice(start + first, start + first + len(weights))
                found[at][read] += weights[:, None] * rows[first : first + len(weights)].astype(np.float64)
                totals[at][read] += weights[:, None]
        return [_normalised(rows / total) for rows, total in zip(found, totals, strict=True)]

    def _jobs(self, query: Query) -> Iterator[tuple[Piece, int, int, Array]]:
        """Yield (piece, the residue that it starts with, the first one in it that it is read for, and weights)."""
        sequence, tokens = query.sequence, _tokens(query, self.network)
        length = len(sequence) + 2  # with a token at each end
        window = self.network.window
        if self.hide:
            windows = [(*window_around(at + 1, length, window), at) for at in range(len(sequence))]
        else:
            windows = [(start, stop, None) for start, stop in overlapping(length, window)]
        for start, stop, hidden in windows:
            first, last = max(start - 1, 0), min(stop - 1, len(sequence))
            part = tokens[first:last] if tokens is not None else None
            inside = None if hidden is None else hidden - first
            piece = Piece(sequence[first:last], part, inside, start == 0, stop == length)
            if inside is not None:
                yield piece, first, inside, np.ones(1)
            else:
                weights = fading(window) if length > window else np.ones(length)
                yield piece, first, 0, weights[first + 1 - start : last + 1 - start]


def _normalised(rows: Array) -> Array:
    rows = rows - rows.max(axis=1, keepdims=True)
    return np.asarray(rows - np.log(np.exp(rows).sum(axis=1, keepdims=True)))


def _shape(piece: Piece) -> tuple[int, bool, bool]:
    return len(piece.sequence), piece.begins, piece.ends


Job = tuple[int, Piece, int, int, Array]


def _batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    batch: list[Job] = []
    for job in jobs:
        length = len(job[1].sequence)
        if batch and (_shape(job[1]) != _shape(batch[0][1]) or (len(batch) + 1) * length > TOKENS_A_BATCH):
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
