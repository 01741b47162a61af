"""What changes were really worth, given one noisy measurement of each and that only the winners were kept.

The model. Version k of the code has a true value. Each change moves the value of the version that it was made on by an
amount drawn from one distribution, the *prior*; each measurement adds normal noise of a known sd. The prior is not
assumed but learnt from all changes of the run, those that were thrown away included, as in empirical Bayes (Robbins
1956, Efron and Morris 1973): a share of changes that do nothing at all and, on either side of zero, a mixture of
uniform distributions that begin at zero (Stephens 2017, "False discovery rates: a new deal"). A short run does not know
its prior well, so its weights are not fitted but drawn from their posterior (Diebolt and Robert 1994), and the answers
averaged over the draws; the draws are seeded, so that the same chain has the same answer.

Why selection needs no further correction: whether a change was kept is a function of the measurements alone, so given
*all* of them the keeping adds nothing (Dawid 1994). What was thrown away tells how rare gains are, and also how lucky
the version was that it was compared with: a version whose successors all look worse was probably measured too well.

The kept versions form a chain in one dimension, so given the weights the posterior is computed on a lattice, forwards
and backwards. Pure; values are oriented so that more is better.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
else:
    Array = Any

CELLS = 6
"""Cells of the lattice in one sd of the noise."""

REACH = 6 * CELLS
"""Cells on either side of what was measured: 6 sd."""

COUNTS = (1.0, 1.0, 1.0)
"""How many changes that did nothing, that helped and that hurt are taken as seen before the first."""

BURN, DRAWS, THIN = 60, 300, 5
"""Draws of the prior that are left out, that count, and from which on each so-many-th counts for total gains."""


class Chain(Struct, frozen=True):
    """A run that kept some of its changes.

    Args:
        versions: the measurements of each kept version, the unchanged code first; at least one each.
        tried: (k, value) of each change of version k that was not kept.
    """

    versions: tuple[tuple[float, ...], ...]
    tried: tuple[tuple[int, float], ...] = ()


class Spread(Struct, frozen=True):
    """A distribution on points: `values` in the metric's units, `shares` that sum to 1."""

    values: Array
    shares: Array

    @property
    def mean(self) -> float:
        """The expected value."""
        return float(self.values @ self.shares)

    def quantile(self, share: float) -> float:
        """Return the value that `share` of the distribution does not exceed, interpolated between points."""
        order = np.argsort(self.values, kind="stable")
        values, sums = self.values[order], np.cumsum(self.shares[order]) - self.shares[order] / 2
        return float(np.interp(share, sums, values))

    def above(self, value: float) -> float:
        """Return the share above `value`."""
        return float(self.shares[self.values > value].sum())


class Fit(Struct, frozen=True):
    """What a chain says of itself. Step k leads from version k to version k + 1.

    Args:
        sd: the noise that was assumed.
        nothing, better, worse: the shares of changes that do nothing, help and hurt, as far as the run tells.
        levels: the value of each version.
        gains: the gain of each step.
        totals: the gain of each version over version 0.
        chances: the chance that each step's true gain is zero or less.
    """

    sd: float
    nothing: float
    better: float
    worse: float
    levels: tuple[Spread, ...]
    gains: tuple[Spread, ...]
    totals: tuple[Spread, ...]
    chances: tuple[float, ...]


def fit(chain: Chain, sd: float) -> Fit:
    """Return the posterior of a chain, given the sd of one measurement.

    Raises:
        ValueError: there is no version, a value is not finite, or `sd` is not above 0.
    """
    values = [value for version in chain.versions for value in version] + [value for _, value in chain.tried]
    if not chain.versions or not all(chain.versions) or not all(map(math.isfinite, values)):
        raise ValueError("a chain has a version, and all of its values are finite")
    if not (math.isfinite(sd) and sd > 0):
        raise ValueError(f"an sd of {sd!r} is not above 0")
    return _Lattice(chain, sd).fit()


def mixed(spreads: Sequence[Spread]) -> Spread:
    """Return the mixture of distributions in equal parts."""
    shares = np.concatenate([each.shares for each in spreads]) / len(spreads)
    return Spread(np.concatenate([each.values for each in spreads]), shares)


class _Messages(Struct, frozen=True):
    """One pass forwards and backwards. `ahead` includes its version's own evidence, `back` only that of later ones."""

    nodes: list[Array]
    kernels: list[Array]
    ahead: list[Array]
    back: list[Array]

    def here(self, k: int) -> Array:
        """Return the posterior of version k over its window."""
        return _norm(self.ahead[k] * self.back[k])

    def pairs(self, k: int) -> Array:
        """Return the weight of each distance, in cells, between versions k and k + 1, but for the step's own kernel."""
        return np.correlate(self.nodes[k + 1] * self.back[k + 1], self.ahead[k], "full")


class _Lattice:
    """The lattice of a chain: a window of cells around each version's mean, and the prior's kernels between them."""

    def __init__(self, chain: Chain, sd: float) -> None:
        self.sd, self.cell, self.origin = sd, sd / CELLS, chain.versions[0][0]
        means = [sum(version) / len(version) - self.origin for version in chain.versions]
        centres = np.array([round(mean / self.cell) for mean in means])
        self.points = (centres[:, None] + np.arange(-REACH, REACH + 1)) * self.cell
        self.apart = np.diff(centres)[:, None] + np.arange(-2 * REACH, 2 * REACH + 1)
        self.measured = [
            np.exp(-len(version) * ((mean - points) / sd) ** 2 / 2)
            for version, mean, points in zip(chain.versions, means, self.points, strict=True)
        ]
        self.parents = np.array([k for k, _ in chain.tried], dtype=int)
        moves = np.array([value - self.origin for _, value in chain.tried])[:, None] - self.points[self.parents]
        widest = max([sd, *np.abs(moves[:, REACH]), *np.abs(np.diff(means))]) + 3 * sd
        self.widths = sd * 2.0 ** np.arange(math.ceil(math.log2(widest / sd)) + 1)
        self.tried = self._likelihoods(moves)
        self.masses = [self._masses(apart) for apart in self.apart]

    def _likelihoods(self, moves: Array) -> Array:
        """Return the density of each observed move, at each point of its parent, under each part of the prior."""
        from scipy.special import ndtr

        z, half = (moves / self.sd)[..., None], self.widths / self.sd / 2
        sides = [-np.abs(z - half), -np.abs(z + half)]
        uniform = [(ndtr(side + half) - ndtr(side - half)) / (2 * half) for side in sides]
        null = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return np.concatenate([null, *uniform], axis=-1) + 1e-300

    def _masses(self, apart: Array) -> Array:
        """Return the mass that each part of the prior gives to steps of so many cells."""
        edges = np.append(apart - 0.5, apart[-1] + 0.5)[:, None] * self.cell
        better = np.diff(np.clip(edges / self.widths, 0, 1), axis=0)
        worse = np.diff(np.clip(1 + edges / self.widths, 0, 1), axis=0)
        return np.concatenate([(apart == 0)[:, None].astype(float), better, worse], axis=1)

    def fit(self) -> Fit:
        """Average the posterior over draws of the prior's weights."""
        rng, sides = np.random.default_rng(0), len(self.widths)
        seen = np.array([COUNTS[0]] + [COUNTS[1] / sides] * sides + [COUNTS[2] / sides] * sides)
        weights = seen / seen.sum()
        tallies = _Tallies(self)
        for number in range(-BURN, DRAWS):
            messages = self._pass(weights)
            if number >= 0:
                tallies.add(weights, messages, totals=number % THIN == 0)
            weights = rng.dirichlet(seen + self._draw_kinds(rng, weights, messages))
        return tallies.fit()

    def _pass(self, weights: Array) -> _Messages:
        logs = np.log(self.tried @ weights)
        nodes = list(self.measured)
        for k in set(self.parents.tolist()):
            mine = logs[self.parents == k].sum(axis=0)
            nodes[k] = nodes[k] * np.exp(mine - mine.max())
        kernels = [masses @ weights for masses in self.masses]
        ahead, back = [_norm(nodes[0])], [np.ones(2 * REACH + 1)]
        for kernel, node in zip(kernels, nodes[1:], strict=True):
            ahead.append(_norm(np.convolve(kernel, ahead[-1], "valid") * node))
        for kernel, node in zip(reversed(kernels), reversed(nodes[1:]), strict=True):
            back.append(_norm(np.correlate(kernel, back[-1] * node, "valid")[::-1]))
        return _Messages(nodes, kernels, ahead, back[::-1])

    def _draw_kinds(self, rng: np.random.Generator, weights: Array, messages: _Messages) -> Array:
        """Draw the versions' values, then of which part of the prior each change is; return the count of each."""
        path = [_draw(rng, messages.ahead[-1])]
        rows = []
        for k in range(len(self.masses) - 1, -1, -1):
            back = messages.kernels[k][path[-1] : path[-1] + 2 * REACH + 1][::-1]
            path.append(_draw(rng, messages.ahead[k] * back))
            rows.append(self.masses[k][path[-2] - path[-1] + 2 * REACH])
        places = np.array(path[::-1])
        tried = self.tried[np.arange(len(self.parents)), places[self.parents]]
        sums = np.cumsum(np.concatenate([tried, np.reshape(rows, (len(rows), len(weights)))]) * weights, axis=1)
        kinds = (sums < rng.random((len(sums), 1)) * sums[:, -1:]).sum(axis=1)
        counts: Array = np.bincount(kinds, minlength=len(weights)).astype(np.float64)
        return counts

    def totals(self, messages: _Messages) -> Iterator[tuple[int, Array]]:
        """Yield each version's gain over version 0, from their joint distribution: (cells of the first, shares)."""
        from numpy.lib.stride_tricks import sliding_window_view

        joint = np.diag(messages.ahead[0])
        for k, points in enumerate(self.points):
            if k:
                steps = sliding_window_view(messages.kernels[k - 1], 2 * REACH + 1)[
                    :, ::-1
                ].T  # [a, b]: kernel of b - a
                joint = _norm((joint @ steps) * messages.nodes[k])
            shares = joint * messages.back[k]
            apart = np.rint((points[None, :] - self.points[0][:, None]) / self.cell).astype(int)
            low = int(apart.min())
            sums: Array = np.bincount((apart - low).ravel(), shares.ravel()).astype(np.float64)
            yield low, _norm(sums)


class _Tallies:
    """Sums over draws of the prior, which become a Fit."""

    def __init__(self, lattice: _Lattice) -> None:
        self._lattice = lattice
        self._levels = [np.zeros(2 * REACH + 1) for _ in lattice.points]
        self._gains = [np.zeros(4 * REACH + 1) for _ in lattice.masses]
        self._totals: list[tuple[int, Array]] = []
        self._worse = np.zeros(len(lattice.masses))
        self._weights: list[Array] = []

    def add(self, weights: Array, messages: _Messages, totals: bool) -> None:
        """Add the posterior under one draw of the weights."""
        self._weights.append(weights)
        no_gain = weights.copy()
        no_gain[1 : 1 + len(self._lattice.widths)] = 0.0
        for k in range(len(self._levels)):
            self._levels[k] += messages.here(k)
        for k, masses in enumerate(self._lattice.masses):
            pairs = messages.pairs(k)
            shares = pairs * messages.kernels[k]
            self._gains[k] += _norm(shares)
            self._worse[k] += float(pairs @ (masses @ no_gain)) / float(shares.sum())
        if totals:
            new = list(self._lattice.totals(messages))
            old = self._totals or [(low, np.zeros(len(sums))) for low, sums in new]
            self._totals = [(low, sums + more) for (low, sums), (_, more) in zip(old, new, strict=True)]

    def fit(self) -> Fit:
        """Return the averages."""
        lattice, wide = self._lattice, len(self._lattice.widths)
        weights = np.mean(self._weights, axis=0)
        return Fit(
            sd=lattice.sd,
            nothing=float(weights[0]),
            better=float(weights[1 : 1 + wide].sum()),
            worse=float(weights[1 + wide :].sum()),
            levels=tuple(
                Spread(at + lattice.origin, _norm(sums)) for at, sums in zip(lattice.points, self._levels, strict=True)
            ),
            gains=tuple(
                Spread(apart * lattice.cell, _norm(sums))
                for apart, sums in zip(lattice.apart, self._gains, strict=True)
            ),
            totals=tuple(
                Spread((low + np.arange(len(sums), dtype=np.float64)) * lattice.cell, _norm(sums))
                for low, sums in self._totals
            ),
            chances=tuple(float(worse) / len(self._weights) for worse in self._worse),
        )


def _norm(weights: Array) -> Array:
    shares: Array = weights / weights.sum()
    return shares


def _draw(rng: np.random.Generator, weights: Array) -> int:
    sums = np.cumsum(weights)
    return int(np.searchsorted(sums, rng.random() * sums[-1]))
