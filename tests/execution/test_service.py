"""Services: the candidate's server beside the evaluator, honest, unlucky and hostile, in each walled sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.walls import walls_or_skip

from aster.app import check_sandbox
from aster.domain.events import OutcomeRecorded
from aster.domain.records import Failed, Measured, Outcome, TimedOut
from aster.errors import UserError
from aster.execution.local import LocalExecutor
from aster.execution.protocol import Job
from aster.problems.problem import load_problem
from aster.sandbox.keeper.stage import group_name
from aster.sandbox.layers import choose_walls
from aster.sandbox.plan import RunPlan, StagePlan
from aster.testing.executors import DEADLINE_S, collect, judge, processes_of, wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="services need walls")

CALLS = """\
import json, os, sys
from aster_channel import AnswerTooLarge, ServiceGone, connect
score = {}
channel = connect()
"""
TELL = """
with open(os.environ["ASTER_SCORE"], "w") as file:
    json.dump(score, file)
"""
UPPER = """\
from aster_channel import connect
connect().serve(lambda request: request.upper())
"""
RAW = """\
import fcntl, mmap, os, struct, sys, time
memory, bells, ring, _ = os.environ["ASTER_CHANNEL"].split(",")
memory, bells, ring = int(memory), int(bells), int(ring)
HALF = (64 << 20) + mmap.PAGESIZE
shared = mmap.mmap(memory, 2 * HALF)
def request():
    os.read(bells, 1)
    number, length = struct.unpack("<QQ", shared[:16])
    return number, shared[16:16 + length]
def answer(number, body, length=None, bell=b"!"):
    shared[HALF + 16 : HALF + 16 + len(body)] = body
    shared[HALF : HALF + 16] = struct.pack("<QQ", number, len(body) if length is None else length)
    os.write(ring, bell)
"""
"""The beginning of a server that speaks to the channel with its bare hands."""


def plan(evaluator: str, timeout_s: float = DEADLINE_S) -> RunPlan:
    """Return a plan whose only stage calls the candidate's `solution/serve.py`; `evaluator` sets its `score`."""
    return RunPlan(
        stages=(StagePlan("score", ("python", "evaluate.py", "{outputs}"), timeout_s, trusted=True, service="serve"),),
        trusted_files={"evaluate.py": (CALLS + evaluator + TELL).encode(), "answers.txt": b"the hidden answers"},
        services=(StagePlan("serve", ("python", "solution/serve.py", "{outputs}"), DEADLINE_S),),
    )


class Room:
    """Runs one attempt at a time in a folder."""

    def __init__(self, folder: Path, sandbox: str) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.walls = walls_or_skip(sandbox, folder)
        self.executors: list[LocalExecutor] = []

    def start(self, server: str, plan: RunPlan) -> LocalExecutor:
        executor = LocalExecutor(self.folder, plan, judge, 1, "test", walls=lambda _: self.walls)
        self.executors.append(executor)
        executor.submit(Job("x-1.1", "x-1", 7, {"solution/serve.py": server.encode(), "solution/data.txt": b"weights"}))
        return executor

    def run(self, server: str, plan: RunPlan) -> tuple[Outcome, str]:
        """Return the outcome and the log; nothing of the attempt may be alive then."""
        executor = self.start(server, plan)
        [arrival] = collect(executor)
        assert isinstance(arrival.fact, OutcomeRecorded), arrival.fact
        assert processes_of(self.folder) == []
        assert executor.free() == 1
        got = arrival.fact.outcome
        return got, arrival.blobs[got.log or ""].decode(errors="replace")

    def score(self, server: str, evaluator: str) -> dict[str, object]:
        """Return what the evaluator of an attempt that is measured says."""
        got, log = self.run(server, plan(evaluator))
        assert isinstance(got.result, Measured), (got.result, log)
        return dict(got.result.metrics)


@pytest.fixture(params=["bubblewrap", "landlock"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, request.param)
    yield made
    for executor in made.executors:
        executor.close()


def test_a_server_answers(room: Room) -> None:
    server = "data = open('solution/data.txt').read()\n" + UPPER.replace("request.upper()", "request + data.encode()")
    evaluator = """
for word in (b"one ", b"two ", b""):
    assert channel.call(word, 10) == word + b"weights"
large = os.urandom(1 << 20)
assert channel.call(large, 10) == large + b"weights"
score["value"] = 1.0
"""
    assert room.score(server, evaluator) == {"value": 1.0}


def test_what_a_server_says_is_kept_apart(room: Room) -> None:
    server = "print('from the server', flush=True)\n" + UPPER
    got, log = room.run(server, plan("channel.call(b'', 10)\nprint('from the evaluator')\nraise SystemExit('no')"))
    assert got.result == Failed("score: exit code 1: no")
    before, _, after = log.partition("[aster] service serve\n")
    assert "from the evaluator" in before
    assert "from the server" not in before
    assert after.startswith("from the server")


def test_a_server_changes_nothing(room: Room) -> None:
    server = """
import os, sys
tried = ["solution/serve.py", "solution/data.txt", "solution/new", "new", sys.argv[1] + "/value"]
written = []
for path in tried:
    try:
        open(path, "a").close()
        written.append(path)
    except OSError:
        pass
for change in (lambda: os.unlink("solution/data.txt"), lambda: os.mkdir("d")):
    try:
        change()
        written.append("changed")
    except OSError:
        pass
open(os.path.join(os.environ["HOME"], "scratch"), "w").close()
""" + UPPER.replace("request.upper()", "' '.join(written).encode()")
    evaluator = "score['written'] = channel.call(b'', 10).decode()"
    assert room.score(server, evaluator)["written"] == ""


def test_a_server_sees_neither_the_evaluator_nor_its_score(room: Room) -> None:
    server = """
import glob, os
assert "ASTER_SCORE" not in os.environ
mine, found = f"/proc/{os.getpid()}", []
def look(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        text = os.read(fd, 1 << 20)
        if any(word in text for word in (b"hidden " + b"answers", b"score[" + b"'seen", b"ASTER_SCORE=")):
            found.append(path)
    except OSError:
        pass
def forge(path):
    try:
        os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), b'{"value": 99}')
        found.append(f"wrote {path}")
    except OSError:
        pass
for place in set(glob.glob("/proc/[0-9]*")) - {mine}:
    for name in ("environ", "cwd/answers.txt", "cwd/evaluate.py"):
        look(f"{place}/{name}")
    for fd in range(20) if place != "/proc/1" else ():  # in a namespace its own first process, with its own ends
        look(f"{place}/fd/{fd}")
        forge(f"{place}/fd/{fd}")
for folder in ("..", "../..", os.environ["HOME"] + "/.."):
    for name in glob.glob(folder + "/**/evaluate.py", recursive=True) + glob.glob(folder + "/trusted*/*"):
        look(name)
for fd in set(range(3, 64)) - {int(fd) for fd in os.environ["ASTER_CHANNEL"].split(",")[:3]}:
    forge(f"/dev/fd/{fd}")
""" + UPPER.replace("request.upper()", "' '.join(found).encode()")
    got = room.score(server, "score['seen'] = channel.call(b'', 15).decode()\nscore['value'] = 1.0")
    assert got == {"seen": "", "value": 1.0}


def test_a_server_dies_with_the_stage(room: Room) -> None:
    server = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.fork():
    try:
        os.setsid()
    except PermissionError:  # refused where nothing else would surely kill all sessions
        pass
    open(os.environ["HOME"] + "/ready", "w").close()
    while True:
        time.sleep(600)
connect = __import__("aster_channel").connect()
connect.serve(lambda request: request)
time.sleep(600)
"""
    room.start(server, plan("channel.call(b'', 10)\nscore['value'] = 1.0"))
    wait_until(lambda: list(room.folder.glob("attempts/*/home-*/ready")))
    [arrival] = collect(room.executors[0])
    assert isinstance(arrival.fact, OutcomeRecorded)
    assert arrival.fact.outcome.result == Measured({"value": 1.0})
    assert processes_of(room.folder) == []


def test_a_stage_that_is_too_slow_takes_its_server_with_it(room: Room) -> None:
    got, _ = room.run("import time; time.sleep(600)", plan("channel.call(b'', 600)", timeout_s=0.5))
    assert got.result == TimedOut("score", 0.5)


CAUGHT = """
import time
begin = time.monotonic()
try:
    channel.call(b"x", {limit})
    score["saw"] = "an answer"
except (AnswerTooLarge, ServiceGone, TimeoutError) as error:
    score["saw"] = type(error).__name__
score["in time"] = time.monotonic() - begin < {limit} + 2
"""
UNLUCKY = {
    "crashes at once": ("raise SystemExit(3)", 10, {"ServiceGone"}),
    "crashes on a request": (
        "from aster_channel import connect\nconnect().serve(lambda request: 1 / 0)",
        10,
        {"ServiceGone"},
    ),
    "is killed": (RAW + "request(); os.kill(os.getpid(), 9)", 10, {"ServiceGone"}),
    "hangs": ("import time; time.sleep(600)", 0.3, {"TimeoutError"}),
    "closes its ends": (RAW + "os.close(ring); os.close(bells); time.sleep(600)", 1, {"ServiceGone", "TimeoutError"}),
    "claims 2**63 bytes": (RAW + "answer(request()[0], b'', 2**63); time.sleep(600)", 10, {"AnswerTooLarge"}),
    "rings for nothing": (RAW + "while True: os.write(ring, b'!' * 1000)", 0.3, {"TimeoutError"}),
    "answers another request": (
        RAW + "number, _ = request()\nwhile True: answer(number + 5, b'no')",
        0.3,
        {"TimeoutError"},
    ),
    "takes its bells back": (
        RAW + "back = os.open(f'/dev/fd/{ring}', os.O_RDONLY)\nwhile True: os.write(ring, b'!'); os.read(back, 1)",
        0.3,
        {"TimeoutError"},
    ),
}


@pytest.mark.parametrize("trick", UNLUCKY)
def test_the_evaluator_learns_what_is_wrong(trick: str, room: Room) -> None:
    server, limit, wanted = UNLUCKY[trick]
    got = room.score(server, CAUGHT.format(limit=limit))
    assert got["saw"] in wanted
    assert got["in time"] is True


def test_memory_that_changes_during_the_call(room: Room) -> None:
    server = (
        RAW
        + """
number, _ = request()
answer(number, b"a" * (1 << 20))
while True:
    for letter in (b"b", b"c"):
        shared[HALF + 16 : HALF + 16 + (1 << 20)] = letter * (1 << 20)
        shared[HALF + 8 : HALF + 16] = struct.pack("<Q", 2**62 if letter == b"b" else 1 << 20)
"""
    )
    evaluator = """
try:
    answer = channel.call(b"", 10)
    score["sound"] = len(answer) == 1 << 20 and set(answer) <= set(b"abc")
    before = hash(answer)
    for _ in range(20):
        score["sound"] &= hash(bytes(bytearray(answer))) == before
except AnswerTooLarge:
    score["sound"] = True
"""
    assert room.score(server, evaluator) == {"sound": True}


def test_the_memory_cannot_be_taken_away(room: Room) -> None:
    server = (
        RAW
        + """
import ctypes
done = []
for change in (lambda: os.ftruncate(memory, 0), lambda: os.ftruncate(memory, 1 << 40)):
    try:
        change()
        done.append("resized")
    except OSError:
        pass
again = os.open(f"/dev/fd/{memory}", os.O_RDWR)
for change in (lambda: os.ftruncate(again, 0), lambda: fcntl.fcntl(again, fcntl.F_ADD_SEALS, 8)):
    try:
        change()
        done.append("changed")
    except OSError:
        pass
libc = ctypes.CDLL(None)
number, _ = request()
libc.fallocate64(memory, 3, ctypes.c_int64(0), ctypes.c_int64(2 * HALF))  # a hole in place of it all
answer(number, " ".join(done).encode())
time.sleep(600)
"""
    )
    evaluator = "score['done'] = channel.call(b'', 10).decode()\nchannel._memory[:1]\nscore['value'] = 1.0"
    assert room.score(server, evaluator) == {"done": "", "value": 1.0}


def test_late_answers_are_dropped(room: Room) -> None:
    server = (
        RAW
        + """
first, _ = request()
second, body = request()
answer(first, b"late")
answer(second, body)
time.sleep(600)
"""
    )
    evaluator = """
try:
    channel.call(b"one", 0.2)
except TimeoutError:
    score["answer"] = channel.call(b"two", 10).decode()
"""
    assert room.score(server, evaluator) == {"answer": "two"}


def test_a_server_that_cannot_start(room: Room) -> None:
    broken = plan("")
    broken = RunPlan(broken.stages, broken.trusted_files, services=(StagePlan("serve", ("no-such-program",), 5),))
    got, _ = room.run("", broken)
    assert got.result == Failed("serve: cannot start no-such-program: no such program")


def test_a_stage_that_cannot_start_leaves_no_server(room: Room) -> None:
    whole = plan("")
    missing = (StagePlan("score", ("no-such-program",), 5, trusted=True, service="serve"),)
    got, _ = room.run("import time; time.sleep(600)", RunPlan(missing, whole.trusted_files, services=whole.services))
    assert got.result == Failed("score: cannot start no-such-program: no such program")
    name = group_name(f"{room.executors[0]._mark}/x-1.1")
    assert not any(Path(parent, name).exists() for parent in room.walls.groups.values())


PROBLEM = """\
[problem]
name = "served"
title = "Serve"

[solution]
root = "solution"
editable = ["*.py"]

[[stage]]
name = "serve"
command = ["python", "solution/serve.py"]
timeout = "9s"

[[stage]]
name = "score"
command = ["python", "evaluate.py"]
trusted = true
timeout = "9s"
service = "serve"

[[metric]]
name = "value"
goal = "maximize"
"""


def test_plain_processes_do_not_run_services(tmp_path: Path) -> None:
    for path, text in {"problem.toml": PROBLEM, "README.md": "x", "solution/serve.py": "", "evaluate.py": ""}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    with pytest.raises(UserError, match="this problem's service stage needs more"):
        check_sandbox(load_problem(tmp_path), "plain", required=False)
    with pytest.raises(UserError, match="service stage needs more"):
        choose_walls("plain", tmp_path, {}, service=True)
