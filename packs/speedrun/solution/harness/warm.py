"""Fill the compile caches: run the solution, on all ranks, up to where it would be ready. This file is frozen.

Usage: ``python solution/harness/warm.py vocab_size=50257 bos=50256 length=8192 target=3.28 batch=524288 world_size=8``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOLUTION = Path(__file__).resolve().parent.parent
_LOOK_S = 0.05


class Enough(BaseException):
    """All ranks are ready; no solution catches this by catching Exception."""


class Nothing:
    """A source that waits for the other ranks, and never says GO."""

    def __init__(self, others: Any) -> None:
        self._others = others

    def go(self) -> tuple[int, Iterator]:
        """Raise Enough."""
        while not self._others.ready:
            time.sleep(_LOOK_S)
        raise Enough


def main(words: list[str]) -> None:
    """Warm the solution up, and leave; without words there is nothing to warm."""
    if not words:
        return
    sys.path[0] = str(SOLUTION)  # not the harness's own folder
    import torch
    from harness.ranks import Others, join, new_run

    wanted = {name: float(value) if name == "target" else int(value) for name, value in (each.split("=") for each in words)}
    wanted["seed"] = 0

    def failed(why: str) -> None:
        print(why, file=sys.stderr, flush=True)
        os._exit(1)  # whatever this rank waits for does not come

    others = Others(wanted, failed)
    join(0, wanted["world_size"], others.meeting)
    torch.manual_seed(0)
    import train

    try:
        train.train(new_run(Nothing(others), wanted, 0))
    except Enough:
        sys.stdout.flush()
        os._exit(0)  # the other ranks see it and leave; none of them waits for a group to be taken down
    raise SystemExit("train() returned without run.go()")


if __name__ == "__main__":
    main(sys.argv[1:])
