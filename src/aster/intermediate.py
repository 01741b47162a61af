"""What a candidate's code says of how far it is. Standard library only: it is imported by every attempt."""

from __future__ import annotations


def progress(step: int, value: float) -> None:
    """Print an intermediate value, for a problem with a [progress] table; elsewhere it is an ordinary line of output.

    Code that cannot import Aster prints the same line itself: "aster.progress STEP VALUE", flushed.

    Args:
        step: how far it is, growing from call to call; it must mean the same for every candidate, such as tokens seen
            or a share of the time allowed, so that values at one step compare.
        value: the objective, or what stands for it, at that step. Values that are not finite are left out.
    """
    print(f"aster.progress {int(step)} {float(value)!r}", flush=True)
