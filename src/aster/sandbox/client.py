"""Asking the campaign folder's fork server for keepers, and starting it where there is none."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from aster.errors import ExecutorError
from aster.sandbox.keeper.server import socket_path

_PROGRAM = Path(__file__).parent / "keeper"
_ANSWER_S = 30.0
_START_S = 30.0


class Refused(ExecutorError):
    """The server could not start a keeper."""


class KeeperClient:
    """A connection to the fork server of `folder`. While it is open the server stays. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket: socket.socket | None = None

    def launch(self, attempt: Path) -> int:
        """Start a keeper for the attempt folder, and return its process id once it holds the attempt's lock.

        Raises:
            Refused: the server is there but could not.
            ExecutorError: there is no server and none can be started.
        """
        request = json.dumps({"attempt": str(attempt)}).encode() + b"\n"
        # A server may leave, or be killed, at any moment; asking a new one again is safe: an attempt has one keeper.
        for _ in range(3):
            with suppress(OSError, EOFError):
                return self._ask(request)
            self.close()
        raise ExecutorError(
            f"the keeper server of {self._folder} does not answer; its troubles are in keeper.log there"
        )

    def close(self) -> None:
        """Hang up; keepers go on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: bytes) -> int:
        if self._socket is None:
            self._socket = self._connect()
        self._socket.sendall(request)
        line = b""
        while not line.endswith(b"\n"):
            data = self._socket.recv(4096)
            if not data:
                raise EOFError
            line += data
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(f"no keeper could be started: {answer['error']}")
        return int(answer["pid"])

    def _connect(self) -> socket.socket:
        path = socket_path(str(self._folder.resolve()))
        if found := _dial(path):
            return found
        # Two clients may find no server at once: one starts it while the other waits for this lock.
        with (self._folder / "keeper.starting").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            found = _dial(path)
            if found is None:
                self._start(path)
                found = _dial(path)
        if found is None:
            raise ExecutorError(f"the keeper server of {self._folder} was started but does not listen at {path}")
        return found

    def _start(self, path: str) -> None:
        if not path.startswith(str(self._folder.resolve())):
            _private_folder(Path(path).parent)
        argv = [sys.executable, "-I", "-S", str(_PROGRAM), "serve", str(self._folder.resolve()), path]
        # A bare environment: what candidates can read of the server's holds none of our keys.
        env = {"PATH": os.environ.get("PATH", os.defpath)}
        try:
            done = subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_START_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ExecutorError(f"the keeper server of {self._folder} did not start in {_START_S:.0f} s") from error
        if done.returncode < 0:
            raise ConnectionAbortedError("the server was killed while it started")  # `launch` tries again
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise ExecutorError(
                f"the keeper server of {self._folder} does not start (exit code {done.returncode}): "
                f"{said[-1] if said else 'it says nothing; is another one hanging?'}"
            )


def _dial(path: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    connection.settimeout(_ANSWER_S)
    return connection


def _private_folder(path: Path) -> None:
    """Make a folder for sockets that only we can enter.

    Raises:
        ExecutorError: the name is taken by something that is not ours.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if path.is_symlink() or not path.is_dir() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ExecutorError(f"{path} exists but is not a private folder of yours; remove it, it only holds sockets")
