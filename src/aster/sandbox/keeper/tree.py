"""The processes of a stage: started in a session of their own, counted, and killed to the last one.

On Linux the keeper is a *child subreaper*: whatever a stage forks, however often and into whatever session, becomes
the keeper's child when its parent dies. So "no children" means "the whole tree is dead", and killing the children
until there are none needs neither names nor process groups. Elsewhere only the process group is killed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
_MAXRSS_MB = 1 / 1024 if LINUX else 1 / (1 << 20)  # ru_maxrss is KiB on Linux, bytes on macOS
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None

Limits = Sequence[tuple[int, int]]


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
        exit_code: of the stage's main process; None while it runs. Negative: minus the number of a signal.
    """

    def __init__(self, bell: Bell) -> None:
        self.cpu_s = 0.0
        self.max_rss_mb = 0.0
        self.exit_code: int | None = None
        self._bell = bell
        self._main = 0
        self._empty = True

    def start(self, argv: list[str], cwd: str, env: dict[str, str], output: int, keep: list[int], lim: Limits) -> None:
        """Start the main process of a stage, with stdin empty, both outputs to `output`, and `keep` as its only
        other descriptors. It dies with the keeper (Linux); what it forked by then may not.

        Raises:
            OSError: the command cannot be started; it has a `filename` unless the machine is to blame.
        """
        parent = os.getpid()

        def prepare() -> None:
            if _libc is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
                if os.getppid() != parent:  # the keeper died before the line above
                    os._exit(1)
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for kind, bound in lim:
                _lower(kind, bound)

        self.exit_code, self._main = None, 0
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=keep,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - the keeper has one thread
        )
        process.returncode = 0  # we reap it, with its usage; Popen need not
        self._main, self._empty = process.pid, False

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
            if pid == self._main:
                self.exit_code = os.waitstatus_to_exitcode(status)

    def kill(self) -> int:
        """Kill the whole tree and return when it is dead: how many processes the main one had left behind.

        Waits as long as it takes: a process that the kernel cannot end still holds its memory and devices.
        """
        left, pause = set[int](), 0.001
        self._kill_group()
        while not self._empty:
            for pid in children():
                left.add(pid)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)  # ours and not reaped, so the id is not another's
            self.reap()
            if not self._empty:
                self._bell.wait([], pause)
                pause = min(2 * pause, 1.0)
                self.reap()
        self._kill_group()
        return len(left - {self._main})

    def sample(self) -> None:
        """Measure the resident size of all processes together (Linux)."""
        total, ahead = 0.0, children() if LINUX else []
        while ahead:
            pid = ahead.pop()
            with suppress(OSError, ValueError, IndexError):
                total += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_MB
                ahead += [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()]
        self.max_rss_mb = max(self.max_rss_mb, total)

    def _kill_group(self) -> None:
        # Once the main process is reaped its group's id may be another's, so on Linux the subreaper does it all.
        if self._main and (self.exit_code is None or not LINUX):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._main, signal.SIGKILL)


def _lower(kind: int, bound: int) -> None:
    most = resource.getrlimit(kind)[1]
    bound = bound if most == resource.RLIM_INFINITY else min(bound, most)
    hard = bound + 2 if kind == resource.RLIMIT_CPU and bound + 2 <= most % (1 << 63) else bound
    with suppress(OSError, ValueError):  # macOS refuses some limits; the plain sandbox's LIMITS say so
        resource.setrlimit(kind, (bound, hard))
