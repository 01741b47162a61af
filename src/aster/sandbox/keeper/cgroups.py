"""Control groups, version 2 or 1: limits for all processes of a stage together, and a sure way to kill them.

A group is a folder; which controllers there are, and where groups can be made, differs between machines and is found
by trying. Where none can be made all of this does nothing, and limits for each process remain.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

CONTROLLERS = ("memory", "pids", "cpu")
UNIFIED = "unified"
"""The key of a version 2 folder, in which the controllers that `limits` finds files of are used."""
_PERIOD_US = 100_000
_EMPTY_S = 2.0


def most_processes(cpus: int) -> int:
    """Return how many processes and threads a stage with so many cores may have."""
    return 128 + 32 * cpus


class Group:
    """The control groups of one stage: a folder `name` under each of `parents` (controller -> folder).

    Making it changes nothing if it exists already: a group left by a dead keeper is taken over.
    """

    def __init__(self, parents: Mapping[str, str], name: str) -> None:
        self._folders = {key: f"{parent}/{name}" for key, parent in parents.items()}

    def make(self, memory_mb: int, cpus: int) -> None:
        """Make the folders and set limits: MiB in memory of all kinds, processes, seconds of CPU a second.

        Raises:
            OSError: one cannot be made.
        """
        for folder in self._folders.values():
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755)  # noqa: PTH102
        for file, value in _settings(memory_mb << 20, cpus):
            for folder in self._folders.values():
                with suppress(FileNotFoundError, PermissionError):  # another version's or controller's file
                    _write(f"{folder}/{file}", value)

    def join(self) -> None:
        """Put the calling process, and all that it starts from now on, into the group.

        Raises:
            OSError: it cannot join, so the limits would not hold.
        """
        for folder in self._folders.values():
            _write(f"{folder}/cgroup.procs", "0")

    def members(self) -> list[int]:
        """Return the ids of the living processes in the group."""
        found = set[int]()
        for folder in self._folders.values():
            with suppress(OSError):
                found |= {int(pid) for pid in Path(folder, "cgroup.procs").read_bytes().split()}
        return sorted(found)

    def kill(self) -> None:
        """Send SIGKILL to all that is in the group; where groups are new enough, in one step that none escapes."""
        for folder in self._folders.values():
            for file, value in (("pids.max", "0"), ("cgroup.kill", "1")):
                with suppress(OSError):
                    _write(f"{folder}/{file}", value)
        for pid in self.members():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the group because it had reached its memory."""
        for folder in self._folders.values():
            for file in ("memory.events", "memory.oom_control"):
                with suppress(OSError):
                    words = Path(folder, file).read_text().split()
                    if dict(zip(words[::2], words[1::2], strict=False)).get("oom_kill", "0") != "0":
                        return True
        return False

    def remove(self) -> bool:
        """Delete the folders, once nothing is in them; return whether all are gone."""
        for folder in self._folders.values():
            until = time.monotonic() + _EMPTY_S
            while os.path.isdir(folder) and time.monotonic() < until:  # noqa: PTH112
                try:
                    os.rmdir(folder)  # noqa: PTH106
                except OSError:  # the last process is dead, but not yet out of it
                    time.sleep(0.001)
        return not any(os.path.isdir(folder) for folder in self._folders.values())  # noqa: PTH112


def find_parents() -> dict[str, str]:
    """Return controller -> folder in which this process may make groups and put its children; {} where it may not.

    On a machine with version 2 the only key is `UNIFIED`, and the folder's groups limit memory and processes.
    """
    mounts, mine = _mounts(), _own_groups()
    unified = mounts.get("")
    if unified is not None:
        for folder in _upwards(unified, mine.get("", "/")):
            if _controls(folder) and _works(folder):
                return {UNIFIED: folder}
    found = {}
    for key in CONTROLLERS:
        if key in mounts:
            folder = f"{mounts[key]}{mine.get(key, '/')}".rstrip("/")
            if _works(folder):
                found[key] = folder
    return found


def _mounts() -> dict[str, str]:
    """Return controller -> where its hierarchy is mounted; "" is version 2's."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            front, _, back = line.partition(" - ")
            place, kind, options = front.split()[4], back.split()[0], back.split()[-1]
            if kind == "cgroup2":
                found.setdefault("", place)
            elif kind == "cgroup":
                for key in options.split(","):
                    found.setdefault(key, place)
    return found


def _own_groups() -> dict[str, str]:
    """Return controller -> path of this process's group below the mount; "" is version 2's."""
    found = {}
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, keys, path = line.split(":", 2)
            found.update(dict.fromkeys(keys.split(","), path))
    return found


def _upwards(mount: str, path: str) -> list[str]:
    """Return the folders from that of `path` up to `mount`: a group with processes may have no limited children."""
    parts = [part for part in path.split("/") if part]
    return [mount + "".join(f"/{part}" for part in parts[:count]) for count in range(len(parts), -1, -1)]


def _controls(folder: str) -> bool:
    """Whether groups made in a version 2 folder have limits on memory and processes."""
    wanted = Path(folder, "cgroup.subtree_control")
    for attempt in range(2):
        try:
            if {"memory", "pids"} <= set(wanted.read_text().split()):
                return True
            if attempt == 0:
                _write(str(wanted), "+memory +pids")
        except OSError:
            return False
    return False


def _works(parent: str) -> bool:
    """Whether a group can be made in `parent` and a child of ours put into it."""
    group = Group({"": parent}, f"aster-try-{os.getpid()}")
    try:
        group.make(64, 1)
        if child := os.fork():
            return os.waitpid(child, 0)[1] == 0
        with suppress(OSError):
            group.join()
            os._exit(0)
        os._exit(1)
    except OSError:
        return False
    finally:
        group.remove()


def _settings(memory: int, cpus: int) -> list[tuple[str, str]]:
    quota = str(cpus * _PERIOD_US)
    return [
        ("memory.max", str(memory)),
        ("memory.swap.max", "0"),
        ("memory.limit_in_bytes", str(memory)),
        ("memory.memsw.limit_in_bytes", str(memory)),
        ("pids.max", str(most_processes(cpus))),
        ("cpu.max", f"{quota} {_PERIOD_US}"),
        ("cpu.cfs_quota_us", quota),
    ]


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY)  # never made: a missing file is another version's
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
