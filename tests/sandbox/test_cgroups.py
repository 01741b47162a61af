"""Control groups: over made-up folders, and for real where this machine lets us make some."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aster.sandbox.keeper import cgroups
from aster.sandbox.keeper.cgroups import UNIFIED, Group, find_parents
from aster.sandbox.layers import probe_machine

FILES = {
    "two": ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cgroup.procs", "cgroup.kill", "memory.events"),
    "one": ("memory.limit_in_bytes", "pids.max", "cpu.cfs_quota_us", "cgroup.procs", "memory.oom_control"),
}


def fake(parent: Path, version: str) -> Group:
    """Return a group under a folder, with the files that the kernel would put into it."""
    group = Group({UNIFIED: str(parent)}, "g")
    (parent / "g").mkdir(parents=True)
    for name in FILES[version]:
        (parent / "g" / name).touch()
    return group


def content(parent: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (parent / "g").iterdir() if path.read_text()}


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("two", {"memory.max": str(64 << 20), "memory.swap.max": "0", "cpu.max": "300000 100000"}),
        ("one", {"memory.limit_in_bytes": str(64 << 20), "cpu.cfs_quota_us": "300000"}),
    ],
)
def test_limits_go_into_the_files_that_are_there(version: str, wanted: dict[str, str], tmp_path: Path) -> None:
    group = fake(tmp_path, version)
    group.make(64, 3)  # over one that a dead keeper left
    written = content(tmp_path)
    assert int(written.pop("pids.max")) >= 64
    assert written == wanted
    group.join()
    assert content(tmp_path)["cgroup.procs"] == "0"


def test_kill_by_the_group_s_own_file_and_by_name(tmp_path: Path) -> None:
    group = fake(tmp_path, "two")
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]) as process:
        (tmp_path / "g" / "cgroup.procs").write_text(f"{process.pid}\n")
        assert group.members() == [process.pid]
        group.kill()
        assert process.wait(20) == -signal.SIGKILL
    assert (content(tmp_path)["cgroup.kill"], content(tmp_path)["pids.max"]) == ("1", "0")


@pytest.mark.parametrize(
    ("version", "file", "text", "wanted"),
    [
        ("two", "memory.events", "low 0\noom 1\noom_kill 1\n", True),
        ("two", "memory.events", "low 0\noom 1\noom_kill 0\n", False),
        ("one", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("one", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", False),
    ],
)
def test_out_of_memory(version: str, file: str, text: str, wanted: bool, tmp_path: Path) -> None:
    group = fake(tmp_path, version)
    (tmp_path / "g" / file).write_text(text)
    assert group.out_of_memory() is wanted


def test_no_groups_do_nothing() -> None:
    group = Group({}, "g")
    group.make(64, 1)
    group.join()
    group.kill()
    assert (group.members(), group.out_of_memory(), group.remove()) == ([], False, True)


def test_a_group_that_cannot_be_made_or_joined(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Group({UNIFIED: str(tmp_path / "missing")}, "g").make(64, 1)
    with pytest.raises(OSError):  # its limits would not hold
        Group({UNIFIED: str(tmp_path)}, "g").join()


def test_remove_tells_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_EMPTY_S", 0.01)
    group = fake(tmp_path, "two")  # its folder is not empty, as one with living processes
    assert not group.remove()
    for path in (tmp_path / "g").iterdir():
        path.unlink()
    assert group.remove()
    assert not (tmp_path / "g").exists()


# What a machine looks like ------------------------------------------------------------------------------------------


def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mounts: str, groups: str, works: set[str]) -> None:
    """Have `find_parents` read these texts, where only folders in `works` can hold groups."""
    (tmp_path / "mountinfo").write_text(mounts)
    (tmp_path / "cgroup").write_text(groups)
    texts = {"/proc/self/mountinfo": tmp_path / "mountinfo", "/proc/self/cgroup": tmp_path / "cgroup"}
    monkeypatch.setattr(cgroups, "Path", lambda *parts: texts.get(parts[0]) or Path(*parts))
    monkeypatch.setattr(cgroups, "_controls", lambda folder: folder in works)
    monkeypatch.setattr(cgroups, "_works", lambda folder: folder in works)


V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "".join(
    f"3{n} 31 0:3{n} / /sys/fs/cgroup/{name} rw shared:{n} - cgroup cgroup rw,{name}\n"
    for n, name in enumerate(("cpu,cpuacct", "memory", "pids"))
)


def test_version_2_at_the_innermost_place_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inside = "/sys/fs/cgroup/user.slice/app.scope"
    for works in ({inside}, {"/sys/fs/cgroup/user.slice"}, {"/sys/fs/cgroup"}):
        machine(monkeypatch, tmp_path, V2, "0::/user.slice/app.scope\n", {*works})
        assert find_parents() == {UNIFIED: works.copy().pop()}


def test_version_1_by_controller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    works = {"/sys/fs/cgroup/memory/me", "/sys/fs/cgroup/cpu,cpuacct"}
    machine(monkeypatch, tmp_path, V1, "3:pids:/\n2:memory:/me\n1:cpu,cpuacct:/\n", works)
    assert find_parents() == {"memory": "/sys/fs/cgroup/memory/me", "cpu": "/sys/fs/cgroup/cpu,cpuacct"}


def test_both_versions_where_the_second_has_no_controllers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    both = V1 + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ")
    machine(monkeypatch, tmp_path, both, "3:pids:/\n0::/\n", {"/sys/fs/cgroup/pids"})
    assert find_parents() == {"pids": "/sys/fs/cgroup/pids"}


def test_a_machine_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "", set())
    assert find_parents() == {}


# For real -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def real() -> Iterator[Group]:
    parents = probe_machine().groups
    if not parents:
        pytest.skip("no control groups can be made here")
    group = Group(parents, f"aster-test-{os.getpid()}")
    yield group
    group.kill()
    assert group.remove()


def start(group: Group, code: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.Popen(argv, preexec_fn=group.join, stdout=subprocess.PIPE, start_new_session=True)


def test_memory_of_all_together_is_bounded(real: Group) -> None:
    if not {"memory", UNIFIED} & set(probe_machine().groups):
        pytest.skip("no memory controller here")
    real.make(64, 1)
    code = "import os, time\nfor _ in range(8):\n if not os.fork(): x = b'x' * (20 << 20); time.sleep(600)\nos.wait()"
    with start(real, code) as process:
        assert process.wait(20) is not None  # one of them is killed, and waited for
        assert real.out_of_memory()
        real.kill()


def test_processes_are_bounded_and_all_die(real: Group) -> None:
    if not {"pids", UNIFIED} & set(probe_machine().groups):
        pytest.skip("no pids controller here")
    real.make(512, 1)
    code = """
import os, time
made = 0
try:
    while made < 5000:
        if not os.fork():
            os.setsid()
            time.sleep(600)
        made += 1
except OSError:
    print(made, flush=True)
time.sleep(600)
"""
    with start(real, code) as process:
        assert process.stdout is not None
        made = int(process.stdout.readline())
        assert made < 2000
        assert len(real.members()) == made + 1
        real.kill()
        assert process.wait(20) == -signal.SIGKILL
