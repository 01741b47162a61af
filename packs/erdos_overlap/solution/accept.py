"""Surface "acceptance": whether a walk goes on from the candidate."""


def keep(candidate: float, current: float, progress: float) -> bool:
    """Only if its bound is smaller; `progress` is the part of the walk that is behind us, 0 to 1."""
    return candidate < current
