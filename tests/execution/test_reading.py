"""What attempts print: metrics, intermediate values, and bars that end them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace as with_
from tests.walls import walls_or_skip

from aster.domain.events import OutcomeRecorded
from aster.domain.records import Cancelled, Failed, Measured, Outcome, Said, TimedOut
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.sandbox.plan import RunPlan, StagePlan
from aster.testing.executors import collect, job

pytestmark = pytest.mark.anyuser

PLAN = RunPlan(
    (StagePlan("train", ("python", "-S", "solution/main.py"), 60.0),),
    {},
    metrics={"loss": r"^loss: (\S+)"},
    progress=r"^step (\d+) loss (\S+)$",
    progress_goal="minimize",
)
BARS = ((10, 5.0), (20, 3.0))


def judge(_: str, said: Said) -> Measured | Failed:
    return Measured({"loss": float(said.metrics["loss"])}) if said.metrics else Failed(f"last: {said.last_line}")


@pytest.fixture(params=["bubblewrap", "plain"])
def executor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    walls = walls_or_skip(request.param, tmp_path)
    made = LocalExecutor(tmp_path, PLAN, judge, 2, "test", walls=lambda _: walls)
    yield made
    made.close()


def outcome(executor: LocalExecutor, source: str, bars: tuple[tuple[int, float], ...] = ()) -> Outcome:
    given: Job = with_(job(source), bars=bars)
    executor.submit(given)
    [arrival] = collect(executor)
    assert isinstance(arrival.fact, OutcomeRecorded), arrival.fact
    executor.acknowledge(given.attempt)
    return arrival.fact.outcome


def test_the_last_match_is_measured_and_the_way_to_it_kept(executor: LocalExecutor) -> None:
    source = "for n in range(3): print(f'step {n} loss {9 - n}\\nloss: {9 - n}', end='\\r')\nprint('\\nbye')"
    found = outcome(executor, source)
    assert found.result == Measured({"loss": 7.0})
    assert found.progress == ((0, 9.0), (1, 8.0), (2, 7.0))


def test_without_a_match_the_last_line_is_handed_on(executor: LocalExecutor) -> None:
    assert outcome(executor, "print('no numbers here')").result == Failed("last: no numbers here")


def test_a_broken_bar_ends_the_attempt_long_before_its_time(executor: LocalExecutor) -> None:
    source = "import time\nprint('step 5 loss 9\\nstep 12 loss 6', flush=True)\ntime.sleep(600)"
    found = outcome(executor, source, BARS)
    assert found.result == Cancelled("stopped early at step 12: 6 is worse than 5", early=True)
    assert found.progress == ((5, 9.0), (12, 6.0))
    assert found.usage.wall_s < 30


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_how_a_quick_attempt_ends_does_not_matter_once_a_bar_is_broken(executor: LocalExecutor, ending: str) -> None:
    found = outcome(executor, f"print('step 12 loss 6\\nstep 30 loss 0\\nloss: 0', flush=True)\n{ending}", BARS)
    assert found.result == Cancelled("stopped early at step 12: 6 is worse than 5", early=True)
    assert found.progress == ((12, 6.0),)


def test_what_passes_its_bars_goes_on(executor: LocalExecutor) -> None:
    found = outcome(
        executor, "print('step 5 loss 9\\nstep 10 loss 5\\nstep 11 loss 9\\nstep 25 loss 3\\nloss: 2')", BARS
    )
    assert found.result == Measured({"loss": 2.0})


def test_what_is_not_printed_as_a_line_is_read_at_the_end(executor: LocalExecutor) -> None:
    assert outcome(executor, "print('loss: 4', end='')").result == Measured({"loss": 4.0})


def test_a_flood_of_output_neither_blocks_nor_outlives_its_time(tmp_path: Path) -> None:
    stages = (with_(PLAN.stages[0], timeout_s=1.0),)
    plan = with_(PLAN, stages=stages, metrics={"slow": r"(?:a|aa)*.*.*.*(c)"})
    executor = LocalExecutor(tmp_path, plan, judge, 1, "test", walls=lambda _: walls_or_skip("plain", tmp_path))
    found = outcome(executor, "import sys\nwhile True: sys.stdout.write('a' * 990 + '\\n')")
    executor.close()
    assert isinstance(found.result, Failed | TimedOut)
    assert found.usage.wall_s < 30


def test_only_untrusted_stages_are_read(tmp_path: Path) -> None:
    stages = (*PLAN.stages, StagePlan("score", ("python", "-S", "score.py"), 60.0, trusted=True))
    plan = with_(PLAN, stages=stages, trusted_files={"score.py": b"print('loss: 1\\nstep 50 loss 99')"})
    executor = LocalExecutor(tmp_path, plan, judge, 1, "test", walls=lambda _: walls_or_skip("plain", tmp_path))
    found = outcome(executor, "print('loss: 8')", BARS)
    executor.close()
    assert found.result == Measured({"loss": 8.0})
    assert found.progress == ()
