"""Fill the compile caches: run the solution up to where it would say that it is ready. This file is frozen.

Usage: ``python solution/harness/warm.py VOCAB LENGTH``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

SOLUTION = Path(__file__).resolve().parent.parent


class Enough(BaseException):
    """The solution is ready; no solution catches this by catching Exception."""


class Nothing:
    """A source that never says GO."""

    def go(self) -> tuple[int, Iterator]:
        """Raise Enough."""
        raise Enough


def main(vocab_size: int, length: int) -> None:
    """Warm the solution up, and leave."""
    sys.path[0] = str(SOLUTION)  # not the harness's own folder
    import train
    from harness import Run

    try:
        train.train(Run(Nothing(), vocab_size=vocab_size, length=length, seed=0, seconds=300.0))
    except Enough:
        return
    raise SystemExit("train() returned without run.go()")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
