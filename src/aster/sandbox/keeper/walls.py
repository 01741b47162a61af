"""What a stage may see and touch, and the seam that makes it so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
"""Where programs and libraries lie; parts that a machine lacks are left out."""
CONFIGURATION = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/openssl.cnf",
)
"""The parts of /etc that programs need and that tell nothing about the machine's people."""


@dataclass(frozen=True)
class View:
    """What one stage may see. All paths are absolute; what is not named is not there.

    Attributes:
        cwd: where it runs; under one of `write` or `read`.
        write: folders that it may change.
        read: files and folders that it may read and run; what is missing is left out.
        hidden: files and folders under `read` that it may not see.
        own: files and folders that it may read wherever they lie, in something hidden too.
        devices: nodes under /dev that it may use beside the harmless ones.
        memory_mb: MiB that its files in memory (/tmp, /dev/shm) may take, each.
        processes: how many it may have, where a user namespace counts them apart from all others of its user.
        user: id of the user that it becomes before it is confined, who owns `write`; 0: it stays who the keeper is.
    """

    cwd: str
    write: tuple[str, ...]
    read: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    memory_mb: int = 64
    processes: int = 4096
    user: int = 0


@dataclass(frozen=True)
class Walls:
    """Which sandbox an attempt runs in, and what of the machine it may see: part of its spec.

    Attributes:
        sandbox: "bubblewrap", "landlock" or "plain".
        program: path of bwrap; "" where it is not used. `sized`: it can bound files in memory.
        read, hidden: as in `View`, the same for all stages. `own`: what is read though it lies in something hidden.
        nodes: GPU UUID -> its device node; `shared_nodes`: those that every user of a GPU needs.
        own_user: each attempt has a user of its own, which takes a keeper that is root.
        groups: control group controller -> the folder in which groups for stages are made; empty: none can be.
    """

    sandbox: str = "plain"
    program: str = ""
    sized: bool = False
    read: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    nodes: dict[str, str] = field(default_factory=dict)
    shared_nodes: list[str] = field(default_factory=list)
    own_user: bool = False
    groups: dict[str, str] = field(default_factory=dict)


FIRST_USER = 0x70000000
"""From here on ids belong to nobody on a machine that follows systemd's table of users."""


def become(user: int) -> None:
    """Change to a user, and to the group of the same number, for ever; 0 changes nothing.

    Raises:
        OSError: it may not, or there is no such id in this user namespace.
    """
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


class Sandbox(Protocol):
    """Confines one process and all that it starts. The contract suite is `aster.testing.sandboxes`.

    It adds walls to a process that the keeper starts, limits and kills; those are not its business.
    """

    @property
    def name(self) -> str:
        """The name that `Walls.sandbox` has."""
        ...

    def wrap(self, argv: list[str], view: View) -> tuple[list[str], list[int]]:
        """Return the command to start in place of `argv`, and descriptors that it inherits and the caller closes."""
        ...

    def enter(self, view: View) -> None:
        """Confine the calling process: runs between fork and exec, as late as can be.

        Raises:
            OSError: it cannot; the process must not go on.
        """
        ...

    def exit_code(self, code: int) -> int:
        """Return the exit code of `argv` from that of the command that `wrap` returned (minus a signal's number)."""
        ...


class Plain:
    """No walls at all."""

    name = "plain"

    def wrap(self, argv: list[str], view: View) -> tuple[list[str], list[int]]:
        del view
        return argv, []

    def enter(self, view: View) -> None:
        del view

    def exit_code(self, code: int) -> int:
        return code


def covers(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or lies below it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def outermost(paths: Iterable[str]) -> list[str]:
    """Return `paths` in order, without those that lie below another and without repeats."""
    kept: list[str] = []
    for path in sorted(set(paths), key=len):
        if not any(covers(other, path) for other in kept):
            kept.append(path)
    return sorted(kept)
