"""The processes of a stage: started in a session of their own behind the sandbox's walls, and killed to the last one.

On Linux the keeper is a *child subreaper*: whatever a stage forks, however often and into whatever session, becomes
the keeper's child when its parent dies. So "no children" means "the whole tree is dead", and killing the children
until there are none needs neither names nor process groups. Elsewhere only the process group is killed.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import seccomp
from .cgroups import Group
from .walls import Sandbox, View, become

LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
_MAXRSS_MB = 1 / 1024 if LINUX else 1 / (1 << 20)  # ru_maxrss is KiB on Linux, bytes on macOS
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None

Limits = Sequence[tuple[int, int]]
_PAUSE_S = (0.001, 0.05)


@dataclass(frozen=True)
class Command:
    """What to start, and how it is confined.

    Attributes:
        output: descriptor that takes both of its outputs; stdin is empty.
        keep: its only other descriptors.
        limits: (resource, bound) for each process.
        group: limits for all of them together.
        one_group: they may make no sessions and process groups, where nothing else would surely kill them all.
    """

    argv: list[str]
    env: dict[str, str]
    view: View
    output: int
    keep: tuple[int, ...] = ()
    limits: Limits = ()
    group: Group | None = None
    one_group: bool = False


def become_subreaper() -> None:
    """Have orphaned descendants become children of this process (Linux; elsewhere nothing happens)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Return the ids of this process's children, zombies included (Linux; elsewhere an empty list)."""
    me = os.getpid()
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{me}/children").read_bytes().split()]
    except OSError:  # a kernel built without that file, or no /proc at all
        return [pid for pid, parent in _parents() if parent == me]


def descendants(until: float = math.inf) -> list[int]:
    """Return the ids of all processes below this one, parents before their children (Linux; elsewhere none).

    Once the monotonic clock says `until` it looks no further.
    """
    found = ahead = children()
    while ahead:
        below: list[int] = []
        for pid in ahead:
            if time.monotonic() >= until:
                return found
            with suppress(OSError, ValueError):
                below += [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()]
        found, ahead = found + below, below
    return found


def _parents() -> list[tuple[int, int]]:
    found = []
    for name in os.listdir("/proc") if Path("/proc").is_dir() else []:  # noqa: PTH208
        with suppress(OSError, ValueError):
            if name.isdigit():
                stat = Path("/proc", name, "stat").read_bytes()
                found.append((int(name), int(stat[stat.rindex(b")") + 2 :].split()[1])))
    return found


class Bell:
    """Wakes a select when a signal comes in, so that no signal is missed between a check and a wait."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def wait(self, fds: Sequence[int], timeout_s: float) -> list[int]:
        """Return those of `fds` that are readable, after a signal, after one is, or after `timeout_s`."""
        ready, _, _ = select.select([self._reader, *fds], [], [], max(0.0, timeout_s))
        if self._reader in ready:
            with suppress(BlockingIOError):
                os.read(self._reader, 4096)
        return [fd for fd in ready if fd != self._reader]


class Tree:
    """All processes of an attempt, one stage after another.

    Attributes:
        cpu_s: CPU seconds of every process reaped so far, with those that they waited for.
        max_rss_mb: largest resident MiB seen: of one process by the kernel, of all together by `sample`. At least
            the keeper's own size, because the kernel counts from the fork on.
    """

    def __init__(self, bell: Bell) -> None:
        self.cpu_s = 0.0
        self.max_rss_mb = 0.0
        self._bell = bell
        self._codes: dict[int, int] = {}
        self._mains: dict[int, Sandbox] = {}
        self._groups: list[Group] = []
        self._empty = True

    def start(self, command: Command, sandbox: Sandbox) -> int:
        """Start a main process of a stage and return its id. It dies with the keeper (Linux); what it forked by then
        may not, unless the sandbox has a process namespace.

        Raises:
            OSError: the command cannot be started; it has a `filename` unless the machine is to blame.
        """
        parent = os.getpid()

        def prepare() -> None:
            if command.group:
                command.group.join()
            become(command.view.user)
            if _libc is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)  # forgotten when the user changes
                if os.getppid() != parent:  # the keeper died before the line above
                    os._exit(1)
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            if command.one_group and seccomp.supported():
                with suppress(OSError):  # where the kernel refuses filters it is said not to hold
                    seccomp.enter(seccomp.no_sessions())
            sandbox.enter(command.view)
            for kind, bound in command.limits:
                _lower(kind, bound)

        if command.group:
            self._groups.append(command.group)
        argv, extra = sandbox.wrap(command.argv, command.view)
        try:
            process = subprocess.Popen(
                argv,
                cwd=command.view.cwd,
                env=command.env,
                stdin=subprocess.DEVNULL,
                stdout=command.output,
                stderr=command.output,
                pass_fds=[*command.keep, *extra],
                start_new_session=True,
                preexec_fn=prepare,  # noqa: PLW1509 - the keeper has one thread
            )
        except subprocess.SubprocessError as error:  # `prepare` failed: the walls or limits cannot be had
            raise OSError(f"the {sandbox.name} sandbox cannot be entered: {error}") from error
        finally:
            for fd in extra:
                os.close(fd)
        process.returncode = 0  # we reap it, with its usage; Popen need not
        self._codes.pop(process.pid, None)
        self._mains[process.pid], self._empty = sandbox, False
        return process.pid

    def exit_code(self, main: int) -> int | None:
        """Return the exit code of a process that `start` returned, None while it runs; negative: minus a signal's."""
        return self._codes.get(main)

    def reap(self) -> None:
        """Collect every process that has ended, and its usage."""
        while not self._empty:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._empty = True
                return
            if not pid:
                return
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.max_rss_mb = max(self.max_rss_mb, usage.ru_maxrss * _MAXRSS_MB)
            if pid in self._mains:
                self._codes[pid] = self._mains[pid].exit_code(os.waitstatus_to_exitcode(status))

    def kill(self) -> int:
        """Kill the whole tree and return when it is dead: how many processes the main ones had left behind.

        Waits as long as it takes: a process that the kernel cannot end still holds its memory and devices.
        """
        left, pause = set[int](), _PAUSE_S[0]
        self._kill_sessions()
        while not self._empty:
            for group in self._groups:
                group.kill()
            for pid in children():
                left.add(pid)
                _kill(pid)
            self.reap()
            if not self._empty:
                self._bell.wait([], pause)
                pause = min(2 * pause, _PAUSE_S[1])
                self.reap()
        self._kill_sessions()
        for group in self._groups:
            group.remove()
        left -= self._mains.keys()
        self._mains, self._groups = {}, []
        return len(left)

    def sample(self, until: float = math.inf) -> None:
        """Measure the resident size of all processes together (Linux), in the time that is left before `until`.

        Many busy processes leave the keeper little of the processor, and a limit must not wait for a measurement.
        """
        total = 0.0
        for pid in descendants(until):
            if time.monotonic() >= until:
                break
            with suppress(OSError, ValueError, IndexError):
                total += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_MB
        self.max_rss_mb = max(self.max_rss_mb, total)

    def _kill_sessions(self) -> None:
        # Once a main process is reaped its group's id may be another's, so on Linux the subreaper does it all.
        for main in self._mains:
            if main not in self._codes or not LINUX:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(main, signal.SIGKILL)


def _kill(child: int) -> None:
    """Kill a child that was not reaped, so that its id is not another's, and its process group: in one step, so that
    a group whose members fork faster than they can be listed cannot get away."""
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(child)
        os.kill(child, signal.SIGKILL)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)


def _lower(kind: int, bound: int) -> None:
    most = resource.getrlimit(kind)[1]
    bound = bound if most == resource.RLIM_INFINITY else min(bound, most)
    hard = bound + 2 if kind == resource.RLIMIT_CPU and bound + 2 <= most % (1 << 63) else bound
    with suppress(OSError, ValueError):  # macOS refuses some limits; the plain sandbox's LIMITS say so
        resource.setrlimit(kind, (bound, hard))
