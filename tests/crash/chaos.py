"""Killing a campaign's processes at random, again and again, and what must be true of it all the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from aster.board import Board
from aster.ledger.sqlite import SqliteStore
from aster.sandbox.folder import AttemptFolder
from aster.sandbox.keeper.locks import held
from aster.sandbox.processes import marked
from aster.testing.audit import audit

DRIVER = Path(__file__).with_name("driver.py")
POINTS = ("before", "inside", "after")
STRIKES = ("commit", "campaign", "keepers", "server", "all")
MOST_DEATHS = 2
"""Of an experiment's keepers: one more in the same term would count as the candidate's failure."""

SERVER_TRIES = 3
"""How often an executor asks for a fork server before it gives up."""

MOST_COMMITS = 40
PATIENCE_S = 120.0

UNDRAWN = """
import sys, types
stub = sys.modules["aster.report.folder"] = types.ModuleType("stub")
stub.write_report = lambda *args, **more: []
from aster.cli.main import main
main()
"""
"""The command line without its figures, which take longer to draw than these campaigns take to run."""


def start(folder: Path, *deadly: object) -> subprocess.Popen[bytes]:
    """Start a process that runs the campaign; `deadly`: a point of the driver's, and the number of the commit."""
    command = [sys.executable, str(DRIVER), str(folder), *map(str, deadly)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())


def environment() -> dict[str, str]:
    """Return an environment in which a process imports what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def keepers(folder: Path) -> dict[str, int]:
    """Return attempt -> the process id of its living keeper."""
    with suppress(OSError):
        names = [path.name for path in (folder / "attempts").iterdir()]
        found = {name: AttemptFolder(folder, name).keeper() for name in names}
        return {name: pid for name, pid in found.items() if pid is not None}
    return {}


def servers(folder: Path) -> list[int]:
    """Return the process ids of the folder's fork servers; keepers have the same command line, and are left out."""
    parents = {}
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        with suppress(OSError, ValueError, IndexError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and os.fsencode(folder.resolve()) in words:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    known = set(keepers(folder).values())
    return [pid for pid, parent in parents.items() if parent not in parents and pid not in known]


def aster(*words: object, head: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the command line, without figures, after the statements in `head`."""
    command = [sys.executable, "-c", head + UNDRAWN, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=False)


def read_books(folder: Path) -> Board:
    """Audit the campaign's ledger and return its fold."""
    with closing(SqliteStore(folder / "ledger.db", read_only=True)) as store:
        return audit(store)


class Chaos:
    """Runs the campaign in `folder` to its end while killing it. The generator makes the kills repeatable in kind."""

    def __init__(self, folder: Path, rng: random.Random, kills: int, pace: float = 0.25) -> None:
        """Args:
        kills: how many strikes at most.
        pace: mean seconds between one strike and the next.
        """
        self.folder, self.rng, self.kills, self.pace = folder, rng, kills, pace
        self.struck: Counter[str] = Counter()
        self.seconds = 0.0
        """How long the campaign's processes lived, all together."""
        self._deaths: Counter[str] = Counter()
        self._servers = 0
        """How many fork servers were killed in this term."""

    def run(self) -> Board:
        """Kill and resume until the campaign has ended, check its books, and return its board."""
        while True:
            self._term()
            board = read_books(self.folder)
            if board.ended is not None:
                break
        assert board.spend.wall_s <= self.seconds, "more wall time was charged than there was"
        check_nothing_is_left(self.folder)
        return board

    def _term(self) -> None:
        """Run one process of the campaign until it has ended or was killed."""
        strike = self._next()
        self._servers = 0
        deadly = (self.rng.choice(POINTS), self.rng.randint(1, MOST_COMMITS)) if strike == "commit" else ()
        began = time.monotonic()
        process = start(self.folder, *deadly)
        if strike == "commit":
            wait(process)
            self.struck["commit"] += process.returncode == -signal.SIGKILL
        elif self.rng.random() < 0.8:  # else it may be killed while it starts
            until(lambda: process.poll() is not None or held(str(self.folder / "lock")))
        while process.poll() is None:
            self._strike(strike, process)
            strike = self._next(STRIKES[1:])
        self.seconds += time.monotonic() - began
        assert process.stderr is not None
        said = process.stderr.read().decode()
        process.stderr.close()
        # A server that is killed each time that it is asked for is one trouble that ends a term, and a resume mends.
        gave_up = process.returncode == 1 and "ExecutorError" in said and self._servers >= SERVER_TRIES
        assert process.returncode in (0, -signal.SIGKILL) or gave_up, said

    def _next(self, strikes: Sequence[str] = STRIKES) -> str:
        return self.rng.choice(strikes) if self.struck.total() < self.kills else "none"

    def _strike(self, strike: str, process: subprocess.Popen[bytes]) -> None:
        """Wait a while, then kill what `strike` names as soon as it is there; the campaign may end meanwhile."""
        if strike == "none":
            return wait(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.expovariate(1 / self.pace))
        while process.poll() is None:
            if self._hits(strike, process):
                self.struck[strike] += 1
                return None
            time.sleep(0.01)
        return None

    def _hits(self, strike: str, process: subprocess.Popen[bytes]) -> bool:
        """Kill what `strike` names; whether there was any of it."""
        hit = False
        if strike in ("campaign", "all"):
            process.kill()
            hit = True
        if strike in ("keepers", "all"):
            hit |= self._kill_keepers()
        if strike in ("server", "all"):
            killed = [kill(pid) for pid in servers(self.folder)].count(True)
            self._servers += killed
            hit |= killed > 0
        if strike in ("campaign", "all"):
            process.wait()
        return hit

    def _kill_keepers(self) -> bool:
        found = [each for each in sorted(keepers(self.folder).items()) if self.rng.random() < 0.6]
        chosen = [(attempt, pid) for attempt, pid in found if self._deaths[experiment_of(attempt)] < MOST_DEATHS]
        for attempt, pid in chosen:
            self._deaths[experiment_of(attempt)] += 1
            kill(pid)
        return bool(chosen)


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.01)


def wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that must end by itself."""
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def kill(pid: int) -> bool:
    """Kill a process; whether it was still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def experiment_of(attempt: str) -> str:
    return attempt.rpartition(".")[0]


def check_nothing_is_left(folder: Path) -> None:
    """Check that an ended campaign has no attempt on the disk, and no process of one."""
    assert not [*(folder / "attempts").iterdir(), *(folder / "spool").iterdir()]
    status = folder.stat()
    assert not marked(f"{folder.name}.{status.st_dev:x}.{status.st_ino:x}/")
