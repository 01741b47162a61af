"""The kill guarantee: whatever a candidate does, its tree is dead within 2 s of its limit, and only then is there room.

The seconds that a stage took are the keeper's own: they end when nothing of the tree is left. How long it takes a
busy machine to *start* a candidate is not asserted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.walls import walls_or_skip

from aster.domain.events import AttemptLost, OutcomeRecorded
from aster.domain.records import Measured, TimedOut
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Arrival
from aster.sandbox.keeper.cgroups import most_processes
from aster.sandbox.keeper.locks import held
from aster.testing.executors import BLOCKED, HONEST, collect, job, judge, plan, processes_of, wait_until, waiting

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a subreaper and /proc"),
    pytest.mark.xdist_group("harm"),  # a bomb beside it leaves its user no process to start
]

WITHIN_S = 2.0
LIMITS_S = (1.0, 8.0)
"""The second where the machine was so busy that the candidate did not come to speak before the first."""
LONGER_S = 4.0
"""Where what is beside or before it may keep the machine busy when it has to start."""

Make = Callable[[float], LocalExecutor]


@pytest.fixture(params=["bubblewrap", "landlock", "plain"])
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes an executor of one slot in each sandbox, with a limit in seconds."""
    made: list[LocalExecutor] = []

    def one(timeout_s: float = 600) -> LocalExecutor:
        walls = walls_or_skip(request.param, tmp_path)
        made.append(LocalExecutor(tmp_path, plan(timeout_s), judge, 1, "test", walls=lambda _: walls))
        return made[-1]

    yield one
    for executor in made:
        executor.close()


def arrival_of(executor: LocalExecutor, folder: Path) -> Arrival:
    """Return the next arrival, before which there is no room, and with which nothing is alive."""
    arrivals: list[Arrival] = []

    def arrived() -> bool:
        before = executor.free()
        arrivals.extend(executor.poll())
        assert before == 0, "there was room before the end was known"
        return bool(arrivals)

    wait_until(arrived)
    assert processes_of(folder) == []
    assert executor.free() == 1
    [arrival] = arrivals
    return arrival


TELL = """\
import ctypes, os, signal, sys, threading, time
def tell():
    print("here", flush=True)
def leave():
    try:
        os.setsid()
    except PermissionError:  # refused where nothing else would surely kill all sessions
        pass
"""
TRICKS = {
    "double fork": "if not os.fork():\n leave()\n if not os.fork(): tell(); time.sleep(600)\n os._exit(0)",
    "ignored signals": (
        "for number in set(signal.Signals) - {9, 19}: signal.signal(number, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); tell()"
    ),
    "stopped": "tell(); os.kill(os.getpid(), signal.SIGSTOP)",
    "stopped children": (
        "for _ in range(5):\n if not os.fork(): leave(); tell(); os.kill(os.getpid(), signal.SIGSTOP); os._exit(0)"
    ),
    "a traced child": (
        "if not os.fork(): ctypes.CDLL(None).ptrace(0, 0, 0, 0); tell(); os.kill(os.getpid(), signal.SIGSTOP)"
    ),
    "threads that never return": (
        "def spin():\n while True: pass\nfor _ in range(4): threading.Thread(target=spin).start()\ntell(); spin()"
    ),
    "a call that never returns": "tell(); ctypes.CDLL(None).pause()",
    "vfork": ("libc = ctypes.PyDLL(None)\nif libc.vfork() == 0:\n tell()\n while True: libc.sleep(600)"),
    "spawned": "os.posix_spawn('/bin/sleep', ['sleep', '600'], os.environ, setsigmask=range(1, 65)); tell()",
    "zombies": "for _ in range(100):\n if not os.fork(): os._exit(0)\ntell()",
    "children that hold the pipe": "for _ in range(5):\n if not os.fork(): tell(); time.sleep(600)",
    "a chain of parents": (
        "def deeper(left):\n if left and not os.fork(): leave(); deeper(left - 1); time.sleep(600)\ndeeper(30); tell()"
    ),
    "children reborn": (
        # Whatever else its user runs counts too, so there may be no process to be had for a moment.
        "while True:\n time.sleep(0.05)\n try: pid = os.fork()\n except BlockingIOError: continue\n"
        " if not pid: leave(); tell(); time.sleep(600)"
    ),
}


LOUD = ("threads that never return",)  # beside others it may not come to speak before its limit


@pytest.mark.parametrize("trick", [pytest.param(each, marks=[pytest.mark.alone] * (each in LOUD)) for each in TRICKS])
def test_dead_within_two_seconds_of_the_limit(trick: str, make: Make, tmp_path: Path) -> None:
    for limit in LIMITS_S:
        executor = make(limit)
        executor.submit(job(TELL + TRICKS[trick] + "\ntime.sleep(600)\n", f"x-{limit:.0f}.1"))
        arrival = arrival_of(executor, tmp_path)
        assert isinstance(arrival.fact, OutcomeRecorded)
        got = arrival.fact.outcome
        assert got.result == TimedOut("solve", limit)
        assert got.usage.wall_s < limit + WITHIN_S
        if spoke := b"here" in arrival.blobs[got.log or ""]:
            break
        executor.close()
    assert spoke


BOMBS = {
    "a fork bomb": "while True:\n try: os.fork()\n except OSError: pass",
    "a fork bomb of sessions": "while True:\n try:\n  if not os.fork(): leave()\n except OSError: pass",
    "a fork bomb whose parents leave": (
        "for _ in range(50):\n if not os.fork(): break\n"
        "while True:\n try:\n  if os.fork(): os._exit(0)\n  leave()\n except OSError: pass"
    ),
}


@pytest.mark.alone
@pytest.mark.parametrize("bomb", BOMBS)
def test_fork_bombs_are_dead_within_two_seconds_of_the_limit(bomb: str, make: Make, tmp_path: Path) -> None:
    if not walls_or_skip("plain", tmp_path).groups and not os.getuid():
        pytest.skip("nothing bounds the number of root's processes here: no control groups")
    executor = make(LONGER_S)
    executor.submit(job(TELL + "tell()\n" + BOMBS[bomb]))
    arrival = arrival_of(executor, tmp_path)
    assert isinstance(arrival.fact, OutcomeRecorded)
    assert b"here" in arrival.blobs[arrival.fact.outcome.log or ""]
    assert arrival.fact.outcome.usage.wall_s < LONGER_S + WITHIN_S


LEAVES = "if not os.fork():\n leave(); tell()\n while True: time.sleep(600)\ntime.sleep(0.1)\n"


COUNT = """
count = 0
try:
    while count < 5000:
        if not os.fork(): time.sleep(600)
        count += 1
except OSError:
    pass
pathlib.Path(sys.argv[1], "value").write_text(str(count))
os._exit(0)
"""


@pytest.mark.alone
def test_room_for_others_is_not_an_attempts_own(tmp_path: Path) -> None:
    walls = walls_or_skip("bubblewrap", tmp_path)
    if not walls.groups and not os.getuid():
        pytest.skip("nothing bounds the number of root's processes here: no control groups")
    executor = LocalExecutor(tmp_path, plan(), judge, 16, "test", walls=lambda _: walls)
    executor.submit(job("import pathlib\n" + TELL + COUNT))
    [arrival] = collect(executor)
    executor.close()
    assert isinstance(arrival.fact, OutcomeRecorded)
    assert isinstance(arrival.fact.outcome.result, Measured)
    assert 32 < arrival.fact.outcome.result.metrics["value"] < most_processes(1)


def test_what_outlives_its_stage_dies_with_it(make: Make, tmp_path: Path) -> None:
    executor = make(600)
    executor.submit(job(TELL + LEAVES + HONEST))
    arrival = arrival_of(executor, tmp_path)
    assert isinstance(arrival.fact, OutcomeRecorded)
    assert arrival.fact.outcome.result == Measured({"value": 7.0})
    assert arrival.fact.outcome.usage.wall_s < WITHIN_S + 10


def test_cancelled_is_dead_soon(make: Make, tmp_path: Path) -> None:
    executor = make(600)
    executor.submit(job(TELL + TRICKS["ignored signals"] + "\n" + TRICKS["double fork"] + "\n" + BLOCKED))
    waiting(tmp_path)
    begin = time.monotonic()
    executor.cancel("x-1.1", "enough")
    wait_until(lambda: not processes_of(tmp_path))
    assert time.monotonic() - begin < WITHIN_S
    arrival_of(executor, tmp_path)


# The keeper and its fork server in trouble ---------------------------------------------------------------------------

WILD = (
    TELL + "import pathlib\nif not os.fork():\n leave()\n if not os.fork():\n"
    "  pathlib.Path(sys.argv[1], 'child').write_text('here'); time.sleep(600)\n os._exit(0)\n" + BLOCKED
)


def keeper_of(folder: Path) -> int:
    return int((folder / "attempts" / "x-1.1" / "alive").read_text())


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wild(executor: LocalExecutor, folder: Path) -> int:
    """Start an attempt whose processes are spread over sessions and return its keeper."""
    executor.submit(job(WILD))
    waiting(folder, "child")
    waiting(folder)
    assert len(processes_of(folder)) >= 2
    return keeper_of(folder)


def lost(executor: LocalExecutor, folder: Path) -> None:
    arrival = arrival_of(executor, folder)
    assert isinstance(arrival.fact, AttemptLost)


def test_a_killed_keeper_takes_the_tree_with_it(make: Make, tmp_path: Path) -> None:
    executor = make(600)
    keeper = wild(executor, tmp_path)
    begin = time.monotonic()
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not processes_of(tmp_path))  # nobody polls: the fork server does it
    assert time.monotonic() - begin < WITHIN_S
    lost(executor, tmp_path)


def test_keeper_and_fork_server_killed(make: Make, tmp_path: Path) -> None:
    executor = make(600)
    keeper = wild(executor, tmp_path)
    begin = time.monotonic()
    os.kill(parent_of(keeper), signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    arrivals: list[Arrival] = []

    def dead() -> bool:
        arrivals.extend(executor.poll())  # who polls finds them, by their control group or their mark
        return not processes_of(tmp_path)

    wait_until(dead)
    assert time.monotonic() - begin < WITHIN_S
    assert executor.free() == len(arrivals)
    wait_until(lambda: arrivals or (dead() and arrivals))
    assert isinstance(arrivals[0].fact, AttemptLost)
    assert executor.free() == 1


def test_a_stopped_keeper(make: Make, tmp_path: Path) -> None:
    executor = make(LONGER_S)
    executor.submit(job(TELL + TRICKS["double fork"] + "\n" + BLOCKED))
    waiting(tmp_path)
    os.kill(keeper_of(tmp_path), signal.SIGSTOP)
    arrival = arrival_of(executor, tmp_path)
    assert isinstance(arrival.fact, OutcomeRecorded)
    assert arrival.fact.outcome.result == TimedOut("solve", LONGER_S)
    assert arrival.fact.outcome.usage.wall_s < LONGER_S + WITHIN_S


def test_a_stopped_keeper_that_is_killed(make: Make, tmp_path: Path) -> None:
    executor = make(600)
    keeper = wild(executor, tmp_path)
    os.kill(keeper, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not processes_of(tmp_path))
    lost(executor, tmp_path)
    assert processes_of(tmp_path) == []


def test_the_fork_server_leaves_when_all_is_over(make: Make, tmp_path: Path) -> None:
    executor = make(600)
    executor.submit(job(HONEST))
    collect(executor)
    executor.close()
    (tmp_path / "keeper.sock").unlink()
    wait_until(lambda: not held(str(tmp_path / "keeper.lock")))
    assert not held(str(tmp_path / "keeper.lock"))
