"""Landlock with its filter of system calls: the contract, and what is its own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.walls import walls_or_skip

from aster.sandbox.keeper import landlock
from aster.sandbox.keeper.landlock import Landlock
from aster.testing.confined import ALL, Claim, Subject, view_of, well
from aster.testing.sandboxes import SandboxContract


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    walls_or_skip("landlock", tmp_path)
    old: set[Claim] = {"signals"} if landlock.version() < 6 else set()
    return Subject(Landlock(), ALL - old)


class TestLandlock(SandboxContract):
    pass


def test_what_numeric_code_needs_works(subject: Subject, tmp_path: Path) -> None:
    code = """
import asyncio, socket, subprocess, sys, tempfile, threading
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True).stdout, end="")
one, two = socket.socketpair()
one.sendall(b"pair")
print(two.recv(9).decode())
asyncio.run(asyncio.sleep(0))
tempfile.TemporaryFile(dir=".").close()
"""
    assert well(subject, code, view_of(tmp_path)).split() == ["thread", "child", "pair"]


def test_no_sockets_and_no_shared_memory_by_name(subject: Subject, tmp_path: Path) -> None:
    code = """
import ctypes, os, socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
    try:
        socket.socket(family)
        print("made", family)
    except PermissionError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
for call in (libc.shmget, libc.semget, libc.msgget):
    assert call(4711, 1, 0o1600) == -1 and ctypes.get_errno() == 1, call
"""
    assert well(subject, code, view_of(tmp_path)) == ""


def test_other_processes_keep_their_limits_and_priority(subject: Subject, tmp_path: Path) -> None:
    code = """
import os, resource
for change in (
    lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE),
    lambda pid: os.sched_setaffinity(pid, {0}),
    lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
):
    try:
        change(os.getppid())
        print("changed")
    except PermissionError:
        pass
    change(0)
"""
    assert well(subject, code, view_of(tmp_path)) == ""


def test_folders_beside_what_is_hidden_stay_open(subject: Subject, tmp_path: Path) -> None:
    view = view_of(tmp_path)
    for name in ("a/b/hidden/key", "a/b/shown", "c"):
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).write_text(name)
    view = replace(view, hidden=(str(tmp_path / "given/a/b/hidden"),))
    code = """
import os, sys
place = sys.argv[1]
print(open(place + "/a/b/shown").read(), open(place + "/c").read(), sorted(os.listdir(place + "/a/b")))
"""
    assert well(subject, code, view, str(tmp_path / "given")).strip() == "a/b/shown c ['hidden', 'shown']"


def test_a_root_that_is_hidden_itself(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "key").touch()
    view = replace(view_of(tmp_path), hidden=(str(tmp_path / "given"),))
    code = "import os, sys; print(os.access(sys.argv[1], os.F_OK)); open(sys.argv[1] + '/key')"
    with pytest.raises(AssertionError, match="PermissionError"):
        well(subject, code, view, str(tmp_path / "given"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a part of Linux")
def test_every_gap_of_an_old_kernel_is_told() -> None:
    assert set(landlock.SINCE) <= set(range(2, 8))
    assert all(text.endswith(".") for text in landlock.SINCE.values())
