"""SIGKILL at any moment, then resume: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aster.app import create, load_campaign, run
from aster.campaign.budget import Budget
from aster.domain import events as ev
from aster.domain.records import Mode
from aster.ledger.sqlite import SqliteStore
from aster.problems.problem import load_problem

from .folders import write_problem

RUN = "import sys; from pathlib import Path; from aster.app import run; run(Path(sys.argv[1]))"


def campaign(tmp_path: Path, name: str, mode: Mode, sleep: float) -> Path:
    problem = load_problem(write_problem(tmp_path / "problem", sleep=sleep))
    return create(problem, Budget(experiments=24), slots=3, seed=5, mode=mode, campaigns=tmp_path / name)


def run_killing(folder: Path, rng: random.Random, kills: int) -> int:
    """Run the campaign in processes that are killed at random moments; return how many were killed in time."""
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 0.6 + rng.random() * 1.2
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        if process.poll() is not None:
            assert process.stderr is not None
            assert process.returncode == 0, process.stderr.read().decode()
            return killed
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed += 1
    return killed


def counted(folder: Path) -> dict[str, str]:
    """Return experiment -> the attempt that counts, checked against every event of the ledger."""
    store = SqliteStore(folder / "ledger.db", read_only=True)
    outcomes: dict[str, str] = {}
    positions = []
    for entry in store.read():
        positions.append(entry.position)
        if isinstance(entry.event, ev.OutcomeRecorded):
            outcome = entry.event.outcome
            assert outcome.experiment not in outcomes, f"{outcome.experiment} was counted twice"
            outcomes[outcome.experiment] = outcome.attempt
    assert positions == list(range(1, len(positions) + 1))
    store.close()
    return outcomes


@pytest.mark.parametrize("seed", [1, 2])
def test_ordered_campaigns_make_the_same_experiments_however_often_they_are_killed(tmp_path: Path, seed: int) -> None:
    calm = run(campaign(tmp_path, "calm", "ordered", 0.4))
    folder = campaign(tmp_path, "killed", "ordered", 0.4)
    killed = run_killing(folder, random.Random(seed), kills=4)
    assert killed >= 2
    ended = run(folder)
    assert list(ended.board.experiments) == list(calm.board.experiments)
    values = [[s.metrics for s in c.board.experiments.values()] for c in (calm, ended)]
    assert values[0] == values[1]
    assert counted(folder).keys() == ended.board.experiments.keys()
    assert [d for _, d in ended.claims] == [d for _, d in calm.claims]


def test_arrival_campaigns_lose_nothing(tmp_path: Path) -> None:
    folder = campaign(tmp_path, "killed", "arrival", 0.4)
    assert run_killing(folder, random.Random(3), kills=3) >= 2
    ended = run(folder)
    assert counted(folder).keys() == ended.board.experiments.keys()
    assert ended.board.spend.experiments == len(ended.board.experiments) <= 24


def test_a_running_attempt_is_adopted_not_run_again(tmp_path: Path) -> None:
    folder = campaign(tmp_path, "killed", "arrival", 1.5)
    process = subprocess.Popen([sys.executable, "-c", RUN, str(folder)])
    deadline = time.monotonic() + 20
    while len(load_campaign(folder).board.running) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)  # the attempts are well under way
    process.kill()
    process.wait()
    before = dict(load_campaign(folder).board.running)
    follower = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stderr=subprocess.DEVNULL)
    while len(counted(folder)) < 3:
        assert time.monotonic() < deadline + 20
        time.sleep(0.05)
    follower.kill()
    follower.wait()
    board = load_campaign(folder).board
    for attempt, experiment in before.items():
        outcome = board.experiments[experiment].outcome
        assert outcome is not None
        assert outcome.attempt == attempt
    assert board.lost == 0
