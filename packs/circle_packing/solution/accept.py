"""Surface "acceptance": whether a walk goes on from the candidate."""

from geometry import Packing


def keep(candidate: Packing, current: Packing, progress: float) -> bool:
    """Only if it is better; `progress` is the part of the walk that is behind us, 0 to 1."""
    return candidate.total > current.total
