"""The filter of system calls: what it says for each processor, and what the kernel makes of it."""

from __future__ import annotations

import errno
import json
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from aster.sandbox.keeper import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
DONE = 0x50000
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}
machines = pytest.mark.parametrize("machine", AUDIT)
here = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not seccomp.supported(), reason="no filter for this machine"
)


def verdict(rules: bytes, audit: int, number: int, *arguments: int) -> int:
    """Return what the program says to a call, by the machine that the kernel runs it on."""
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, audit, 0, *(list(arguments) + [0] * 6)[:6])
    at, word = 0, 0
    while True:
        code, then, otherwise, value = struct.unpack_from("=HBBI", rules, 8 * at)
        at += 1
        match code:
            case 0x20:
                [word] = struct.unpack_from("=I", data, value)
            case 0x15:
                at += then if word == value else otherwise
            case 0x45:
                at += then if word & value else otherwise
            case 0x06:
                return int(value)


def on(machine: str, monkeypatch: pytest.MonkeyPatch, *, sockets: bool) -> bytes:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    return seccomp.program(sockets=sockets, attributes=sockets)


@machines
@pytest.mark.parametrize("sockets", [True, False])
def test_what_is_refused(machine: str, sockets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, audit = on(machine, monkeypatch, sockets=sockets), AUDIT[machine]
    column = 0 if machine == "x86_64" else 1
    for name, numbers in seccomp._CALLS.items():
        assert verdict(rules, audit, numbers[column] or 0) == EPERM, name
    for name, numbers in seccomp._SHARED_MEMORY.items():
        assert verdict(rules, audit, numbers[column] or 0) == (ALLOW if sockets else EPERM), name
    for name, places in seccomp._ATTRIBUTES.items():
        if (number := places[column]) is not None:
            assert verdict(rules, audit, number) == (ALLOW if sockets else DONE), name
    assert verdict(rules, audit, 435) == ENOSYS
    clone, ioctl, socket = ((56, 16, 41), (220, 29, 198))[column]
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
        assert verdict(rules, audit, clone, flag | 17) == EPERM, hex(flag)
    assert verdict(rules, audit, clone, 0x3D0F00) == ALLOW  # a thread
    assert verdict(rules, audit, clone, 17) == ALLOW  # a fork
    assert verdict(rules, audit, ioctl, 0, 0x5412) == verdict(rules, audit, ioctl, 1, 0x541C) == EPERM
    assert verdict(rules, audit, ioctl, 0, 0x5413) == ALLOW
    fcntl = (72, 25)[column]
    assert verdict(rules, audit, fcntl, 3, 1024) == verdict(rules, audit, fcntl, 3, 1026) == EPERM  # leases
    assert verdict(rules, audit, fcntl, 3, 2) == ALLOW
    assert verdict(rules, audit, socket, 2) == (ALLOW if sockets else EPERM)


@machines
def test_others_limits_are_only_one_s_own(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    column = 0 if machine == "x86_64" else 1
    calls = {(302, 261): 0, (203, 122): 0, (144, 119): 0, (141, 140): 1, (314, 274): 0, (142, 118): 0}
    for sockets in (True, False):
        rules = on(machine, monkeypatch, sockets=sockets)
        for numbers, index in calls.items():
            for pid, wanted in (
                (0, ALLOW),
                (1, ALLOW if sockets else EPERM),
                (-1 & 0xFFFFFFFF, ALLOW if sockets else EPERM),
            ):
                arguments = [0] * index + [pid]
                assert verdict(rules, AUDIT[machine], numbers[column], *arguments) == wanted


@machines
def test_what_is_allowed(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {*seccomp._CALLS.values(), *seccomp._SHARED_MEMORY.values(), *seccomp._ATTRIBUTES.values()}
    column = 0 if machine == "x86_64" else 1
    refused = {numbers[column] for numbers in named} | {435, (41, 198)[column]}
    for number in set(range(460)) - refused:
        assert verdict(on(machine, monkeypatch, sockets=False), AUDIT[machine], number) == ALLOW, number


@machines
def test_calls_of_other_architectures_kill(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = on(machine, monkeypatch, sockets=True)
    for other in (0x40000003, *(audit for name, audit in AUDIT.items() if name != machine)):  # 0x40000003: i386
        assert verdict(rules, other, 1) == KILL
    if machine == "x86_64":
        assert verdict(rules, AUDIT[machine], 0x40000000 | 1) == KILL  # x32


@machines
def test_no_sessions(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    rules, column = seccomp.no_sessions(), 0 if machine == "x86_64" else 1
    for number in range(470):
        wanted = EPERM if number in ((112, 109), (157, 154))[column] else ALLOW
        assert verdict(rules, AUDIT[machine], number) == wanted
    assert verdict(rules, 0x40000003, 66) == KILL  # i386's setsid


def test_an_unknown_processor_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on("s390x", monkeypatch, sockets=True) == b""
    assert not seccomp.supported()


PROBE = """
import ctypes, errno, json, sys
sys.path.insert(0, sys.argv[1])
from keeper import seccomp
libc = ctypes.CDLL(None, use_errno=True)
sockets = sys.argv[2] == "sockets"
assert libc.prctl(38, 1, 0, 0, 0) == 0
seccomp.enter(seccomp.program(sockets=sockets))
calls = seccomp._CALLS if sockets else {**seccomp._CALLS, **seccomp._SHARED_MEMORY, "socket": seccomp._SOCKET}
column = seccomp._ARCHITECTURES[__import__("platform").machine()][1]
found = {}
for name, numbers in {**calls, "clone3": seccomp._CLONE3}.items():
    answer = libc.syscall(ctypes.c_long(numbers[column]), *[ctypes.c_long(-1)] * 6)
    found[name] = errno.errorcode[ctypes.get_errno()] if answer == -1 else "done"
print(json.dumps(found))
"""


@here
@pytest.mark.parametrize("kind", ["sockets", "no sockets"])
def test_the_kernel_refuses_every_one(kind: str) -> None:
    argv = [sys.executable, "-I", "-S", "-c", PROBE, str(Path(seccomp.__file__).parents[1]), kind]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.pop("clone3") == "ENOSYS"
    assert len(found) > 40
    assert {name: said for name, said in found.items() if said != "EPERM"} == {}


@here
def test_the_kernel_may_refuse_a_filter() -> None:
    with pytest.raises(OSError, match="filter of system calls is refused"):
        seccomp.enter(b"\xff" * 8)
