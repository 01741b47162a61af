"""Running one command in a sandbox as a keeper does, for the contract of `Sandbox` and for tests of each.

In a `Tree`, by a process of its own that is a subreaper, so that nothing here touches the children of the test's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args
from unittest import SkipTest

from aster.sandbox.keeper.output import Pipe
from aster.sandbox.keeper.tree import Bell, Command, Limits, Tree, become_subreaper, children
from aster.sandbox.keeper.walls import Sandbox, View
from aster.sandbox.layers import readable
from aster.testing.executors import DEADLINE_S

Claim = Literal["files", "devices", "network", "signals", "tracing", "privileges"]
"""Files outside the view cannot be opened; nor other devices; no network; no signals to processes outside; these
cannot be looked into; no capabilities, and no way to gain any."""
ALL: frozenset[Claim] = frozenset(get_args(Claim))

ENVIRONMENT = {"LANG": "C.UTF-8", "GIVEN": "to it"}


@dataclass(frozen=True)
class Subject:
    """A sandbox under test and the walls that it claims; what it does not claim is not asserted."""

    sandbox: Sandbox
    claims: frozenset[Claim] = frozenset()

    def needs(self, claim: Claim) -> None:
        """Skip the test unless this is claimed."""
        if claim not in self.claims:
            raise SkipTest(f"{self.sandbox.name} does not claim it: {claim}")


@dataclass(frozen=True)
class Ran:
    """What came of a command.

    Attributes:
        code: its exit code, None if it was killed by us before it ended.
        said: both of its outputs.
        left: how many processes it had left behind, as `Tree.kill` counts.
        alive: children of the keeper after that.
        leaked: descriptors that starting it left open in the keeper.
        dead_s: seconds that killing the tree took.
    """

    code: int | None
    said: str
    left: int
    alive: int
    leaked: int
    dead_s: float


def view_of(folder: Path) -> View:
    """Return a view on which Python runs; it may write to `work` in the folder, and read `given`; makes both."""
    for name in ("work", "given"):
        (folder / name).mkdir(exist_ok=True)
    return View(str(folder / "work"), (str(folder / "work"),), (*readable(), str(folder / "given")))


def run(
    subject: Subject,
    code: str,
    view: View,
    *words: str,
    env: Mapping[str, str] = ENVIRONMENT,
    keep: tuple[int, ...] = (),
    limits: Limits = (),
    until: str = "",
    flags: tuple[str, ...] = ("-I", "-S"),
    python: str = sys.executable,
) -> Ran:
    """Run Python code with `words` as arguments in the sandbox, kill what it leaves, and return what came of it.

    `until`: kill it all once it has said this. Fails if it takes longer than `DEADLINE_S`.
    """
    argv = [python, *flags, "-c", code, *words]
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside a test runner's threads, which it needs not
        pid = os.fork()
    if not pid:
        try:
            ran = _supervise(subject.sandbox, argv, view, dict(env), keep, limits, until.encode())
            os.write(writer, json.dumps(asdict(ran)).encode())
        except BaseException as error:  # noqa: BLE001 - the test that called fails with it
            os.write(writer, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as report:
        told = json.loads(report.read())
    os.waitpid(pid, 0)
    assert "error" not in told, told["error"]
    return Ran(**told)


def _supervise(
    sandbox: Sandbox,
    argv: list[str],
    view: View,
    env: dict[str, str],
    keep: tuple[int, ...],
    limits: Limits,
    until: bytes,
) -> Ran:
    become_subreaper()
    bell, pipe, said = Bell(), Pipe(), b""
    tree = Tree(bell)
    before = _descriptors()
    main = tree.start(Command(argv, env, view, pipe.writer, keep, limits), sandbox)
    leaked = len(_descriptors() - before)
    pipe.close_writer()
    deadline = time.monotonic() + DEADLINE_S
    while tree.exit_code(main) is None and not (until and until in said):
        assert time.monotonic() < deadline, f"it takes too long, and says: {said.decode()}"
        bell.wait([pipe.reader] if pipe.open else [], 0.1)
        said += pipe.read()
        tree.reap()
    code, begin = tree.exit_code(main), time.monotonic()
    left = tree.kill()
    took = time.monotonic() - begin
    while more := pipe.read():
        said += more
    return Ran(code, said.decode(errors="replace"), left, len(children()), leaked, took)


def _descriptors() -> set[int]:
    found = set()
    for fd in range(256):
        with suppress(OSError):
            os.fstat(fd)
            found.add(fd)
    return found


def well(subject: Subject, code: str, view: View, *words: str) -> str:
    """Return what code says that must end well."""
    ran = run(subject, code, view, *words)
    assert ran.code == 0, ran.said
    return ran.said


def make_venv(folder: Path) -> Path:
    """Make an environment of links to the Python that runs this, without pip, and return its folder."""
    venv.EnvBuilder(symlinks=True).create(folder)
    return folder


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process outside of any sandbox."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]) as process:
        try:
            yield process
        finally:
            process.kill()


def command_lines(word: str) -> list[int]:
    """Return the ids of living processes that have this word on their command line (Linux)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (place / "cmdline").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found
