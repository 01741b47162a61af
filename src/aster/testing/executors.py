"""The contract of `Executor`: what any implementation, ours or a stranger's, must pass.

Derive a class named Test... from `ExecutorContract` in a test module and give it a fixture `make` that returns a
`Make`. Solutions in it are Python; their stage "solve" writes a score, the trusted stage "score" reads it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from aster.domain.events import AttemptLost, OutcomeRecorded
from aster.domain.ids import blob_id
from aster.domain.records import Cancelled, Failed, Invalid, Measured, Outcome, Said, TimedOut
from aster.execution.protocol import Arrival, Executor, Job
from aster.sandbox.plan import RunPlan, StagePlan

DEADLINE_S = 60.0
"""How long anything may take here before the test fails; nothing takes nearly as long on a quiet machine."""
LOG_MOST = 72 << 10

EVALUATOR = b"""\
import json, os, pathlib, sys
value = float(pathlib.Path(sys.argv[1], "value").read_text())
pathlib.Path(sys.argv[2], "plot.svg").write_text("<svg/>")
with open(os.environ["ASTER_SCORE"], "w") as score:
    json.dump({"value": value}, score)
"""
HONEST = """\
import pathlib, sys
pathlib.Path(sys.argv[1], "value").write_text(sys.argv[2])
print("worked")
"""
DETACH = """\
def detach():
    import os
    try:
        os.setsid()
    except PermissionError:
        pass  # where only process groups are sure to be killed, a sandbox may refuse new ones
"""
BLOCKED = """\
import os, pathlib, sys, time
pathlib.Path(sys.argv[1], "ready").write_text(str(os.getpid()))
while not pathlib.Path(sys.argv[1], "go").exists():
    time.sleep(0.01)
pathlib.Path(sys.argv[1], "value").write_text(sys.argv[2])
"""


class Make(Protocol):
    """Makes an executor of the kind under test. Called again with the same folder it is a later process's."""

    def __call__(self, folder: Path, plan: RunPlan, slots: int = 2) -> Executor:
        """Return it, with `judge` as its judge."""
        ...


def plan(timeout_s: float = DEADLINE_S, memory_mb: int = 2048) -> RunPlan:
    """Return the plan that all tests here use: an untrusted stage, then a trusted one. `data.txt` is frozen."""
    return RunPlan(
        stages=(
            StagePlan("solve", ("python", "solution/main.py", "{outputs}", "{seed}"), timeout_s),
            StagePlan("score", ("python", "evaluate.py", "{outputs}", "{pictures}"), DEADLINE_S, trusted=True),
        ),
        trusted_files={"evaluate.py": EVALUATOR},
        frozen_solution=("solution/data.txt",),
        memory_mb=memory_mb,
        seed_env="SEED",
    )


LOOK = b"""\
import os, pathlib, sys
value = pathlib.Path(sys.argv[1], "value").read_text()
with open(os.environ["ASTER_SCORE"], "w") as score:
    score.write('{"value": 1}' if float(value) < 100 else '{"invalid": "too large"}')
"""


def with_check() -> RunPlan:
    """Return `plan` with a check: its first stage, and a trusted one that experiments leave out."""
    base = plan()
    solve, score = base.stages
    look = StagePlan("look", ("python", "look.py", "{outputs}"), DEADLINE_S, trusted=True, quick="only")
    stages = (replace(solve, quick=True), look, score)
    return replace(base, stages=stages, trusted_files={**base.trusted_files, "look.py": LOOK})


def judge(score: str, _: Said) -> Measured | Invalid | Failed:
    """Return the JSON object of numbers in `score` as measured, or say that there is none."""
    return Measured(json.loads(score)) if score else Failed("no score")


def job(
    source: str, attempt: str = "x-1.1", seed: int = 7, inputs: dict[str, bytes] | None = None, *, quick: bool = False
) -> Job:
    """Return an attempt at the solution `source`."""
    files = {"solution/main.py": source.encode(), "solution/data.txt": b"frozen"}
    return Job(attempt, attempt.rpartition(".")[0], seed, files, inputs, quick=quick)


def collect(executor: Executor, count: int = 1) -> list[Arrival]:
    """Return the next `count` arrivals; fail if they take too long."""
    arrivals: list[Arrival] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(arrivals) < count:
        assert time.monotonic() < deadline, f"only {len(arrivals)} of {count} attempts ended"
        arrivals += executor.poll()
        time.sleep(0.005)  # polling is the seam: there is nothing else to wait on
    return arrivals


def outcome(executor: Executor) -> Outcome:
    """Return the next arrival, which must be an outcome."""
    [arrival] = collect(executor)
    assert isinstance(arrival.fact, OutcomeRecorded), arrival.fact
    return arrival.fact.outcome


def wait_until(happened: Callable[[], object]) -> None:
    """Return when `happened()` is true; fail if it takes too long."""
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def processes_of(folder: Path, attempt: str = "") -> list[int]:
    """Return the ids of living processes of attempts in `folder`, or of one of them (Linux), keepers not among them.

    They are known by their command lines, which name the outputs folder: ids that a solution prints may be those of
    a namespace of its own.
    """
    found, begins = [], f"{folder.resolve()}/attempts/{attempt and attempt + '/'}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes()
            zombie = (place / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not zombie and begins in words and b"/outputs" in words:
                found.append(int(place.name))
    return found


def waiting(folder: Path, name: str = "ready") -> Path:
    """Return the file that a `BLOCKED` solution waits to see, once it waits. For executors that run in `folder`."""

    def ready() -> list[Path]:
        return [path for path in folder.glob(f"attempts/*/outputs/{name}") if path.read_text()]

    wait_until(ready)
    return ready()[0].with_name("go")


class ExecutorContract:
    """Tests that get the fixtures `make: Make` and pytest's `tmp_path` and `monkeypatch`."""

    def test_measured(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.submit(job(HONEST))
        [arrival] = collect(executor)
        assert isinstance(arrival.fact, OutcomeRecorded)
        got = arrival.fact.outcome
        assert got.result == Measured({"value": 7.0})
        assert (got.attempt, got.experiment, got.hardware) == ("x-1.1", "x-1", executor.hardware)
        assert got.log is not None
        assert b"worked" in arrival.blobs[got.log]
        assert arrival.blobs[got.artifacts["value"]] == b"7"
        assert arrival.blobs[got.pictures["plot.svg"]] == b"<svg/>"
        assert all(blob_id(data) == name for name, data in arrival.blobs.items())
        assert 0 < got.usage.cpu_s < DEADLINE_S
        assert 0 < got.usage.wall_s <= got.ended - got.started + 0.1
        assert got.usage.max_rss_mb > 1

    def test_failed(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.submit(job("raise ValueError('too \\x1b[31mred')"))
        result = outcome(executor).result
        assert isinstance(result, Failed)
        assert result.reason == "solve: exit code 1: ValueError: too [31mred"

    def test_failing_evaluator(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.submit(job("print('no output file')"))
        result = outcome(executor).result
        assert isinstance(result, Failed)
        assert result.reason.startswith("score: exit code 1: FileNotFoundError")

    def test_timed_out(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan(timeout_s=0.3))
        executor.submit(job("import time; time.sleep(600)"))
        got = outcome(executor)
        assert got.result == TimedOut("solve", 0.3)
        assert got.usage.wall_s < DEADLINE_S

    def test_changed_frozen_file(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.submit(job(HONEST + "pathlib.Path('solution/data.txt').write_text('mine')"))
        assert outcome(executor).result == Invalid("changed frozen file solution/data.txt")

    def test_link_in_place_of_frozen_file(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        swap = "d = pathlib.Path('solution/data.txt'); d.rename('solution/other'); d.symlink_to('other')"
        executor.submit(job(HONEST + swap))
        assert outcome(executor).result == Invalid("changed frozen file solution/data.txt")

    def test_cancelled(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.submit(job(BLOCKED))
        executor.cancel("x-1.1", "the budget ended")
        assert outcome(executor).result == Cancelled("the budget ended")

    def test_cancel_of_the_unknown_does_nothing(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.cancel("x-9.9", "why not")
        assert executor.poll() == []

    def test_output_is_bounded(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        lines = "print('first'); [print('x' * 1000) for _ in range(2000)]; print('last');"
        executor.submit(job(lines + HONEST))
        [arrival] = collect(executor)
        assert isinstance(arrival.fact, OutcomeRecorded)
        assert isinstance(arrival.fact.outcome.result, Measured)
        log = arrival.blobs[arrival.fact.outcome.log or ""]
        assert len(log) <= LOG_MOST
        assert b"first" in log
        assert b"last" in log

    def test_environment_is_scrubbed(self, make: Make, tmp_path: Path, monkeypatch: SetEnv) -> None:
        monkeypatch.setenv("SECRET_API_KEY", "sk-secret")
        executor = make(tmp_path, plan())
        seen = "import os; print(dict(os.environ), [os.environ['SEED'], os.path.exists(os.environ['HOME'])]);"
        executor.submit(job(seen + HONEST))
        [arrival] = collect(executor)
        text = b"".join(arrival.blobs.values())
        assert b"['7', True]" in text
        assert b"SECRET" not in text
        assert b"sk-secret" not in text

    def test_score_channel_is_the_evaluators_alone(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        probe = """
import os
assert "ASTER_SCORE" not in os.environ
for fd in range(3, 64):
    try:
        os.write(fd, b'{"value": 1e9}')
    except OSError:
        pass
"""
        executor.submit(job(probe + HONEST))
        assert outcome(executor).result == Measured({"value": 7.0})

    def test_place_is_given_back_when_the_tree_is_dead(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan(), slots=1)
        left = DETACH + "import os, time\nif not os.fork(): detach(); print('left', flush=True); time.sleep(600)\n"
        executor.submit(job(left + "time.sleep(0.2)\n" + HONEST))
        assert executor.free() == 0
        [arrival] = collect(executor)
        assert executor.free() == 1
        assert isinstance(arrival.fact, OutcomeRecorded)
        log = arrival.blobs[arrival.fact.outcome.log or ""].decode()
        assert "left" in log
        assert not processes_of(tmp_path)

    def test_a_later_process_adopts(self, make: Make, tmp_path: Path) -> None:
        first = make(tmp_path, plan())
        first.submit(job(BLOCKED))
        go = waiting(tmp_path)
        first.close()
        second = make(tmp_path, plan(), slots=1)
        second.adopt(["x-1.1"])
        assert second.free() == 0
        assert second.poll() == []
        go.touch()
        assert outcome(second).result == Measured({"value": 7.0})

    def test_vanished_attempt_is_lost(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.adopt(["x-5.2"])
        [arrival] = collect(executor)
        assert isinstance(arrival.fact, AttemptLost)
        assert (arrival.fact.attempt, arrival.fact.experiment) == ("x-5.2", "x-5")
        assert executor.poll() == []

    def test_delivered_again_until_acknowledged(self, make: Make, tmp_path: Path) -> None:
        first = make(tmp_path, plan())
        first.submit(job(HONEST))
        before = outcome(first)
        assert first.poll() == []
        first.close()
        second = make(tmp_path, plan())
        second.adopt(["x-1.1"])
        assert outcome(second) == before
        second.acknowledge("x-1.1")
        third = make(tmp_path, plan())
        third.adopt(["x-1.1"])
        [arrival] = collect(third)
        assert isinstance(arrival.fact, AttemptLost)

    def test_rescoring_runs_trusted_stages_only(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan())
        executor.submit(job("raise SystemExit('the candidate ran')", inputs={"value": b"3.5"}))
        assert outcome(executor).result == Measured({"value": 3.5})

    def test_a_check_runs_the_quick_stages_alone(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, with_check())
        executor.submit(job(HONEST, quick=True))
        [arrival] = collect(executor)
        assert isinstance(arrival.fact, OutcomeRecorded)
        assert arrival.fact.outcome.result == Measured({})
        log = arrival.blobs[arrival.fact.outcome.log or ""].decode()
        assert [name for name in ("solve", "look", "score") if f"stage {name}" in log] == ["solve", "look"]

    def test_an_experiment_leaves_out_what_only_checks(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, with_check())
        executor.submit(job(HONEST, seed=700))
        assert outcome(executor).result == Measured({"value": 700.0})

    def test_a_check_can_fail(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, with_check())
        executor.submit(job("raise SystemExit('broken')", "x-1.1", quick=True))
        result = outcome(executor).result
        assert isinstance(result, Failed)
        assert result.reason == "solve: exit code 1: broken"
        executor.submit(job(HONEST, "x-2.1", seed=700, quick=True))
        assert outcome(executor).result == Invalid("too large")

    def test_a_later_process_adopts_a_check(self, make: Make, tmp_path: Path) -> None:
        first = make(tmp_path, with_check())
        first.submit(job(BLOCKED, quick=True))
        go = waiting(tmp_path)
        first.close()
        second = make(tmp_path, with_check())
        second.adopt(["x-1.1"])
        go.touch()
        assert outcome(second).result == Measured({})

    def test_many_side_by_side(self, make: Make, tmp_path: Path) -> None:
        executor = make(tmp_path, plan(), slots=6)
        for number in range(6):
            executor.submit(job(HONEST, f"x-{number}.1", seed=number))
        facts: Iterable[object] = [arrival.fact for arrival in collect(executor, 6)]
        values = {f.outcome.attempt: f.outcome.result for f in facts if isinstance(f, OutcomeRecorded)}
        assert values == {f"x-{n}.1": Measured({"value": float(n)}) for n in range(6)}


class SetEnv(Protocol):
    """The part of pytest's `MonkeyPatch` that is used here, so that importing this needs no pytest."""

    def setenv(self, name: str, value: str) -> None: ...
