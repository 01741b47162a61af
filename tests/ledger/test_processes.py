"""The SQLite ledger under several processes, one of which may die or fill the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aster.domain.events import Entry
from aster.errors import StaleTerm
from aster.ledger.sqlite import SqliteStore
from aster.testing.stores import outcome, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a new ledger that nobody has open."""
    ledger = tmp_path / "ledger.db"
    SqliteStore(ledger, create=True).close()
    return ledger


def read(path: Path) -> list[Entry]:
    store = SqliteStore(path, read_only=True)
    entries = list(store.read())
    store.close()
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    return entries


def script(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that runs `code` after importing what a test of the ledger needs."""
    head = (
        "import sys\nfrom pathlib import Path\nfrom aster.errors import StoreError\n"
        "from aster.ledger.sqlite import SqliteStore\nfrom aster.testing.stores import outcome\n"
        "store = SqliteStore(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


FILL_THE_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    for number in range(100_000):
        print(store.append([outcome(number)], time=1.0)[0].position)
except StoreError as error:
    print("StoreError:", error)
print(sum(1 for _ in store.read()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.append([outcome(10**6)], time=2.0)[0].position)
"""


def test_a_disk_that_takes_no_more(path: Path) -> None:
    lines = script(FILL_THE_DISK, path).communicate(timeout=60)[0].splitlines()
    *acknowledged, error, readable, after_mending = lines
    assert error.startswith("StoreError:")
    assert "full" in error
    assert len(acknowledged) > 10
    assert acknowledged == [str(position) for position in range(1, len(acknowledged) + 1)]
    assert readable == str(len(acknowledged))
    assert after_mending == str(len(acknowledged) + 1)
    assert len(read(path)) == len(acknowledged) + 1


APPEND_FOR_EVER = """
first = store.last_position()
for step in range(10**9):
    events = [outcome(first + 3 * step + n) for n in range(3)]
    print(store.append(events, time=1.0)[-1].position, flush=True)
"""


def test_sigkill_loses_nothing_that_was_acknowledged(path: Path) -> None:
    acknowledged = 0
    for round_ in range(4):
        process = script(APPEND_FOR_EVER, path)
        assert process.stdout is not None
        for _ in range(5 + 7 * round_):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        acknowledged = int(rest[-1]) if rest else acknowledged
        entries = read(path)
        assert len(entries) in (acknowledged, acknowledged + 3)  # the last commit may be one that it could not tell
        assert [entry.event for entry in entries] == [outcome(n) for n in range(len(entries))]
        acknowledged = len(entries)


APPEND_SOME = """
base, count = int(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    print(store.append([outcome(base + number), outcome(7)], time=1.0)[0].position)
"""


def test_two_processes_append_to_one_ledger(path: Path) -> None:
    processes = [script(APPEND_SOME, path, base, 60) for base in (1000, 2000)]
    told = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert len(read(path)) == 121  # 60 each, and the fact that both report once
    assert len(set(told)) == 120


def test_a_decider_in_another_process_is_fenced(path: Path) -> None:
    store = SqliteStore(path)
    term = store.begin_term(1.0)
    assert script("print(store.begin_term(2.0))", path).communicate(timeout=60)[0].strip() == str(term + 1)
    with pytest.raises(StaleTerm, match="must stop"):
        store.append([started(term)], term=term, time=3.0)
    store.close()
