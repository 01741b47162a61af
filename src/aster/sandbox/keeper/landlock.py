"""Landlock: the kernel's walls for those who may not make namespaces. With it a filter of system calls.

A process that entered sees the same names as everybody, but may open only what its view names. It keeps no
capabilities, makes no sockets, and reaches no process outside.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterator

from . import seccomp
from .walls import View, covers, outermost

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_CAPSET = {"x86_64": 126}.get(os.uname().machine, 91)
_VERSION_FLAG, _RULE_PATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)
_ALL_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP = 3
_SCOPES = 3  # abstract sockets, signals
_PR_SET_NO_NEW_PRIVS = 38
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


SINCE = {
    2: "With this kernel, files cannot be moved between folders inside.",
    3: "With this kernel, files outside that you may write can be emptied, though not read or written.",
    6: "With this kernel, signals reach your other processes: an attempt can end another's.",
}
"""Version of Landlock -> what older ones leave open."""


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr; older kernels take its beginning."""

    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Return the version of the kernel's Landlock, 0 if it has none."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return max(0, int(libc.syscall(_CREATE, None, 0, _VERSION_FLAG)))
    except (OSError, AttributeError):
        return 0


class Landlock:
    """Confines by rules that the process itself takes on, and that nothing takes off again."""

    name = "landlock"

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._version = version()

    def wrap(self, argv: list[str], view: View) -> tuple[list[str], list[int]]:
        del view
        return argv, []

    def enter(self, view: View) -> None:
        self._give_up_privileges()
        everything = _ALL_BY_VERSION[min(self._version, 5)]
        rules = self._ruleset(everything)
        for path in ("/proc", *_readable(view)):
            self._allow(rules, path, _READ)
        for path in _around(view):
            self._allow(rules, path, _READ_DIR)
        for path in (*_DEVICES, *view.devices):
            self._allow(rules, path, everything & _FILE_RIGHTS & ~_EXECUTE)
        for path in view.write:
            self._allow(rules, path, everything)
        if view.devices:  # NVIDIA's driver names its threads there, and does not start where it may not
            self._allow(rules, "/proc/self/task", everything & (_READ | _WRITE_FILE | _TRUNCATE))
        self._check(self._libc.syscall(_RESTRICT, rules, 0), "Landlock's rules are refused")
        os.close(rules)
        seccomp.enter(seccomp.program(sockets=False, listeners=bool(view.devices), attributes=bool(view.user)))

    def exit_code(self, code: int) -> int:
        return code

    def _give_up_privileges(self) -> None:
        """Without capabilities, and with no new ones from whatever is run, root too is nobody special."""
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        self._check(self._libc.syscall(_CAPSET, header, none), "capabilities cannot be given up")
        self._check(self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "privileges cannot be fixed")

    def _ruleset(self, everything: int) -> int:
        asked = Ruleset(everything, _TCP if self._version >= 4 else 0, _SCOPES if self._version >= 6 else 0)
        size = 24 if self._version >= 6 else 16 if self._version >= 4 else 8
        made = self._libc.syscall(_CREATE, ctypes.byref(asked), size, 0)
        self._check(made, "Landlock cannot be used")
        return int(made)

    def _allow(self, rules: int, path: str, rights: int) -> None:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # this machine lacks it
            return
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _FILE_RIGHTS
        rule = Beneath(rights, place)
        done = self._libc.syscall(_ADD, rules, _RULE_PATH, ctypes.byref(rule), 0)
        os.close(place)
        self._check(done, f"Landlock refuses a rule for {path}")

    def _check(self, answer: int, text: str) -> None:
        if answer < 0:
            raise OSError(ctypes.get_errno(), text)


def _readable(view: View) -> Iterator[str]:
    """Yield what to allow so that all that is read is, but for what is hidden: rules only ever add."""
    for root in _roots(view):
        yield from _without(root, [path for path in view.hidden if covers(root, path)])
    yield from view.own


def _roots(view: View) -> list[str]:
    """Return what is read by its real paths: under another name something hidden would not be known."""
    return outermost(os.path.realpath(path) for path in view.read)


def _without(root: str, hidden: list[str]) -> Iterator[str]:
    if not hidden:
        yield root
    elif root not in hidden and os.path.isdir(root):  # noqa: PTH112
        for name in os.listdir(root):  # noqa: PTH208
            path = f"{root.rstrip('/')}/{name}"
            if os.path.islink(path):  # noqa: PTH114
                continue  # a rule for it would be one for what it leads to, which may be what is hidden
            yield from _without(path, [each for each in hidden if covers(path, each)])


def _around(view: View) -> Iterator[str]:
    """Yield the folders that hold something hidden: their lists of names may be read."""
    for root in _roots(view):
        for path in view.hidden:
            while path != root and covers(root, path):
                path = os.path.dirname(path)  # noqa: PTH120
                yield path
