"""Running attempts outside a campaign: no ledger, and nothing left behind, however the check ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from aster.domain.events import AttemptLost
from aster.domain.records import Result, Usage
from aster.errors import ExecutorError
from aster.execution.protocol import Arrival, Executor, Job
from aster.sandbox.folder import AttemptFolder, remove_tree
from aster.sandbox.processes import kill_marked, marked

POLL_S = 0.01
GRACE_S = 10.0
"""How long killed attempts are waited for."""

MOST_LOSSES = 2


class Work(Struct, frozen=True):
    """One attempt to make. As in `Job`: `inputs` are for the trusted stages alone, `quick`: a check."""

    seed: int
    files: dict[str, bytes]
    inputs: dict[str, bytes] | None = None
    quick: bool = False


class Ran(Struct, frozen=True):
    """What an attempt came to.

    Attributes:
        turn_s: seconds from its start until its outcome was known.
        log: the end of its output.
        outputs: the files that it left, name -> content, as far as they are kept.
    """

    result: Result
    usage: Usage
    turn_s: float
    log: str
    outputs: dict[str, bytes]


class Bench:
    """Runs pieces of work side by side on an executor."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._number = 0

    def run(self, works: Iterable[Work], told: Callable[[int], None] = lambda _: None) -> list[Ran]:
        """Return what each piece of work came to, in their order; `told` hears how many are done.

        Works are taken as places become free, so that large ones need not all be in memory.

        Raises:
            ExecutorError: attempts cannot be started, or are lost.
        """
        waiting, done = enumerate(works), dict[int, Ran]()
        running: dict[str, tuple[int, Work, float, int]] = {}
        more = True
        while more or running:
            while more and self._executor.free() > 0:
                item = next(waiting, None)
                more = item is not None
                if item is not None:
                    self._start(*item, 0, running)
            for arrival in self._executor.poll():
                self._settle(arrival, running, done)
                told(len(done))
            time.sleep(POLL_S)  # polling is the executor's seam
        return [done[index] for index in sorted(done)]

    def _start(self, index: int, work: Work, losses: int, running: dict[str, tuple[int, Work, float, int]]) -> None:
        self._number += 1
        attempt = f"x{self._number}.1"
        running[attempt] = (index, work, time.monotonic(), losses)
        job = Job(attempt, f"x{self._number}", work.seed, work.files, work.inputs, quick=work.quick)
        self._executor.submit(job)

    def _settle(self, arrival: Arrival, running: dict[str, tuple[int, Work, float, int]], done: dict[int, Ran]) -> None:
        fact = arrival.fact
        attempt = fact.attempt if isinstance(fact, AttemptLost) else fact.outcome.attempt
        index, work, began, losses = running.pop(attempt)
        if isinstance(fact, AttemptLost):
            if losses + 1 >= MOST_LOSSES:
                raise ExecutorError(f"The check cannot go on: an attempt was lost {losses + 1} times: {fact.reason}.")
            self._executor.acknowledge(attempt)
            self._start(index, work, losses + 1, running)
            return
        outcome = fact.outcome
        log = arrival.blobs[outcome.log].decode(errors="replace") if outcome.log else ""
        outputs = {name: arrival.blobs[blob] for name, blob in outcome.artifacts.items()}
        done[index] = Ran(outcome.result, outcome.usage, time.monotonic() - began, log, outputs)
        self._executor.acknowledge(attempt)


@contextmanager
def workshop() -> Iterator[Path]:
    """Give a temporary folder for attempts. Its name is the mark to run them under.

    When it is left, by whatever way, a kill of this process included, attempts in it are killed and it is deleted.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="aster-check-")).resolve()
        folder.chmod(0o711)  # attempts with users of their own get through, as they would in a campaign's folder
    except OSError as error:
        raise ExecutorError(f"No temporary folder can be made for the check: {error.strerror}. Set TMPDIR.") from error
    path = os.pathsep.join(each for each in sys.path if each)
    janitor = subprocess.Popen(
        [sys.executable, "-c", "from aster.checking.bench import wait_and_clear; wait_and_clear()", str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us
    )
    assert janitor.stdin is not None
    try:
        yield folder
    finally:
        clear(folder)
        janitor.stdin.close()  # it finds nothing to do
        janitor.wait()


def wait_and_clear() -> None:
    """Wait until whoever started us has closed our standard input, by dying if need be; then clear its folder."""
    sys.stdin.buffer.read()
    clear(Path(sys.argv[1]))


def clear(folder: Path) -> None:
    """Kill what runs under a workshop's folder, and delete it."""
    with suppress(OSError):
        places = [AttemptFolder(folder, path.name) for path in (folder / "attempts").iterdir()]
        deadline = time.monotonic() + GRACE_S
        while (alive := [pid for place in places if (pid := place.keeper())]) and time.monotonic() < deadline:
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            time.sleep(5 * POLL_S)
    prefix = f"{folder.name}."
    kill_marked(prefix, marked(prefix))
    remove_tree(folder)
