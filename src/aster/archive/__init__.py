"""The candidates worth branching from: one elite per cluster of behaviour, and how parents are drawn."""

from aster.archive.cluster import place, recluster
from aster.archive.select import draw_parent
from aster.archive.traits import traits

__all__ = ["draw_parent", "place", "recluster", "traits"]
