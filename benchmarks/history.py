"""Whether decisions stay cheap and memory small as the history grows.

    python benchmarks/history.py [--experiments 100000] [--slots 16] [--folder FOLDER] [--no-ledger]

Runs one campaign with the real decisions, the real board, the real idea library's proposer and a real SQLite ledger;
only the measurements are made up. Prints a row for every twentieth of the history, and writes `history.png` and
`history.md` into benchmarks/results. FOLDER should be on the disk that campaigns will be on; the ledger is made in a
temporary folder there and removed.

The ideas never run out, because what helps drifts: 16 ideas on 8 surfaces, each with three knobs of six values, make
10^21 recipes, and a later measurement is a little better than an earlier one, so that the archive's elites keep
moving and there is always something untried a step away from them. A library that stands still is exhausted long
before 100,000 experiments, and then nothing is left to time.

CPU is that of the whole process but the ledger's commits: deciding, folding, hashing, making up the measurement.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):  # as `aster run` does: the cores belong to the experiments
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402 - the threads first
from msgspec import Struct  # noqa: E402 - the threads first

from aster.campaign.decide import Minds  # noqa: E402 - the threads first
from aster.domain.events import Event, ExperimentPlanned  # noqa: E402 - the threads first
from aster.domain.ids import seeded  # noqa: E402 - the threads first
from aster.domain.records import Candidate, Experiment, Failed, Limits, Measured, Objective, Result, Setup  # noqa: E402 - the threads first
from aster.ledger.sqlite import SqliteStore  # noqa: E402 - the threads first
from aster.planning.bandit import BanditPlanner  # noqa: E402 - the threads first
from aster.proposers.idea_proposer import IdeaProposer  # noqa: E402 - the threads first
from aster.proposers.library import Idea, IdeaLibrary, KnobSpec  # noqa: E402 - the threads first
from aster.testing.simulation import simulate  # noqa: E402 - the threads first

SURFACES, RIVALS, KNOBS, VALUES = 8, 2, 3, 6
ROWS = 20
DRIFT = 1e-3
"""What a measurement gains per decision, in sd of one measurement's noise over one hundred."""

RESULTS = Path(__file__).parent / "results"


def library() -> tuple[IdeaLibrary, dict[str, bytes]]:
    """Return the ideas and the solution that they change: a file a surface, of which each idea makes a style."""
    constants = "".join(f"KNOB_{k} = 1\n" for k in range(KNOBS))
    texts = {f"solution/s{n}.py": f'STYLE = "plain"\n{constants}' for n in range(SURFACES)}
    ideas = []
    for number, (path, text) in enumerate(texts.items()):
        names = [f"s{number}-{rival}" for rival in range(RIVALS)]
        for name in names:
            specs = tuple(KnobSpec(f"{path}::KNOB_{k}", tuple(range(1, VALUES + 1)), 1) for k in range(KNOBS))
            styled = {path: text.replace("plain", name)}
            others = tuple(other for other in names if other != name)
            ideas.append(Idea(name, f"s{number}", name, "It may help.", {path: text}, styled, specs, conflicts=others))
    solution = {path: text.encode() for path, text in texts.items()}
    return IdeaLibrary(solution, ideas), solution


class World:
    """What experiments measure: ideas, knob values and pairs of ideas add up, with noise and a drift."""

    def __init__(self) -> None:
        self._effects: dict[tuple[str, ...], float] = {}

    def _effect(self, *of: str) -> float:
        if of not in self._effects:
            self._effects[of] = seeded("effect", *of).gauss(0.0, 1.0)
        return self._effects[of]

    def __call__(self, candidate: Candidate, experiment: Experiment) -> Result:
        luck = seeded("luck", candidate.id, experiment.seed)
        if candidate.recipe and luck.random() < 0.05:
            return Failed("one in twenty breaks")
        value = DRIFT * experiment.decision + luck.gauss(0.0, 0.1)
        for place, change in enumerate(candidate.recipe):
            value += self._effect(change.idea)
            value += 0.4 * sum(self._effect(change.idea, knob, repr(v)) for knob, v in change.knobs.items())
            value += 0.3 * sum(self._effect(change.idea, other.idea) for other in candidate.recipe[:place])
        return Measured({"score": value, "breadth": luck.random(), "depth": luck.random()})


class Row(Struct, frozen=True):
    """One stretch of the history. `cpu_ms`, `wall_ms`: an experiment; `resident_mb` at its end."""

    experiments: int
    cpu_ms: float
    slowest_ms: float
    wall_ms: float
    append_ms: float | None
    resident_mb: float


class Watch:
    """Takes a campaign's events, writes them to the ledger, and times what lies between."""

    def __init__(self, store: SqliteStore | None, every: int) -> None:
        self._store, self._every = store, every
        self.rows: list[Row] = []
        self.planned = 0
        self._events: list[Event] = []
        self._blobs: dict[str, bytes] = {}
        self._start()

    def _start(self) -> None:
        self._cpu: list[float] = []
        self._appends: list[float] = []
        self._wall = time.perf_counter()
        self._mark = time.process_time()

    def __call__(self, events: Sequence[Event], blobs: Mapping[str, bytes]) -> None:
        self._events += events
        self._blobs.update(blobs)
        if not any(isinstance(event, ExperimentPlanned) for event in events):
            return
        self._cpu.append((time.process_time() - self._mark) * 1e3)
        self.planned += 1
        self._commit()
        if self.planned % self._every == 0:
            self._row()
        self._mark = time.process_time()

    def _commit(self) -> None:
        """Write all since the last experiment as one commit, as the loop's writer does when it is busy."""
        if self._store is not None:
            begun = time.perf_counter()
            self._store.append(self._events, time=time.time(), blobs=self._blobs)
            self._appends.append((time.perf_counter() - begun) * 1e3)
        self._events, self._blobs = [], {}

    def _row(self) -> None:
        wall = (time.perf_counter() - self._wall) * 1e3 / len(self._cpu)
        append = statistics.median(self._appends) if self._appends else None
        row = Row(self.planned, statistics.fmean(self._cpu), max(self._cpu), wall, append, resident_mb())
        self.rows.append(row)
        print(line(row), flush=True)
        self._start()


def resident_mb() -> float:
    """Return the resident memory of this process in MiB, or its peak where only that can be told."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


HEADER = "| experiments | ms CPU each | slowest | a second of CPU | ms wall each | ms a commit, median | resident MB |"


def line(row: Row) -> str:
    """Return a row of the table."""
    append = "" if row.append_ms is None else f"{row.append_ms:.2f}"
    return (
        f"| {row.experiments:,} | {row.cpu_ms:.2f} | {row.slowest_ms:.0f} | {1e3 / row.cpu_ms:.0f} "
        f"| {row.wall_ms:.2f} | {append} | {row.resident_mb:.0f} |"
    )


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw rate, CPU and resident memory against the history."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    x = [row.experiments / 1e3 for row in rows]
    figure, axes = plt.subplots(3, 1, figsize=(7, 7.5), sharex=True, layout="constrained")
    series = [
        ([1e3 / row.cpu_ms for row in rows], "experiments a CPU second", None),
        ([row.cpu_ms for row in rows], "ms CPU an experiment", 15.0),
        ([row.resident_mb for row in rows], "resident MB", 300.0),
    ]
    for axis, (y, label, aim) in zip(axes, series, strict=True):
        axis.plot(x, y, "o-", color="#2b6cb0", markersize=3.5, linewidth=1.5)
        axis.set_ylabel(label)
        if aim is not None:
            axis.axhline(aim, color="#888888", linewidth=1, linestyle="--")
            axis.annotate(f"aim: below {aim:g}", (x[0], aim), (0, -11), textcoords="offset points", color="#666666")
        axis.set_ylim(0, 1.1 * max(*y, aim or 0.0))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yscale("log")
    axes[0].set_ylim(10, None)
    axes[-1].set_xlabel("experiments in the history, thousands (the last fifth is held back for confirmation)")
    axes[-1].set_xlim(0, None)
    figure.savefig(path, dpi=130)


def describe(rows: Sequence[Row], command: str, ended: str) -> str:
    """Return the page."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    table = "\n".join([HEADER, f"|{'---|' * 7}", *map(line, rows)])
    return f"""# Decisions and memory against the history

Command: `{command}`, {time.strftime("%Y-%m-%d")}; {os.cpu_count()} cores of {processor()}, {memory:.0f} GiB,
{platform.system()}; Python {platform.python_version()}, numpy {np.__version__}, SQLite
{sqlite3.sqlite_version}. One process, one BLAS thread; other light work ran on the same cores.

![Rate, CPU and memory against the history](history.png)

CPU is all that the process used for an experiment except the ledger's commit: the decision, folding its events, hashing
trees and making up the measurement. "slowest" is the worst single one of the row: the archive's clustering, made afresh
whenever the history has grown by half, Python's garbage collector and other load all fall into it. A commit holds all
events of an experiment, on the disk when it returns.
How the ideas are kept from running out is told in `benchmarks/history.py`; what one event costs, in
`benchmarks/ledger.py`.

{table}

{ended}
"""


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    names = [text.partition(":")[2].strip() for text in info.read_text().splitlines() if text.startswith("model name")]
    return f"an {names[0]}" if names else platform.processor()


def main() -> None:
    """Run the campaign, print the table, write the picture and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    parser.add_argument("--no-ledger", action="store_true")
    args = parser.parse_args()
    ideas, solution = library()
    proposer = IdeaProposer(ideas, frozenset())
    minds = Minds(BanditPlanner(proposer.surfaces()), proposer, solution)
    setup = Setup(
        "history", "History", Objective("score", "maximize", 1e-6), Limits(None, args.experiments), "ordered",
        args.slots, 0, descriptors=("breadth", "depth"),
    )  # fmt: skip
    print(f"{HEADER}\n|{'---|' * 7}", flush=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        store = None if args.no_ledger else SqliteStore(Path(name) / "ledger.db", create=True)
        watch = Watch(store, max(1, args.experiments // ROWS))
        board = simulate(setup, minds, World(), sink=watch).board
        if store is not None:
            store.close()
    ended = f"{len(board.candidates):,} candidates, {len(board.claims):,} claims; {board.ended}."
    print(ended)
    RESULTS.mkdir(exist_ok=True)
    draw(watch.rows, RESULTS / "history.png")
    (RESULTS / "history.md").write_text(describe(watch.rows, " ".join(["python", *sys.argv]), ended))


if __name__ == "__main__":
    main()
