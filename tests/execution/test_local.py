"""The local executor: the contract, and what hostile or unlucky attempts do."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.walls import walls_or_skip

from aster.domain.events import AttemptLost, OutcomeRecorded
from aster.domain.records import Cancelled, Failed, Invalid, Measured, Outcome, TimedOut
from aster.errors import ExecutorError, UserError
from aster.execution.hardware import Gpu
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Executor
from aster.sandbox.plan import RunPlan, StagePlan
from aster.testing.executors import (
    BLOCKED,
    DETACH,
    HONEST,
    ExecutorContract,
    Make,
    collect,
    job,
    judge,
    outcome,
    plan,
    processes_of,
    wait_until,
    waiting,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a subreaper and /proc")


@pytest.fixture(params=["bubblewrap", "bubblewrap, own user", "landlock", "landlock, own user", "plain"])
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes local executors in each sandbox, and hangs up at the end, so that their fork servers leave."""
    made: list[LocalExecutor] = []

    def one(folder: Path, plan: RunPlan, slots: int = 2) -> LocalExecutor:
        walls = walls_or_skip(request.param, folder)
        made.append(LocalExecutor(folder, plan, judge, slots, "test", walls=lambda _: walls))
        return made[-1]

    yield one
    for executor in made:
        executor.close()


def ended(executor: Executor) -> tuple[Outcome, str]:
    """Return the next outcome with its log."""
    [arrival] = collect(executor)
    assert isinstance(arrival.fact, OutcomeRecorded), arrival.fact
    return arrival.fact.outcome, arrival.blobs[arrival.fact.outcome.log or ""].decode(errors="replace")


def in_sandbox(executor: Executor) -> str:
    assert isinstance(executor, LocalExecutor)
    return executor.sandbox


def in_groups(executor: Executor) -> bool:
    assert isinstance(executor, LocalExecutor)
    return bool(executor._walls.groups)


def keeper_of(folder: Path, attempt: str = "x-1.1") -> int:
    return int((folder / "attempts" / attempt / "alive").read_text())


class TestLocalExecutor(ExecutorContract):
    pass


TELL = DETACH + "import os, signal, sys, time\ndef tell(): print('here', flush=True)\n"
STUBBORN = {
    "double fork and a new session": (
        "if not os.fork():\n detach()\n if not os.fork(): tell(); time.sleep(600)\n os._exit(0)"
    ),
    "ignores SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); tell()",
    "stops itself": "tell(); os.kill(os.getpid(), signal.SIGSTOP)",
    "a stopped child": "if not os.fork(): detach(); tell(); os.kill(os.getpid(), signal.SIGSTOP)",
    "flees by forking": "tell()\nwhile True:\n if os.fork(): os._exit(0)\n detach()",
    "twenty children": "for _ in range(20):\n if not os.fork(): detach(); tell(); time.sleep(600)",
}


@linux
def test_nothing_outlives_a_timeout(make: Make, tmp_path: Path) -> None:
    """All tricks side by side, so that their limits are waited for together; one by one: test_kill."""
    left = dict(STUBBORN)
    for limit in (2.0, 10.0):  # the longer one for those that a busy machine did not let speak before the first
        executor = make(tmp_path, plan(timeout_s=limit), len(left))
        tricks = {f"x-{limit:.0f}{number}.1": trick for number, trick in enumerate(left)}
        for attempt, trick in tricks.items():
            executor.submit(job(TELL + left[trick] + "\ntime.sleep(600)\n", attempt))
        while tricks:
            for arrival in collect(executor):
                assert isinstance(arrival.fact, OutcomeRecorded), arrival.fact
                trick = tricks.pop(arrival.fact.outcome.attempt)
                assert not processes_of(tmp_path, arrival.fact.outcome.attempt), trick
                if b"here" in arrival.blobs[arrival.fact.outcome.log or ""]:
                    del left[trick]
                if trick != "flees by forking":  # its main process ends at once, and well
                    assert arrival.fact.outcome.result == TimedOut("solve", limit), trick
        executor.close()
        if not left:
            break
    assert not left, "they never came to speak"
    assert not processes_of(tmp_path)


def test_a_child_that_keeps_stdout_open_does_not_hang_the_keeper(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    executor.submit(job(TELL + "if not os.fork(): time.sleep(600)\n" + HONEST))
    got, log = ended(executor)
    assert got.result == Measured({"value": 7.0})
    if in_sandbox(executor) != "bubblewrap":  # which has a process of its own to tell apart
        assert "1 processes left behind by solve were killed" in log
    assert not processes_of(tmp_path)


def test_a_hundred_megabytes_of_output(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    executor.submit(job("import sys\nfor _ in range(100): sys.stdout.write('y' * (1 << 20))\n" + HONEST))
    got, log = ended(executor)
    assert got.result == Measured({"value": 7.0})
    assert len(log) < 70_000
    assert "bytes left out" in log


@linux
def test_tree_dies_with_its_keeper(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    wild = """
import os, pathlib, sys, time
if not os.fork():
    detach()
    pathlib.Path(sys.argv[1], "child").write_text(str(os.getpid()))
    time.sleep(600)
"""
    executor.submit(job(DETACH + wild + BLOCKED))
    waiting(tmp_path, "child")
    waiting(tmp_path)
    assert len(processes_of(tmp_path)) >= 2
    os.kill(keeper_of(tmp_path), signal.SIGKILL)
    [arrival] = collect(executor)
    assert arrival.fact == AttemptLost("x-1.1", "x-1", "its keeper died")
    assert not processes_of(tmp_path)
    assert executor.free() == 2


@linux
def test_leftovers_are_found_by_their_mark_when_server_and_keeper_died(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    executor.submit(job(DETACH + "import os\nif os.fork(): os.wait()\ndetach()\n" + BLOCKED))
    waiting(tmp_path)
    keeper = keeper_of(tmp_path)
    server = int(Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{keeper}/cwd").exists())
    if in_sandbox(executor) != "bubblewrap":  # whose process namespace ends with its keeper
        assert processes_of(tmp_path)
    [arrival] = collect(executor)
    assert isinstance(arrival.fact, AttemptLost)
    assert not processes_of(tmp_path)


@linux
def test_keepers_outlive_their_server_and_a_new_one_serves(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    executor.submit(job(BLOCKED))
    go = waiting(tmp_path)
    stat = Path(f"/proc/{keeper_of(tmp_path)}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    executor.submit(job(HONEST, "x-2.1", seed=8))
    assert outcome(executor).result == Measured({"value": 8.0})
    go.touch()
    assert outcome(executor).result == Measured({"value": 7.0})


CLIENT = """\
import sys
from pathlib import Path
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Executor
from aster.testing.executors import BLOCKED, job, judge, plan
executor = LocalExecutor(Path(sys.argv[1]), plan(), judge, 2, "test")
executor.submit(job(BLOCKED))
print("submitted", flush=True)
sys.stdin.read()
"""


def test_attempt_outlives_a_killed_campaign(make: Make, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", CLIENT, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"submitted\n"
        client.kill()
    go = waiting(tmp_path)
    executor = make(tmp_path, plan())
    executor.adopt(["x-1.1"])
    go.touch()
    assert outcome(executor).result == Measured({"value": 7.0})


def test_what_nobody_adopts_is_killed_and_removed(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path, plan())
    first.submit(job(BLOCKED))
    waiting(tmp_path)
    first.submit(job(HONEST, "x-2.1"))
    outcome(first)
    first.close()
    second = make(tmp_path, plan())
    second.adopt(())
    wait_until(lambda: second.poll() or not list((tmp_path / "attempts").iterdir()))
    assert not processes_of(tmp_path)
    assert not list((tmp_path / "spool").glob("*.json"))
    assert second.free() == 2


def test_evaluator_in_reach_of_the_candidate_does_not_matter(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    executor.submit(job(HONEST, "x-0.1"))  # the server has read the evaluator from now on
    outcome(executor)
    spoil = """
cheat = "import os; open(os.environ['ASTER_SCORE'], 'w').write('{}')"
for place in (pathlib.Path('evaluate.py'), *pathlib.Path('../../..').glob('trusted/*')):
    place.unlink(missing_ok=True)
    place.write_text(cheat)
home = pathlib.Path.home() / ".local/lib/python3/site-packages"
home.mkdir(parents=True)
"""
    executor.submit(job(HONEST + spoil))
    assert outcome(executor).result == Measured({"value": 7.0})


def test_damaged_trusted_file_is_mended_before_it_is_used(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    for file in (tmp_path / "trusted").iterdir():
        file.write_text("raise SystemExit('damaged')")
    executor.submit(job(HONEST))
    assert outcome(executor).result == Measured({"value": 7.0})


def test_link_among_the_outputs_is_not_followed(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    (tmp_path / "answers").write_text("99")
    executor.submit(job(f"import os, sys; os.symlink({str(tmp_path / 'answers')!r}, sys.argv[1] + '/value')"))
    got, log = ended(executor)
    assert isinstance(got.result, Failed)
    assert "FileNotFoundError" in got.result.reason
    assert "removed from the outputs, neither a file nor a folder: value" in log


def test_outputs_folder_replaced_by_a_link(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "value").write_text("99")
    swap = f"import os, sys; os.rmdir(sys.argv[1]); os.symlink({str(tmp_path / 'elsewhere')!r}, sys.argv[1])"
    executor.submit(job(swap))
    got, _ = ended(executor)
    if in_sandbox(executor) == "plain":
        assert got.result == Invalid("removed or replaced its outputs folder")
    else:  # it is not the candidate's to remove
        assert isinstance(got.result, Failed)
    assert got.artifacts == {}


def test_only_small_regular_outputs_are_kept(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    more = """
import os
out = pathlib.Path(sys.argv[1])
(out / "BIG").write_bytes(bytes((1 << 20) + 1))
(out / "folder").mkdir()
os.mkfifo(out / "pipe")
for n in range(20): (out / f"a{n:02}").write_text(str(n))
"""
    executor.submit(job(HONEST + more))
    got, log = ended(executor)
    assert sorted(got.artifacts) == [f"a{n:02}" for n in range(16)]
    assert "not kept: BIG has 1048577 bytes" in log
    assert "more than 16 files" in log


def test_memory_is_bounded(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan(memory_mb=256))
    executor.submit(job("bytearray(300 << 20)"))
    told = "solve: used more than 256 MiB of memory" if in_groups(executor) else "solve: exit code 1: MemoryError"
    assert outcome(executor).result == Failed(told)


def test_signal_is_named(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    executor.submit(job("import os; print('going', flush=True); os.kill(os.getpid(), 11)"))
    assert outcome(executor).result == Failed("solve: killed by SIGSEGV: going")


def test_command_that_does_not_exist(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, RunPlan((StagePlan("solve", ("no-such-program",), 5),), {}))
    executor.submit(job(HONEST))
    result = outcome(executor).result
    assert isinstance(result, Failed)
    assert result.reason.startswith("solve: cannot start no-such-program: ")


def test_score_that_is_too_long(make: Make, tmp_path: Path) -> None:
    stages = (StagePlan("score", ("python", "evaluate.py"), 20, trusted=True),)
    long = b"import os; open(os.environ['ASTER_SCORE'], 'w').write('1' * 1000000)"
    executor = make(tmp_path, RunPlan(stages, {"evaluate.py": long}))
    executor.submit(job(HONEST))
    assert outcome(executor).result == Failed("score: wrote a score of more than 65536 bytes")


def test_cancelled_before_it_could_begin(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan(), slots=8)
    for number in range(8):
        executor.submit(job(BLOCKED, f"x-{number}.1"))
        executor.cancel(f"x-{number}.1", "at once")
    results = [a.fact.outcome.result for a in collect(executor, 8) if isinstance(a.fact, OutcomeRecorded)]
    assert results == [Cancelled("at once")] * 8


def test_no_space_leaves_nothing_behind(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = make(tmp_path, plan())

    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(ExecutorError, match="No space left on device"):
            executor.submit(job(HONEST))
    assert list((tmp_path / "attempts").iterdir()) == []
    assert executor.free() == 2
    executor.submit(job(HONEST))
    assert outcome(executor).result == Measured({"value": 7.0})


def test_hostile_folders_are_removed(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    deep = "import os\nos.chdir(sys.argv[1])\nfor _ in range(1200): os.mkdir('d'); os.chdir('d')\n"
    executor.submit(job(HONEST + deep))
    got, _ = ended(executor)
    assert isinstance(got.result, Invalid)
    executor.acknowledge("x-1.1")
    assert list((tmp_path / "attempts").iterdir()) == []


def test_long_and_odd_folder_names(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / ("lang ö'\"" * 15)
    folder.mkdir()
    executor = make(folder, plan())
    executor.submit(job(HONEST))
    assert outcome(executor).result == Measured({"value": 7.0})


def gpus(*names: str) -> list[Gpu]:
    return [Gpu(f"GPU-{number}", name) for number, name in enumerate(names)]


def gpu_plan(count: int) -> RunPlan:
    show = b"""
import json, os
seen = [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
open(os.environ["ASTER_SCORE"], "w").write(json.dumps({"value": len(seen)}))
"""
    return RunPlan((StagePlan("score", ("python", "show.py"), 20, trusted=True),), {"show.py": show}, gpus=count)


def test_gpus_are_leased_whole_and_across_campaigns(tmp_path: Path) -> None:
    def campaign(name: str) -> LocalExecutor:
        (tmp_path / name).mkdir()
        two = [*gpus("A", "A")]
        return LocalExecutor(
            tmp_path / name, block, lambda text, _: Failed(text), 4, "test", lambda: two, tmp_path / "leases"
        )

    wait = "import os, pathlib, sys, time\nprint('gpu', os.environ['CUDA_VISIBLE_DEVICES'], flush=True)\n"
    block = RunPlan((StagePlan("solve", ("python", "solution/main.py", "{outputs}", "{seed}"), 20),), {}, gpus=1)
    one, two = campaign("one"), campaign("two")
    assert one.hardware == "gpu: A"
    assert (one.free(), two.free()) == (2, 2)
    one.submit(job(wait + BLOCKED, "x-1.1"))
    assert (one.free(), two.free()) == (1, 1)
    two.submit(job(wait + BLOCKED, "x-2.1"))
    assert (one.free(), two.free()) == (0, 0)
    two.submit(job(wait + HONEST, "x-3.1"))  # lost the race for the last device: it waits
    assert two.poll() == []
    (tmp_path / "one/attempts/x-1.1/outputs/go").touch()
    got, log = ended(one)
    assert "gpu GPU-0" in log
    assert got.usage.gpu_s > 0
    waited, log = ended(two)
    assert waited.attempt == "x-3.1"
    assert "gpu GPU-0" in log
    (tmp_path / "two/attempts/x-2.1/outputs/go").touch()
    assert "gpu GPU-1" in ended(two)[1]
    assert (one.free(), two.free()) == (2, 2)
    one.close()
    two.close()


def test_two_devices_for_one_attempt(tmp_path: Path) -> None:
    executor = LocalExecutor(
        tmp_path, gpu_plan(2), judge, 4, "test", lambda: gpus("A", "B", "A", "A"), tmp_path / "leases"
    )
    assert executor.free() == 1
    executor.submit(job(HONEST))
    assert outcome(executor).result == Measured({"value": 2.0})
    executor.close()


def test_no_gpu_is_seen_without_a_lease(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, gpu_plan(0))
    executor.submit(job(HONEST))
    assert outcome(executor).result == Measured({"value": 0.0})


def test_infeasible_request_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs 3 GPU"):
        LocalExecutor(tmp_path, gpu_plan(3), judge, 1, "test", lambda: gpus("A", "B", "A"), tmp_path / "leases")
    with pytest.raises(UserError, match="has none"):
        LocalExecutor(tmp_path, gpu_plan(1), judge, 1, "test", list, tmp_path / "leases")


def test_a_slot_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one slot"):
        LocalExecutor(tmp_path, plan(), judge, 0, "test")


def test_a_campaign_folder_that_vanished(make: Make, tmp_path: Path) -> None:
    executor = make(tmp_path, plan())
    (tmp_path / "spool").rmdir()
    with pytest.raises(ExecutorError, match="cannot be watched"):
        executor.poll()
