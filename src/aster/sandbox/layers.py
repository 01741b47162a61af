"""Which walls this machine offers, which of them an attempt gets, and what they do not stop."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from aster.errors import ExecutorError, UserError
from aster.sandbox.interpreter import footprint
from aster.sandbox.keeper.landlock import SINCE
from aster.sandbox.keeper.probe import Probe
from aster.sandbox.keeper.walls import CONFIGURATION, SYSTEM, Walls, covers

_PROGRAM = Path(__file__).parent / "keeper"
_PROBE_S = 60.0

SandboxName = Literal["auto", "bubblewrap", "landlock", "plain"]
SANDBOXES: tuple[SandboxName, ...] = ("auto", "bubblewrap", "landlock", "plain")
"""What a sandbox can be chosen as; "auto" takes the strongest that works."""

GPU_NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps", "/dev/nvidia-modeset")


class Needs(NamedTuple):
    """What a problem's attempts need of the machine beside the system. All paths are absolute.

    Attributes:
        interpreter: what "python" means; "": the one that runs Aster.
        read: files and folders that every stage may read.
        private: those that only some stages are shown.
        hidden: those that no stage may see, unless they are its own.
        open: whether every user of the machine may read what they may; else attempts have no users of their own.
    """

    interpreter: str = ""
    read: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    open: bool = True


NOTHING = Needs()


@cache
def probe_machine(interpreter: str = "") -> Probe:
    """Return what works here with a Python ("": ours), tried once for each process (about 60 ms).

    Raises:
        UserError: the interpreter does not run at all.
        ExecutorError: the trial itself cannot be run.
    """
    tried = interpreter or sys.executable
    argv = [sys.executable, "-I", "-S", str(_PROGRAM), "probe", tried, *readable(interpreter)]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_S, check=False)
        return msgspec.json.decode(done.stdout, type=Probe)
    except subprocess.TimeoutExpired as error:
        why = f"that takes more than {_PROBE_S:.0f} s; is it overloaded?"
        raise ExecutorError(f"the sandboxes of this machine cannot be tried: {why}") from error
    except (OSError, msgspec.DecodeError) as error:
        said = [str(error)] if isinstance(error, OSError) else done.stderr.decode(errors="replace").splitlines()
        raise ExecutorError(f"the sandboxes of this machine cannot be tried: {said[-1] if said else error}") from error


def readable(interpreter: str = "") -> list[str]:
    """Return what every stage may read: the system's programs and libraries, and a Python ("": ours) with its packages.

    Raises:
        UserError: the interpreter does not run.
    """
    debian = [str(path) for path in Path("/etc").glob("python3*")]  # what sitecustomize is a link to
    parts = footprint(interpreter or sys.executable)
    found = [*SYSTEM, *CONFIGURATION, *debian, *parts, *(os.path.realpath(path) for path in parts)]
    return sorted({path for path in found if os.path.exists(path) and path != "/"})  # noqa: PTH110


def choose_walls(
    wanted: SandboxName,
    campaign: Path,
    nodes: Mapping[str, str],
    *,
    required: bool = False,
    service: bool = False,
    needs: Needs = NOTHING,
) -> Walls:
    """Return the walls for the attempts of a campaign.

    Args:
        wanted: a sandbox's name; "auto" takes the strongest that works.
        campaign: its folder, of which an attempt sees only its own part.
        nodes: GPU UUID -> device node, of all that may be leased.
        required: whether plain processes are refused.
        service: whether the candidate runs beside the evaluator, which plain processes cannot keep apart.
        needs: what the attempts need of the machine.

    Raises:
        UserError: what is wanted does not work here, or the interpreter does not run.
        ExecutorError: the trial of the sandboxes cannot be run.
    """
    probe = probe_machine(needs.interpreter) if needs.interpreter else probe_machine()
    reasons = _reasons(probe)
    name = wanted if wanted != "auto" else _strongest(probe)
    if wanted == "auto" and needs.interpreter and (ours := _strongest(probe_machine())) != name:
        raise UserError(
            f"The interpreter {needs.interpreter} does not run in {ours}, which works here: {reasons[ours]}. What it "
            f"needs may lie outside of its environment. Mend that, or say --sandbox {name} to go on in the weaker one."
        )
    if reasons[name]:
        raise UserError(
            f"The {name} sandbox does not work here: {reasons[name]}. Mend that, or leave out --sandbox to use the "
            f"strongest one that works (`aster doctor` lists them)."
        )
    if name == "plain" and (required or service):
        why = "--require-sandbox asks for more" if required else "this problem's service stage needs more"
        if wanted == "plain":
            raise UserError(f"You chose --sandbox plain, but {why}: leave it out to use the strongest one that works.")
        raise UserError(
            f"Only plain processes would hold candidate code here, and {why}. bubblewrap: "
            f"{probe.bubblewrap}; landlock: {probe.landlock}. Mend one of them."
        )
    read = sorted({*readable(needs.interpreter), *needs.read})
    hidden = [*_hidden(campaign, read), *needs.private, *needs.hidden]
    return Walls(
        sandbox=name,
        program=probe.program if name == "bubblewrap" else "",
        sized=probe.sized,
        read=read,
        hidden=hidden,
        own=[path for path in read if os.path.realpath(path) == path and any(covers(each, path) for each in hidden)],
        nodes=dict(nodes),
        shared_nodes=[node for node in GPU_NODES if os.path.exists(node)] if nodes else [],  # noqa: PTH110
        groups=probe.groups,
        own_user=name in probe.own_user and _open_to_all(campaign, nodes, needs),
    )


def _reasons(probe: Probe) -> dict[SandboxName, str]:
    """Return why each sandbox does not work, "" if it does, the strongest first."""
    return {"bubblewrap": probe.bubblewrap, "landlock": probe.landlock, "plain": ""}


def _strongest(probe: Probe) -> SandboxName:
    return next(name for name, why_not in _reasons(probe).items() if not why_not)


def check_no_weaker(found: str, before: Sequence[str]) -> None:
    """Refuse to go on, unasked, in a weaker sandbox than the last one.

    Raises:
        UserError: the last of `before`, the sandboxes that a campaign ran in, is stronger than `found`.
    """
    if before and SANDBOXES.index(found) > SANDBOXES.index(before[-1]):
        raise UserError(
            f"This campaign ran in {before[-1]}, and the strongest sandbox that works here now is {found} (`aster "
            f"doctor` says why). Mend that, or say --sandbox {found} to go on in the weaker one."
        )


def _open_to_all(campaign: Path, nodes: Mapping[str, str], needs: Needs) -> bool:
    """Whether another user could get to the campaign's attempts, use the devices, and read what is needed."""
    place = campaign.resolve()
    there = [folder for folder in (place, *place.parents) if folder.exists()]
    return (
        needs.open
        and all(folder.stat().st_mode & 0o001 for folder in there)
        and all(os.stat(node).st_mode & 0o006 == 0o006 for node in nodes.values())  # noqa: PTH116
        and all(readable_by_all(Path(path)) for path in (*needs.read, *needs.private))
    )


def readable_by_all(path: Path) -> bool:
    """Whether any user of the machine can get to a file and read it, or to a folder and look at what is in it."""
    need = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & need == need and all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _hidden(campaign: Path, read: Sequence[str]) -> list[str]:
    """Return what no stage may see even where it lies under something readable: campaigns, built-in problems."""
    package, place = Path(__file__).resolve().parents[1], campaign.resolve()
    shared = any(covers(str(place.parent), path) for path in read)  # an environment lies beside the campaigns
    beside = [str(ledger.parent) for ledger in place.parent.glob("*/ledger.db")]
    return [str(package / "_packs"), str(place), *(beside if shared else [str(place.parent)])]


def holds(walls: Walls) -> Sequence[str]:
    """Return sentences that say what `walls` stop."""
    first = {
        "bubblewrap": (
            "Candidate code sees no file of yours: only the system's programs and libraries, the interpreter with its "
            "packages, what the problem gives it, all read-only, and its own folders. Other attempts, the ledger, the "
            "evaluator and data for others are not there.",
            "It has no network, not even to this machine, and sees no process but its own; it has no capabilities, "
            "and the kernel's rarer calls are refused.",
        ),
        "landlock": (
            "Candidate code can open no file of yours: only the system's programs and libraries, the interpreter with "
            "its packages, what the problem gives it, all read-only, and its own folders. Other attempts, the ledger, "
            "the evaluator and data for others are shut.",
            "It can make no sockets, trace no process and gain no rights; the kernel's rarer calls are refused.",
        ),
        "plain": (),
    }
    own, grouped = [_OWN_USER] * walls.own_user, [_GROUPED] * bool(walls.groups)
    return (*first[walls.sandbox], *own, *_HOLDS, *grouped)


_OWN_USER = "Each attempt runs as a user of its own, to whom nothing else on the machine belongs."


_HOLDS = (
    "Each stage runs under a keeper that kills all of its processes at its end, whatever they forked or ignore.",
    "Wall-clock limits hold, and limits on CPU time and file size for each process; an attempt that is found to hold "
    "much of a full disk is ended.",
    "The environment is scrubbed: no keys and tokens of yours reach candidate code through it.",
    "Frozen and trusted files are hashed, so that a changed one makes the attempt invalid; output is bounded.",
)
_GROUPED = "Control groups bound the memory, the processes and the CPU of each attempt as a whole."
_UNGROUPED = (
    "Memory is limited by the address space of each process, not for all of an attempt together, not in files that "
    "lie in memory only, and not at all where a GPU is leased.",
    "CPU time is limited for each process; cores are not reserved, so attempts side by side slow each other down.",
)
_ROOT_FORKS = "The number of processes is not limited: that needs control groups, or an ordinary user."
_USER_FORKS = (
    "The number of processes is limited for all of yours together: what you run besides can leave an attempt without "
    "any, and a fork bomb you."
)
_ONE_GROUP = "Candidate code may not start sessions and process groups, which programs that manage others may miss."
_KERNEL = "A hole in the kernel, or in a driver, is a way out."
_TIMING = (
    "Attempts share caches, memory bandwidth and disks: they can slow each other down, time each other, and fill the "
    "disk with what is not found when it is looked through (deleted files that are open, folders thousands deep)."
)
_SYSTEM_FILES = (
    "Whatever lies under /usr, /nix/store or the interpreter's folder can be read, hidden answers that you installed "
    "there included."
)
_ROOT = (
    "You are root, and attempts cannot have users of their own, so whatever finds a way out of the walls is root "
    "outside: keep campaigns, GPUs, data and the interpreter where other users may get to, or be an ordinary user."
)
_ORPHANS = (
    "If a keeper and its fork server are both killed, processes that left the stage's own process may go on until "
    "the campaign is resumed; they are then found by their control group, or by their environment unless they were "
    "started with another one."
)
_LANDLOCK = (
    "Names and sizes of your files, and the command lines of your processes, can be seen, though not their content, "
    "and files be watched being used.",
    "multiprocessing's locks, and whatever else needs /dev/shm, /tmp or sockets, do not work inside.",
)
_PLAIN = (
    "Candidate code runs as your own user: it can read and change whatever you can, the campaign's folder and hidden "
    "data included.",
    "Hostile code could therefore forge its own outcome; only accidents and simple cheats are caught.",
    "The network is open to candidate code.",
)
_MACOS = "A process that leaves its process group survives its stage, and memory limits may not hold."


def limits(walls: Walls, landlock_version: int) -> list[str]:
    """Return sentences that say what `walls` do not stop on this machine."""
    found = {
        "bubblewrap": [_KERNEL],
        "landlock": [_KERNEL, *_LANDLOCK, _ORPHANS],
        "plain": [*_PLAIN, _ORPHANS],
    }[walls.sandbox]
    if walls.sandbox == "landlock":
        found += [text for least, text in sorted(SINCE.items()) if landlock_version < least]
    if walls.sandbox != "plain":
        found += [_SYSTEM_FILES, *([] if os.getuid() or walls.own_user else [_ROOT])]
    if not walls.groups:
        found += _UNGROUPED
    if not walls.groups and not walls.own_user and (os.getuid() or walls.sandbox != "bubblewrap"):
        found.append(_USER_FORKS if os.getuid() else _ROOT_FORKS)
    if not walls.groups and walls.sandbox != "bubblewrap":
        found.append(_ONE_GROUP)
    if not sys.platform.startswith("linux"):
        found.append(_MACOS)
    return [*found, _TIMING]
