"""The contract of `Sandbox`: what any walls around a stage must pass, and what each of them may claim.

Derive a class named Test... from `SandboxContract` in a test module and give it a fixture `subject` that returns a
`Subject`. Every command runs as in a keeper (see `aster.testing.confined`).
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest import SkipTest

from aster.sandbox.keeper.tree import Limits
from aster.sandbox.keeper.walls import View
from aster.sandbox.layers import readable
from aster.testing.confined import ENVIRONMENT, Subject, command_lines, make_venv, run, sleeper, view_of, well

_DEVICES = ("/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/kvm", "/dev/vsock", "/dev/kmsg")
_OPEN = """
def opens(path, mode="rb"):
    try:
        open(path, mode).close()
        return True
    except OSError:
        return False
"""


class SandboxContract:
    """Tests that get the fixtures `subject: Subject` and pytest's `tmp_path`."""

    def test_a_command_works_on_files(self, subject: Subject, tmp_path: Path) -> None:
        view = view_of(tmp_path)
        (tmp_path / "given" / "number").write_text("20")
        code = """
import os, pathlib, sys
pathlib.Path("new").mkdir()
pathlib.Path("new/number").write_text(str(1 + int(pathlib.Path(sys.argv[1]).read_text())))
pathlib.Path("new/number").rename("moved")
print(os.getcwd(), repr(sys.stdin.read()), flush=True)
print("and this", file=sys.stderr)
"""
        said = well(subject, code, view, str(tmp_path / "given" / "number"))
        assert said.splitlines() == [f"{view.cwd} ''", "and this"]
        assert (tmp_path / "work" / "moved").read_text() == "21"

    def test_exit_codes_and_signals(self, subject: Subject, tmp_path: Path) -> None:
        view = view_of(tmp_path)
        for code in (0, 1, 3, 127, 255):
            assert run(subject, f"import os; os._exit({code})", view).code == code
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
            ran = run(subject, f"import os; os.kill(os.getpid(), {int(number)}); os._exit(0)", view, limits=_NO_CORE)
            assert ran.code == -number

    def test_kept_descriptors_pass_and_no_others(self, subject: Subject, tmp_path: Path) -> None:
        given, other = os.pipe(), os.pipe()
        for fd in other:
            os.set_inheritable(fd, True)
        code = """
import os, sys
kept = int(sys.argv[1])
open(f"/dev/fd/{kept}", "w").write("by name, ")
os.write(kept, b"by number")
found = []
for fd in range(3, 256):
    try:
        os.fstat(fd)
        found.append(fd)
    except OSError:
        pass
assert found == [kept], found
"""
        try:
            ran = run(subject, code, view_of(tmp_path), str(given[1]), keep=(given[1],))
            assert ran.code == 0, ran.said
            assert os.read(given[0], 100) == b"by name, by number"
        finally:
            for fd in (*given, *other):
                os.close(fd)

    def test_what_starting_needed_is_closed(self, subject: Subject, tmp_path: Path) -> None:
        view = view_of(tmp_path)
        _, extra = subject.sandbox.wrap(["true"], view)
        for fd in extra:
            os.close(fd)  # raises if it is not ours to close
        assert run(subject, "", view).leaked == 0

    def test_environment_is_what_is_given(self, subject: Subject, tmp_path: Path) -> None:
        view = view_of(tmp_path)
        seen = json.loads(well(subject, "import json, os; print(json.dumps(dict(os.environ)))", view))
        assert seen.pop("PWD", view.cwd) == view.cwd  # which some cannot help telling
        assert seen == ENVIRONMENT

    def test_limits_hold(self, subject: Subject, tmp_path: Path) -> None:
        limits = [(resource.RLIMIT_NOFILE, 40), (resource.RLIMIT_FSIZE, 1000), (resource.RLIMIT_CORE, 0)]
        code = (
            "import resource as r; print(*(r.getrlimit(k) for k in (r.RLIMIT_NOFILE, r.RLIMIT_FSIZE, r.RLIMIT_CORE)))"
        )
        ran = run(subject, code, view_of(tmp_path), limits=limits)
        assert ran.said.strip() == "(40, 40) (1000, 1000) (0, 0)"

    def test_the_whole_tree_dies(self, subject: Subject, tmp_path: Path) -> None:
        word = f"by-{os.getpid()}-{tmp_path.name}"
        code = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        print("here", flush=True)
        time.sleep(600)
time.sleep(0.2)
print("ready", flush=True)
time.sleep(600)
"""
        ran = run(subject, code, view_of(tmp_path), word, until="ready")
        assert ran.said.count("here") == 3
        assert (ran.code, ran.alive) == (None, 0)
        if sys.platform.startswith("linux"):
            assert command_lines(word) == []

    def test_another_interpreter_runs_with_its_packages(self, subject: Subject, tmp_path: Path) -> None:
        made = make_venv(tmp_path / "venv")
        program = made / "bin" / "python"
        (tmp_path / "hop").mkdir()
        (tmp_path / "hop" / "python").symlink_to(program.resolve())
        program.unlink()
        program.symlink_to(tmp_path / "hop" / "python")
        (tmp_path / "one").symlink_to(made)
        (tmp_path / "two").symlink_to("one")
        (tmp_path / "added").mkdir()
        (tmp_path / "added" / "package.py").write_text("VALUE = 42")
        [packages] = made.glob("lib/python*/site-packages")
        (packages / "added.pth").write_text(f"{tmp_path}/added\n")
        code = "import json, package, sys; print(sys.prefix, package.VALUE)"
        python = str(tmp_path / "two" / "bin" / "python")
        view = View(str(tmp_path / "work"), (str(tmp_path / "work"),), tuple(readable(python)))
        Path(view.cwd).mkdir()
        ran = run(subject, code, view, python=python, flags=("-I",))
        assert (ran.said.split(), ran.code) == ([f"{tmp_path}/two", "42"], 0)

    def test_its_own_shows_though_it_lies_in_something_hidden(self, subject: Subject, tmp_path: Path) -> None:
        view = view_of(tmp_path)
        for name in ("shown/deep/file", "withheld/file"):
            (tmp_path / "given" / "secret" / name).parent.mkdir(parents=True)
            (tmp_path / "given" / "secret" / name).write_text(name)
        secret = f"{tmp_path}/given/secret"
        view = replace(view, hidden=(secret,), own=(f"{secret}/shown",))
        code = f"{_OPEN}\nimport sys; print(open(f'{{sys.argv[1]}}/shown/deep/file').read(), "
        code += "opens(f'{sys.argv[1]}/withheld/file'))"
        said = well(subject, code, view, secret).split()
        assert said == ["shown/deep/file", str("files" not in subject.claims)]

    # What follows is claimed by some only. -----------------------------------------------------------------------

    def test_only_its_own_folders_can_be_changed(self, subject: Subject, tmp_path: Path) -> None:
        subject.needs("files")
        view = view_of(tmp_path)
        for name in ("given/file", "other/file"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("precious")
        (tmp_path / "work" / "link").symlink_to(tmp_path / "given" / "file")
        folders = [str(tmp_path), *(str(tmp_path / name) for name in ("given", "other")), *readable()]
        code = """
import os, sys
for folder in sys.argv[1:]:
    for change in (
        lambda: open(f"{folder}/file", "a").write("!"),
        lambda: open(f"{folder}/aster-new", "w").close(),
        lambda: os.mkdir(f"{folder}/aster-new"),
        lambda: os.symlink("x", f"{folder}/aster-new"),
        lambda: (open("mine", "w").close(), os.rename("mine", f"{folder}/aster-new")),
        lambda: os.chmod(folder, 0o777),
        lambda: os.truncate(f"{folder}/file", 0),
        lambda: os.unlink(f"{folder}/file"),
        lambda: open("link", "a").write("!"),
    ):
        try:
            change()
        except OSError:
            pass
"""
        well(subject, code, view, *folders)  # some may write there, but to a world of their own
        assert [path for folder in folders for path in [f"{folder}/aster-new"] if os.path.lexists(path)] == []
        assert {(tmp_path / name / "file").read_text() for name in ("given", "other")} == {"precious"}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "other", "work"]

    def test_only_the_view_can_be_read(self, subject: Subject, tmp_path: Path) -> None:
        subject.needs("files")
        view = view_of(tmp_path)
        for name in ("given/open", "given/secret/key", "given/hidden", "other"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(name)
        view = replace(view, hidden=(str(tmp_path / "given/secret"), str(tmp_path / "given/hidden")))
        (tmp_path / "work" / "link").symlink_to(tmp_path / "other")
        code = (
            _OPEN
            + """
import os, sys
def content(path):
    try:
        return open(path).read()
    except OSError:
        return ""
folder, outside = sys.argv[1:]
assert content(f"{folder}/given/open") == "given/open"
for path in ("other", "given/secret/key", "given/hidden", "work/link"):
    assert content(f"{folder}/{path}") == "", path
assert not opens(outside) and not opens(f"/proc/1/root{outside}") and not opens(f"/proc/self/root{outside}"), outside
"""
        )
        well(subject, code, view, str(tmp_path), __file__ if _outside(__file__) else str(tmp_path / "other"))

    def test_devices_are_given(self, subject: Subject, tmp_path: Path) -> None:
        view = view_of(tmp_path)
        common = "open('/dev/null', 'w').write('x'); assert len(open('/dev/urandom', 'rb').read(4)) == 4"
        well(subject, common, view)
        subject.needs("devices")
        node = next((path for path in _DEVICES if _usable(path)), None)
        if node is None:
            raise SkipTest("this machine has no device that could be withheld")
        code = f"{_OPEN}\nimport sys; print(opens(sys.argv[1], 'r+b'))"
        flat = code.replace("open(path, mode)", "open(path, mode, buffering=0)")
        assert well(subject, flat, view, node).strip() == "False"
        assert well(subject, flat, replace(view, devices=(node,)), node).strip() == "True"

    def test_no_network(self, subject: Subject, tmp_path: Path) -> None:
        subject.needs("network")
        code = """
import os, socket, sys
tcp, udp, path, abstract = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
for family, kind, place in (
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", tcp)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", udp)),
    (socket.AF_UNIX, socket.SOCK_STREAM, path),
    (socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + abstract),
):
    try:
        with socket.socket(family, kind) as out:
            out.connect(place)
            if kind == socket.SOCK_STREAM:
                print("reached", place)
            else:
                out.send(b"reached")
    except OSError:
        pass
"""
        abstract = f"aster-test-{os.getpid()}"
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as unnamed:
                tcp.bind(("127.0.0.1", 0))
                udp.bind(("127.0.0.1", 0))
                named.bind(str(_short(tmp_path)))
                unnamed.bind(f"\0{abstract}")
                for each in (tcp, named, unnamed):
                    each.listen()
                udp.setblocking(False)
                ports = [str(each.getsockname()[1]) for each in (tcp, udp)]
                assert well(subject, code, view_of(tmp_path), *ports, str(_short(tmp_path)), abstract) == ""
                with suppress(BlockingIOError):
                    assert not udp.recv(100)

    def test_no_signals_to_processes_outside(self, subject: Subject, tmp_path: Path) -> None:
        subject.needs("signals")
        code = """
import os, signal, sys
for pid in {int(sys.argv[1]), os.getppid()} - {0, 1}:  # where its parent is 1 it has a namespace of its own
    try:
        os.kill(pid, signal.SIGCONT)
    except OSError:
        continue
    print("reached", pid)
"""
        with sleeper() as process:
            assert well(subject, code, view_of(tmp_path), str(process.pid)) == ""

    def test_processes_outside_cannot_be_looked_into(self, subject: Subject, tmp_path: Path) -> None:
        subject.needs("tracing")
        code = (
            _OPEN
            + """
import ctypes, sys
for name in ("environ", "mem", "maps", "fd/0", "cwd/pyproject.toml", "root/etc/passwd"):
    if opens(f"/proc/{sys.argv[1]}/{name}"):
        print("opened", name)
if ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0) == 0:
    print("traced")
"""
        )
        with sleeper() as process:
            assert well(subject, code, view_of(tmp_path), str(process.pid)) == ""

    def test_no_privileges_and_none_to_gain(self, subject: Subject, tmp_path: Path) -> None:
        subject.needs("privileges")
        status = well(subject, "print(open('/proc/self/status').read())", view_of(tmp_path))
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert {int(fields[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == "2"


_NO_CORE: Limits = ((resource.RLIMIT_CORE, 0),)


def _outside(path: str) -> bool:
    return not any(path.startswith(f"{root}/") for root in readable())


def _usable(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


def _short(folder: Path) -> Path:
    """Return a path short enough for a socket: relative paths are taken from the test's working directory."""
    return Path(os.path.relpath(folder / "s")) if len(str(folder)) > 90 else folder / "s"
