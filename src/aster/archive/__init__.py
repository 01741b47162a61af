"""The candidates worth branching from: one elite per cluster of behaviour, and how parents are drawn."""

from aster.archive.cluster import place, recluster
from aster.archive.select import draw_parents, ranked_elites
from aster.archive.traits import traits

__all__ = ["draw_parents", "place", "ranked_elites", "recluster", "traits"]
