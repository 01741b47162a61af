"""Crash equivalence: a campaign whose processes are killed at any moment comes to what an undisturbed one comes to.

ASTER_CHAOS=N makes N strikes a campaign and as many campaigns as that needs; without it there are a few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.crash.campaigns import (
    Content,
    check_same,
    contents,
    open_campaign,
    open_determined_campaign,
    open_tuned_campaign,
    undisturbed,
)
from tests.crash.chaos import POINTS, Chaos, environment, read_books, start

from aster.app import load_campaign
from aster.board import Board

STRIKES = int(os.environ.get("ASTER_CHAOS", "0"))
"""For a long soak: how many strikes each of the random tests makes at least; 0: a few."""

PER_CAMPAIGN = 10 if STRIKES else 5

EXPERIMENTS = 40 if STRIKES else 24

CUT_OFF = """
import os, pathlib, signal, sys
from aster.app import load_campaign
campaign = load_campaign(pathlib.Path(sys.argv[1]))
pathlib.Path.write_bytes = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
campaign.write_report()
"""
"""Writes a report until its first file."""


CAMPAIGNS = range(max(1, -(-STRIKES // PER_CAMPAIGN)))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The ordered campaign, undisturbed."""
    return undisturbed(open_campaign(tmp_path_factory.mktemp("calm"), "ordered", EXPERIMENTS))


def torment(folder: Path, seed: int) -> Board:
    chaos = Chaos(folder, random.Random(seed), PER_CAMPAIGN)
    board = chaos.run()
    print("struck", seed, dict(chaos.struck), "terms", board.term, "lost", board.lost)
    assert chaos.struck.total() > 0
    return board


@pytest.mark.parametrize("seed", CAMPAIGNS)
def test_an_ordered_campaign_makes_the_same_experiments_and_claims(tmp_path: Path, calm: Board, seed: int) -> None:
    check_same(torment(open_campaign(tmp_path, "ordered", EXPERIMENTS), seed), calm)


@pytest.fixture(scope="module")
def calm_and_tuned(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The tuner's campaign, undisturbed: it knows every end that the rules of search make of an experiment."""
    board = undisturbed(open_tuned_campaign(tmp_path_factory.mktemp("tuned")))
    assert board.setup.racing
    assert board.claims
    assert set(board.tally) == {"measured", "infeasible", "stopped_early"}
    return board


@pytest.mark.anyuser
@pytest.mark.parametrize("seed", CAMPAIGNS)
def test_a_campaign_of_the_tuner_makes_the_same_experiments_and_claims(
    tmp_path: Path, calm_and_tuned: Board, seed: int
) -> None:
    check_same(torment(open_tuned_campaign(tmp_path), 3000 + seed), calm_and_tuned)


@pytest.mark.anyuser
@pytest.mark.parametrize("seed", CAMPAIGNS)
def test_an_arrival_campaign_loses_nothing(tmp_path: Path, seed: int) -> None:
    board = torment(open_campaign(tmp_path, "arrival", EXPERIMENTS), 1000 + seed)
    assert all(state.metrics is not None for state in board.experiments.values())


@pytest.fixture(scope="module")
def calm_multiset(tmp_path_factory: pytest.TempPathFactory) -> Counter[Content]:
    return Counter(contents(undisturbed(open_determined_campaign(tmp_path_factory.mktemp("determined")))))


@pytest.mark.anyuser
@pytest.mark.parametrize("seed", CAMPAIGNS)
def test_an_arrival_campaign_finishes_the_same_multiset(
    tmp_path: Path, calm_multiset: Counter[Content], seed: int
) -> None:
    assert calm_multiset.total() == 14
    assert Counter(contents(torment(open_determined_campaign(tmp_path), 2000 + seed))) == calm_multiset


@pytest.fixture(scope="module")
def calm_and_small(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return undisturbed(open_campaign(tmp_path_factory.mktemp("small"), "ordered", 14, sleep=0.1))


@pytest.mark.anyuser
@pytest.mark.xdist_group("commits")  # what they are compared with is run once, not once a worker
@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_in_a_commit(tmp_path: Path, calm_and_small: Board, point: str) -> None:
    """In the term's own (1), in that of its first event (2), and in some of facts and decisions."""
    folder = open_campaign(tmp_path, "ordered", 14, sleep=0.1)
    for number in (1, 2, 3, 9, 16):
        process = start(folder, point, number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, said.decode()
        read_books(folder)
    assert start(folder).wait(60) == 0
    check_same(read_books(folder), calm_and_small)


@pytest.mark.anyuser
def test_a_report_that_was_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """Killed once it has begun the champion's folder: the next report sweeps it away."""
    folder = open_campaign(tmp_path, "ordered", 24, sleep=0.0)
    assert undisturbed(folder).champion is not None
    cut_off = subprocess.run(
        [sys.executable, "-c", CUT_OFF, str(folder)], env=environment(), capture_output=True, timeout=60, check=False
    )
    assert cut_off.returncode == -signal.SIGKILL, cut_off.stderr.decode()
    assert [path.name for path in folder.glob(".best*")]
    load_campaign(folder).write_report()
    assert not [*folder.glob(".*")]
    assert (folder / "best/solution/solve.py").is_file()
