"""What recording costs: the latency of a commit, alone and grouped, in a new ledger and in a long one.

    python benchmarks/ledger.py [--folder FOLDER] [--repeats 300]

Prints milliseconds a commit (median and 99th percentile) and, beside them, a bare write and fsync of a small
file in the same folder and the same minute: the floor that the disk sets. FOLDER should be on the disk that
campaigns will be on; a temporary one is made in it and removed.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from aster.domain.events import Event, OutcomeRecorded
from aster.domain.ids import blob_id
from aster.domain.records import Measured, Outcome, Usage
from aster.ledger.sqlite import SqliteStore
from aster.ledger.writer import Writer

GROUP = 100
HISTORY = 100_000
LOG_BYTES = 8192


def outcomes() -> Iterator[Event]:
    """Yield outcomes without end, each of another experiment."""
    for number in count():
        experiment = blob_id(str(number).encode())[:12]
        metrics = Measured({"score": number / 7, "seconds": 1.5})
        yield OutcomeRecorded(Outcome(f"x-{experiment}.1", f"x-{experiment}", metrics, "cpu", Usage(1, 1, 90), 0, 1))


def log(number: int) -> bytes:
    """Return a log of LOG_BYTES that compresses about as well as numbers in text do."""
    draw = random.Random(number)
    return "".join(f"step {step} loss {draw.random():.6f}\n" for step in range(LOG_BYTES // 20)).encode()[:LOG_BYTES]


def timed(act: Callable[[], object], repeats: int) -> list[float]:
    """Return the milliseconds of each of `repeats` calls."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        act()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def row(name: str, times: list[float], events: int) -> None:
    median, high = statistics.median(times), statistics.quantiles(times, n=100)[98]
    each = f"{median / events * 1e3:10.1f}" if events else " " * 10
    print(f"{name:44} {median:9.3f} {high:9.3f} {each}")


def bare_flush(folder: Path, repeats: int) -> None:
    with (folder / "floor").open("wb", buffering=0) as file:

        def flush() -> None:
            file.write(b"x" * 4096)
            os.fsync(file.fileno())

        row("4 KiB written to a plain file, fsync", timed(flush, repeats), 0)


def measure(store: SqliteStore, events: Iterator[Event], name: str, repeats: int) -> None:
    def append(size: int) -> Callable[[], object]:
        return lambda: store.append([next(events) for _ in range(size)], time=1.0)

    def append_with_log() -> None:
        data = log(store.last_position())
        store.append([next(events)], time=1.0, blobs={blob_id(data): data})

    row(f"{name}, 1 event", timed(append(1), repeats), 1)
    row(f"{name}, 1 event and a log of 8 KiB", timed(append_with_log, repeats), 1)
    row(f"{name}, {GROUP} events", timed(append(GROUP), max(20, repeats // 5)), GROUP)


def measure_both(path: Path, events: Iterator[Event], history: int, repeats: int) -> None:
    for setting in ("FULL", "NORMAL"):
        store = SqliteStore(path, create=True)
        assert store._writing is not None
        store._writing.execute(f"PRAGMA synchronous={setting}")  # no option of the store: only FULL keeps its promise
        measure(store, events, f"{setting}, {history:,} events before", repeats)
        store.close()


def measure_writer(path: Path, events: Iterator[Event], size: int) -> None:
    """Print what the writer makes of `size` outcomes that arrive one by one, but all at once."""
    store = SqliteStore(path)
    begin = time.perf_counter()
    with Writer(store, time.time) as writer:
        futures = [writer.submit([next(events)]) for _ in range(size)]
        for future in futures:
            future.result()
    seconds = time.perf_counter() - begin
    print(f"\nWriter: {size:,} submits of one event each: {seconds:.2f} s, {size / seconds:,.0f} a second")
    begin = time.perf_counter()
    number = sum(1 for _ in store.read())
    seconds = time.perf_counter() - begin
    print(f"Reading all {number:,} events: {seconds:.2f} s, {number / seconds:,.0f} a second")
    store.close()
    print(f"The file: {path.stat().st_size / number:,.0f} bytes an event, logs included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    parser.add_argument("--repeats", type=int, default=300)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores,")
    print(f"load {os.getloadavg()[0]:.1f}, {arguments.repeats} repeats\n")
    print(f"{'ms a commit':44} {'median':>9} {'p99':>9} {'us/event':>10}")
    events = outcomes()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        bare_flush(folder, arguments.repeats)
        measure_both(folder / "new.db", events, 0, arguments.repeats)
        store = SqliteStore(folder / "long.db", create=True)
        for _ in range(HISTORY // 1000):
            store.append([next(events) for _ in range(1000)], time=1.0)
        store.close()
        measure_both(folder / "long.db", events, HISTORY, arguments.repeats)
        bare_flush(folder, arguments.repeats)
        measure_writer(folder / "long.db", events, 10_000)


if __name__ == "__main__":
    main()
