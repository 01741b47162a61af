"""One stage's command line, environment and limits."""

from __future__ import annotations

import hashlib
import math
import os
import re
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from .cgroups import UNIFIED, most_processes
from .spec import Given, Spec, Stage
from .walls import FIRST_USER, View

MAX_FILE = 16 << 30
"""Bytes that a stage may write to one file."""
MAX_OPEN = 4096
"""Descriptors that a process of a stage may have open."""
CPU_GRACE_S = 5
"""CPU seconds allowed beyond timeout x cpus, so that the wall clock is what normally ends a stage."""
_PLACEHOLDER = re.compile(r"\{(outputs|seed|pictures|data\.[A-Za-z0-9_-]+)\}")
WITHHELD = "/nonexistent"
"""Where data that an attempt may not see is said to be."""
COMPILED = "compiled"
"""The folder in a stage's home for what compilers keep."""
_COMPILERS = {
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "CUDA_CACHE_PATH": "cuda",
    "NUMBA_CACHE_DIR": "numba",
}


class Folders(NamedTuple):
    """Where a stage runs and what it hands on; `pictures` is "" where it draws none."""

    cwd: str
    outputs: str
    home: str
    pictures: str = ""


def command(spec: Spec, stage: Stage, outputs: str, pictures: str) -> list[str]:
    """Return the argv of a stage; "python" is the problem's interpreter, {placeholders} are replaced as text."""
    values = {"outputs": outputs, "seed": str(spec.seed)}
    if stage.trusted:
        values["pictures"] = pictures
    for each in given(spec, stage):
        values[f"data.{each.name}"] = (each.places or [f"{WITHHELD}/{each.name}"])[0]
    argv = [_PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), word) for word in stage.command]
    return [spec.interpreter, *argv[1:]] if argv[0] in ("python", "python3") else argv


def given(spec: Spec, stage: Stage) -> list[Given]:
    """Return what a stage may read of the machine beside the system."""
    return [each for each in spec.given if stage.name in each.stages]


def user_of(spec: Spec) -> int:
    """Return the id of the attempt's own user, or 0."""
    return FIRST_USER + int(_hash(spec.mark)[:6], 16) if spec.walls.own_user else 0


def view(spec: Spec, stage: Stage, folders: Folders, gpus: Sequence[str], library: str) -> View:
    """Return what a stage may see. A service may change nothing but its own home. `library`: modules of ours, or ""."""
    walls = spec.walls
    nodes = [walls.nodes[uuid] for uuid in gpus if uuid in walls.nodes]
    write, own = [folders.home], [library] * bool(library)
    own += [*walls.own, *(place for each in given(spec, stage) for place in each.places)]
    if stage in spec.services:
        own += [folders.cwd, folders.outputs]
    else:
        write += [folders.cwd, folders.outputs]
    if stage.trusted:
        write.append(folders.pictures)
    return View(
        cwd=folders.cwd,
        write=tuple(write),
        read=(*walls.read, *["/sys"] * bool(nodes)),  # where a GPU's driver looks for its devices
        hidden=tuple(walls.hidden),
        own=tuple(own),
        devices=tuple(nodes + walls.shared_nodes * bool(nodes)),
        memory_mb=spec.memory_mb,
        processes=most_processes(spec.cpus),
        user=user_of(spec),
    )


def environment(spec: Spec, gpus: Sequence[str], home: str, channels: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a stage: nothing of ours is passed on.

    Hashes are not randomised (PYTHONHASHSEED=0), so that the order of sets does not change what a seed gives.

    Args:
        channels: variables that name descriptors; ASTER_SCORE is among them only for a trusted stage.
    """
    env = {
        "PATH": os.pathsep.join((os.path.dirname(spec.interpreter), spec.path)),  # noqa: PTH120
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "USER": "candidate",
        "LOGNAME": "candidate",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": f"{home}/pycache",  # not what an earlier stage left beside the sources
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        "ASTER_ATTEMPT": spec.mark,
    }
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        env[f"{library}_NUM_THREADS"] = str(spec.cpus)
    if spec.compiled is not None:
        env |= {name: f"{home}/{COMPILED}/{folder}" for name, folder in _COMPILERS.items()}
    if spec.seed_env:
        env[spec.seed_env] = str(spec.seed)
    return {**env, **channels}


def group_name(mark: str) -> str:
    """Return the name of the control groups of the attempt with this mark."""
    return f"aster-{_hash(mark)[:24]}"


def _hash(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()


def limits(spec: Spec, stage: Stage, with_gpu: bool) -> list[tuple[int, int]]:
    """Return (resource, bound) pairs for a process of a stage.

    The address space is not limited where control groups limit memory itself, nor where a GPU is leased: its driver
    maps more than there is. It comes last, because lowering it may leave the process no room before exec. The number
    of processes counts all that a user runs, with what runs elsewhere and beside; for root it is not limited.
    """
    bounds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_FILE),
        (resource.RLIMIT_NOFILE, MAX_OPEN),
        (resource.RLIMIT_CPU, math.ceil(stage.timeout_s * spec.cpus) + CPU_GRACE_S),
    ]
    if sys.platform.startswith("linux") and (user_of(spec) or os.getuid()):
        others, alike = (0, 1) if user_of(spec) else (processes_of_user(), spec.beside)
        bounds.append((resource.RLIMIT_NPROC, others + alike * most_processes(spec.cpus)))
    grouped = bool(spec.walls.groups.keys() & {UNIFIED, "memory"})
    return bounds if with_gpu or grouped else [*bounds, (resource.RLIMIT_AS, spec.memory_mb << 20)]


def processes_of_user() -> int:
    """Return how many threads this user has (Linux)."""
    total = 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid():  # noqa: PTH116
                total += len(os.listdir(f"/proc/{name}/task"))  # noqa: PTH208
    return total
