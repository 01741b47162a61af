"""Where a candidate stands in the archive: clusters of behaviour, re-made as the history grows.

A grid over descriptors stays mostly empty; clusters follow the candidates there are. The whole history is clustered
afresh whenever it has grown by half, so that clustering costs O(1) a candidate in the long run.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from aster.board import Board
from aster.domain.events import ArchiveReclustered, EliteNamed
from aster.domain.ids import digest

FIRST_SIZE = 4
GROWTH = 1.5
MOST_CLUSTERS = 24


def descriptor(board: Board, candidate: str) -> tuple[float, ...] | None:
    """Return the candidate's point in descriptor space, or None if a declared descriptor was not measured."""
    names = board.setup.descriptors
    if not names:
        return board.candidates[candidate].traits
    for experiment in board.experiments_of.get(candidate, ()):
        metrics = board.experiments[experiment].metrics
        if metrics is not None and all(name in metrics for name in names):
            return tuple(metrics[name] for name in names)
    return None


def place(board: Board, candidate: str) -> EliteNamed | None:
    """Return the event that makes a newly ranked candidate an elite, or None if its cluster has a better one."""
    archive, ranking = board.archive, board.ranking
    point = descriptor(board, candidate)
    if candidate not in ranking or point is None or candidate in archive.elites.values():
        return None
    if not archive.centroids:
        return EliteNamed(len(archive.elites), candidate)
    x = (np.asarray(point) - np.asarray(archive.shift)) / np.asarray(archive.scale)
    cluster = int(np.argmin(((np.asarray(archive.centroids) - x) ** 2).sum(axis=1)))
    elite = archive.elites.get(cluster)
    if elite is not None and elite in ranking and ranking.position(elite) <= ranking.position(candidate):
        return None
    return EliteNamed(cluster, candidate)


def due(board: Board) -> bool:
    """Whether the history has grown enough since it was last clustered."""
    return len(board.ranking) >= max(FIRST_SIZE, math.ceil(board.archive.size_clustered * GROWTH))


def recluster(board: Board) -> ArchiveReclustered | None:
    """Return the event that clusters every ranked candidate afresh, or None if that is not due yet.

    k-means with k = round(sqrt(n)), from 2 to MOST_CLUSTERS, on standardised descriptors; seeded by the campaign.
    """
    if not due(board):
        return None
    from scipy.cluster.vq import kmeans2  # imported late: a quarter of a second that most commands never need

    points = [(c, p) for c in board.ranking if (p := descriptor(board, c)) is not None]
    if len(points) < FIRST_SIZE:  # too few have what places them: they stay elites, and the next look waits
        return ArchiveReclustered(len(board.ranking), (), (), (), tuple(candidate for candidate, _ in points))
    data: NDArray[np.float64] = np.asarray([p for _, p in points], dtype=np.float64)
    shift, scale = data.mean(axis=0), data.std(axis=0)
    scale[scale == 0.0] = 1.0
    data = (data - shift) / scale
    k = min(MOST_CLUSTERS, max(2, round(math.sqrt(len(points)))))
    seed = int(digest(board.setup.seed, "recluster", len(points))[:8], 16)
    start = _spread(data, k, np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centre that lost all its points is dropped below
        centroids, labels = kmeans2(data, start, minit="matrix", iter=20, missing="warn")
    elites: dict[int, str] = {}
    for (candidate, _), label in zip(points, labels.tolist(), strict=True):  # best first
        elites.setdefault(label, candidate)
    kept = sorted(elites)
    return ArchiveReclustered(
        size=len(board.ranking),
        shift=tuple(shift.tolist()),
        scale=tuple(scale.tolist()),
        centroids=tuple(tuple(row) for row in centroids[kept].tolist()),
        elites=tuple(elites[label] for label in kept),
    )


def _spread(data: NDArray[np.float64], k: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return at most `k` distinct rows as first centres, drawn as k-means++ does (Arthur and Vassilvitskii 2007)."""
    chosen = [int(rng.integers(len(data)))]
    distance = ((data - data[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k and distance.sum() > 0:
        chosen.append(int(rng.choice(len(data), p=distance / distance.sum())))
        distance = np.minimum(distance, ((data - data[chosen[-1]]) ** 2).sum(axis=1))
    return data[chosen]
