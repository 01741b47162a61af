"""Which sandboxes and control groups work here, found out by trying them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from . import cgroups, landlock, seccomp
from .bubblewrap import Bubblewrap
from .landlock import Landlock
from .walls import FIRST_USER, Sandbox, View, become

_TRIAL = "import os, sys; sys.stdout.write('inside'); sys.stdout.flush(); os._exit(0)"
_TRIAL_S = 10
_NO_BWRAP = "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)"


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        program: path of bwrap, "" where there is none. `sized`: it can bound files in memory.
        bubblewrap, landlock: why the sandbox does not work here; "" if it does.
        landlock_version: of the kernel; 0 for none.
        groups: as in `Walls`.
        own_user: sandboxes in which root can give an attempt a user of its own that runs this interpreter.
    """

    program: str
    sized: bool
    bubblewrap: str
    landlock: str
    landlock_version: int
    groups: dict[str, str] = field(default_factory=dict)
    own_user: list[str] = field(default_factory=list)


def probe(read: Sequence[str], interpreter: str = sys.executable) -> Probe:
    """Try everything with a Python that sees `read`."""
    program = shutil.which("bwrap") or ""
    sized = bool(program) and _version_of(program) >= (0, 7)
    with tempfile.TemporaryDirectory(prefix="aster-try-") as folder:
        view = View(folder, (folder,), tuple(read))
        os.chmod(folder, 0o711)  # noqa: PTH101 - a user of the attempt's own has to get through
        own = replace(view, user=FIRST_USER)
        bwrap, lock = Bubblewrap(program, sized), Landlock()
        no_bwrap = _try(bwrap, view, interpreter) if program else _NO_BWRAP
        no_lock = _why_no_landlock() or _try(lock, view, interpreter)
        walled: list[Sandbox] = [each for each, why_not in ((bwrap, no_bwrap), (lock, no_lock)) if not why_not]
        return Probe(
            program=program,
            sized=sized,
            bubblewrap=no_bwrap,
            landlock=no_lock,
            landlock_version=landlock.version(),
            groups=cgroups.find_parents(),
            own_user=[each.name for each in walled if os.getuid() == 0 and not _try(each, own, interpreter)],
        )


def _why_no_landlock() -> str:
    if not sys.platform.startswith("linux"):
        return "Landlock is a part of Linux"
    if not seccomp.supported():
        return f"the system calls of {os.uname().machine} processors are not known to it"
    return "" if landlock.version() else "this kernel has no Landlock, or has it switched off"


def _try(sandbox: Sandbox, view: View, interpreter: str) -> str:
    """Return why a command does not run in `sandbox`, or ""."""

    def enter() -> None:
        become(view.user)
        sandbox.enter(view)

    try:
        argv, kept = sandbox.wrap([interpreter, "-I", "-S", "-c", _TRIAL], view)
        done = subprocess.run(
            argv,
            cwd=view.cwd,
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_S,
            pass_fds=kept,
            preexec_fn=enter,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"it fails here: {error}"
    if done.stdout == b"inside":
        return ""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"it fails here: {said[-1] if said else f'exit code {done.returncode}'}"


def _version_of(program: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_TRIAL_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", said.stdout)[:2])
