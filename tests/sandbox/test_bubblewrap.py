"""bubblewrap: the contract, and the world that it makes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.walls import walls_or_skip

from aster.sandbox.keeper.bubblewrap import Bubblewrap
from aster.sandbox.layers import readable
from aster.testing.confined import ALL, Subject, run, view_of, well
from aster.testing.sandboxes import SandboxContract


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    walls = walls_or_skip("bubblewrap", tmp_path)
    return Subject(Bubblewrap(walls.program, walls.sized), ALL)


class TestBubblewrap(SandboxContract):
    pass


def test_a_world_of_its_own(subject: Subject, tmp_path: Path) -> None:
    code = """
import json, os, socket
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), os.geteuid()],
    "host": socket.gethostname(),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "root": os.listdir("/"),
    "interfaces": [name for _, name in socket.if_nameindex()],
}))
"""
    seen = json.loads(well(subject, code, view_of(tmp_path)))
    assert seen["ids"] == [1000, 1000, 1000]
    assert seen["host"] == "sandbox"
    assert seen["processes"] <= 3  # the namespace's first, and this one
    assert seen["interfaces"] == ["lo"]
    shown = {Path(path).parts[1] for path in (*readable(), str(tmp_path))}
    assert set(seen["root"]) == shown | {"dev", "proc", "tmp"}


def test_numeric_and_parallel_code_works(subject: Subject, tmp_path: Path) -> None:
    code = """
import asyncio, multiprocessing, socket, subprocess, sys, threading
import numpy
def double(x):
    return 2 * x
if __name__ == "__main__":
    thread = threading.Thread(target=print, args=("thread",))
    thread.start()
    thread.join()
    print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True).stdout.strip())
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(double, [1, 2]))
    print((numpy.ones((300, 300)) @ numpy.ones((300, 300)))[0, 0])
    one, two = socket.socketpair()
    one.sendall(b"pair")
    print(two.recv(9).decode())
    asyncio.run(asyncio.sleep(0))
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    open("/dev/shm/mine", "w").close()
"""
    env = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "2"}
    ran = run(subject, code, view_of(tmp_path), env=env, flags=("-I",))
    assert ran.code == 0, ran.said
    assert ran.said.splitlines() == ["thread", "child", "[2, 4]", "300.0", "pair"]


def test_no_new_namespaces(subject: Subject, tmp_path: Path) -> None:
    code = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) == -1 and ctypes.get_errno() == errno.EPERM
assert libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM
"""
    well(subject, code, view_of(tmp_path))


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_files_in_memory_are_bounded(subject: Subject, place: str, tmp_path: Path) -> None:
    walls = walls_or_skip("bubblewrap", tmp_path)
    if not walls.sized:
        pytest.skip("this bwrap cannot bound them")
    code = f"open('{place}/large', 'wb').write(bytes(2 << 20))"
    well(subject, code, replace(view_of(tmp_path), memory_mb=4))
    ran = run(subject, code, replace(view_of(tmp_path), memory_mb=1))
    assert ran.code == 1
    assert "No space left" in ran.said


def test_nothing_stays_from_one_command_to_the_next(subject: Subject, tmp_path: Path) -> None:
    code = "import os; print(os.listdir('/dev/shm')); open('/dev/shm/kept', 'w'); open('/tmp/kept', 'w')"
    for _ in range(2):
        assert well(subject, code, view_of(tmp_path)).strip() == "[]"
    assert not Path("/tmp/kept").exists()


def test_links_of_the_system_stay_links(subject: Subject, tmp_path: Path) -> None:
    argv, [rules] = subject.sandbox.wrap(["true"], view_of(tmp_path))
    with os.fdopen(os.dup(rules), "rb") as filter_:
        assert len(filter_.read()) % 8 == 0
    os.close(rules)
    for name in ("/bin", "/lib"):
        if Path(name).is_symlink():
            assert argv[argv.index(name) - 2 : argv.index(name)] == ["--symlink", str(Path(name).resolve())]


def test_what_is_hidden_shows_under_no_other_name(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "real/secret").mkdir(parents=True)
    (tmp_path / "real/secret/answer").write_text("42")
    (tmp_path / "real/open").write_text("seen")
    (tmp_path / "alias").symlink_to("real")
    view = view_of(tmp_path)
    secret = str((tmp_path / "real/secret").resolve())
    view = replace(view, read=(*view.read, str(tmp_path / "alias")), hidden=(secret,))
    names = [f"{tmp_path}/{name}/secret/answer" for name in ("alias", "real")]
    code = f"import os\nprint(open({str(tmp_path / 'alias/open')!r}).read(), [os.path.exists(p) for p in {names}])"
    assert well(subject, code, view).strip() == "seen [False, False]"


def test_what_is_missing_is_left_out(subject: Subject, tmp_path: Path) -> None:
    view = view_of(tmp_path)
    view = replace(view, read=(*view.read, "/no/such/folder"), hidden=("/no/such/folder/file", "/elsewhere"))
    assert well(subject, "print('runs')", view).strip() == "runs"


def test_signals_come_out_of_exit_codes() -> None:
    wall = Bubblewrap("bwrap", True)
    assert [wall.exit_code(code) for code in (0, 1, 127, 128, 137, 143, 255)] == [0, 1, 127, 128, -9, -15, 255]
