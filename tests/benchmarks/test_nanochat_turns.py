"""Runs that take turns: what runs beside what, and what becomes of those that fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks.nanochat_turns", reason="the benchmarks are not in a source distribution")

from benchmarks.nanochat_turns import Planned, Turn, in_turn

CHILD = """
import json, sys, time
from pathlib import Path

sys.path.insert(0, {benchmarks!r})
from nanochat_turns import Told

told, file = Told(), Path(sys.argv[1])
task = json.loads(file.read_text())

def note(what):
    with open(task["notes"], "a") as notes:
        notes.write(f"{{task['seed']}} {{what}}\\n")

print("goes to the log", flush=True)
note("imported")
told.say("imported")
told.wait_for("ready")
if task.get("breaks"):
    sys.exit(3)
time.sleep(task.get("sleeps", 0))
told.wait_for("go")
note("trains")
time.sleep(0.2)
note("trained")
told.say("trained")
note("scored")
file.with_suffix(".row").write_text(json.dumps({{"bpb": task["seed"]}}))
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, folder / "notes"
        benchmarks = str(Path(__file__).resolve().parents[2] / "benchmarks")
        (folder / "child.py").write_text(CHILD.format(benchmarks=benchmarks))

    def planned(self, seed: int, **more: object) -> Planned:
        return Planned("none", {"seed": seed, "notes": str(self.notes), **more}, self.folder)

    def start(self, planned: Planned) -> Turn:
        return Turn(planned, [sys.executable, str(self.folder / "child.py")], {})

    def rows(self, *runs: Planned, limit: float = 60.0, most: int = 99) -> list[dict[str, object]]:
        asked: list[Planned] = []

        def left_for(planned: Planned) -> float:
            asked.append(planned)
            return 60.0 if len(asked) <= most else 0.0

        return [row for _, row in in_turn(runs, self.start, limit, left_for)]


def test_nothing_runs_beside_training(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = bench.rows(*(bench.planned(seed) for seed in (1, 2, 3)))
    assert [row["bpb"] for row in rows] == [1, 2, 3]
    assert all(float(str(row["wall_seconds"])) >= 0.2 for row in rows)
    notes = bench.notes.read_text().splitlines()
    for seed in (1, 2, 3):
        at = notes.index(f"{seed} trains")
        assert notes[at + 1] == f"{seed} trained"
        if seed < 3:  # the next one has imported before, and waits
            assert f"{seed + 1} imported" in notes[:at]
        if seed > 1:
            assert f"{seed - 1} scored" in notes[:at]
    assert (tmp_path / "seed-1.log").read_text() == "goes to the log\n"


def test_a_run_that_breaks_or_hangs_is_a_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = bench.rows(bench.planned(1, breaks=True), bench.planned(2))
    assert rows[0]["error"] == "the process ended with 3"
    assert rows[1]["bpb"] == 2
    [row] = bench.rows(bench.planned(3, sleeps=60), limit=0.5)
    assert row["error"] == "not done after 0 s"


def test_what_does_not_fit_is_not_started(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = bench.rows(*(bench.planned(seed) for seed in (1, 2, 3)), most=1)
    assert [row["bpb"] for row in rows] == [1]
    assert "2 trains" not in bench.notes.read_text()
    assert bench.rows(bench.planned(4), most=0) == []
