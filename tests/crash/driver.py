"""Run the campaign in argv[1]; with argv[2] a point and argv[3] a number, be killed at that point of that commit.

The points are of the ledger's transactions: `before` BEGIN, `inside` (all is written, nothing committed), and `after`
COMMIT, before anybody is told.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from aster.app import run
from aster.ledger import sqlite

POINTS = ("before", "inside", "after")


def arm(point: str, number: int) -> None:
    """Have this process killed at `point` of the commit with this number, counted from 1."""
    commit = sqlite._transaction
    seen = 0

    def reach(here: str) -> None:
        if here == point and seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def deadly(connection: sqlite3.Connection) -> Iterator[None]:
        nonlocal seen
        seen += 1
        reach("before")
        with commit(connection):
            yield
            reach("inside")
        reach("after")

    sqlite._transaction = deadly


if __name__ == "__main__":
    folder, *deadly_point = sys.argv[1:]
    stub = sys.modules["aster.report.folder"] = ModuleType("stub")  # figures take longer to draw than terms live
    stub.write_report = lambda *args, **more: []  # type: ignore[attr-defined]
    if deadly_point:
        arm(deadly_point[0], int(deadly_point[1]))
    run(Path(folder))
