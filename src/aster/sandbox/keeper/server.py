"""The fork server: one a campaign folder, it turns a request into a keeper by a fork.

A request is a JSON line {"attempt": FOLDER}; the answer {"pid": KEEPER} or {"error": TEXT}. The server reads what
the problem's trusted files hold once, so keepers have it in memory from birth. It outlives the campaign, leaves when
nobody is connected and no keeper is left, and is itself a subreaper: what a killed keeper leaves behind becomes its
child, and is killed.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from . import attempt
from .files import sha256
from .locks import Leases, try_lock
from .spec import Spec, decode_spec
from .tree import Bell, become_subreaper, children

IDLE_S = 5.0
LOCK = "keeper.lock"
_LINE = 1 << 16
_STARTING_S = 10
_MOST_FDS = 1 << 16


def socket_path(folder: str) -> str:
    """Return where the server of `folder` (absolute, resolved) listens.

    In the folder itself, or, because such a path may have about 100 bytes, in a private folder under /tmp.
    """
    inside = f"{folder}/keeper.sock"
    if len(os.fsencode(inside)) < 100:
        return inside
    return f"/tmp/aster-{os.getuid()}/{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"


def start(folder: str, path: str) -> None:
    """Become the server of `folder`, or find that there is one; either way a server listens on return.

    The caller's process returns; the server goes on in a process and session of its own.
    """
    os.umask(0o077)
    lock = try_lock(f"{folder}/{LOCK}")
    if lock is None and _answers(path):
        return
    if lock is None:  # one that is just leaving: it drops the lock last
        lock = os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CLOEXEC)
        signal.alarm(_STARTING_S)
        fcntl.flock(lock, fcntl.LOCK_EX)
        signal.alarm(0)
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    listener.setblocking(False)
    if os.fork():
        return
    _detach(folder)
    try:
        Server(folder, path, listener).serve()
    except BaseException:  # noqa: BLE001 - nobody is above us to see it: it goes to keeper.log
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def _detach(folder: str) -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    trouble = os.open(f"{folder}/keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, target in ((null, 0), (null, 1), (trouble, 2)):
        os.dup2(fd, target)
    os.close(trouble)
    os.close(null)


class Server:
    """Serves requests until idle."""

    def __init__(self, folder: str, path: str, listener: socket.socket) -> None:
        self.attempts = f"{folder}/attempts"
        self.path, self.listener = path, listener
        self.clients: dict[socket.socket, bytes] = {}
        self.keepers: set[int] = set()
        self.trusted: dict[str, bytes] = {}
        become_subreaper()
        self.bell = Bell()
        gc.freeze()  # what exists now is never collected, so a keeper's collector leaves the shared pages alone

    def serve(self) -> None:
        """Return when nobody needs the server, or when its socket was deleted and nobody can find it."""
        idle_since = time.monotonic()
        orphans = False
        while Path(self.path).exists():
            fds = [self.listener.fileno(), *(client.fileno() for client in self.clients)]
            ready = self.bell.wait(fds, 0.05 if orphans else 1.0)
            orphans = self._reap()
            if self.listener.fileno() in ready:
                with suppress(BlockingIOError, ConnectionError):  # it may be gone again
                    self.clients[self.listener.accept()[0]] = b""
            for client in [each for each in self.clients if each.fileno() in ready]:
                self._hear(client)
            if self.clients or self.keepers or orphans:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_S:
                Path(self.path).unlink(missing_ok=True)

    def _reap(self) -> bool:
        """Collect keepers that ended and kill what dead ones left; return whether some of that still lives."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG | os.WUNTRACED))[0]:
                pid, status = found
                if os.WIFSTOPPED(status):  # a stopped keeper would keep no limit
                    os.kill(pid, signal.SIGCONT)
                else:
                    self.keepers.discard(pid)
        left = [pid for pid in children() if pid not in self.keepers]
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return bool(left)

    def _hear(self, client: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = client.recv(_LINE)
        *lines, rest = (self.clients[client] + data).split(b"\n")
        self.clients[client] = rest
        for line in lines:
            answer = self._answer(line)
            with suppress(OSError):
                client.sendall(json.dumps(answer).encode() + b"\n")
        if not data or len(rest) > _LINE:
            del self.clients[client]
            client.close()

    def _answer(self, line: bytes) -> dict[str, object]:
        try:
            return {"pid": self._launch(json.loads(line)["attempt"])}
        except (OSError, ValueError, TypeError, KeyError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _launch(self, folder: str) -> int:
        """Fork a keeper. It holds the attempt's lock, and its GPUs if they were free, before this returns."""
        if os.path.dirname(folder) != self.attempts or os.path.realpath(folder) != folder:  # noqa: PTH120
            raise ValueError(f"{folder} is no attempt of this campaign")
        spec = decode_spec(Path(folder, "spec.json").read_bytes())
        self._load(spec)
        alive = try_lock(f"{folder}/alive")
        if alive is None:  # asked twice: an answer was lost
            return int(Path(folder, "alive").read_bytes())
        leases = Leases(spec.leases, spec.gpus)
        try:
            leases.take()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the keeper can hear it
            pid = os.fork()
            if not pid:
                self._become_keeper(folder, spec, leases, alive)
            os.pwrite(alive, b"%d" % pid, 0)
            self.keepers.add(pid)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            leases.close()
            os.close(alive)

    def _become_keeper(self, folder: str, spec: Spec, leases: Leases, alive: int) -> None:
        try:
            os.pwrite(alive, b"%d" % os.getpid(), 0)  # here too: the server may be killed before it can
            signal.set_wakeup_fd(-1)  # the server's bell is not ours
            os.setsid()
            _close_all_but({0, 1, 2, alive, *leases.taken.values()})
            become_subreaper()
            attempt.keep(folder, spec, self.trusted, leases)
        except BaseException:  # noqa: BLE001 - it must not go on as a second server; keeper.log gets it
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0)

    def _load(self, spec: Spec) -> None:
        for digest in spec.trusted_files.values():
            if digest not in self.trusted:
                data = Path(spec.store, digest).read_bytes()
                if sha256(data) != digest:
                    raise ValueError(f"trusted file {digest} is damaged")
                self.trusted[digest] = data


def _close_all_but(keep: set[int]) -> None:
    first = 0
    for fd in sorted(keep):
        if fd > first:  # an empty range closes everything: CPython passes the kernel the end -1
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, _MOST_FDS)
