"""bubblewrap: a world of its own, made of namespaces and of selected folders of the machine's.

The candidate is user 1000 without capabilities, with its own processes, network (of which only loopback exists), host
name, semaphores and mounts. What is not in its view does not exist for it.
"""

from __future__ import annotations

import os
import shutil

from . import seccomp
from .walls import View, covers, outermost

_WORLD = (
    *("--unshare-all", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", "sandbox"),
    *("--new-session", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"),
)
_ETC = os.path.join(os.path.dirname(os.path.realpath(__file__)), "etc")  # noqa: PTH118, PTH120
"""Small files that give a name to this machine and to the user."""
_PROCESSES = ("self", "thread-self", "mounts", "net")


class Bubblewrap:
    """Runs commands under `program`, the path of bwrap; `sized`: whether it can bound files in memory (0.7 can)."""

    name = "bubblewrap"

    def __init__(self, program: str, sized: bool) -> None:
        self._program, self._sized = program, sized

    def wrap(self, argv: list[str], view: View) -> tuple[list[str], list[int]]:
        # Root without a user of its own for the attempt owns the devices that /dev shows, and most of /proc.
        rules = seccomp.descriptor(seccomp.program(sockets=True, attributes=os.getuid() != 0 or bool(view.user)))
        size = ["--size", str(view.memory_mb << 20)] if self._sized else []
        memory = [word for path in ("/dev/shm", "/tmp") for word in ("--perms", "1777", *size, "--tmpfs", path)]
        nodes = [word for node in view.devices for word in ("--dev-bind", node, node)]
        return [
            self._program,
            *_WORLD,
            *memory,
            *nodes,
            "--remount-ro",
            "/dev",
            *_settings(view),
            *_readable(view),
            *[word for path in view.own for word in ("--ro-bind", path, path)],
            *[word for path in view.write for word in ("--bind", path, path)],
            "--remount-ro",
            "/",
            "--chdir",
            view.cwd,
            "--seccomp",
            str(rules),
            "--",
            *_counted(view),
            *argv,
        ], [rules]

    def enter(self, view: View) -> None:
        del view

    def exit_code(self, code: int) -> int:
        return -(code - 128) if 128 < code < 128 + 65 else code  # what shells, and bwrap, make of a signal


def _counted(view: View) -> list[str]:
    """Return what runs a command under a limit of its own: inside, the processes of other attempts do not count."""
    program = shutil.which("prlimit", path="/usr/bin:/bin") if os.getuid() else None  # nothing counts for root
    return [program, f"--nproc={view.processes}", "--"] if program else []


def _settings(view: View) -> list[str]:
    """Return the options that shut the kernel's settings. NVIDIA's driver writes names of threads among processes."""
    if not view.devices:
        return ["--remount-ro", "/proc"]
    names = [name for name in sorted(os.listdir("/proc")) if not name.isdigit() and name not in _PROCESSES]  # noqa: PTH208
    return [word for name in names for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")]


def _readable(view: View) -> list[str]:
    """Return the options that bind what is read, and then cover what is hidden in it.

    Each place is bound once, by its real path, so that nothing hidden shows under another name; its other names are
    links.
    """
    words: list[str] = []
    real = {path: os.path.realpath(path) for path in view.read if os.path.exists(path)}  # noqa: PTH110
    roots = outermost(real.values())
    for root in roots:
        words += ["--ro-bind", root, root]
    # A name below another link is there already: by that link's folder, which is read as well.
    for name in outermost(name for name, path in real.items() if name != path):
        if not any(covers(root, name) for root in roots):
            words += ["--symlink", real[name], name]
    for path in view.hidden:
        if any(covers(root, path) for root in roots):
            if os.path.isdir(path):  # noqa: PTH112
                words += ["--perms", "0555", "--tmpfs", path]
            elif os.path.exists(path):  # noqa: PTH110
                words += ["--ro-bind", "/dev/null", path]
    for name in sorted(os.listdir(_ETC)):  # noqa: PTH208
        words += ["--ro-bind", f"{_ETC}/{name}", f"/etc/{name}"]
    return words
