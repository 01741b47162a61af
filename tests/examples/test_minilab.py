"""`examples/minilab.py` keeps the promises of the design in miniature, in under 300 lines."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import math
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MINILAB = Path(__file__).parents[2] / "examples" / "minilab.py"
IN_MEMORY = Path(":memory:")
Rows = list[tuple[str, int, str]]


@pytest.fixture
def lab() -> ModuleType:
    """A fresh copy of the module, so that a test may change its problem."""
    spec = importlib.util.spec_from_file_location("minilab", MINILAB)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(lab: ModuleType, mean: Callable[[str], float]) -> Callable[[Any, str], Any]:
    """A stand-in for `attempt`: a score with sd 1 around a mean that depends on the text."""

    def attempt(experiment: Any, text: str) -> Any:
        key = hashlib.sha256(f"{experiment.seed} {text}".encode()).hexdigest()
        return lab.Outcome(experiment.number, "measured", mean(text) + random.Random(key).gauss(0, 1), "")

    return attempt


def campaign(lab: ModuleType, seed: int = 0, experiments: int = 200, slots: int = 2) -> Any:
    return lab.Campaign(lab.digest(lab.SOLUTION), seed, experiments, slots)


def rows(path: Path) -> Rows:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return list(db.execute("SELECT kind, key, events FROM ledger ORDER BY rowid"))


def command(ledger: Path, experiments: int) -> list[str]:
    options = ["--ledger", str(ledger), "--seed", "1", "--experiments", str(experiments), "--slots", "2"]
    return [sys.executable, str(MINILAB), *options]


# ---- the file ---------------------------------------------------------------------------------------------


def test_is_one_short_file_on_the_standard_library() -> None:
    source = MINILAB.read_text()
    assert len(source.splitlines()) < 300
    assert max(map(len, source.splitlines())) <= 110
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)


# ---- whole campaigns, real processes ----------------------------------------------------------------------


def test_finds_and_confirms_a_better_solution(
    lab: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.main(["--ledger", str(tmp_path / "new" / "ledger.db"), "--seed", "1", "--experiments", "60"])
    report = capsys.readouterr().out
    assert ": confirmed, gain 0.0" in report
    assert "(97.0% interval)" in report
    assert "champion: pick = lambda: range(9)  ->  pick = lambda: [chance.randrange(9)]" in report
    marks = "".join(line.partition("|")[2] for line in report.splitlines() if "|" in line)
    assert {"b", "s", "c"} <= set(marks)


def test_killed_anywhere_it_resumes_and_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    calm, stormy = tmp_path / "calm.db", tmp_path / "stormy.db"
    report = subprocess.run(command(calm, 50), check=True, capture_output=True, timeout=60).stdout
    before: Rows = []
    for kill_at in (2, 12, 25):
        process = subprocess.Popen(command(stormy, 50), stdout=subprocess.DEVNULL)
        wait_for(functools.partial(has_outcomes, stormy, kill_at))
        process.kill()
        assert process.wait() == -9
        assert rows(stormy)[: len(before)] == before
        before = rows(stormy)
    for _ in ("resumed", "run again when all is done"):
        done = subprocess.run(command(stormy, 50), check=True, capture_output=True, timeout=60)
        assert done.stdout == report
        assert rows(stormy)[: len(before)] == before
        assert sorted(rows(stormy)) == sorted(rows(calm))
        assert [key for kind, key, _ in sorted(rows(stormy)) if kind == "outcome"] == list(range(50))


def has_outcomes(path: Path, least: int) -> bool:
    with contextlib.suppress(sqlite3.OperationalError):
        return path.exists() and sum(kind == "outcome" for kind, _, _ in rows(path)) >= least
    return False


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# ---- decisions --------------------------------------------------------------------------------------------


def test_same_seed_same_experiments_whatever_finishes_first(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    steady = measured(lab, lambda text: 3.0 * ("STEP = 0.1" in text))

    def shuffled(experiment: Any, text: str) -> Any:
        time.sleep(random.random() / 200)
        return steady(experiment, text)

    monkeypatch.setattr(lab, "attempt", shuffled)
    once, twice, other = (lab.research(campaign(lab, seed, 90, 4), lab.Ledger(IN_MEMORY)) for seed in (3, 3, 4))
    assert once.experiments == twice.experiments
    assert once.outcomes == twice.outcomes
    assert once.claims == twice.claims
    assert once.experiments != other.experiments
    assert [e.number for e in once.experiments] == list(range(90))


@pytest.mark.parametrize("slots", [1, 3, 20])
def test_decision_n_sees_experiments_up_to_n_minus_slots(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    decide, seen = lab.decide, []

    def spy(board: Any) -> Any:
        seen.append((board.decisions, len(board.outcomes)))
        return decide(board)

    monkeypatch.setattr(lab, "attempt", measured(lab, lambda text: 0.0))
    monkeypatch.setattr(lab, "decide", spy)
    lab.research(campaign(lab, experiments=40, slots=slots), lab.Ledger(IN_MEMORY))
    assert seen == [(n, max(0, n - slots + 1)) for n in range(40 + slots)]


def test_the_board_is_a_fold_of_the_ledger(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "attempt", measured(lab, lambda text: 3.0 * ("COOL = 0.99" in text)))
    ledger = lab.Ledger(IN_MEMORY)
    live = lab.research(campaign(lab), ledger)
    folded = lab.Board(campaign(lab))
    for kind, events in ledger.read():
        folded.apply(kind, *events)
    assert vars(folded) == vars(live)
    assert lab.decide(folded) == lab.decide(live)
    assert lab.report(folded) == lab.report(live)


def test_finished_experiments_are_never_run_again(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, ran = measured(lab, lambda text: 0.0), list[int]()

    def dies(experiment: Any, text: str) -> Any:
        ran.append(experiment.number)
        if len(ran) in (7, 30):
            raise KeyboardInterrupt
        return attempt(experiment, text)

    monkeypatch.setattr(lab, "attempt", dies)
    ledger = lab.Ledger(IN_MEMORY)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            lab.research(campaign(lab, experiments=40), ledger)
    lab.research(campaign(lab, experiments=40), ledger)
    assert sorted(ran) == sorted([*range(40), ran[6], ran[29]])


def test_a_second_decider_and_another_campaign_are_refused(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "attempt", measured(lab, lambda text: 0.0))
    ledger = lab.Ledger(IN_MEMORY)
    lab.research(campaign(lab, experiments=10), ledger)
    before = ledger.read()
    with pytest.raises(sqlite3.IntegrityError):
        ledger.append("decision", 3)
    ledger.append("outcome", 3, lab.Outcome(3, "measured", 99.0, ""))
    with pytest.raises(SystemExit, match="belongs to"):
        lab.research(campaign(lab, seed=1, experiments=10), ledger)
    assert ledger.read() == before


def test_the_bandit_prefers_the_direction_that_gains(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    better = measured(lab, lambda text: 2.0 * ("pick = lambda: [chance.randrange(9)]" in text))
    monkeypatch.setattr(lab, "attempt", better)
    monkeypatch.setattr(lab, "weigh", lambda board: [])
    board = lab.research(campaign(lab), lab.Ledger(IN_MEMORY))
    tries = [e.direction for e in board.experiments if e.purpose == "search"]
    assert Counter(tries).most_common(1)[0][0] == "moves"
    assert set(tries) == set(lab.DIRECTIONS)


def test_a_dead_end_is_no_score_no_elite_and_no_parent(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    works = measured(lab, lambda text: -5.0)

    def breaks(experiment: Any, text: str) -> Any:
        broken = "wall = lambda v: v\n" in text
        return lab.Outcome(experiment.number, "failed", None, "") if broken else works(experiment, text)

    monkeypatch.setattr(lab, "attempt", breaks)
    board = lab.research(campaign(lab), lab.Ledger(IN_MEMORY))
    assert board.dead
    assert not board.dead & {*board.hints, *board.trials, *board.archive.values(), board.champion}
    assert not board.dead & {candidate.parent for candidate in board.candidates.values()}


# ---- evidence ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "df", "t"),
    [(0.975, 2, 4.3027), (0.975, 7, 2.3646), (0.975, 11, 2.2010), (0.995, 11, 3.1058), (0.9995, 11, 4.4370),
     (0.95, 30, 1.6973), (0.9999, 4, 13.0337)],
)  # fmt: skip
def test_quantiles_of_students_t(lab: ModuleType, p: float, df: int, t: float) -> None:
    assert lab.quantile(p, df) == pytest.approx(t, rel=1e-3)


def test_alpha_adds_up_to_five_percent(lab: ModuleType) -> None:
    spent = sum(lab.ALPHA * 6 / (math.pi * k) ** 2 for k in range(1, 100_000))
    assert spent == pytest.approx(0.05, rel=1e-4)
    assert spent < 0.05


@pytest.mark.parametrize(("gain", "least", "most"), [(0.0, 0.0, 0.036), (3.0, 0.999, 1.0)])
def test_how_often_a_claim_is_confirmed(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, gain: float, least: float, most: float
) -> None:
    """2,000 claims at alpha 0.05, two-sided: without a gain 2.5% are confirmed, three standard errors allowed."""
    monkeypatch.setattr(lab, "quantile", functools.cache(lab.quantile))
    monkeypatch.setattr(lab, "RESOLUTION", 0.0)
    chance, claim = random.Random(0), lab.Claim(1, "a", "b", 0, 0.05, "open", None, None)
    pairs = [[chance.gauss(gain * (i % 2 == 0), 1) for i in range(2 * lab.PAIRS)] for _ in range(2000)]
    rate = sum(lab.judge(claim, scores).verdict == "confirmed" for scores in pairs) / len(pairs)
    assert least <= rate <= most


def test_pure_noise_is_not_confirmed(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole campaigns in which no edit matters: claims are opened, next to none is confirmed."""
    monkeypatch.setattr(lab, "quantile", functools.cache(lab.quantile))
    monkeypatch.setattr(lab, "attempt", measured(lab, lambda text: 0.0))
    boards = [lab.research(campaign(lab, seed), lab.Ledger(IN_MEMORY)) for seed in range(30)]
    claims = [claim for board in boards for claim in board.claims]
    assert len(claims) > 60
    assert sum(claim.verdict == "confirmed" for claim in claims) <= 2
    assert not any(claim.verdict == "confirmed" for claim in boards[0].claims)


def test_verdicts_and_the_pair_without_a_score(lab: ModuleType) -> None:
    claim = lab.Claim(1, "a", "b", 0, 0.05, "open", None, None)
    assert lab.judge(claim, [1.0, 0.0, 1.1, 0.0, 0.9, 0.0]).verdict == "confirmed"
    assert lab.judge(claim, [0.0, 1.0, 0.0, 1.1, 0.0, 0.9]).verdict == "refuted"
    assert lab.judge(claim, [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]).verdict == "undecided"
    failed = lab.judge(claim, [9.0, 0.0, 9.1, None, 9.2, 0.0])
    assert (failed.verdict, failed.low, failed.high) == ("undecided", None, None)


# ---- experiments ------------------------------------------------------------------------------------------


def attempt(lab: ModuleType, text: str) -> Any:
    return lab.attempt(lab.Experiment(0, "c", 5, "search", "moves"), text)


@pytest.mark.parametrize(
    ("text", "status", "note"),
    [
        ("raise RuntimeError('no luck')", "failed", "RuntimeError: no luck"),
        ("import os; os.kill(os.getpid(), 9)", "failed", ""),
        ("print('0.9 ' * 17 + 'nan')", "invalid", "not nine points in the unit square"),
        ("print('0.9 ' * 17 + '1.1')", "invalid", "not nine points in the unit square"),
        ("print('0.7071')", "invalid", "not nine points in the unit square"),
        ("print('score: 0.9')", "invalid", "could not convert string to float: 'score:'"),
        ("import sys; sys.stdout.buffer.write(bytes([255]) * 10**6)", "invalid", "could not convert"),
    ],
)
def test_failure_is_a_value_without_a_number(lab: ModuleType, text: str, status: str, note: str) -> None:
    outcome = attempt(lab, text)
    assert (outcome.status, outcome.score) == (status, None)
    assert outcome.note.startswith(note)


def test_a_good_answer_is_scored_by_the_lab(lab: ModuleType) -> None:
    grid = "print(*(v / 2 for x in range(3) for y in range(3) for v in (x, y)))"
    assert attempt(lab, grid) == lab.Outcome(0, "measured", 0.5, "")


def test_the_environment_is_stripped(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "secret")
    assert attempt(lab, "import os; raise SystemExit(str(set(os.environ) - {'LC_CTYPE'}))").note == "set()"


SPAWN = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({path!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
"""


@pytest.mark.parametrize(("after", "status"), [("time.sleep(600)", "timed out"), ("sys.exit(3)", "failed")])
def test_nothing_outlives_its_end(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: str, status: str
) -> None:
    monkeypatch.setattr(lab, "TIMEOUT", 2)
    began, pids = time.monotonic(), tmp_path / "pids"
    outcome = attempt(lab, SPAWN.format(path=str(pids)) + after)
    assert (outcome.status, outcome.score) == (status, None)
    assert time.monotonic() - began < 10
    wait_for(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def alive(pid: int) -> bool:
    """Whether a process still runs; one that is dead but not yet collected by its parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
