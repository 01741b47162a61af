"""Runs that take turns on one GPU, a process each, which warms up while the one before is scored.

A process is told two words, and says two:

    (started)   imports, on no GPU, and says `imported`
    ready       builds its model, compiles and warms up, and waits
    go          trains, says `trained`, is scored, puts down its row and ends

The next one is told `ready` when this one has trained, and `go` when this one is gone and the one after it has
imported: nothing runs beside training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Planned(NamedTuple):
    """A run to come; `task` is what its process is told, and `folder` holds its log."""

    variant: str
    task: dict[str, Any]
    folder: Path


class Turn:
    """A run and its process, seen from outside.

    Args:
        command: what to run; the path of the task file is added.
        env: variables of the process, besides those there are.
    """

    def __init__(self, planned: Planned, command: Sequence[str], env: dict[str, str]) -> None:
        self.planned = planned
        seed = planned.task["seed"]
        self.log = planned.folder / f"seed-{seed}.log"
        file = planned.folder / f"seed-{seed}.json"
        self._row = file.with_suffix(".row")
        self._row.unlink(missing_ok=True)
        file.write_text(json.dumps(planned.task))
        self._late, self._timer = 0.0, threading.Timer(0, lambda: None)
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [*command, str(file)],
                env={**os.environ, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def make_ready(self, limit: float) -> None:
        """Have it warm up, and be done `limit` seconds from now."""
        self._timer = threading.Timer(limit, self._end, [limit])
        self._timer.daemon = True
        self._timer.start()
        self._say("ready")

    def imported(self) -> None:
        """Wait until it has nothing to do."""
        self._hear("imported")

    def train(self) -> None:
        """Let it train, and return when it has, or has ended before."""
        self._say("go")
        self._hear("trained")

    def row(self) -> dict[str, Any]:
        """Wait for its end; return what it measured, or its error."""
        code = self._process.wait()
        self._timer.cancel()
        if self._late:
            return {"error": f"not done after {self._late:.0f} s"}
        if not self._row.exists():
            return {"error": f"the process ended with {code}"}
        found: dict[str, Any] = json.loads(self._row.read_text())
        return found

    def drop(self) -> None:
        """End it without a row."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has ended: its row says why

    def _hear(self, word: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == f"{word}\n":
                return

    def _end(self, limit: float) -> None:
        self._late = limit
        self._process.kill()


class Told:
    """The other end, in the run's own process. What the process prints besides goes to its log from here on."""

    def __init__(self) -> None:
        self._words = os.fdopen(os.dup(1), "w")
        sys.stdout.flush()
        os.dup2(2, 1)

    def wait_for(self, word: str) -> None:
        """Block until `word` was said; ends the process if whoever says it is gone."""
        if sys.stdin.readline() != f"{word}\n":
            sys.exit(1)

    def say(self, word: str) -> None:
        """Say where the run is."""
        self._words.write(f"{word}\n")
        self._words.flush()


def in_turn(
    runs: Sequence[Planned],
    start: Callable[[Planned], Turn],
    limit: float,
    fits: Callable[[Planned], float],
) -> Iterator[tuple[Turn, dict[str, Any]]]:
    """Do the runs, each when the one before has trained; yield each with its row.

    A row's `wall_seconds` go from the end of the training before to that of its own, so they add up to the time of all.

    Args:
        limit: seconds that a run may take, from `ready` to its end.
        fits: the seconds that there are for a run, asked when its turn comes; 0 ends it all.
    """
    before: tuple[Turn, float] | None = None
    began, coming = time.monotonic(), start(runs[0])
    for number, planned in enumerate(runs):
        left = fits(planned)
        if not left:
            coming.drop()
            break
        now = coming
        now.make_ready(min(limit, left))
        if number + 1 < len(runs):
            coming = start(runs[number + 1])
        if before:
            yield done(*before)
        if coming is not now:
            coming.imported()
        now.train()
        ended = time.monotonic()
        before, began = (now, ended - began), ended
    if before:
        yield done(*before)


def done(turn: Turn, wall: float) -> tuple[Turn, dict[str, Any]]:
    """Wait for the end of a run; return it with its row."""
    return turn, {**turn.row(), "wall_seconds": round(wall, 1)}
